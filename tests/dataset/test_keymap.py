import random

from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.keymap import KeyMap, key_of
from parley.dataset.listing import image_key

# Few different bytes, so that buckets are long and keys alike.
keys = st.lists(st.sampled_from([b"\0", b"\1", b"\xff"]), min_size=16, max_size=16).map(b"".join)


@given(st.lists(st.tuples(keys, st.binary(min_size=4, max_size=4)), max_size=200))
def test_it_does_as_a_dict_does(entries):
    found, known = KeyMap(4), {}
    for key, label in entries:
        assert found.setdefault(key, label) == known.get(key)
        known.setdefault(key, label)


def test_a_key_across_two_entries_is_none_of_them():
    found = KeyMap(2)
    assert found.setdefault(b"\0\0" + b"a" * 13 + b"b", b"bb") is None
    assert found.setdefault(b"\0\0" + b"b" * 14, b"xy") is None
    assert found.setdefault(b"\0\0" + b"b" * 13 + b"x", b"no") is None
    assert found.setdefault(b"\0\0" + b"b" * 14, b"no") == b"xy"


def test_entries_need_no_label():
    found = KeyMap(0)
    assert [found.setdefault(key_of(content), b"") for content in (b"a", b"b", b"a")] == [None, None, b""]


def test_many_keys_are_all_found_again():
    rng = random.Random(1)
    many = [rng.randbytes(16) for _ in range(100_000)]
    found = KeyMap(3)
    assert all(found.setdefault(key, number.to_bytes(3)) is None for number, key in enumerate(many))
    assert all(found.setdefault(key, b"new") == number.to_bytes(3) for number, key in enumerate(many))


def test_the_key_of_an_address_is_the_images():
    assert key_of("http://a/gänse.jpg".encode()).hex() == image_key("http://a/gänse.jpg")
