from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from parley.dataset.fetch.hosts import HostQueues

PER_HOST = 2
hosts = st.sampled_from(["a", "b", "c"])
seconds = st.integers(1, 8)


class Requests(RuleBasedStateMachine):
    """Each item is taken once, in time, within the limit of its own host; no item that may run waits."""

    def __init__(self):
        super().__init__()
        self.queues, self.now, self.number = HostQueues(PER_HOST), 0, 0
        self.waiting, self.paused, self.taken = {}, Counter(), []

    def wait_for(self, host, when):
        self.number += 1
        self.waiting[self.number] = host, when
        return self.number

    @rule(host=hosts, first=st.booleans())
    def add(self, host, first):
        self.queues.add(host, self.wait_for(host, self.now), first=first)

    @rule(host=hosts, delay=seconds)
    def add_later(self, host, delay):
        self.queues.add_later(host, self.wait_for(host, self.now + delay), self.now + delay)

    @rule(host=hosts, length=seconds)
    def pause(self, host, length):
        self.queues.pause(host, self.now + length)
        self.paused[host] = max(self.paused[host], self.now + length)

    @rule(length=seconds)
    def wait(self, length):
        self.now += length

    @rule()
    def take(self):
        self.takes_one()

    def takes_one(self):
        may_go = {
            item
            for item, (host, when) in self.waiting.items()
            if max(when, self.paused[host]) <= self.now and self.taken.count(host) < PER_HOST
        }
        got = self.queues.take(self.now)
        assert (got is None) == (not may_go)
        if got is not None:
            host, item = got
            assert item in may_go
            assert self.waiting.pop(item)[0] == host
            self.taken.append(host)
        return got is not None

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 9))
    def release(self, which):
        self.queues.release(self.taken.pop(which % len(self.taken)))

    def teardown(self):
        while self.waiting:
            while self.taken:
                self.release(0)
            if not self.takes_one():
                assert self.queues.next_time() is not None, "an item is still delayed"
                self.now = max(self.now, self.queues.next_time())


TestRequests = Requests.TestCase


def test_hosts_take_turns_and_each_keeps_its_order():
    queues = HostQueues(10)
    for number in range(3):
        queues.add("a", f"a{number}")
    for number in range(2):
        queues.add("b", f"b{number}")
    assert [queues.take(0.0)[1] for _ in range(5)] == ["a0", "b0", "a1", "b1", "a2"]
    assert queues.take(0.0) is None


def test_first_puts_an_item_at_the_head():
    queues = HostQueues(1)
    queues.add("a", "last")
    queues.add("a", "first", first=True)
    assert queues.take(0.0) == ("a", "first")
    assert queues.take(0.0) is None
    queues.release("a")
    assert queues.take(0.0) == ("a", "last")
