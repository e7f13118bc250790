import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.fetch.outcomes import ErrorClass, Tried, Verdict
from parley.fetch.walk import ClassWalk, ReserveWalk, Walker


def tried(key, alive):
    error = None if alive else ErrorClass.NOT_FOUND
    return Tried(f"http://x/{key}", key, error, 200, 1, "", Verdict(error), 1, 0.0)


def walks_of(reserves):
    """Classes from {class: {part: (target, [alive, …])}}; a key says class, part and rank."""
    for name, parts in reserves.items():
        yield ClassWalk(
            name,
            [
                ReserveWalk(part, [(f"{name}/{part}/{rank}", "") for rank in range(len(alive))], target, target)
                for part, (target, alive) in parts.items()
            ],
        )


def run(reserves, threads, ask=None):
    alive = {
        f"{name}/{part}/{rank}": is_alive
        for name, parts in reserves.items()
        for part, (_, lives) in parts.items()
        for rank, is_alive in enumerate(lives)
    }
    asked = []

    def ask_alive(candidate):
        asked.append(candidate[0])
        return tried(candidate[0], alive[candidate[0]])

    walker = Walker(ask or ask_alive, threads, lambda _: None, lambda: None)
    return list(walker.walk(walks_of(reserves))), asked


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


@given(classes, st.integers(1, 8))
def test_exactly_the_shortest_stretch_is_tried_whatever_the_threads(reserves, threads):
    done, asked = run(reserves, threads)
    assert sorted(one.name for one in done) == sorted(reserves)
    for one in done:
        for walked in one.parts:
            target, alive = reserves[one.name][walked.part]
            expected = shortest_stretch(target, alive)
            keys = [row.key for row in walked.finished()]
            assert keys == [f"{one.name}/{walked.part}/{rank}" for rank in range(expected)]
            assert walked.ok == min(target, sum(alive[:expected]))
    assert len(asked) == len(set(asked)) == sum(len(walked.finished()) for one in done for walked in one.parts)


def test_answers_out_of_order_change_nothing():
    def ask(candidate):
        rank = int(candidate[0].rsplit("/", 1)[1])
        time.sleep(0.002 * ((rank * 7) % 5))
        return tried(candidate[0], rank % 3 != 0)

    done, _ = run({"lion": {"train": (10, [True] * 40)}}, 8, ask)
    assert [row.key for row in done[0].parts[0].finished()] == [f"lion/train/{rank}" for rank in range(15)]


def test_as_many_requests_at_once_as_threads():
    meeting = threading.Barrier(6, timeout=5)

    def ask(candidate):
        meeting.wait()
        return tried(candidate[0], True)

    run({"lion": {"train": (6, [True] * 6)}}, 6, ask)


def test_classes_are_opened_only_as_workers_fall_idle():
    opened = []

    def classes():
        for number in range(100):
            opened.append(number)
            yield ClassWalk(str(number), [ReserveWalk("train", [(f"{number}/{rank}", "") for rank in range(9)], 9, 9)])

    walker = Walker(lambda candidate: tried(candidate[0], True), 2, lambda _: None, lambda: None)
    walk = walker.walk(classes())
    next(walk)
    assert len(opened) <= 3
    walk.close()


def test_a_failing_worker_ends_the_walk_and_calls_off_the_rest():
    called_off = threading.Event()

    def ask(candidate):
        if candidate[0].endswith("/3"):
            raise RuntimeError("a bug")
        called_off.wait(5)
        return tried(candidate[0], True)

    walker = Walker(ask, 4, lambda _: None, called_off.set)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="a bug"):
        list(walker.walk(walks_of({"lion": {"train": (50, [True] * 50)}})))
    assert time.monotonic() - started < 4
    assert called_off.is_set()
