import gzip
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.listing import Dirt
from parley.urls import filter_list

LION, HEN, BEE = "n02129165", "n01514859", "n02206856"


def filtered(tmp_path, content, wnids=(LION, HEN), **options):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return filter_list(path, wnids, **options)


def test_the_wanted_synsets_addresses_come_in_the_lists_order(tmp_path):
    listing = filtered(
        tmp_path,
        b"n02129165_2\thttp://a/2.jpg\nn02206856_1\thttp://a/9.jpg\n"
        b"n01514859_1\thttp://b/1.jpg\r\nn02129165_1\thttp://a/1.jpg",
    )
    assert listing.urls == {LION: ["http://a/2.jpg", "http://a/1.jpg"], HEN: ["http://b/1.jpg"]}
    assert (listing.lines, listing.dirt) == (4, Counter())
    assert listing.entries == {LION: 2, HEN: 1}


def test_filter_and_size_pick_the_first_that_hold_the_text(tmp_path):
    lines = [f"{LION}_{n}\thttp://{'farm1.static.flickr.com' if n % 3 else 'other'}/{n}.jpg" for n in range(20)]
    listing = filtered(tmp_path, "\n".join(lines).encode(), filter_url="static.flickr", most=4)
    assert [url.rsplit("/", 1)[1] for url in listing.urls[LION]] == ["1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert listing.urls[HEN] == []
    assert listing.entries[LION] == 20


# All of this dirt is made up: the true list's excerpt has none but the quote and the address in two synsets.
@pytest.mark.parametrize(
    ("line", "kind", "url"),
    [
        (b"n02129165_1 http://a/1.jpg", Dirt.NO_TAB, None),
        (b"garbage", Dirt.NO_TAB, None),
        (b"n02206856_1 http://unwanted/1.jpg", Dirt.NO_TAB, None),
        (b"n02129165_1\thttp://a/\xff.jpg", Dirt.BAD_UTF8, None),
        (b"n02206856_1\thttp://unwanted/\xff.jpg", Dirt.BAD_UTF8, None),
        (b"n02129165_1\t", Dirt.EMPTY_URL, None),
        (b"n02129165_1\t \r", Dirt.EMPTY_URL, None),
        (b"n02206856_1\t", Dirt.EMPTY_URL, None),
        (b'n02129165_1\t""', Dirt.EMPTY_URL, None),
        (b'n02129165_1\thttp://a/1.jpg"', Dirt.STRAY_QUOTES, "http://a/1.jpg"),
        (b'"n02129165_1"\t"http://a/1.jpg"', Dirt.STRAY_QUOTES, None),
        (b"n02129165_1\thttp://a/0.jpg", Dirt.DUPLICATE_URL, None),
        (b"n02129165_0\thttp://a/1.jpg", Dirt.DUPLICATE_ID, "http://a/1.jpg"),
        (b"n01514859_0\thttp://a/0.jpg", Dirt.TWO_CLASSES, None),
        (b"n02129165_1\thttp://a/1.jpg\tmore", Dirt.BAD_ADDRESS, None),
        (b"n02129165_1\thttp://a/\0.jpg", Dirt.BAD_ADDRESS, None),
        ("n02129165_1\thttp://a/gänse.jpg".encode(), None, "http://a/gänse.jpg"),
        (b"n02129165_1\t  http://a/1.jpg ", None, "http://a/1.jpg"),
        (b"n021291650_1\thttp://a/1.jpg", None, None),
        (b"x02129165_1\thttp://a/1.jpg", None, None),
        (b"", None, None),
    ],
)
def test_each_kind_of_dirt_is_counted_and_none_is_fatal(tmp_path, line, kind, url):
    before, after = b"n02129165_0\thttp://a/0.jpg\n", b"\nn02129165_9\thttp://a/9.jpg\n"
    listing = filtered(tmp_path, before + line + after)
    assert listing.dirt == ({kind: 1} if kind else {})
    if not line.startswith(b'"'):  # A quoted id is put right where it can be seen, at a wanted line's beginning.
        assert listing.urls[LION] == ["http://a/0.jpg", *([url] if url else []), "http://a/9.jpg"]
        assert listing.urls[HEN] == []


def naive(content, wnids):
    """Lines one by one, as one would first write it; the wanted addresses and the unreadable lines."""
    urls = {wnid: [] for wnid in wnids}
    dirt = Counter()
    seen = set()
    for line in content.split(b"\n"):
        if b"\t" not in line:
            dirt["no_tab"] += bool(line.strip())
            continue
        image_id, address = line.split(b"\t", 1)
        try:
            url = address.decode().strip()
        except UnicodeDecodeError:
            dirt["bad_utf8"] += 1
            continue
        if not url:
            dirt["empty_url"] += 1
            continue
        wnid = image_id.split(b"_")[0].decode("latin1")
        if wnid in urls and url not in seen and "\t" not in url:
            urls[wnid].append(url)
            seen.add(url)
    return urls, dirt


pieces = st.sampled_from(
    [
        *(b"n02129165_1", b"n01514859_2", b"n0151485", b"n99999999_3", b"http://a/1"),
        *(b"\t", b"\t", b"\n", b"\n", b" ", b"\xc3\xa4", b"\xff", b"x", b"_"),
    ]
)


@given(st.lists(pieces, max_size=60).map(b"".join))
@settings(max_examples=200)
def test_looking_at_all_lines_at_once_finds_what_looking_at_each_does(tmp_path_factory, content):
    listing = filtered(tmp_path_factory.mktemp("list"), content)
    urls, dirt = naive(content, (LION, HEN))
    assert listing.urls == urls
    assert {kind: listing.dirt[kind] for kind in ("no_tab", "bad_utf8", "empty_url")} == {
        kind: dirt[kind] for kind in ("no_tab", "bad_utf8", "empty_url")
    }


def test_lines_across_the_pieces_of_a_long_list_are_read_whole(tmp_path):
    lines = [
        b"n%08d_%d\thttp://host%d.example.org/%s.jpg" % (n % 300, n, n % 7, b"x" * (n % 90)) for n in range(60_000)
    ]
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    wanted = [f"n{n:08d}" for n in range(0, 300, 50)]
    listing = filter_list(path, wanted)
    assert listing.lines == len(lines)
    expected = naive(b"\n".join(lines), wanted)[0]
    assert listing.urls == expected
    assert listing.entries == dict.fromkeys(wanted, 200)


def test_no_synset_wanted_is_no_error(tmp_path):
    assert filtered(tmp_path, b"n02129165_1\thttp://a/1.jpg\n", wnids=()).urls == {}
