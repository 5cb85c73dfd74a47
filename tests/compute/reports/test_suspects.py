"""Suspects of a store, held against its tables row by row."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from compute.analysis.suspicions import COPIES
from compute.reports.base import ReportInputs
from compute.reports.suspects import ALIKE, SuspectsSpec, _disagreement, suspects, suspicions
from featurestore.reader import Store
from tests.support.stores.served import served_store, write_second_store


@pytest.fixture(scope="module")
def run():
    return Store(served_store()).open()


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    folder = tmp_path_factory.mktemp("second") / "second"
    write_second_store(folder)
    return Store(folder).open()


def test_every_suspicion_follows_from_the_tables(run):
    found = suspicions(run, alike=0.3)
    neighbors = run.select("neighbors", "pixel").to_pylist()
    features, images = run.select("neighbors", "feature").to_pylist(), run.table("images").to_pylist()
    for row in images:
        own = row["image_id"]
        expected = row["probability"] if row["correct"] is False else np.nan
        np.testing.assert_allclose(found.scores["confident"][own], expected)
        np.testing.assert_allclose(found.scores["improbable"][own], 1 - np.exp(-row["loss"]), atol=1e-12)
        close = {each["neighbor_id"] for each in features if each["image_id"] == own}
        near = [each for each in neighbors if each["image_id"] == own and each["neighbor_id"] in close]
        for kind, column in zip(COPIES, ("image_id", "split", "label"), strict=True):
            others = [each for each in near if images[each["neighbor_id"]][column] != row[column]]
            # The network takes 32 x 32 pixels of one channel, so their vectors have 1,024 values.
            rms = min((each["distance"] / 32 for each in others), default=np.inf)
            np.testing.assert_allclose(
                found.scores[kind][own], 1 - rms / 0.6 if rms <= 0.3 else np.nan, rtol=1e-6
            )
    assert found.missing == {"disputed": "no second run is chosen"}


def test_two_runs_dispute_what_both_are_sure_of(run, other):
    predictions = pa.table(
        {
            "image_id": [0, 2, 3],
            "predicted": ["cat", "cat", "dog"],
            "probability": [0.9, 0.8, 0.6],
            "other_predicted": ["cat", "dog", "cat"],
            "other_probability": [0.7, 0.5, 0.95],
        }
    )
    score, predicted = _disagreement(SimpleNamespace(predictions=predictions), 5)
    np.testing.assert_array_equal(score, [np.nan, np.nan, 0.5, 0.6, np.nan])
    assert predicted.tolist() == ["cat", None, "dog", "cat", None]
    report = SuspectsSpec(alike=0.3).make(ReportInputs(run, other))
    theirs = {row["sha256"]: row["predicted"] for row in other.table("images").to_pylist()}
    own = run.table("images", ["sha256"])["sha256"].to_pylist()
    rows = report.tabulate().to_pylist()
    assert [row["other_predicted"] for row in rows] == [theirs.get(own[row["image_id"]]) for row in rows]
    assert report.recipe["other"]["run"] == other.fingerprint


def test_the_list_is_sorted_and_says_its_reasons(run):
    found = suspicions(run, alike=0.3)
    table = suspects(run, found, least=0.3)
    greatest = table["suspicion"].to_pylist()
    assert greatest == sorted(greatest, reverse=True) and greatest[-1] >= 0.3
    for row in table.to_pylist():
        named = {name for name in found.scores if (row[name] or 0) >= 0.3}
        assert set(row["kinds"].split("|")) == named
        assert max(row[name] or 0 for name in found.scores) == row["suspicion"]
    assert (
        ALIKE < 0.3
        and len(suspects(run, found, "copy", least=0.5)) == np.isfinite(found.scores["copy"]).sum()
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "disputed"}, "'disputed' can't be computed: no second run"),
        ({"split": "val"}, "unknown split 'val'; choose from test, train"),
    ],
)
def test_what_there_is_not_is_named(run, asked, said):
    with pytest.raises(ValueError, match=said):
        SuspectsSpec(**asked).make(ReportInputs(run))
