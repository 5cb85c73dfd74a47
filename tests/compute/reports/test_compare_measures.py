"""What is measured between two runs, as it is read from their tables."""

import numpy as np
import pyarrow as pa
import pytest

from compute.reports.compare.measures import Compared
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writer import RunWriter
from tests.support.stores.full import FIELDS, IMAGES, UNREADABLE, full_run


def a_store(path, neighbors):
    """The full run with these neighbours in feature space, by image."""
    rows = [
        {"space": "feature", "image_id": image, "rank": rank, "neighbor_id": found, "distance": rank / 10}
        for image, listed in sorted(neighbors.items())
        for rank, found in enumerate(listed)
    ]
    writer = RunWriter(path, "run")
    for table, shard, made in full_run():
        own = pa.Table.from_pylist(rows, TABLES[table]) if table == "neighbors" else made()
        writer.write_shard(table, shard, own)
    writer.commit(FIELDS)
    return Store(path).open()


def after(image, *steps):
    return [(image + step) % IMAGES for step in steps]


LISTS = {
    "whole, one for each image": {image: after(image, 1, 5, 9) for image in range(IMAGES)},
    "none for what is unreadable": {
        image: after(image, 1, 5, 9) for image in range(IMAGES) if image not in UNREADABLE
    },
    "of other lengths": {image: after(image, *range(1, 1 + image % 4)) for image in range(IMAGES)},
}


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_neighbours_are_those_of_the_table(tmp_path, lists):
    run = a_store(tmp_path / "store", lists)
    compared = Compared(run, run)
    matched = compared.matched.ids.tolist()
    for rows in compared.neighbor_rows:
        found = [[matched[row] for row in each if row >= 0] for each in rows]
        expected = [[near for near in lists.get(image, []) if near in matched] for image in matched]
        assert found == expected
    assert np.nanmean(compared.neighbor_overlap(3).share) == 1
