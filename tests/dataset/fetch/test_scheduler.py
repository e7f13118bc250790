from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.fetch.candidate_queue import ClassFetch, SplitFetch
from parley.dataset.fetch.outcomes import Decision, ErrorClass, FetchResult
from parley.dataset.fetch.stage import scheduled

NEVER = 1000  # more repeats than any test has


def result(key, alive):
    error = None if alive else ErrorClass.NOT_FOUND
    return FetchResult(f"http://x/{key}", key, 200, 1, f"sha of {key}" if alive else "", Decision(error), 1, 0.0)


class Fetcher:
    """Answers in the order that `pick` chooses: from the number waiting, it returns the index of the next."""

    def __init__(self, alive, pick):
        self.alive, self.pick = alive, pick
        self.waiting, self.asked, self.most_waiting = [], [], 0

    def submit(self, candidate, token):
        self.asked.append(candidate[0])
        self.waiting.append((token, candidate[0]))
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def completed(self):
        token, key = self.waiting.pop(self.pick(len(self.waiting)))
        return [(token, result(key, self.alive[key]))]


def class_fetches_of(queues):
    """Classes from {class: {part: (target, [alive, …])}}, never short; a key says class, part and rank."""
    for name, parts in queues.items():
        splits = [
            SplitFetch(part, [(f"{name}/{part}/{rank}", "") for rank in range(len(alive))], 0, target)
            for part, (target, alive) in parts.items()
        ]
        yield ClassFetch(name, splits, NEVER)


def run(queues, window, pick):
    alive = {
        f"{name}/{part}/{rank}": is_alive
        for name, parts in queues.items()
        for part, (_, lives) in parts.items()
        for rank, is_alive in enumerate(lives)
    }
    fetcher = Fetcher(alive, pick)
    return list(scheduled(class_fetches_of(queues), fetcher, window, lambda _: None)), fetcher


def shortest_prefix(target, alive):
    """How many candidates a sequential fetch would try."""
    found = 0
    for number, is_alive in enumerate(alive):
        if found == target:
            return number
        found += is_alive
    return len(alive)


part = st.tuples(st.integers(0, 6), st.lists(st.booleans(), max_size=20))
classes = st.dictionaries(
    st.sampled_from(["lion", "hen", "bee"]), st.dictionaries(st.sampled_from(["train", "dev"]), part, min_size=1)
)


@given(classes, st.integers(1, 8), st.data())
def test_exactly_the_shortest_prefix_is_tried_whatever_the_order_of_answers(queues, window, data):
    done, fetcher = run(queues, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert sorted(one.name for one in done) == sorted(queues)
    for one in done:
        lengths = {name: shortest_prefix(target, alive) for name, (target, alive) in queues[one.name].items()}
        expected = [f"{one.name}/{name}/{rank}" for name, length in lengths.items() for rank in range(length)]
        assert [row.key for row in one.results()] == expected
        for split in one.parts:
            target, alive = queues[one.name][split.part]
            assert split.ok == min(target, sum(alive))
    assert sorted(fetcher.asked) == sorted(row.key for one in done for row in one.results())
    assert fetcher.most_waiting <= window


def test_window_candidates_are_in_flight_at_once():
    _, fetcher = run({"lion": {"train": (9, [True] * 9)}}, 6, lambda waiting: 0)
    assert fetcher.most_waiting == 6


def test_classes_are_opened_lazily():
    opened = []

    def classes():
        for class_fetch in class_fetches_of({str(number): {"train": (9, [True] * 9)} for number in range(100)}):
            opened.append(class_fetch.name)
            yield class_fetch

    fetcher = Fetcher(dict.fromkeys((f"{n}/train/{rank}" for n in range(100) for rank in range(9)), True), lambda _: 0)
    done = scheduled(classes(), fetcher, 2, lambda _: None)
    next(done)
    assert len(opened) <= 3
    done.close()


def test_every_result_is_reported_once():
    results = []
    fetcher = Fetcher({f"lion/train/{rank}": rank % 2 == 0 for rank in range(9)}, lambda waiting: waiting - 1)
    list(
        scheduled(
            class_fetches_of({"lion": {"train": (4, [rank % 2 == 0 for rank in range(9)])}}),
            *(fetcher, 3, results.append),
        )
    )
    assert sorted(one.key for one in results) == [f"lion/train/{rank}" for rank in range(7)]
