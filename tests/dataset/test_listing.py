import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.listing import LONGEST_BYTES, ListingBuilder, ParseIssue

names = st.sampled_from(["lion", "hen", "bee"])
urls = st.sampled_from([f"http://a/{mark}" for mark in "123äö\u2028\U0001f981"])


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
    assert addresses.listing.urls == kept


@pytest.mark.parametrize("mark", ["\t", "\n", "\r", "\0", "\udcff", "x" * LONGEST_BYTES])
def test_addresses_that_do_not_fit_a_table_are_rejected(mark):
    addresses = ListingBuilder(["lion"], 1)
    assert addresses.add("lion", f"a{mark}b") == ParseIssue.BAD_ADDRESS
    assert addresses.add("lion", "a b") is None
    assert addresses.add("lion", f"a{mark}b") is None, "a full class passes over what follows"
    assert addresses.listing.urls["lion"] == ["a b"]
