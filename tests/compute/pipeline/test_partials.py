"""What is kept of an unfinished run: whole, or made again."""

import numpy as np
import pytest

from compute.pipeline.partials import FOLDER, Partials
from featurestore.writing.run_writer import RunWriter


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def partials(store):
    """As of a process of its own."""
    return Partials(RunWriter(store, "run"))


def mapped(store, made):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)

    def write(file):
        made.append(file.tell())
        np.lib.format.write_array(file, values, allow_pickle=False)

    return partials(store).mapped("vectors", write)


def damaged(path, change):
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))


def flipped(data):
    data[-9] ^= 1  # within the last vector
    return data


@pytest.mark.parametrize("change", [flipped, lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_damaged_vectors_are_made_again(store, change):
    """A resumed build would find other neighbours by them, without a word."""
    made = []
    whole = mapped(store, made).copy()
    assert np.array_equal(mapped(store, made), whole) and made == [0]
    damaged(store / "runs" / "run" / FOLDER / "vectors.npy", change)
    assert np.array_equal(mapped(store, made), whole) and made == [0, 0]


def test_writing_to_mapped_vectors_leaves_the_file(store):
    made = []
    mapped(store, made)[:] = 0
    assert mapped(store, made).any() and made == [0]


def test_a_mapped_file_is_opened_once(store):
    kept = partials(store)
    first = kept.mapped("vectors", lambda file: np.lib.format.write_array(file, np.ones(3)))
    assert kept.mapped("vectors", None) is first
    kept.remove()
    assert not (store / "runs" / "run" / FOLDER).exists() and first.sum() == 3
