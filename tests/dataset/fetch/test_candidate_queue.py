"""Which images count towards a split's target, compared with a direct implementation of the definition."""

import itertools
import logging
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from parley.dataset.fetch.candidate_queue import (
    ClassFetch,
    QueueProgress,
    RepeatedBytes,
    SplitFetch,
    replay,
    warn_about_repeated_bytes,
)
from parley.dataset.fetch.outcomes import Decision, ErrorClass, FetchResult
from parley.dataset.fetch.stage import scheduled

PARTS = ("train", "dev", "test")


def result(key, sha256):
    """A result whose bytes have the given hash; empty for a failed URL."""
    error = None if sha256 else ErrorClass.NOT_FOUND
    return FetchResult(f"http://x/{key}", key, 200, 1, sha256, Decision(error), 1, 0.0)


class Fetcher:
    """Answers in the order that `pick` says."""

    def __init__(self, sha256_of, pick):
        self.sha256_of, self.pick, self.waiting = sha256_of, pick, []

    def submit(self, candidate, token):
        self.waiting.append((token, candidate[0]))

    def completed(self):
        token, key = self.waiting.pop(self.pick(len(self.waiting)))
        return [(token, result(key, self.sha256_of[key]))]


def fetched(queues, targets, repeats, window=1, pick=lambda waiting: 0, counts=(0, 0, 0)):
    """Fetch splits of `[(key, sha256), …]`, with answers in any order. With counts of 0, no split is ever short."""
    parts = [
        SplitFetch(name, [(key, "") for key, _ in queue], count, target)
        for name, queue, count, target in zip(PARTS, queues, counts, targets, strict=False)
    ]
    fetcher = Fetcher({key: sha256 for queue in queues for key, sha256 in queue}, pick)
    (done,) = scheduled(iter([ClassFetch("lion", parts, repeats)]), fetcher, window, lambda _: None)
    return done


def counting(queues, lengths, repeats):
    """How many images of each split count, computed directly from the definition."""
    seen = [queue[:length] for queue, length in zip(queues, lengths, strict=True)]
    everywhere = [(sha256, key) for prefix in seen for key, sha256 in prefix if sha256]
    urls = Counter(sha256 for sha256, _ in everywhere)
    lowest = {sha256: min(key for other, key in everywhere if other == sha256) for sha256 in urls}
    return [
        sum(1 for key, sha256 in prefix if sha256 and urls[sha256] <= repeats and lowest[sha256] == key)
        for prefix in seen
    ]


def wanting(queues, targets, lengths, repeats):
    counts = counting(queues, lengths, repeats)
    indices = range(len(queues))
    return [index for index in indices if counts[index] < targets[index] and lengths[index] < len(queues[index])]


def by_single_steps(queues, targets, repeats):
    lengths = [0] * len(queues)
    while wants := wanting(queues, targets, lengths, repeats):
        lengths[wants[0]] += 1
    return lengths


def least_satisfying(queues, targets, repeats):
    """The least prefix vector that satisfies every split, by exhaustive search."""
    every = itertools.product(*(range(len(queue) + 1) for queue in queues))
    satisfying = [lengths for lengths in every if not wanting(queues, targets, lengths, repeats)]
    return [min(column) for column in zip(*satisfying, strict=True)]


def lengths_of(done):
    return [len([one for one in part.results if one is not None]) for part in done.parts]


@st.composite
def queue_sets(draw, longest=12):
    """Candidate queues with dead URLs, few different bytes and shuffled keys."""
    sizes = draw(st.lists(st.integers(0, longest), min_size=1, max_size=3))
    keys = draw(st.permutations([f"{number:02}" for number in range(sum(sizes))]))
    bytes_of = st.sampled_from(["", "a", "b", "c", "d", "own", "own", "own"])
    rows = [(key, f"own {key}" if sha == "own" else sha) for key in keys for sha in [draw(bytes_of)]]
    ends = list(itertools.accumulate(sizes))
    queues = [rows[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    targets = [draw(st.integers(0, 8)) for _ in sizes]
    return queues, targets, draw(st.integers(1, 4))


@given(queue_sets(), st.integers(1, 9), st.data())
def test_prefixes_do_not_depend_on_answer_order_or_window(queue_set, window, data):
    queues, targets, repeats = queue_set
    expected = by_single_steps(queues, targets, repeats)
    done = fetched(queues, targets, repeats, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert lengths_of(done) == expected
    assert [part.ok for part in done.parts] == counting(queues, expected, repeats)
    for part, target, queue, length in zip(done.parts, targets, queues, expected, strict=True):
        assert part.ok == target or (part.ok < target and length == len(queue))


@given(queue_sets(longest=6), st.integers(1, 9), st.data())
def test_no_shorter_prefixes_satisfy_every_split(queue_set, window, data):
    queues, targets, repeats = queue_set
    least = least_satisfying(queues, targets, repeats)
    assert not wanting(queues, targets, least, repeats)
    done = fetched(queues, targets, repeats, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert lengths_of(done) == least


@given(queue_sets())
def test_exactly_the_bytes_repeated_too_often_are_placeholders(queue_set):
    queues, targets, repeats = queue_set
    done = fetched(queues, targets, repeats)
    seen = [row for queue, length in zip(queues, lengths_of(done), strict=True) for row in queue[:length]]
    urls = Counter(sha256 for _, sha256 in seen if sha256)
    rows = done.results()
    assert [row.key for row in rows] == [key for key, _ in seen]
    for row, (_, sha256) in zip(rows, seen, strict=True):
        too_many = urls[sha256] > repeats
        expected = ErrorClass.PLACEHOLDER if too_many else None if sha256 else ErrorClass.NOT_FOUND
        assert row.error == expected
        assert row.sha256 == sha256
    assert {(one.sha256, one.urls) for one in done.placeholders()} == {
        (sha256, number) for sha256, number in urls.items() if number > repeats
    }


@given(queue_sets())
def test_replaying_a_manifest_finds_no_mismatch(queue_set):
    queues, targets, repeats = queue_set
    done = fetched(queues, targets, repeats)
    # As in the manifest: placeholders count as failed.
    assert replayed(done, queues, targets, [0] * len(queues), repeats) == (None, frozenset())


def replayed(done, queues, targets, counts, repeats, change=lambda answers: answers):
    shas = {row.key: row.sha256 if row.is_ok else "" for row in done.results()}
    rows = [[(key, shas[key], rank) for rank, (key, _) in enumerate(queue) if key in shas] for queue in queues]
    answers = change(rows)
    tried = {key for rows in answers for key, *_ in rows}
    untried = [key for queue in queues for key, _ in queue if key not in tried]
    splits = [QueueProgress(len(queue), *needs) for queue, *needs in zip(queues, counts, targets, strict=True)]
    return replay(splits, answers, min(untried, default=None), repeats)


@given(queue_sets(), st.data())
@example(([[("0", "x"), ("1", "y")]], [1], 4), None)
def test_a_manifest_with_too_many_or_too_few_rows_is_a_mismatch(queue_set, data):
    queues, targets, repeats = queue_set
    lengths = by_single_steps(queues, targets, repeats)
    longer = [index for index, length in enumerate(lengths) if length < len(queues[index])]
    shorter = [index for index, length in enumerate(lengths) if length]
    changes = [(index, 1) for index in longer] + [(index, -1) for index in shorter]
    if not changes:
        return
    index, change = changes[0] if data is None else data.draw(st.sampled_from(changes))
    lengths[index] += change
    answers = [
        [(*row, rank) for rank, row in enumerate(queue[:length])] for queue, length in zip(queues, lengths, strict=True)
    ]
    splits = [QueueProgress(len(queue), 0, target) for queue, target in zip(queues, targets, strict=True)]
    assert replay(splits, answers, "", repeats)[0] is not None


def fill_by_definition(queues, counts, targets, repeats):
    """The candidates of the fill and how many count, from the definition, one answer at a time."""
    lengths = by_single_steps(queues, targets, repeats)
    walked = [queue[:length] for queue, length in zip(queues, lengths, strict=True)]
    rest = sorted(row for queue, length in zip(queues, lengths, strict=True) for row in queue[length:])
    own = {
        sha256: min(key for rows in walked for key, sha in rows if sha == sha256)
        for rows in walked
        for _, sha256 in rows
    }
    for number in range(len(rest) + 1):
        urls = Counter(sha256 for _, sha256 in [*itertools.chain(*walked), *rest[:number]] if sha256)
        oks = [sum(own[sha256] == key and 0 < urls[sha256] <= repeats for key, sha256 in rows) for rows in walked]
        needs = zip(oks, counts, targets, strict=True)
        missing = sum(target - ok for ok, count, target in needs if ok < count)
        new = {sha256 for _, sha256 in rest[:number] if sha256 and sha256 not in own and urls[sha256] <= repeats}
        if len(new) >= missing:
            break
    return [key for key, _ in rest[:number]], len(new)


@st.composite
def classes_with_counts(draw):
    queues, targets, repeats = draw(queue_sets())
    return queues, [draw(st.integers(0, target)) for target in targets], targets, repeats


@given(classes_with_counts(), st.integers(1, 9), st.data())
def test_the_fill_does_not_depend_on_answer_order_or_window(drawn, window, data):
    queues, counts, targets, repeats = drawn
    keys, number = fill_by_definition(queues, counts, targets, repeats)
    done = fetched(queues, targets, repeats, window, lambda waiting: data.draw(st.integers(0, waiting - 1)), counts)
    assert [row.key for row in done.fill.results] == keys
    assert done.fill.ok == number
    lengths = by_single_steps(queues, targets, repeats)
    assert lengths_of(done) == lengths
    tried = {key for queue, length in zip(queues, lengths, strict=True) for key, _ in queue[:length]} | set(keys)
    assert [row.key for row in done.results()] == [key for queue in queues for key, _ in queue if key in tried]
    assert replayed(done, queues, targets, counts, repeats) == (None, frozenset(keys))


@given(classes_with_counts(), st.data())
def test_a_fill_with_other_rows_is_a_mismatch(drawn, data):
    queues, counts, targets, repeats = drawn
    done = fetched(queues, targets, repeats, counts=counts)
    filled = [row.key for row in done.fill.results]
    if not filled:
        return
    gone = data.draw(st.sampled_from(filled))

    def less(answers):
        return [[row for row in rows if row[0] != gone] for rows in answers]

    assert replayed(done, queues, targets, counts, repeats, less)[0] is not None


def test_fill_takes_candidates_in_key_order():
    train, dev = [("5", "a"), ("9", "b"), ("3", "c"), ("7", "")], [("0", "d"), ("6", "e"), ("2", "f")]
    needs = [train, dev, [("8", ""), ("1", "")]], [2, 1, 3]
    done = fetched(*needs, 5, counts=(2, 1, 2))
    assert [row.key for row in done.fill.results] == ["2", "3", "6"]
    assert replayed(done, *needs, [2, 1, 2], 5)[0] is None

    def instead(answers):
        return [[("7", "g", 3) if row[0] == "3" else row for row in rows] for rows in answers]

    assert replayed(done, *needs, [2, 1, 2], 5, instead)[0] is not None


def test_fill_replaces_placeholders_it_reveals():
    needs = [[("5", "same"), ("1", "same"), ("2", "new"), ("3", "newer"), ("4", "newest")], [("9", "")]], [1, 1]
    done = fetched(*needs, 1, counts=(1, 1))
    assert [row.key for row in done.fill.results] == ["1", "2", "3"]
    assert [row.is_ok for row in done.results()] == [True] * 4 + [False], "what the split recorded stays"
    assert replayed(done, *needs, [1, 1], 1) == (None, frozenset("123"))


def test_a_split_with_its_count_gets_no_fill():
    done = fetched([[("5", "a"), ("9", "b")], [("0", "d"), ("6", "")]], [1, 2], 5, counts=(1, 1))
    assert done.fill.results == []


def test_bytes_that_a_split_has_fill_no_other_even_with_a_lower_key():
    train, dev = [("5", "same"), ("1", "same"), ("2", "new")], [("9", "")]
    done = fetched([train, dev], [1, 1], 5, counts=(1, 1))
    assert [row.key for row in done.fill.results] == ["1", "2"]
    assert [part.ok for part in done.parts] == [1, 0]


def test_placeholders_for_a_third_of_the_urls_leave_no_split_short():
    queue = [(f"{number:03}", "same" if number % 3 == 0 else f"own {number}") for number in range(90)]
    done = fetched([queue], [40], repeats=5)
    good = [row for row in done.results() if row.is_ok]
    assert len(good) == done.parts[0].ok == 40
    assert done.placeholders() == [RepeatedBytes("same", 20, "http://x/000")]
    assert len(done.results()) == 60


def test_duplicates_within_a_class_are_images_but_do_not_count():
    train = [("5", "same"), ("1", "own 1"), ("2", "own 2")]
    dev = [("0", "same"), ("7", "own 7")]
    done = fetched([train, dev], [2, 1], repeats=5)
    # dev's 0 takes over the bytes from train's 5, so train continues to 2.
    assert [(row.key, row.is_ok) for row in done.results()] == [("5", True), ("1", True), ("2", True), ("0", True)]
    assert [part.ok for part in done.parts] == [2, 1]


def test_repeated_bytes_are_listed_in_warnings(caplog):
    found = [RepeatedBytes(f"{number:064}", 20 - number, f"http://x/{number}") for number in range(12)]
    with caplog.at_level(logging.WARNING):
        warn_about_repeated_bytes(found, "Class lion")
    assert len(caplog.messages) == 11
    assert f"{0:064}" in caplog.messages[0]
    assert "20 URLs, such as http://x/0" in caplog.messages[0]
    assert "2 more" in caplog.messages[-1]
