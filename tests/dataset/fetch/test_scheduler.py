from hypothesis import given
from hypothesis import strategies as st

from parley.dataset.fetch.candidate_queue import ClassFetch, SplitFetch
from parley.dataset.fetch.outcomes import Decision, ErrorClass, FetchResult
from parley.dataset.fetch.scheduler import Scheduler

NEVER = 1000  # more repeats than any test has


def tried(key, alive):
    error = None if alive else ErrorClass.NOT_FOUND
    return FetchResult(f"http://x/{key}", key, error, 200, 1, f"sha of {key}" if alive else "", Decision(error), 1, 0.0)


class Fetcher:
    """Answers in whatever order `pick` says: it is given how many wait, and names the place of the next."""

    def __init__(self, alive, pick):
        self.alive, self.pick = alive, pick
        self.waiting, self.asked, self.most_waiting = [], [], 0

    def begin(self, candidate, token):
        self.asked.append(candidate[0])
        self.waiting.append((token, candidate[0]))
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def finished(self):
        token, key = self.waiting.pop(self.pick(len(self.waiting)))
        return [(token, tried(key, self.alive[key]))]


def walks_of(reserves):
    """Classes from {class: {part: (target, [alive, …])}}; a key says class, part and rank."""
    for name, parts in reserves.items():
        walks = [
            SplitFetch(part, [(f"{name}/{part}/{rank}", "") for rank in range(len(alive))], target, target)
            for part, (target, alive) in parts.items()
        ]
        yield ClassFetch(name, walks, NEVER)


def run(reserves, window, pick):
    alive = {
        f"{name}/{part}/{rank}": is_alive
        for name, parts in reserves.items()
        for part, (_, lives) in parts.items()
        for rank, is_alive in enumerate(lives)
    }
    asker = Fetcher(alive, pick)
    return list(Scheduler(asker, window, lambda _: None).walk(walks_of(reserves))), asker


def shortest_stretch(target, alive):
    """How many candidates one worker would try, one after another."""
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
def test_exactly_the_shortest_stretch_is_tried_whatever_the_order_of_answers(reserves, window, data):
    done, asker = run(reserves, window, lambda waiting: data.draw(st.integers(0, waiting - 1)))
    assert sorted(one.name for one in done) == sorted(reserves)
    for one in done:
        lengths = {name: shortest_stretch(target, alive) for name, (target, alive) in reserves[one.name].items()}
        expected = [f"{one.name}/{name}/{rank}" for name, length in lengths.items() for rank in range(length)]
        assert [row.key for row in one.finished()] == expected
        for walked in one.parts:
            target, alive = reserves[one.name][walked.part]
            assert walked.ok == min(target, sum(alive))
    assert sorted(asker.asked) == sorted(row.key for one in done for row in one.finished())
    assert asker.most_waiting <= window


def test_as_many_are_asked_at_once_as_the_window_holds():
    _, asker = run({"lion": {"train": (9, [True] * 9)}}, 6, lambda waiting: 0)
    assert asker.most_waiting == 6


def test_classes_are_opened_only_as_there_is_room():
    opened = []

    def classes():
        for walk in walks_of({str(number): {"train": (9, [True] * 9)} for number in range(100)}):
            opened.append(walk.name)
            yield walk

    asker = Fetcher(dict.fromkeys((f"{n}/train/{rank}" for n in range(100) for rank in range(9)), True), lambda _: 0)
    walk = Scheduler(asker, 2, lambda _: None).walk(classes())
    next(walk)
    assert len(opened) <= 3
    walk.close()


def test_every_answer_is_told_once():
    told = []
    asker = Fetcher({f"lion/train/{rank}": rank % 2 == 0 for rank in range(9)}, lambda waiting: waiting - 1)
    list(
        Scheduler(asker, 3, told.append).walk(walks_of({"lion": {"train": (4, [rank % 2 == 0 for rank in range(9)])}}))
    )
    assert sorted(one.key for one in told) == [f"lion/train/{rank}" for rank in range(7)]
