import hashlib

from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.listing import draw, image_key


def test_a_key_is_the_beginning_of_the_sha256_of_the_address():
    url = "http://farm1.static.flickr.com/1/gänse.jpg"
    assert image_key(url) == hashlib.sha256(url.encode("utf-8")).hexdigest()[:32]
    assert image_key("") == "e3b0c44298fc1c149afbf4c8996fb924"


def test_draws_are_those_that_sha256sum_gives():
    assert draw(11, "home", image_key("a")) == 0x97809AAF398DC21F
    assert draw(11, "place", image_key("a")) == 0x80C5C233420B63A7


@given(st.integers(0, 2**32), st.text(max_size=10), st.text(max_size=10))
def test_a_draw_depends_on_each_of_its_arguments(seed, purpose, key):
    value = draw(seed, purpose, key)
    assert 0 <= value < 2**64
    assert value == draw(seed, purpose, key)
    assert value not in (draw(seed + 1, purpose, key), draw(seed, purpose + "'", key), draw(seed, purpose, key + "'"))


def test_draws_are_spread_evenly():
    tenths = [0] * 10
    for number in range(20_000):
        tenths[draw(3, "home", image_key(str(number))) * 10 >> 64] += 1
    # Nine standard deviations of a binomial with n = 20,000 and p = 0.1 are 382.
    assert all(abs(count - 2000) < 382 for count in tenths)
