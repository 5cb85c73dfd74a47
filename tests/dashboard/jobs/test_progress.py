"""How far a job is, in words."""

from dataclasses import dataclass

import pytest

from dashboard.jobs.queue import LiveJob, State
from dashboard.widgets.live.progress import progress


@dataclass
class Step:
    index: int
    total: int
    score: float | None = None


RUNNING = LiveJob("k", "", state=State.RUNNING, step=Step(1, 4), seconds=30.0)


@pytest.mark.parametrize(
    "job, position, running, said",
    [
        (LiveJob("k", ""), 0, None, "Starting"),
        (LiveJob("k", ""), 2, None, "Waiting, 2 before this one"),
        (LiveJob("k", ""), 2, RUNNING, "Waiting, 2 before this one; the running one has about 90 s left"),
        (LiveJob("k", "", state=State.RUNNING, seconds=3.0), 0, None, "Running, 3 s"),
        (LiveJob("k", "", state=State.RUNNING, step=Step(0, 1), seconds=3.0), 0, None, "Running, 3 s"),
        (RUNNING, 0, RUNNING, "Step 1 of 4, about 90 s left"),
        (
            LiveJob("k", "", state=State.RUNNING, step=Step(1, 11, 0.5), seconds=60.0),
            0,
            None,
            "Step 1 of 11, about 10 min left, score 0.5",
        ),
    ],
)
def test_place_steps_and_time_left(job, position, running, said):
    assert progress(job, position, running) == said
