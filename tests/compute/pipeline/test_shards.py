"""A shard's batches: in which order the device gets them, and that none is mixed up with another."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from compute.images.loading import Picture
from compute.images.sources import Item
from compute.pipeline import job as jobs
from compute.pipeline.job import Job, parameters
from compute.pipeline.shards import activations_shard
from compute.pipeline.stages.activations import OnePass
from compute.pipeline.stages.upload import Upload
from tests.support.networks.tiny import crops, tiny_model

BATCH = 2
UNREADABLE = (1, 4, 5)
"""Of seven images: one of a batch, and all of another."""


class Nowhere:
    spec, root = "nowhere", None


@pytest.fixture
def made(monkeypatch):
    """A shard of seven images in batches of two, the crops it was made of, and the order of the calls."""
    calls = []

    class Noting(OnePass):
        def begun(self, images):
            calls.append(("begun", len(images)))
            return super().begun(images)

        def finished(self, begun):
            calls.append(("finished", begun.number))
            return super().finished(begun)

    monkeypatch.setattr(jobs, "OnePass", Noting)
    monkeypatch.setattr(jobs, "pass_batch", lambda model: BATCH)
    model = tiny_model()
    images = crops(model, 7)
    items = tuple(Item(f"{number}.png", "ant") for number in range(len(images)))
    pictures = [
        Picture("a" * 64, reason="broken") if number in UNREADABLE else Picture("a" * 64, 9, 9, b"png", crop)
        for number, crop in enumerate(images)
    ]
    job = Job(model, {}, Nowhere(), items, (None,) * len(items), parameters(model, ("activations",)))
    done = []
    shard = activations_shard(job, range(len(items)), iter(pictures), done.append)
    return shard, images, calls, done


def test_a_batch_is_begun_before_the_one_before_is_read(made):
    _, _, calls, done = made
    order = [("begun", 1), ("begun", 2), ("finished", 1), ("finished", 2), ("begun", 1), ("finished", 1)]
    assert calls == order and done == [2, 2, 2, 1]


def test_every_image_has_its_own_values(made):
    shard, images, *_ = made
    model = tiny_model()
    expected = OnePass(model, BATCH)
    features = shard.features["feature"].to_pylist()
    for number, image in enumerate(images):
        if number in UNREADABLE:
            assert features[number] is None
        else:
            alone = expected.values(image[None])
            np.testing.assert_allclose(features[number], alone.features[0], rtol=1e-5, atol=1e-6)
    assert shard.pixel_ids.tolist() == [0, 2, 3, 6] and shard.summary.images == 4
    assert shard.problems == tuple((number, "broken") for number in UNREADABLE)


def test_a_gpu_gets_its_batches_from_page_locked_memory_in_a_stream_of_their_own(monkeypatch):
    calls = []

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            calls.append(f"{self.name} waits for {other.name}")

    @contextmanager
    def inside(stream):
        calls.append(f"in {stream.name}")
        yield
        calls.append(f"out of {stream.name}")

    class Batch:
        def pin_memory(self):
            calls.append("pinned")
            return self

        def to(self, device, non_blocking):
            calls.append(f"to {device}, non_blocking {non_blocking}")
            return self

        def record_stream(self, stream):
            calls.append(f"kept for {stream.name}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("copies"))
    monkeypatch.setattr(torch.cuda, "stream", inside)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("network"))
    batch = Batch()
    assert Upload(torch.device("cuda", 0))(batch) is batch
    assert calls == [
        "in copies",
        "pinned",
        "to cuda:0, non_blocking True",
        "out of copies",
        "network waits for copies",
        "kept for network",
    ]


def test_elsewhere_a_batch_is_copied_as_it_is():
    batch = torch.ones(2, 3)
    assert Upload(torch.device("cpu"))(batch) is batch
