"""Live methods whose device runs out of memory in mid-pass: smaller batches, else a message."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from compute.methods import METHODS
from dashboard.jobs.queue import OUT_OF_MEMORY, JobQueue, State
from tests.support.methods import (
    assert_untouched,
    available,
    brief,
    inputs_for,
    model_of,
    same,
    state_of,
)

pytestmark = pytest.mark.slow

MODEL = "plain"
BATCHED = {
    "smoothgrad": ("saliency", {"variant": "smoothgrad", "samples": 10}),
    "integrated": ("saliency", {"variant": "integrated", "points": 10}),
    "curves": ("saliency", {"curves": True, "curve_steps": 12}),
    "occlusion": ("occlusion", {"patch": 6}),
}


class Memory(TorchDispatchMode):
    """On this thread, what makes more than `limit` values at once fails as a device's allocator does."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit, self.largest, self.failures = limit, 0, 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        result = operation(*arguments, **options or {})
        made = max((each.numel() for each in _tensors(result) if not _is_a_view(each)), default=0)
        if made > self.limit:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.largest = max(self.largest, made)
        return result


def _tensors(result):
    several = result if isinstance(result, tuple | list) else [result]
    return [each for each in several if torch.is_tensor(each)]


def _is_a_view(tensor):
    return tensor._base is not None


def ran(name, limit, **chosen):
    """The job's end, and the memory that it ran in."""
    model, method, memory = model_of(MODEL), brief(METHODS[name], **chosen), Memory(limit)
    inputs = method.checked(model, inputs_for(METHODS[name], model))

    def work():
        with memory:
            yield from method.steps(model, inputs)

    queue = JobQueue()
    queue.submit("k", "", "me", work)
    job = queue.wait("k", 30)
    queue.close()
    return job, memory


@pytest.mark.parametrize("kind", BATCHED)
def test_where_there_are_batches_they_get_smaller(kind):
    name, chosen = BATCHED[kind]
    whole, roomy = ran(name, float("inf"), **chosen)
    job, memory = ran(name, roomy.largest / 2, **chosen)
    assert (job.state, job.message) == (State.DONE, "") and memory.failures > 0
    np.testing.assert_allclose(job.step.data, whole.step.data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in METHODS if available(name, model_of(MODEL))])
def test_where_nothing_fits_it_is_a_message_and_the_network_goes_on(name):
    model = model_of(MODEL)
    before = state_of(model)
    job, memory = ran(name, 500)
    assert (job.state, job.message) == (State.FAILED, OUT_OF_MEMORY) and memory.failures > 0
    assert_untouched(before, model)
    first, second = (ran(name, float("inf"))[0] for _ in range(2))
    assert first.state is State.DONE and same(first.step, second.step)
