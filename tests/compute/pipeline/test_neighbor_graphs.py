"""Neighbour graphs of a run: exact or approximate, shard by shard, and after an interruption."""

import io

import pytest

from compute.neighbors.descent import Descent
from compute.pipeline import build as pipeline
from compute.pipeline import job as jobs
from compute.pipeline.neighbor_graphs import NeighborGraphs
from compute.pipeline.open_run import OpenRun
from compute.pipeline.sharded_stages import Part
from compute.runtime.progress import Progress
from featurestore.reader import Store
from tests.compute.pipeline.test_build import a_job, build, folder, small_shards, table_bytes

__all__ = ["folder", "small_shards"]
STAGES = ("neighbors", "embeddings")


class Stopped(Exception):
    """Where a kill would have come."""


@pytest.fixture(scope="module")
def exact(folder, tmp_path_factory):
    store = tmp_path_factory.mktemp("exact")
    return content(store, a_job(folder, stages=STAGES))


def content(store, job):
    """The run's files of neighbours and maps, once it is built."""
    build(job, store)
    files = table_bytes(store, job.fingerprint)
    return {name: data for name, data in files.items() if name.startswith(("neighbors", "embeddings"))}


def graphs(store):
    return Store(store).open().table("graphs").to_pylist()


def test_few_images_are_searched_exactly(folder):
    job = a_job(folder)
    assert not job.is_approximate("feature") and not job.is_approximate("pixel")
    assert a_job(folder, neighbors="approximate").is_approximate("pixel")


def test_many_are_not_unless_asked(folder, monkeypatch):
    monkeypatch.setitem(jobs.EXACT_PRODUCTS, "cpu", 24)
    assert a_job(folder).is_approximate("feature")
    assert not a_job(folder, neighbors="exact").is_approximate("feature")


def test_an_unknown_way(folder):
    with pytest.raises(ValueError, match="'near'; choose from auto, exact, approximate"):
        a_job(folder, neighbors="near")


@pytest.fixture
def descents_of_few(monkeypatch):
    """A descent even among the few images here."""
    monkeypatch.setattr("compute.pipeline.neighbor_graphs.FEWEST", 1)


@pytest.mark.slow
def test_an_approximate_search_of_few_images_finds_all(folder, exact, tmp_path, descents_of_few):
    assert content(tmp_path, a_job(folder, stages=STAGES, neighbors="approximate")) == exact
    assert [(row["space"], row["method"], row["recall"]) for row in graphs(tmp_path)] == [
        ("feature", "approximate", 1.0),
        ("pixel", "approximate", 1.0),
    ]


@pytest.mark.slow
def test_a_descent_goes_on_from_its_last_round(folder, tmp_path, monkeypatch, descents_of_few):
    """Rounds are made to be three by asking for more than there can be found."""
    monkeypatch.setattr("compute.pipeline.neighbor_graphs.GOOD_RECALL", 2)
    monkeypatch.setattr("compute.pipeline.neighbor_graphs.ROUNDS", 3)
    job = a_job(folder, stages=STAGES, neighbors="approximate")
    expected = content(tmp_path / "whole", job)
    made, whole = [], Descent.round

    def counted(self, number, before):
        made.append(number)
        if made == [0, 1]:
            raise Stopped
        return whole(self, number, before)

    monkeypatch.setattr(Descent, "round", counted)
    with pytest.raises(Stopped):
        build(job, tmp_path / "store")
    assert content(tmp_path / "store", job) == expected
    assert made == [0, 1, 1, 2, 0, 1, 2]  # features, stopped and gone on with; then pixels


@pytest.mark.slow
def test_where_too_few_are_found_the_search_is_exact(folder, exact, tmp_path, monkeypatch, descents_of_few):
    monkeypatch.setitem(jobs.EXACT_PRODUCTS, "cpu", 0)
    monkeypatch.setattr(pipeline, "LEAST_RECALL", 2)
    said = io.StringIO()
    job = a_job(folder, stages=STAGES)
    pipeline.build(job, tmp_path, Progress(said))
    assert "an approximate search finds only 100.0% of them; searched exactly" in said.getvalue()
    assert content(tmp_path, job) == exact
    assert {row["method"] for row in graphs(tmp_path)} == {"exact"}


def test_a_stopped_search_goes_on_with_the_next_shard(folder, exact, tmp_path, monkeypatch):
    job = a_job(folder, stages=STAGES)
    made, whole = [], NeighborGraphs.write_shard

    def counted(self, number):
        made.append(number)
        if len(made) == 2:
            raise Stopped
        whole(self, number)

    monkeypatch.setattr(NeighborGraphs, "write_shard", counted)
    with pytest.raises(Stopped):
        build(job, tmp_path)
    assert content(tmp_path, job) == exact
    assert made == [0, 1, 1, 2, 3, 4, 5]


def test_parts_search_for_their_own_once_all_features_are_there(folder, exact, tmp_path):
    job = a_job(folder, stages=STAGES)
    for part in ("1/2", "2/2", "1/2"):
        pipeline.build_part(job, tmp_path, Progress(io.StringIO()), Part.parse(part))
    run = OpenRun(job, tmp_path)
    assert [run.graphs.has_shard(shard) for shard in range(6)] == [True] * 6
    assert content(tmp_path, job) == exact


def test_a_damaged_table_of_a_finished_run_is_made_again(folder, exact, tmp_path):
    job = a_job(folder, stages=STAGES)
    content(tmp_path, job)
    file = tmp_path / "runs" / job.fingerprint / "embeddings-00001.parquet"
    file.write_bytes(file.read_bytes()[:-9] + b"\0" * 9)
    assert content(tmp_path, job) == exact


@pytest.mark.slow
def test_every_file_of_neighbors_that_is_lost_is_made_again(folder, exact, tmp_path):
    job = a_job(folder, stages=STAGES)
    content(tmp_path, job)
    run = tmp_path / "runs" / job.fingerprint
    for name in ("neighbors-00000", "neighbors-00001", "graphs-00000", "graphs-00001"):
        (run / f"{name}.parquet").unlink()
        assert content(tmp_path, job) == exact and len(graphs(tmp_path)) == 2


def test_copies_of_one_image_need_no_descent(folder, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes((folder / "yak" / "00.jpg").read_bytes())
    job = a_job(tmp_path, stages=STAGES, neighbors="approximate")
    build(job, tmp_path / "store")
    assert {row["method"] for row in graphs(tmp_path / "store")} == {"exact"}
    assert not len(Store(tmp_path / "store").open().table("neighbors"))
