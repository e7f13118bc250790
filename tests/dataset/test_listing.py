import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.listing import LONGEST_BYTES, AddressList, ListingBuilder, ParseIssue

names = st.sampled_from(["lion", "hen", "bee"])
urls = st.sampled_from([f"http://a/{mark}" for mark in "123äö\u2028\U0001f981"])


@given(st.lists(st.text().filter(lambda text: "\n" not in text and text.isprintable())))
def test_a_list_of_addresses_is_what_was_added(texts):
    addresses = AddressList()
    for text in texts:
        addresses.append(text.encode())
    assert (len(addresses), list(addresses), list(addresses)) == (len(texts), texts, texts)
    assert all(text in addresses for text in texts)
    assert "\n" not in addresses


@given(st.lists(st.tuples(names, urls)), st.none() | st.integers(0, 4))
def test_an_address_is_kept_once_and_by_the_class_that_lists_it_first(entries, most):
    addresses, owners = ListingBuilder(["lion", "hen", "bee"], most), {}
    kept = {"lion": [], "hen": [], "bee": []}
    for name, url in entries:
        issue = addresses.add(name, url)
        if most is not None and len(kept[name]) >= most:
            assert issue is None
        elif url in owners:
            assert issue == (ParseIssue.DUPLICATE_URL if owners[url] == name else ParseIssue.TWO_CLASSES)
        else:
            assert issue is None
            owners[url] = name
            kept[name].append(url)
    assert {name: list(listed) for name, listed in addresses.listing.urls.items()} == kept


@given(st.lists(st.tuples(names, st.lists(st.tuples(st.sampled_from([b"", b"1", b"2"]), urls)))))
def test_many_at_once_are_kept_as_one_by_one(stretches):
    at_once, one_by_one = ListingBuilder(["lion", "hen", "bee"], 3), ListingBuilder(["lion", "hen", "bee"], 3)
    for name, entries in stretches:
        dirty = [one_by_one.add(name, url, image_id) for image_id, url in entries]
        found = at_once.add_all(name, [(image_id, url.encode()) for image_id, url in entries])
        assert found == [issue for issue in dirty if issue is not None]
    for name in ("lion", "hen", "bee"):
        assert list(at_once.listing.urls[name]) == list(one_by_one.listing.urls[name])


@pytest.mark.parametrize("mark", ["\t", "\n", "\r", "\0", "\udcff", "x" * LONGEST_BYTES])
def test_what_fits_no_table_is_no_address(mark):
    addresses = ListingBuilder(["lion"], 1)
    assert addresses.add("lion", f"a{mark}b") == ParseIssue.BAD_ADDRESS
    assert addresses.add("lion", "a b") is None
    assert addresses.add("lion", f"a{mark}b") is None, "a full class passes over what follows"
    assert list(addresses.listing.urls["lion"]) == ["a b"]
