import gzip
import io
import tarfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.dataset.listing import ParseIssue
from parley.dataset.sources.url_list_reader import filter_list


def tar_of(body):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        header = tarfile.TarInfo("fall11_urls.txt")
        header.size = len(body)
        tar.addfile(header, io.BytesIO(body))
    return out.getvalue()


PACKED = {
    "plain": bytes,
    "gz": gzip.compress,
    "tar": tar_of,
    "tgz": lambda body: gzip.compress(tar_of(body)),
}
LION, HEN, BEE = "n02129165", "n01514859", "n02206856"


def filtered(tmp_path, content, wnids=(LION, HEN), **options):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return filter_list(path, wnids, **options)


def urls_of(listing):
    return {wnid: list(urls) for wnid, urls in listing.urls.items()}


def test_addresses_of_wanted_synsets_are_in_the_lists_order(tmp_path):
    listing = filtered(
        tmp_path,
        b"n02129165_2\thttp://a/2.jpg\nn02206856_1\thttp://a/9.jpg\n"
        b"n01514859_1\thttp://b/1.jpg\r\nn02129165_1\thttp://a/1.jpg",
    )
    assert urls_of(listing) == {LION: ["http://a/2.jpg", "http://a/1.jpg"], HEN: ["http://b/1.jpg"]}
    assert (listing.lines, listing.issues) == (4, Counter())
    assert listing.entries == {LION: 2, HEN: 1}


def test_filter_and_size_select_the_first_that_contain_the_text(tmp_path):
    lines = [f"{LION}_{n}\thttp://{'farm1.static.flickr.com' if n % 3 else 'other'}/{n}.jpg" for n in range(20)]
    listing = filtered(tmp_path, "\n".join(lines).encode(), filter_url="static.flickr", most=4)
    assert [url.rsplit("/", 1)[1] for url in listing.urls[LION]] == ["1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert list(listing.urls[HEN]) == []
    assert listing.entries[LION] == 20


# Made-up lines: an excerpt of the real list has only quotes and addresses in two synsets.
@pytest.mark.parametrize(
    ("line", "kind", "url"),
    [
        (b"n02129165_1 http://a/1.jpg", ParseIssue.NO_TAB, None),
        (b"garbage", ParseIssue.NO_TAB, None),
        (b"n02206856_1 http://unwanted/1.jpg", ParseIssue.NO_TAB, None),
        (b"n02129165_1\thttp://a/\xff.jpg", ParseIssue.BAD_UTF8, None),
        (b"n02206856_1\thttp://unwanted/\xff.jpg", ParseIssue.BAD_UTF8, None),
        (b"n02129165_1\t", ParseIssue.EMPTY_URL, None),
        (b"n02129165_1\t \r", ParseIssue.EMPTY_URL, None),
        (b"n02206856_1\t", ParseIssue.EMPTY_URL, None),
        (b'n02129165_1\t""', ParseIssue.EMPTY_URL, None),
        (b'n02129165_1\thttp://a/1.jpg"', ParseIssue.STRAY_QUOTES, "http://a/1.jpg"),
        (b'"n02129165_1"\t"http://a/1.jpg"', ParseIssue.STRAY_QUOTES, None),
        (b"n02129165_1\thttp://a/0.jpg", ParseIssue.DUPLICATE_URL, None),
        (b"n02129165_0\thttp://a/1.jpg", ParseIssue.DUPLICATE_ID, "http://a/1.jpg"),
        (b"n01514859_0\thttp://a/0.jpg", ParseIssue.TWO_CLASSES, None),
        (b"n02129165_1\thttp://a/1.jpg\tmore", ParseIssue.BAD_ADDRESS, None),
        (b"n02129165_1\thttp://a/\0.jpg", ParseIssue.BAD_ADDRESS, None),
        ("n02129165_1\thttp://a/gänse.jpg".encode(), None, "http://a/gänse.jpg"),
        (b"n02129165_1\t  http://a/1.jpg ", None, "http://a/1.jpg"),
        (b"n021291650_1\thttp://a/1.jpg", None, None),
        (b"x02129165_1\thttp://a/1.jpg", None, None),
        (b"", None, None),
    ],
)
def test_each_issue_is_counted_and_none_is_fatal(tmp_path, line, kind, url):
    before, after = b"n02129165_0\thttp://a/0.jpg\n", b"\nn02129165_9\thttp://a/9.jpg\n"
    listing = filtered(tmp_path, before + line + after)
    assert listing.issues == ({kind: 1} if kind else {})
    if not line.startswith(b'"'):  # The address of a line with a quoted id is not checked here.
        assert list(listing.urls[LION]) == ["http://a/0.jpg", *([url] if url else []), "http://a/9.jpg"]
        assert list(listing.urls[HEN]) == []


def plainly(content, wnids):
    """A plain reader, line by line; returns the addresses kept, the entries and the issues."""
    urls, entries, issues = {wnid: [] for wnid in wnids}, Counter(), Counter()
    owners, ids = {}, set()
    content = content if b"\n" in content else content.replace(b"\r", b"\n")  # As from classic Mac OS.
    for line in (line.rstrip(b"\r") for line in content.split(b"\n")):
        image_id, tab, address = line.partition(b"\t")
        is_quoted = b'"' in line
        white = b'" ' if is_quoted else b""
        image_id, address = image_id.strip(white) if is_quoted else image_id, address.strip()
        address = address.strip(white) if is_quoted else address
        wnid = image_id.partition(b"_")[0].decode("latin1")
        kind = None
        if not tab:
            kind = ParseIssue.NO_TAB if line.strip() else None
        elif address.decode(errors="replace").encode() != address:
            kind = ParseIssue.BAD_UTF8
        elif not address:
            kind = ParseIssue.EMPTY_URL
        elif wnid in urls:
            entries[wnid] += 1
            url = address.decode()
            if set(url) & set("\t\r\n\0"):
                kind = ParseIssue.BAD_ADDRESS
            elif url in owners:
                kind = ParseIssue.DUPLICATE_URL if owners[url] == wnid else ParseIssue.TWO_CLASSES
            else:
                kind = ParseIssue.DUPLICATE_ID if image_id in ids else None
                owners[url] = wnid
                ids.add(image_id)
                urls[wnid].append(url)
        is_readable = kind not in (ParseIssue.NO_TAB, ParseIssue.BAD_UTF8, ParseIssue.EMPTY_URL)
        kind = ParseIssue.STRAY_QUOTES if tab and is_quoted and is_readable else kind
        issues.update([kind] if kind else [])
    return urls, entries, issues


pieces = st.sampled_from(
    [
        *(b"n02129165_1\thttp://a/1\n", b"n01514859_2\thttp://a/2\n", b"n99999999_3\thttp://a/3\n"),
        *(b"n02129165_1\t", b"n02129165_2\t", b"n01514859_2\t", b"n02129165\t", b"n0151485", b"n99999999_3"),
        *(b"http://a/1", b"http://a/2", b"!", b"_", b"x", b"\t", b"\t", b"\n", b"\n", b"\r\n", b"\r", b" ", b'"'),
        *(b"\0", b"\xc3\xa4", b"\xff"),
    ]
)


@pytest.mark.slow
@given(st.lists(pieces, max_size=60).map(b"".join))
@settings(max_examples=400)
def test_the_vectorised_reader_agrees_with_a_plain_one(tmp_path_factory, content):
    listing = filtered(tmp_path_factory.mktemp("list"), content)
    assert (urls_of(listing), listing.entries, listing.issues) == plainly(content, (LION, HEN))


FAULTY = b"".join(
    line + end
    for line, end in [
        (b"n02129165_0\thttp://a/0.jpg", b"\n"),
        (b"n02129165_1\thttp://a/1.jpg", b"\r\n"),
        (b"n02129165_2 http://a/2.jpg", b"\n"),
        (b"n02129165_3\thttp://a/\xff.jpg", b"\n"),
        (b"n02129165_4\t", b"\n"),
        (b'n02129165_5\t"http://a/5.jpg"', b"\n"),
        (b"n02129165_6\thttp://a/0.jpg", b"\n"),
        (b"n01514859_7\thttp://a/1.jpg", b"\n"),
        (b"n02129165_0\thttp://a/8.jpg", b"\n"),
        (b"n02129165_9\tftp://a/9.jpg", b"\n"),
        (b"n02129165_10\thttp://a/10.jpg\tmore", b"\n"),
        (b"n01514859_11\thttp://a/11.jpg", b""),
    ]
)


@pytest.mark.parametrize("pack", PACKED)
def test_every_issue_is_counted_in_every_archive_format(tmp_path, pack):
    listing = filtered(tmp_path, PACKED[pack](FAULTY), is_readable=lambda url: url.startswith("http"))
    assert listing.issues == dict.fromkeys(ParseIssue, 1)
    assert listing.lines == 12
    assert urls_of(listing) == {LION: [f"http://a/{n}.jpg" for n in (0, 1, 5, 8)], HEN: ["http://a/11.jpg"]}


@pytest.mark.parametrize("pack", [pack for pack in PACKED if pack != "plain"])
def test_a_truncated_compressed_list_is_reported(tmp_path, pack):
    lines = b"".join(b"n02129165_%d\thttp://a/%d.jpg\n" % (n, n * n) for n in range(100_000))
    whole = PACKED[pack](lines)
    with pytest.raises(ParleyError, match=r"list.txt is a truncated or corrupt archive"):
        filtered(tmp_path, whole[: len(whole) * 9 // 10])


def test_an_id_counts_as_duplicate_only_if_its_first_address_was_kept(tmp_path):
    lines = [
        b"n02129165_1\thttp://a/1",
        b"n02129165_2\thttp://a/1",
        b"n02129165_2\thttp://a/2",
        b"n02129165_2\thttp://a/3",
    ]
    listing = filtered(tmp_path, b"\n".join(lines))
    assert listing.issues == {ParseIssue.DUPLICATE_URL: 1, ParseIssue.DUPLICATE_ID: 1}
    assert len(listing.urls[LION]) == 3


def test_a_line_that_is_too_long_is_counted_and_skipped(tmp_path):
    long = b"x" * (3 << 20)
    content = (
        b"n02129165_1\thttp://a/1.jpg\nn02129165_2\thttp://a/"
        + long
        + b"\n"
        + long
        + b"\nn02129165_3\thttp://a/3.jpg\n"
    )
    listing = filtered(tmp_path, content)
    assert urls_of(listing)[LION] == ["http://a/1.jpg", "http://a/3.jpg"]
    assert listing.issues == {ParseIssue.BAD_ADDRESS: 1, ParseIssue.NO_TAB: 1}
    assert listing.lines == 4


def test_lines_across_chunks_are_read_whole(tmp_path):
    lines = [
        b"n%08d_%d\thttp://host%d.example.org/%s.jpg" % (n % 300, n, n % 7, b"x" * (n % 90)) for n in range(60_000)
    ]
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    wanted = [f"n{n:08d}" for n in range(0, 300, 50)]
    listing = filter_list(path, wanted)
    assert listing.lines == len(lines)
    assert (urls_of(listing), listing.entries, listing.issues) == plainly(b"\n".join(lines), wanted)
    assert listing.entries == dict.fromkeys(wanted, 200)


def test_an_empty_list_of_wnids_is_allowed(tmp_path):
    assert filtered(tmp_path, b"n02129165_1\thttp://a/1.jpg\n", wnids=()).urls == {}
