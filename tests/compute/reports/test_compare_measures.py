"""What is measured between two runs, as it is read from their tables."""

import numpy as np
import pyarrow as pa
import pytest

from compute.__main__ import main
from compute.reports.base import ReportInputs
from compute.reports.compare.measures import Compared
from compute.reports.compare.series import Measures, in_order, series_of
from compute.reports.compare.series_report import SeriesSpec
from featurestore.files.arrays import vectors
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.full import CLASSES, FIELDS, IMAGES, SHARD, UNREADABLE, WIDTH, full_run, rows_of


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


def a_checkpoint(path, step, *, shards=3, made="", tables=("images", "features", "neighbors")):
    """A run over the first images of the full run: the later the step, the more of them are right.

    Its features and neighbours drift from those of step 0.
    """
    count, generator = shards * SHARD, np.random.default_rng(step)
    images = [each for each in rows_of("images").to_pylist() if each["image_id"] < count]
    for each in images:
        if each["image_id"] not in UNREADABLE:
            right = generator.random() < step / 12
            each["predicted"] = each["label"] if right else CLASSES[(CLASSES.index(each["label"]) + 1) % 3]
    features = rows_of("features").slice(0, count)
    stored = [np.full(WIDTH, np.nan) if each is None else each for each in features["feature"].to_pylist()]
    values = np.stack(stored) + generator.normal(size=(count, WIDTH)) * step / 4
    drifted = vectors(values.astype(np.float32), np.isnan(values).any(1))
    made_tables = {
        "images": pa.Table.from_pylist(images, TABLES["images"]),
        "features": pa.table({"image_id": features["image_id"], "feature": drifted}),
        "neighbors": pa.Table.from_pylist(
            [
                {"space": "feature", "image_id": image, "rank": rank, "neighbor_id": found, "distance": rank}
                for image in range(count)
                for rank, found in enumerate((image + near) % count for near in (1, 2, 3 + step, 30 - step))
            ],
            TABLES["neighbors"],
        ),
    }  # fmt: skip
    writer = RunWriter(path, f"fingerprint-{step:02d}" if step < 99 else path.name)
    for table in tables:
        for shard in range(shards if table != "neighbors" else 1):
            rows = made_tables[table]
            part = rows if table == "neighbors" else rows.slice(shard * SHARD, SHARD)
            writer.write_shard(table, shard, part)
    writer.commit({**FIELDS, "notes": {"created": made} if made else {}})
    return Store(path).open()


@pytest.fixture
def checkpoints(tmp_path):
    """By name; the later ones were made first."""
    steps = (10, 2, 5)
    times = (f"2026-01-{20 - step:02d}T00:00:00+00:00" for step in steps)
    return {
        step: a_checkpoint(tmp_path / f"epoch-{step}", step, made=made)
        for step, made in zip(steps, times, strict=True)
    }


def test_a_series_is_what_each_two_of_its_runs_have_in_common(checkpoints):
    found = series_of([*checkpoints.values()], checkpoints[5], 3, "name", Measures())
    assert [step.name for step in found.steps] == ["epoch-2", "epoch-5", "epoch-10"]
    assert found.reference == 1 and found.judged == IMAGES - len(UNREADABLE)
    before = None
    for step in found.steps:
        pair = Compared(checkpoints[5], step.run)
        overlap = pair.neighbor_overlap(3)
        assert step.images == len(pair.matched) and step.accuracy == pair.accuracies.theirs
        assert (step.overlap, step.chance) == (overlap.mean, overlap.chance(len(pair.matched) - 1))
        assert (step.cka, step.cka_chance) == (pair.cka.value, pair.cka.chance)
        if before is None:
            assert step.overlap_before is None and step.cka_before is None
        else:
            last = Compared(before, step.run)
            assert step.overlap_before == last.neighbor_overlap(3).mean
            assert step.cka_before == last.cka.value
        before = step.run
    assert found.steps[1].overlap == 1 and found.steps[1].cka == pytest.approx(1)
    assert len({step.accuracy for step in found.steps}) == 3
    assert 0 < found.steps[0].overlap < 1 and found.steps[2].overlap_before == found.steps[2].overlap


def test_accuracies_are_on_what_all_runs_have(checkpoints, tmp_path):
    small = a_checkpoint(tmp_path / "small", 7, shards=2)
    found = series_of([*checkpoints.values(), small], checkpoints[10], 3, "name", Measures())
    known = [image for image in range(2 * SHARD) if image not in UNREADABLE]
    assert found.judged == len(known)
    for step in found.steps:
        rows = step.run.table("images").take(known).to_pylist()
        assert step.accuracy == np.mean([each["predicted"] == each["label"] for each in rows])
    assert found.steps[-1].images == 2 * SHARD - len(UNREADABLE)


def test_a_run_that_lacks_something_leaves_the_others_theirs(checkpoints, tmp_path):
    bare = a_checkpoint(tmp_path / "epoch-3", 3, tables=("images",))
    found = series_of([*checkpoints.values(), bare], checkpoints[2], 3, "name", Measures())
    assert [step.name for step in found.steps] == ["epoch-2", "epoch-3", "epoch-5", "epoch-10"]
    without, after_it = found.steps[1], found.steps[2]
    assert without.accuracy is not None and without.overlap is None and without.cka is None
    assert after_it.overlap is not None and after_it.overlap_before is None and after_it.cka_before is None


def test_runs_are_in_the_order_asked_for(checkpoints, tmp_path):
    runs = [*checkpoints.values()]
    assert [name for name, _ in in_order(runs, "made")] == ["epoch-10", "epoch-5", "epoch-2"]
    untimed = a_checkpoint(tmp_path / "Epoch-1", 1)
    assert in_order([untimed, *runs], "made")[-1][0] == "Epoch-1"
    assert in_order([*runs, untimed], "name")[0][0] == "Epoch-1"
    older = a_checkpoint(tmp_path / "epoch-5", 4)
    names = [name for name, _ in in_order([*runs, older], "name")]
    assert names[1:3] == ["epoch-5 fingerpr", "epoch-5 fingerpr"] and len(names) == 4


def test_what_makes_no_series_is_said(checkpoints, tmp_path, monkeypatch):
    runs = [*checkpoints.values()]
    with pytest.raises(ValueError, match="2 to 24 runs, not 1"):
        series_of(runs[:1], runs[0], 3, "name", Measures())
    with pytest.raises(ValueError, match="'size'; choose from name, made"):
        series_of(runs, runs[0], 3, "size", Measures())
    with pytest.raises(ValueError, match="fingerprint-10 is given 2 times"):
        series_of([*runs, runs[0]], runs[0], 3, "name", Measures())
    with pytest.raises(ValueError, match="no run of the series begins with 'x'; choose from fingerpr"):
        SeriesSpec(reference="x").make(ReportInputs(runs[0], other_runs=tuple(runs[1:])))
    stores = [str(run.folder.parents[1]) for run in runs]
    words = ["series", "--store", stores[0], "--other-stores", *stores[1:], "--other-runs", "one", "--json"]
    assert main(words) != 0


def test_the_report_has_a_row_a_run_and_finds_its_reference(checkpoints):
    inputs = ReportInputs(checkpoints[10], other_runs=(checkpoints[2], checkpoints[5]))
    report = SeriesSpec(reference="fingerprint-05", k=2).make(inputs)
    rows = report.tabulate().to_pylist()
    assert [each["name"] for each in rows if each["is_reference"]] == ["epoch-5"]
    assert rows[0]["overlap_before"] is None and rows[1]["overlap"] == 1
    assert report.numbers["accuracy_last"] == rows[-1]["accuracy"] > rows[0]["accuracy"]
    assert report.recipe["run"] == "fingerprint-05"
    assert [each["run"] for each in report.recipe["runs"]] == [each["run"] for each in rows]
    assert report.draw().shape[0] == 1100
