"""If not all dialogues fit: the page shows the same images of every run and seed, and stays below the limit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_browsers import Made, Recorded, write_tar
from made_runs import make_experiment

from parley.report.browser.build import build_browser
from parley.report.browser.survey import IN_BASE64, PAGE_BYTES, PICTURE_BYTES, images_per_class, sampled


def test_the_first_of_each_class_by_key_are_taken():
    images = {"d": 1, "a": 1, "c": 2, "b": 1, "e": 3}
    assert sampled(images, 2) == ["a", "b", "c", "e"]
    assert sampled(images, None) == ["a", "b", "c", "d", "e"]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 5000), st.floats(0.3, 1.5))
def test_as_many_as_fit_and_no_more(counts, each, max_mb):
    images = {"test": {f"{label}-{one}": label for label, count in enumerate(counts) for one in range(count)}}
    most = images_per_class(images, {"test": each}, max_mb)

    def size(number):
        shown = sum(min(number, count) for count in counts)
        return PAGE_BYTES + shown * (PICTURE_BYTES + IN_BASE64 * each)

    if most is None:
        assert size(max(counts)) <= max_mb * 1e6
    else:
        assert most == 1 or size(most) <= max_mb * 1e6
        assert size(most + 1) > max_mb * 1e6


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """An experiment of more than a page of 0.4 MB holds."""
    folder = tmp_path_factory.mktemp("limited")
    made = make_experiment(folder, seeds=(0, 1), images=20, steps=5, bits=32, unseen=("emu",))
    result = Made(folder / "browser.html", made)
    messages = [*made.files("messages.hdf5"), *made.files("messages.ood.hdf5")]
    keys = [key for path in messages[1:3] for key in Recorded(path).keys]
    build_browser(
        experiment="limited",
        messages=messages,
        image_tars=[write_tar(folder / "all.tar", keys)],
        out=result.page,
        max_mb=0.4,
    )
    return result


def test_the_page_stays_below_the_limit_and_lists_omissions(limited, open_page):
    assert limited.page.stat().st_size < 0.4e6
    opened = open_page(limited.page)
    said = opened.page.locator("#limits").inner_text()
    found = re.fullmatch(
        r"To stay below 0.4 MB, this page shows the first (\d+) images by key of each class and split: "
        r"(\d+) of 80, (\d+) of 20. Statistics of bits are over all dialogues.",
        said,
    )
    each = int(found[1])
    assert 1 < each < 20
    assert [int(found[2]), int(found[3])] == [4 * each, each]
    shown = sorted(opened.page.locator(".cards a").evaluate_all("cards => cards.map((card) => card.dataset.key)"))
    assert shown == [f"{label:04d}{one:04d}".ljust(32, "a") for label in range(4) for one in range(each)]


def test_bits_count_all_dialogues_even_if_some_are_omitted(limited, open_page):
    opened = open_page(limited.page, address="#view=bit&bit=3")
    opened.page.wait_for_selector("#bit-use")
    recorded = Recorded(limited.file("adaptive", 0))
    ones = sum(recorded.last(key)[2] for key in recorded.keys)
    assert opened.page.locator("#bit-use").inner_text() == f"{ones / 80:.3f}"


def test_an_image_that_is_left_out_is_reported(limited, open_page):
    key = f"{0:04d}{19:04d}".ljust(32, "a")
    opened = open_page(limited.page, address=f"#view=dialogue&key={key}")
    opened.page.wait_for_selector("main code")
    assert "is not among the" in opened.page.locator("main").inner_text()
