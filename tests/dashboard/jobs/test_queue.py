"""The queue in front of a device: turns, attaching, cancelling within a step, errors as messages."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import streamlit as st

from compute.runtime.batches import in_batches
from dashboard.jobs import visitor
from dashboard.jobs.queue import OUT_OF_MEMORY, JobQueue, State, size_of
from dashboard.jobs.rate_limit import RateLimit, TooManyJobs
from dashboard.jobs.visitor import network

SOON = 10
"""Seconds after which a test has failed."""


@dataclass
class Step:
    index: int
    total: int
    data: np.ndarray = field(default_factory=lambda: np.zeros(10, np.float32))


class Steps:
    """A work whose steps the test lets pass one by one."""

    def __init__(self, total=3):
        self.total, self.closed, self.taken = total, threading.Event(), 0
        self.allowed = threading.Semaphore(0)
        self.begun = threading.Event()

    def __call__(self):
        self.begun.set()
        try:
            for index in range(1, self.total + 1):
                assert self.allowed.acquire(timeout=SOON)
                self.taken = index
                yield Step(index, self.total)
        finally:
            self.closed.set()

    def let(self, steps):
        self.allowed.release(steps)


@pytest.fixture
def queue():
    made = JobQueue(waiting_each=3)
    yield made
    made.close()


def quick(result="done"):
    def work():
        yield Step(1, 1)

    return work


def ended(queue, key):
    job = queue.wait(key, SOON)
    assert job.ended
    return job


def test_a_job_runs_and_keeps_its_last_step(queue):
    steps = Steps(4)
    assert queue.submit("k", "a title", "me", steps).state in (State.WAITING, State.RUNNING)
    steps.let(4)
    job = ended(queue, "k")
    assert (job.state, job.step.index, job.share, job.title) == (State.DONE, 4, 1.0, "a title")
    assert queue.find("k").step is job.step and queue.find("other") is None


def test_progress_is_seen_while_it_runs(queue):
    steps = Steps(4)
    queue.submit("k", "", "me", steps)
    steps.let(1)
    assert steps.begun.wait(SOON)
    while queue.find("k").step is None:
        pass
    job = queue.find("k")
    assert job.state is State.RUNNING and job.share == 0.25
    assert job.seconds_left == pytest.approx(3 * job.seconds)
    steps.let(3)


def test_who_asks_for_the_same_attaches(queue):
    first, second = Steps(), Steps()
    queue.submit("k", "", "me", first)
    queue.submit("k", "", "you", second)
    first.let(3)
    job = ended(queue, "k")
    assert job.state is State.DONE and not second.begun.is_set()
    assert queue.submit("k", "", "they", second).step is job.step


def test_owners_are_served_in_turn(queue):
    order, blocker = [], Steps(1)

    def named(name):
        def work():
            order.append(name)
            yield Step(1, 1)

        return work

    queue.submit("block", "", "me", blocker)
    assert blocker.begun.wait(SOON)
    for name in ("me1", "me2", "me3"):
        queue.submit(name, "", "me", named(name))
    queue.submit("you1", "", "you", named("you1"))
    queue.submit("they1", "", "they", named("they1"))
    assert [queue.position(key) for key in ("me1", "you1", "they1", "me2", "me3")] == [1, 2, 3, 4, 5]
    blocker.let(1)
    ended(queue, "me3")
    assert order == ["me1", "you1", "they1", "me2", "me3"]


def test_dropping_the_cookie_makes_no_room_for_more_jobs_of_an_address():
    queue, blocker = JobQueue(waiting_address=3, jobs_per_minute=6), Steps(1)
    queue.submit("block", "", "me", blocker)
    assert blocker.begun.wait(SOON)
    for number in range(3):
        queue.submit(f"k{number}", "", f"tab {number}", quick(), address="192.0.2.1")
    with pytest.raises(TooManyJobs, match="3 jobs of your address are waiting"):
        queue.submit("k3", "", "tab 3", quick(), address="192.0.2.1")
    queue.submit("other", "", "tab 4", quick(), address="192.0.2.2")
    queue.submit("unknown", "", "tab 5", quick())
    blocker.let(1)
    ended(queue, "unknown")
    for number in range(3, 6):
        queue.submit(f"k{number}", "", f"tab {number}", quick(), address="192.0.2.1")
        ended(queue, f"k{number}")
    with pytest.raises(TooManyJobs, match="6 live jobs a minute"):
        queue.submit("k6", "", "tab 6", quick(), address="192.0.2.1")
    queue.close()


def test_what_is_pending_is_in_the_order_of_running(queue):
    blocker = Steps(1)
    queue.submit("block", "first", "me", blocker)
    assert blocker.begun.wait(SOON)
    for name, owner in (("me1", "me"), ("me2", "me"), ("you1", "you")):
        queue.submit(name, "", owner, quick())
    assert [(job.key, job.state.value) for job in queue.pending()] == [
        ("block", "running"),
        ("me1", "waiting"),
        ("you1", "waiting"),
        ("me2", "waiting"),
    ]
    time.sleep(0.02)
    assert queue.pending()[0].unwatched >= 0.02 > queue.find("block").unwatched
    blocker.let(1)
    ended(queue, "me2")
    assert queue.pending() == []


def test_cancel_ends_a_running_job_within_a_step(queue):
    steps = Steps(100)
    queue.submit("k", "", "me", steps)
    steps.let(2)
    while steps.taken < 2:
        pass
    queue.cancel("k")
    steps.let(1)
    assert ended(queue, "k").state is State.CANCELLED
    assert steps.closed.wait(SOON) and steps.taken <= 3


def test_cancel_takes_a_waiting_job_out_of_the_line(queue):
    blocker, waiting = Steps(1), Steps(1)
    queue.submit("block", "", "me", blocker)
    queue.submit("k", "", "you", waiting)
    queue.cancel("k")
    assert queue.find("k").state is State.CANCELLED and queue.position("k") == 0
    blocker.let(1)
    queue.submit("last", "", "me", quick())
    ended(queue, "last")
    assert not waiting.begun.is_set()


def test_a_cancelled_job_starts_anew(queue):
    blocker = Steps(1)
    queue.submit("block", "", "me", blocker)
    queue.submit("k", "", "me", quick())
    queue.cancel("k")
    queue.submit("k", "", "me", quick())
    blocker.let(1)
    assert ended(queue, "k").state is State.DONE


def test_a_job_asked_for_again_before_its_cancelled_one_has_ended_starts_anew(queue):
    dying, again = Steps(100), Steps(1)
    queue.submit("k", "", "me", dying)
    assert dying.begun.wait(SOON)
    queue.cancel("k")
    assert queue.submit("k", "", "you", again).state is State.WAITING
    assert [job.key for job in queue.pending()] == ["k"]
    dying.let(1)
    again.let(1)
    assert ended(queue, "k").state is State.DONE
    assert dying.closed.is_set() and dying.taken == 1 and again.taken == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_network_that_ends_the_program_ends_its_job_alone(queue, error):
    def work():
        raise error
        yield

    queue.submit("k", "", "me", work)
    assert ended(queue, "k").state is State.FAILED
    queue.submit("next", "", "me", quick())
    assert ended(queue, "next").state is State.DONE


@pytest.mark.parametrize(
    "error, message",
    [
        (ValueError("epsilon is 300; it must be at most 255"), "epsilon is 300; it must be at most 255"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OUT_OF_MEMORY),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), OUT_OF_MEMORY),
        (MemoryError(), OUT_OF_MEMORY),
    ],
)
def test_errors_become_messages(queue, error, message):
    def work():
        yield Step(1, 2)
        raise error

    queue.submit("k", "", "me", work)
    job = ended(queue, "k")
    assert (job.state, job.message) == (State.FAILED, message)


def test_an_unforeseen_error_says_no_more_than_its_number(queue, caplog):
    def work():
        raise KeyError("/secret/path")
        yield

    queue.submit("k", "", "me", work)
    job = ended(queue, "k")
    assert job.state is State.FAILED and "secret" not in job.message
    assert job.message.rsplit(" ", 1)[1] in caplog.text and "secret" in caplog.text
    queue.submit("next", "", "me", quick())
    assert ended(queue, "next").state is State.DONE


def test_an_owner_can_have_so_many_waiting(queue):
    blocker = Steps(1)
    queue.submit("block", "", "me", blocker)
    assert blocker.begun.wait(SOON)
    for key in "abc":
        queue.submit(key, "", "me", quick())
    with pytest.raises(ValueError, match="3 jobs waiting"):
        queue.submit("d", "", "me", quick())
    queue.submit("e", "", "you", quick())
    blocker.let(1)


def test_results_asked_for_longest_ago_are_forgotten():
    queue = JobQueue(kept_bytes=3 * size_of(Step(1, 1)))
    for key in "abc":
        queue.submit(key, "", "me", quick())
        ended(queue, key)
    queue.submit("a", "", "me", quick())
    queue.submit("d", "", "me", quick())
    ended(queue, "d")
    assert [key for key in "abcd" if queue.find(key)] == ["a", "c", "d"]
    queue.close()


def test_a_result_is_there_for_who_waits_for_it_whatever_was_asked_for_meanwhile():
    queue, steps = JobQueue(kept_bytes=size_of(Step(1, 1))), Steps(1)
    queue.submit("slow", "", "me", steps)
    assert steps.begun.wait(SOON)
    queue.adopt("kept", "", Step(1, 1), 0.0)
    steps.let(1)
    assert ended(queue, "slow").state is State.DONE and queue.find("kept") is None
    queue.close()


def test_a_result_that_is_looked_at_is_not_forgotten_before_others():
    queue = JobQueue(kept_bytes=2 * size_of(Step(1, 1)))
    for key in "ab":
        queue.adopt(key, "", Step(1, 1), 0.0)
    assert queue.find("a").state is State.DONE
    queue.adopt("c", "", Step(1, 1), 0.0)
    assert [key for key in "abc" if queue.find(key)] == ["a", "c"]
    queue.close()


def test_ten_owners_at_once_mix_nothing(queue):
    def submit(owner):
        for number in range(3):
            key = f"{owner}-{number}"

            def work(key=key):
                for index in range(1, 4):
                    yield Step(index, 3, np.full(4, hash(key) % 1000))

            queue.submit(key, key, owner, work)

    threads = [threading.Thread(target=submit, args=(str(owner),)) for owner in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for owner in range(10):
        for number in range(3):
            job = ended(queue, f"{owner}-{number}")
            assert job.state is State.DONE and (job.step.data == hash(job.key) % 1000).all()


def test_a_kept_result_is_adopted_as_finished_and_computed_anew_on_demand(queue):
    kept, steps = Step(3, 3), Steps(1)
    job = queue.adopt("k", "a title", kept, 2.5)
    assert (job.state, job.seconds, job.share) == (State.DONE, 2.5, 1.0) and queue.find("k").step is kept
    assert queue.submit("k", "", "me", steps).step is kept and not steps.begun.is_set()
    assert not queue.submit("k", "", "me", steps, anew=True).ended
    steps.let(1)
    assert ended(queue, "k").step is not kept


def test_a_kept_result_says_why_computing_it_again_failed(queue):
    def work():
        raise MemoryError
        yield

    queue.adopt("k", "", Step(1, 1), 0.0)
    queue.submit("k", "", "me", work, anew=True)
    assert ended(queue, "k").state is State.FAILED
    job = queue.adopt("k", "", Step(1, 1), 0.0)
    assert (job.state, job.message) == (State.DONE, OUT_OF_MEMORY)
    queue.submit("k", "", "me", quick(), anew=True)
    assert ended(queue, "k").message == ""


def test_what_runs_here_goes_before_a_kept_result(queue):
    steps = Steps(1)
    queue.submit("k", "", "me", steps)
    assert steps.begun.wait(SOON)
    assert queue.adopt("k", "", Step(1, 1), 0.0).state is State.RUNNING
    steps.let(1)
    assert ended(queue, "k").step.index == 1


@pytest.mark.parametrize(
    "words", ["CUDA out of memory", "DefaultCPUAllocator: no", "CUBLAS_STATUS_ALLOC_FAILED"]
)
def test_out_of_memory_makes_the_batch_smaller(words):
    largest, done = 3, []

    def work(start, stop):
        if stop - start > largest:
            raise RuntimeError(words)
        done.extend(range(start, stop))

    sizes = [stop - start for start, stop, _ in in_batches(20, 16, work)]
    assert done == list(range(20)) and max(sizes) <= largest
    with pytest.raises(RuntimeError, match="shape"):
        list(in_batches(2, 2, lambda *_: (_ for _ in ()).throw(RuntimeError("shape"))))


def test_starts_are_counted_a_session_and_an_address():
    now = [0.0]
    starts = RateLimit(2, clock=lambda: now[0])
    starts.take("mine", "address a")
    now[0] = 10.0
    starts.take("yours", "address a")
    with pytest.raises(TooManyJobs, match="the next may start in 50 s"):
        starts.take("another", "address a")
    starts.take("another", "address b")
    now[0] = 60.0
    starts.take("mine", "address a")


def test_the_tabs_of_a_browser_are_one_owner(monkeypatch):
    """Without a cookie each tab is one of its own."""
    cookies, name = {}, visitor.new_name()
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: cookies))
    for given in (name, "../x", ""):
        cookies[visitor.COOKIE] = given
        tabs = []
        for _ in range(2):
            monkeypatch.setattr(st, "session_state", {})
            tabs.append(visitor.owner())
            assert visitor.owner() == tabs[-1] and visitor.is_name(tabs[-1])
        assert (tabs == [name, name]) if given == name else tabs[0] != tabs[1]


def test_attaching_is_no_start_and_all_together_may_wait_for_so_many():
    queue, work = JobQueue(waiting_all=2, jobs_per_minute=3), Steps()
    queue.submit("running", "", "a", work)
    assert work.begun.wait(SOON)
    queue.submit("first", "", "a", quick())
    queue.submit("second", "", "b", quick())
    with pytest.raises(TooManyJobs, match="2 jobs of all visitors"):
        queue.submit("third", "", "c", quick())
    assert all(queue.submit("first", "", "c", quick()).key == "first" for _ in range(9))
    work.let(3)
    queue.close()


@pytest.mark.parametrize(
    ("said", "network_of"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("nonsense", None),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
    ],
)
def test_an_address_is_what_a_visitor_cant_choose(said, network_of):
    assert network(said) == network_of
