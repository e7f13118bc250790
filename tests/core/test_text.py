"""Text as editors and spreadsheets of other systems save it, through every reader of text that people bring."""

import codecs
import lzma
import os
from bz2 import compress as bzip2
from gzip import compress as gzip
from pathlib import Path

import pytest

from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.core.text import LONGEST_CELL, csv_rows, text_lines
from parley.dataset.class_set import read_class_set
from parley.dataset.fetch.options import read_exclusions
from parley.dataset.sources.url_list_reader import filter_list
from parley.text.descriptions import read_descriptions
from parley.text.pretrained_vectors import read_pretrained
from parley.text.word_vectors import stop_words_of


def zipped(name):
    """Return the first bytes of a ZIP archive whose first file has this name."""
    return b"PK\x03\x04" + bytes(26) + name.encode()


CLASS_SET = "class\twnid\tdomain\tdescription\nlöwe\t\tin\ta großer cat\nokapi\t\tout\ta forest animal\n"
DESCRIPTIONS = "0,löwe,a großer cat\n1,okapi,a forest animal\n"
PAIRS = "n02129165_1\thttp://x/löwe.jpg\nn02129165_2\thttp://x/2.jpg\n"
EXCLUDED = "# gone\nhttp://x/löwe.jpg\n"


def as_utf8(text):
    return text.encode()


def with_mark(text):
    return codecs.BOM_UTF8 + text.encode()


def as_utf16_le(text):
    return codecs.BOM_UTF16_LE + text.encode("utf-16-le")


def as_utf16_be(text):
    return codecs.BOM_UTF16_BE + text.encode("utf-16-be")


def from_windows(text):
    return codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()


def from_an_old_mac(text):
    return text.replace("\n", "\r").encode()


def from_an_old_mac_as_utf16(text):
    return as_utf16_le(text.replace("\n", "\r"))


def with_two_line_ends(text):
    return text.replace("\n", "\r\n", 1).encode()


def with_blank_lines(text):
    return text.replace("\n", "\n\n").encode()


def without_last_line_end(text):
    return text.rstrip("\n").encode()


FORMS = [
    as_utf8,
    with_mark,
    as_utf16_le,
    as_utf16_be,
    from_windows,
    from_an_old_mac,
    from_an_old_mac_as_utf16,
    with_two_line_ends,
    with_blank_lines,
    without_last_line_end,
]


def described(path):
    return [(one.label, one.text) for one in read_descriptions(path)]


def read_pairs(path):
    return filter_list(path, ["n02129165"]).urls


def vectors(path):
    return read_pretrained(path, ["lion"])


def classes(path):
    return [(one.name, one.description) for one in read_class_set(path)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("text", "reader"),
    [
        (CLASS_SET, classes),
        (DESCRIPTIONS, described),
        (EXCLUDED, read_exclusions),
        ("The\nA b\n", stop_words_of),
        (PAIRS, read_pairs),
    ],
    ids=["class set", "descriptions", "exclude list", "stop words", "url list"],
)
def test_every_reader_takes_the_text_of_any_editor(tmp_path, form, text, reader):
    (tmp_path / "plain").write_bytes(as_utf8(text))
    (tmp_path / "given").write_bytes(form(text))
    assert reader(tmp_path / "given") == reader(tmp_path / "plain")


@pytest.mark.parametrize(
    ("text", "reader", "line"),
    [(CLASS_SET, classes, 2), (DESCRIPTIONS, described, 1), (EXCLUDED, read_exclusions, 2)],
    ids=["class set", "descriptions", "exclude list"],
)
def test_other_encodings_are_reported_with_file_and_line(tmp_path, text, reader, line):
    for encoding, told in (("latin-1", "it seems to be Latin-1"), ("cp437", "it has another encoding")):
        (tmp_path / "given").write_bytes(text.encode(encoding))
        with pytest.raises(ParleyError, match=rf"given, line {line} is not UTF-8 text .*; {told}"):
            reader(tmp_path / "given")
    (tmp_path / "given").write_bytes(text.encode("utf-16-le"))
    with pytest.raises(ParleyError, match="given is not text, or UTF-16 without a byte order mark"):
        reader(tmp_path / "given")
    (tmp_path / "given").write_bytes(as_utf16_le(text)[:-1])
    with pytest.raises(ParleyError, match="given is not UTF-16 text"):
        reader(tmp_path / "given")


def test_a_cell_may_be_long_but_not_endless(tmp_path):
    long = "word " * 40_000
    (tmp_path / "d.csv").write_text(f'0,lion,"{long}"\n')
    assert described(tmp_path / "d.csv") == [("lion", long.strip())]
    (tmp_path / "c.tsv").write_text(f"class\twnid\tdomain\tdescription\nlion\t\tin\t{long}\n")
    assert classes(tmp_path / "c.tsv") == [("lion", long.strip())]
    (tmp_path / "d.csv").write_text(f'0,lion,"{"x" * (LONGEST_CELL + 1)}"\n')
    with pytest.raises(ParleyError, match=r"d\.csv, line 1: it is not comma-separated text"):
        described(tmp_path / "d.csv")


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    (tmp_path / "d.csv").write_text('0,lion,"two\nlines"\n\n1,zebra\n')
    assert [number for number, _ in csv_rows(tmp_path / "d.csv")] == [2, 4]
    with pytest.raises(ParleyError, match="line 4: 2 fields"):
        described(tmp_path / "d.csv")
    (tmp_path / "t.txt").write_bytes("a\u2028b\rc\r\nd".encode())
    assert list(text_lines(tmp_path / "t.txt")) == ["a\u2028b\rc", "d"]


@pytest.mark.parametrize("content", [b"", codecs.BOM_UTF8, b"\n\n"])
def test_an_empty_file_is_named(tmp_path, content):
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(ParleyError, match="given is empty, or begins with an empty line"):
        read_table(tmp_path / "given", ["class"])
    with pytest.raises(ParleyError, match="given: it describes no class"):
        described(tmp_path / "given")
    with pytest.raises(ParleyError, match="given is not a file of word vectors"):
        read_pretrained(tmp_path / "given", ["lion"])


VECTORS = "lion 1 2.5 -3e-1\nzebra 0 1 2\n"
FOUND = {"lion": [1.0, 2.5, -0.3]}


@pytest.mark.parametrize(
    "content",
    [
        VECTORS.encode(),
        VECTORS.replace(" ", "\t").encode(),
        VECTORS.replace(" ", "  ").encode(),
        VECTORS.replace("lion ", "lion\t").encode(),
        VECTORS.replace("\n", " \r\n").encode(),
        codecs.BOM_UTF8 + VECTORS.encode(),
        f"2 3\n{VECTORS}".encode(),
        f"2\t3 \r\n{VECTORS}".encode(),
        gzip(VECTORS.encode(), mtime=0),
        bzip2(VECTORS.encode()),
        lzma.compress(VECTORS.encode()),
    ],
)
def test_word_vectors_in_any_text_form(tmp_path, content):
    (tmp_path / "vectors").write_bytes(content)
    found = read_pretrained(tmp_path / "vectors", ["lion", "okapi"])
    assert found[:4] == (FOUND, 3, 2, 0)
    assert found.repeated_lines == 0


def test_a_word_may_contain_spaces(tmp_path):
    (tmp_path / "vectors").write_text("lion 7 8 9\nat home 1 2 3\nzebra 1 1 1\n. . . 4 5 6\n")
    found = read_pretrained(tmp_path / "vectors", ["at home", ". . .", "lion"])
    assert found.vectors == {"at home": [1, 2, 3], ". . .": [4, 5, 6], "lion": [7, 8, 9]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"3000000 300\n</s> \x00\x00\x80\x3f\x00\x00", "is word2vec's binary file; download the vectors as text, or"),
        (b"2 1\nlion \x01\x99\x80?\nzebra \x3e\x99\x80?", "is word2vec's binary file"),
        ((793712314).to_bytes(4, "little") + b"abc", "is fastText's binary file of a model; download the text file"),
        (b"lion \0\0\0\0", "is a binary file; download the vectors as text, such as fastText's"),
        (VECTORS.encode("utf-16"), "is UTF-16 text; save the word vectors as UTF-8"),
        (b"lion\nzebra\n", "is not a file of word vectors"),
        (b"<p>\n<b>Not found</b>\n</p>\n", "is not a file of word vectors"),
        (b"lion;1;2;3\nzebra;4;5;6\n", "is not a file of word vectors"),
        (b"hello my dear\nhow are you\n", "is not a file of word vectors"),
        (b'{"lion": [1, 2]}', "is not a file of word vectors"),
        (b"lion 1,5 2,5\nzebra 1,2 3,5\n", "is not a file of word vectors"),
        (b"lion 1 nan\nzebra 1 inf\n", "is not a file of word vectors"),
        (b"2 3\nlion " + b"\x3e\x99\x80?" * 3 + b"\nzebra \0\0\0\0", "is word2vec's binary file"),
        (b"400000 100\n", r"has only a header \(400000 100\), and no vectors"),
        (VECTORS.replace("\n", "\r").encode(), "has the line ends of classic Mac OS"),
    ],
)
def test_files_without_vectors_are_refused(tmp_path, content, told):
    (tmp_path / "vectors.bin").write_bytes(content)
    with pytest.raises(ParleyError, match=told) as error:
        read_pretrained(tmp_path / "vectors.bin", ["lion"])
    assert "vectors.bin" in str(error.value)


READERS = [classes, described, read_exclusions, stop_words_of, lambda path: read_table(path, ["a"]), read_pairs]
READER_NAMES = ["class set", "descriptions", "exclude list", "stop words", "table", "url list"]


@pytest.mark.parametrize("reader", [*READERS, vectors], ids=[*READER_NAMES, "word vectors"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zipped("[Content_Types].xml"), "a spreadsheet, not .*; export it"),
        (zipped("mimetypeapplication/vnd.oasis.opendocument"), "a spreadsheet, not .*; export it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an old Office spreadsheet or document"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    ],
)
def test_names_the_kind_of_other_files(tmp_path, reader, content, kind):
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(ParleyError, match=f"given is {kind}"):
        reader(tmp_path / "given")


@pytest.mark.parametrize("reader", [*READERS, vectors], ids=[*READER_NAMES, "word vectors"])
def test_pipes_devices_and_folders_are_named_without_blocking(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a named pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        with pytest.raises(ParleyError, match=f"{path} is {kind}"):
            reader(path)


@pytest.mark.parametrize("reader", READERS[:-1], ids=READER_NAMES[:-1])
def test_compressed_text_is_named(tmp_path, reader):
    for pack in (gzip, bzip2, lzma.compress):
        (tmp_path / "given").write_bytes(pack(CLASS_SET.encode()))
        with pytest.raises(ParleyError, match="given is compressed, not a text file; decompress it"):
            reader(tmp_path / "given")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('0,lion,"a big cat\n1,zebra,striped\n2,okapi,x\n', "line 1: a quote opens here and is never closed"),
        ('0,lion,cat\n1,zebra,"striped\n2,okapi,x', "line 2: a quote opens here and is never closed"),
        ('0,lion,cat\n1,zebra,"striped\n2,okapi,"x"\n', "line 2: a quoted cell begins here, .* quote in line 3"),
        ('0,lion,"big" cats\n', "line 1: a quoted cell begins here, but more text follows"),
        ("0,lion,cat\r1,zebra,x\n2,okapi,y\n", "line 1: it contains a carriage return inside a line"),
    ],
)
def test_unclosed_quotes_are_reported_with_their_line(tmp_path, text, told):
    (tmp_path / "d.csv").write_text(text, newline="")
    with pytest.raises(ParleyError, match=rf"d\.csv, {told}"):
        described(tmp_path / "d.csv")
