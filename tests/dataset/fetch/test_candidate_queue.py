"""What counts towards a part's target, against the definition spelled out over whole vectors of stretches."""

import itertools
import logging
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from parley.dataset.fetch.candidate_queue import ClassFetch, DuplicateTracker, QueueProgress, SplitFetch, first_mismatch
from parley.dataset.fetch.outcomes import Decision, ErrorClass, FetchResult
from parley.dataset.fetch.repeated_bytes import RepeatedBytes, warn_about_repeated_bytes
from parley.dataset.fetch.scheduler import Scheduler

PARTS = ("train", "dev", "test")


def tried(key, sha256):
    """What came of a URL: bytes by the name of their hash, or nothing."""
    error = None if sha256 else ErrorClass.NOT_FOUND
    return FetchResult(f"http://x/{key}", key, error, 200, 1, sha256, Decision(error), 1, 0.0)


class Fetcher:
    """Answers in the order that `pick` says."""

    def __init__(self, sha256_of, pick):
        self.sha256_of, self.pick, self.waiting = sha256_of, pick, []

    def begin(self, candidate, token):
        self.waiting.append((token, candidate[0]))

    def finished(self):
        token, key = self.waiting.pop(self.pick(len(self.waiting)))
        return [(token, tried(key, self.sha256_of[key]))]


def walked(reserves, targets, repeats, window=1, pick=lambda waiting: 0):
    """Walk `[(key, sha256), …]` a part, with answers in any order."""
    parts = [
        SplitFetch(name, [(key, "") for key, _ in reserve], target, target)
        for name, reserve, target in zip(PARTS, reserves, targets, strict=False)
    ]
    asker = Fetcher({key: sha256 for reserve in reserves for key, sha256 in reserve}, pick)
    (done,) = Scheduler(asker, window, lambda _: None).walk(iter([ClassFetch("lion", parts, repeats)]))
    return done


def counting(reserves, lengths, repeats):
    """How many images of each part count, from the words of the definition."""
    seen = [reserve[:length] for reserve, length in zip(reserves, lengths, strict=True)]
    everywhere = [(sha256, key) for stretch in seen for key, sha256 in stretch if sha256]
    urls = Counter(sha256 for sha256, _ in everywhere)
    lowest = {sha256: min(key for other, key in everywhere if other == sha256) for sha256 in urls}
    return [
        sum(1 for key, sha256 in stretch if sha256 and urls[sha256] <= repeats and lowest[sha256] == key)
        for stretch in seen
    ]


def wanting(reserves, targets, lengths, repeats):
    counts = counting(reserves, lengths, repeats)
    places = range(len(reserves))
    return [place for place in places if counts[place] < targets[place] and lengths[place] < len(reserves[place])]


def by_single_steps(reserves, targets, repeats):
    lengths = [0] * len(reserves)
    while wants := wanting(reserves, targets, lengths, repeats):
        lengths[wants[0]] += 1
    return lengths


def least_content(reserves, targets, repeats):
    """The least vector of stretches with which no part wants more, by looking at every vector there is."""
    every = itertools.product(*(range(len(reserve) + 1) for reserve in reserves))
    content = [lengths for lengths in every if not wanting(reserves, targets, lengths, repeats)]
    return [min(column) for column in zip(*content, strict=True)]


def lengths_of(done):
    return [len([one for one in part.tried if one is not None]) for part in done.parts]


@st.composite
def situations(draw, longest=12):
    """Reserves with dead URLs, few different bytes, and keys in an order of their own."""
    sizes = draw(st.lists(st.integers(0, longest), min_size=1, max_size=3))
    keys = draw(st.permutations([f"{number:02}" for number in range(sum(sizes))]))
    bytes_of = st.sampled_from(["", "a", "b", "c", "d", "own", "own", "own"])
    rows = [(key, f"own {key}" if sha == "own" else sha) for key in keys for sha in [draw(bytes_of)]]
    ends = list(itertools.accumulate(sizes))
    reserves = [rows[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    targets = [draw(st.integers(0, 8)) for _ in sizes]
    return reserves, targets, draw(st.integers(1, 4))


@given(situations(), st.integers(1, 9), st.data())
def test_the_walk_is_the_same_whatever_the_order_of_answers_and_how_many_at_once(situation, window, data):
    reserves, targets, repeats = situation
    expected = by_single_steps(reserves, targets, repeats)
    done = walked(reserves, targets, repeats, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert lengths_of(done) == expected
    assert [part.ok for part in done.parts] == counting(reserves, expected, repeats)
    for part, target, reserve, length in zip(done.parts, targets, reserves, expected, strict=True):
        assert part.ok == target or (part.ok < target and length == len(reserve))


@given(situations(longest=6), st.integers(1, 9), st.data())
def test_no_shorter_stretches_would_do(situation, window, data):
    reserves, targets, repeats = situation
    least = least_content(reserves, targets, repeats)
    assert not wanting(reserves, targets, least, repeats)
    done = walked(reserves, targets, repeats, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert lengths_of(done) == least


@given(situations())
def test_what_is_no_image_after_all_is_a_placeholder_and_nothing_else_is(situation):
    reserves, targets, repeats = situation
    done = walked(reserves, targets, repeats)
    seen = [row for reserve, length in zip(reserves, lengths_of(done), strict=True) for row in reserve[:length]]
    urls = Counter(sha256 for _, sha256 in seen if sha256)
    rows = done.finished()
    assert [row.key for row in rows] == [key for key, _ in seen]
    for row, (_, sha256) in zip(rows, seen, strict=True):
        too_many = urls[sha256] > repeats
        expected = ErrorClass.PLACEHOLDER if too_many else None if sha256 else ErrorClass.NOT_FOUND
        assert row.error == expected
        assert row.sha256 == sha256
    assert {(one.sha256, one.urls) for one in done.repeated()} == {
        (sha256, number) for sha256, number in urls.items() if number > repeats
    }


@given(situations())
def test_the_walk_told_again_from_its_manifest_ends_where_it_ended(situation):
    reserves, targets, repeats = situation
    done = walked(reserves, targets, repeats)
    # As the manifest has them: what became a placeholder has failed from the start.
    shas = {row.key: row.sha256 if row.is_ok else "" for row in done.finished()}
    answers = [[(row.key, shas[row.key]) for row in part.tried] for part in done.parts]
    stretches = [QueueProgress(len(reserve), target) for reserve, target in zip(reserves, targets, strict=True)]
    assert first_mismatch(stretches, answers, DuplicateTracker(repeats)) is None


@given(situations(), st.data())
@example(([[("0", "x"), ("1", "y")]], [1], 4), None)
def test_a_walk_that_goes_further_or_less_far_is_found_out(situation, data):
    reserves, targets, repeats = situation
    lengths = by_single_steps(reserves, targets, repeats)
    longer = [place for place, length in enumerate(lengths) if length < len(reserves[place])]
    shorter = [place for place, length in enumerate(lengths) if length]
    changes = [(place, 1) for place in longer] + [(place, -1) for place in shorter]
    if not changes:
        return
    place, change = changes[0] if data is None else data.draw(st.sampled_from(changes))
    lengths[place] += change
    answers = [reserve[:length] for reserve, length in zip(reserves, lengths, strict=True)]
    stretches = [QueueProgress(len(reserve), target) for reserve, target in zip(reserves, targets, strict=True)]
    assert first_mismatch(stretches, answers, DuplicateTracker(repeats)) is not None


def test_a_placeholder_for_a_third_of_the_urls_leaves_no_part_short():
    reserve = [(f"{number:03}", "same" if number % 3 == 0 else f"own {number}") for number in range(90)]
    done = walked([reserve], [40], repeats=5)
    good = [row for row in done.finished() if row.is_ok]
    assert len(good) == done.parts[0].ok == 40
    assert done.repeated() == [RepeatedBytes("same", 20, "http://x/000")]
    assert len(done.finished()) == 60


def test_duplicates_within_a_class_do_not_count_and_stay_images():
    train = [("5", "same"), ("1", "own 1"), ("2", "own 2")]
    dev = [("0", "same"), ("7", "own 7")]
    done = walked([train, dev], [2, 1], repeats=5)
    # dev's 0 takes the bytes from train's 5, so train goes on to 2.
    assert [(row.key, row.is_ok) for row in done.finished()] == [("5", True), ("1", True), ("2", True), ("0", True)]
    assert [part.ok for part in done.parts] == [2, 1]


def test_each_of_the_bytes_is_named_in_a_warning(caplog):
    found = [RepeatedBytes(f"{number:064}", 20 - number, f"http://x/{number}") for number in range(12)]
    with caplog.at_level(logging.WARNING):
        warn_about_repeated_bytes(found, "Class lion")
    assert len(caplog.messages) == 11
    assert f"{0:064}" in caplog.messages[0]
    assert "20 URLs, such as http://x/0" in caplog.messages[0]
    assert "2 more" in caplog.messages[-1]
