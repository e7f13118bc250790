import gzip
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.text.pretrained_vectors import check_vectors, fetched, read_pretrained
from parley.text.word_vectors import description_words

# Serves a folder on loopback, prints its port, and ends with its input or after a minute.
SERVER = """
import functools, http.server, os, sys, threading
threading.Timer(60, os._exit, [0]).start()
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
"""


def vectors_text(words, width=5, seed=0):
    rows = np.random.default_rng(seed).normal(size=(len(words), width))
    return "".join(f"{word} {' '.join(f'{x:.5f}' for x in row)}\n" for word, row in zip(words, rows, strict=True))


WORDS = [f"word{number}" for number in range(300)]


def independent(text, words):
    """Parse independently; `text` must have only valid lines."""
    table = {fields[0]: np.float32(fields[1:]) for fields in (line.split(" ") for line in text.splitlines())}
    return {word: table[word] for word in words if word in table}


def write(path: Path, text: str, kind: str) -> Path:
    if kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("glove.txt", text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["txt", "gz", "zip"])
def test_plain_gzip_and_zip_agree_with_an_independent_parse(tmp_path, kind):
    text = vectors_text(WORDS)
    # The type is detected from the bytes, not from the name.
    found = read_pretrained(write(tmp_path / "vectors", text, kind), ["word7", "word299", "absent"])
    expected = independent(text, ["word7", "word299", "absent"])
    assert found.vectors.keys() == expected.keys() == {"word7", "word299"}
    for word, vector in expected.items():
        np.testing.assert_array_equal(np.float32(found.vectors[word]), vector)
    assert (found.dimension, found.lines, found.malformed_lines) == (5, 300, 0)


def test_malformed_lines_are_counted_and_skipped(tmp_path, caplog):
    lines = vectors_text(WORDS).encode().splitlines(keepends=True)
    dirty = [
        b"300 5\n",  # word2vec's header
        b"\xff\xfe 1 2 3 4 5\n",  # no UTF-8
        b"wanted 1 2 3 4\n",  # too few numbers
        b"two words 1 2 3 4 5\n",  # the word is "two words"
        b"wanted 1 2 x 4 5\n",  # no number
        b"wanted 1 2 nan 4 5\n",
        b"\n",
        b"wanted 9 8 7",  # cut short
    ]
    good = b"wanted 1 2 3 4 5\r\nwanted 5 4 3 2 1\n"
    (tmp_path / "v.txt").write_bytes(dirty[0] + b"".join(lines) + b"".join(dirty[1:7]) + good + dirty[7])
    found = read_pretrained(tmp_path / "v.txt", ["wanted", "word0"])
    assert found.vectors["wanted"] == [1, 2, 3, 4, 5]
    assert "word0" in found.vectors
    assert (found.lines, found.malformed_lines) == (300 + 7 + 2, 6)
    assert "6 of 309 lines are malformed" in caplog.text


def test_a_header_with_a_wrong_number_of_words_is_logged(tmp_path, caplog):
    (tmp_path / "v.vec").write_text("400000 3\nlion 1 2 3\nzebra 4 5 6\n")
    assert set(read_pretrained(tmp_path / "v.vec", ["lion", "zebra"]).vectors) == {"lion", "zebra"}
    assert "the first line announces 400000 words, but 2 follow" in caplog.text


def test_numbers_too_large_for_float32_are_malformed(tmp_path):
    (tmp_path / "v.txt").write_text("lion 1e39 1\nzebra -1e39 1\ncat 3.4e38 1\n")
    found = read_pretrained(tmp_path / "v.txt", ["lion", "zebra", "cat"])
    assert (list(found.vectors), found.malformed_lines) == (["cat"], 2)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_finds_composed_and_decomposed_words(tmp_path, form):
    path = tmp_path / "vectors.txt"
    path.write_text(normalize(form, "caf\u00e9 1 2\nबिल्ली 3 4\n"), encoding="utf-8")
    (word,) = description_words("CAFE\u0301")
    assert read_pretrained(path, {word, *description_words("बिल्ली")}).vectors == {"caf\u00e9": [1, 2], "बिल्ली": [3, 4]}


def test_hidden_files_in_a_zip_are_no_vectors(tmp_path):
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        archive.mkdir("__MACOSX")
        for name in ("glove.txt", "__MACOSX/._glove.txt", ".DS_Store"):
            archive.writestr(name, vectors_text(WORDS, 2))
    assert read_pretrained(tmp_path / "v.zip", ["word1"]).dimension == 2


def test_a_zip_of_several_needs_the_members_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        archive.writestr("glove.2d.txt", vectors_text(WORDS, 2))
        archive.writestr("glove.3d.txt", vectors_text(WORDS, 3))
    with pytest.raises(ParleyError, match=r"glove\.2d\.txt, glove\.3d\.txt; set `member`"):
        read_pretrained(tmp_path / "v.zip", ["word1"])
    with pytest.raises(ParleyError, match="set `member`"):
        read_pretrained(tmp_path / "v.zip", ["word1"], "glove.4d.txt")
    assert read_pretrained(tmp_path / "v.zip", ["word1"], "glove.3d.txt").dimension == 3


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\n\n", b"one\ntwo\n", gzip.compress(b"a 1 2\n" * 9999, mtime=0)[:-40], b"PK\x03\x04 cut short"],
)
def test_a_missing_damaged_or_foreign_file_is_reported(tmp_path, content):
    if content is not None:
        (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(ParleyError, match=r"v\.txt"):
        read_pretrained(tmp_path / "v.txt", ["a"])


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"<!DOCTYPE html><p>Log in", "an HTML page"), (b"PK\x03\x04" + bytes(99), "a ZIP"), (b"%PDF-1.7", "a PDF")],
)
def test_names_the_kind_of_compressed_content(tmp_path, content, told):
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ParleyError, match=rf"v\.txt\.gz contains {told}.*, not word vectors; "):
        read_pretrained(tmp_path / "v.txt.gz", ["a"])


def test_words_that_resemble_a_signature_are_read(tmp_path):
    (tmp_path / "v.txt").write_text("PAR1 0.1 0.2\nBZh9 0.3 0.4\n")
    assert set(read_pretrained(tmp_path / "v.txt", ["PAR1", "BZh9"]).vectors) == {"PAR1", "BZh9"}


def test_preflight(tmp_path):
    (tmp_path / "v.txt").touch()
    for fine in ("random", "http://127.0.0.1/v.zip", "https://127.0.0.1/v.zip", str(tmp_path / "v.txt")):
        assert check_vectors(fine) == []
    (finding,) = check_vectors(str(tmp_path / "none.txt"))
    assert "none.txt" in finding
    (tmp_path / "v.txt").write_bytes(b"%PDF-1.7")
    for other, told in ((tmp_path, "is a folder"), (tmp_path / "v.txt", "is a PDF"), ("/dev/zero", "is a device")):
        (finding,) = check_vectors(str(other))
        assert f"{other} {told}, not a file of word vectors" in finding


def test_preflight_imports_no_numpy():
    code = "import sys, parley.text.pretrained_vectors; assert not {'numpy', 'torch', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_url_is_downloaded_once(tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    text = vectors_text(WORDS)
    write(served / "glove.zip", text, "zip")
    digest = hashlib.sha256((served / "glove.zip").read_bytes()).hexdigest()
    command = [sys.executable, "-c", SERVER, str(served)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/glove.zip"
        with pytest.raises(ParleyError, match=r"fetch\.allow_private_hosts"):
            fetched(url, tmp_path / "cache")
        with pytest.raises(ParleyError, match="sha256"):
            fetched(url, tmp_path / "cache", f"sha256:{'0' * 64}", True)
        with pytest.raises(ParleyError, match="404"):
            fetched(url + "x", tmp_path / "cache", None, True)
        assert not list((tmp_path / "cache").iterdir())
        path = fetched(url, tmp_path / "cache", f"sha256:{digest}", True)
    assert fetched(url, tmp_path / "cache") == path  # the server is gone
    assert read_pretrained(path, ["word3"]).vectors.keys() == {"word3"}


def test_repeated_words_are_counted_and_the_first_vector_is_used(tmp_path, caplog):
    path = tmp_path / "v.txt"
    path.write_text("lion 1 2\ncat 3 4\nlion 5 6\ncafe\u0301 7 8\ncaf\u00e9 9 0\ndog 1 1\ndog 2 2\nlion 7\n")
    assert read_pretrained(path, ["lion", "cat", "caf\u00e9"]).vectors == {
        "lion": [1, 2],
        "cat": [3, 4],
        "caf\u00e9": [7, 8],
    }
    assert f"{path}: 2 lines repeat words; the first vector of each is used" in caplog.messages
    caplog.clear()
    read_pretrained(path, ["cat"])
    assert "lines repeat" not in caplog.text


# Words of fastText's files: any characters but those that separate fields and lines; some lines are not UTF-8.
WORD = st.text(st.characters(exclude_characters=" \t\n\r\v\f\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBER = st.floats(-1e6, 1e6, width=32)
BROKEN = b"\xe2\x82 1 2 3 \n"


@given(
    st.dictionaries(WORD.map(lambda word: normalize("NFC", word)), st.tuples(NUMBER, NUMBER, NUMBER), min_size=3),
    st.sampled_from(["", " ", "  "]),
    st.sampled_from(["vec", "vec.gz", "zip"]),
    st.integers(0, 2),
)
def test_fasttext_files_give_back_the_vectors_that_were_written(tmp_path_factory, vectors, end, suffix, broken):
    vectors = {word: row for word, row in vectors.items() if not word.isspace()}
    lines = [f"{word} {' '.join(map(str, row))}{end}\n".encode() for word, row in vectors.items()]
    content = b"".join([f"{len(lines) + broken} 3\n".encode(), *lines, *([BROKEN] * broken)])
    path = tmp_path_factory.mktemp("vectors") / f"cc.en.3.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("cc.en.3.vec", content)
            archive.writestr("cc.en.3.bin", b"a model")
    else:
        path.write_bytes(gzip.compress(content) if suffix == "vec.gz" else content)
    found = read_pretrained(path, vectors)
    assert found.vectors == {word: list(row) for word, row in vectors.items()}
    assert (found.lines, found.malformed_lines, found.dimension) == (len(lines) + broken, broken, 3)


def test_a_word_with_a_space_or_a_control_character_is_a_word(tmp_path):
    lines = "3 2\nNew York 1 2 \n\u00a0 3 4 \n\x02 5 6 \n"
    (tmp_path / "v.vec").write_text(lines, encoding="utf-8", newline="")
    found = read_pretrained(tmp_path / "v.vec", ["New York", "\u00a0", "\x02"])
    assert found.vectors == {"New York": [1, 2], "\u00a0": [3, 4], "\x02": [5, 6]}


@pytest.mark.parametrize("width", [1, 50])
def test_binary_files_of_word2vec_are_refused_whatever_their_numbers(tmp_path, width):
    for seed in range(20):
        rows = np.random.default_rng(seed).normal(size=(200, width)).astype("<f4")
        lines = [f"word{number} ".encode() + row.tobytes() + b"\n" for number, row in enumerate(rows)]
        (tmp_path / "v.bin").write_bytes(f"200 {width}\n".encode() + b"".join(lines))
        with pytest.raises(ParleyError, match=r"v\.bin is word2vec's binary file"):
            read_pretrained(tmp_path / "v.bin", ["word1"])
