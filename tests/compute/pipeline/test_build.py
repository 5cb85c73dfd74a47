"""The whole pipeline from a folder to a committed run: what is in its tables, and that
no interruption shows in them.
"""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from compute.images.decoding import decode
from compute.images.sources import open_source
from compute.pipeline import build as pipeline
from compute.pipeline import choices, open_run, partials
from compute.pipeline import job as jobs
from compute.runtime.progress import Progress, duration, pace
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from featurestore.writing.run_writer import RunWriter
from tests.support import ROOT
from tests.support.networks.tiny import CLASSES, tiny_model

pytestmark = pytest.mark.slow

BROKEN = {"bee/03.jpg", "dog/empty.png"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """26 images of three classes, one of which the network doesn't know; two are broken, two are copies."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for label in ("bee", "dog", "yak"):
        (root / label).mkdir()
        for number in range(8):
            size = (24, 24) if number % 2 else (30 + 4 * number, 40)
            low = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            exif = Image.Exif()
            exif[0x0112] = 6 if number == 2 else 1
            Image.fromarray(low).resize(size).save(root / label / f"{number:02}.jpg", exif=exif)
    (root / "bee" / "03.jpg").write_bytes((root / "bee" / "03.jpg").read_bytes()[:200])
    (root / "dog" / "empty.png").write_bytes(b"")
    (root / "yak" / "copy.jpg").write_bytes((root / "yak" / "00.jpg").read_bytes())
    (root / "yak" / "notes.txt").write_text("no image")
    return root


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(open_run, "SHARD_IMAGES", 10)
    monkeypatch.setattr(open_run, "OCCLUSION_SHARD_IMAGES", 9)


def a_job(folder, model=None, **options):
    model, source = model or tiny_model("reused"), open_source(str(folder))
    with quiet().stage("reading", len(source.items)) as stage:
        digests = jobs.image_digests(source, source.items, stage)
    chosen = jobs.parameters(model, **options)
    return jobs.Job(model, {"model": "tiny"}, source, source.items, digests, chosen)


def quiet():
    return Progress(io.StringIO())


def build(job, store):
    pipeline.build(job, store, quiet())
    return Store(store).open()


def table_bytes(store, fingerprint):
    return {path.name: path.read_bytes() for path in (store / "runs" / fingerprint).glob("*.parquet")}


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_run, "SHARD_IMAGES", 10)
        patch.setattr(open_run, "OCCLUSION_SHARD_IMAGES", 9)
        store = tmp_path_factory.mktemp("store")
        job = a_job(folder)
        return job, store, build(job, store)


class TestTables:
    def test_all_are_there_and_sound(self, built):
        _, store, run = built
        assert set(run.tables()) == {
            "images",
            "features",
            "layers",
            "channels",
            "top_patches",
            "occlusion",
            "embeddings",
            "maps",
            "neighbors",
            "graphs",
            "grids",
            "filters",
            "problems",
        }
        assert verify(store) == []
        assert not (run.folder / partials.FOLDER).exists()

    def test_ids_follow_the_sorted_paths_and_the_unreadable_keep_theirs(self, built, folder):
        job, _, run = built
        rows = run.table("images").to_pylist()
        assert [row["image_id"] for row in rows] == list(range(26))
        assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
        assert {row["path"] for row in rows if row["predicted"] is None} == BROKEN
        problems = run.table("problems").to_pylist()
        assert {row["path"] for row in problems} == BROKEN and all(row["reason"] for row in problems)
        assert run.manifest.images["problems"] == 2 and run.manifest.images["count"] == 26
        for row in rows:
            assert row["path"] in job.source.read(row["path"]).decode("latin-1") or row["sha256"]

    def test_predictions_are_the_models(self, built):
        job, _, run = built
        features = run.features()
        for row in run.table("images").to_pylist():
            if row["path"] in BROKEN:
                assert np.isnan(features[row["image_id"]]).all()
                continue
            crop = job.model.prepare(decode(job.source.read(row["path"])))[None]
            probabilities = job.model.probabilities(crop)[0]
            assert row["predicted"] == CLASSES[probabilities.argmax()]
            assert row["probability"] == pytest.approx(probabilities.max().item(), abs=1e-5)
            assert row["correct"] == (None if row["label"] == "yak" else row["predicted"] == row["label"])
            assert (row["loss"] is None) == (row["label"] == "yak")
            np.testing.assert_allclose(features[row["image_id"]], job.model.features(crop)[0], atol=1e-5)

    def test_accuracy_is_of_those_whose_class_the_network_knows(self, built):
        _, _, run = built
        correct = [row["correct"] for row in run.table("images").to_pylist() if row["correct"] is not None]
        assert len(correct) == 15 and run.manifest.model["accuracy"] == {"all": np.mean(correct)}

    def test_recorded_maxima_are_what_the_model_gives_again(self, built):
        job, _, run = built
        paths = run.table("images")["path"].to_pylist()
        patches = run.table("top_patches").to_pylist()
        assert len(patches) == 9 * sum(layer.channels for layer in job.model.layers.values())
        for row in patches[::7]:
            crop = job.model.prepare(decode(job.source.read(paths[row["image_id"]])))[None]
            units = job.model.activations(crop, {row["layer"]})[row["layer"]][0, row["channel"]]
            assert units.max().item() == pytest.approx(row["value"], rel=1e-4, abs=1e-5)
            assert units[row["y"], row["x"]].item() == pytest.approx(row["value"], rel=1e-4, abs=1e-5)

    def test_neighbors_are_neither_the_image_nor_its_copy(self, built):
        _, _, run = built
        paths = run.table("images")["path"].to_pylist()
        pair = {paths.index("yak/00.jpg"), paths.index("yak/copy.jpg")}
        rows = run.table("neighbors").to_pylist()
        assert not any(row["image_id"] == row["neighbor_id"] for row in rows)
        assert not any({row["image_id"], row["neighbor_id"]} == pair for row in rows)
        assert not any(paths[row["neighbor_id"]] in BROKEN for row in rows)
        assert {row["space"] for row in rows} == {"feature", "pixel"}

    def test_maps_grids_and_occlusion_hold_all_readable_images(self, built):
        _, _, run = built
        readable = {row["image_id"] for row in run.table("images").to_pylist() if row["predicted"]}
        for method in ("pca", "tsne", "umap"):
            rows = run.embedding(method).to_pylist()
            assert {row["image_id"] for row in rows if row["x"] is not None} == readable and len(rows) == 26
            assert {*run.grid(method, "unique")["image_id"].to_pylist()} - {None} == readable
        assert set(run.table("occlusion")["image_id"].to_pylist()) == readable
        predicted = run.table("images")["predicted"].to_pylist()
        assert all(row["target"] == predicted[row["image_id"]] for row in run.table("occlusion").to_pylist())

    def test_pandas_polars_and_duckdb_read_every_file(self, built):
        import duckdb
        import pandas
        import polars

        _, _, run = built
        for path in sorted(run.folder.glob("*.parquet")):
            rows = run.manifest.files[path.name].rows
            assert len(pandas.read_parquet(path)) == len(polars.read_parquet(path)) == rows
            assert len(duckdb.sql(f"select * from '{path}'").fetchall()) == rows


class Stopped(BaseException):
    """As final as a kill for the code that it hits."""


class TestResume:
    def test_stopped_before_or_after_any_write_it_ends_with_the_same_bytes(
        self, built, folder, tmp_path, monkeypatch
    ):
        _, store, run = built
        expected = table_bytes(store, run.fingerprint)
        stops = 0
        while True:
            try:
                with monkeypatch.context() as patch:
                    stop_at_the_second_write(patch, before=stops % 2 == 0)
                    pipeline.build(a_job(folder), tmp_path, quiet())
            except Stopped:
                assert not (tmp_path / "CURRENT").exists()
                stops += 1
                assert stops < 100
                continue
            break
        assert stops > 10
        assert Store(tmp_path).current() == run.fingerprint
        assert table_bytes(tmp_path, run.fingerprint) == expected

    def test_a_finished_run_is_found_and_nothing_is_computed(self, built, folder):
        _, store, run = built
        before = (run.folder / "manifest.json").stat().st_mtime_ns
        assert pipeline.finished(a_job(folder), store).fingerprint == run.fingerprint
        assert (run.folder / "manifest.json").stat().st_mtime_ns == before

    @pytest.mark.parametrize(
        "name", ["features-00001", "channels-00000", "neighbors-00001", "occlusion-00002"]
    )
    def test_a_damaged_shard_is_computed_anew(self, folder, tmp_path, name):
        job = a_job(folder, stages=("neighbors", "occlusion"))
        run = build(job, tmp_path)
        expected = table_bytes(tmp_path, job.fingerprint)
        file = run.folder / f"{name}.parquet"
        file.write_bytes(file.read_bytes()[:-9] + b"\0" * 9)
        assert pipeline.finished(a_job(folder, stages=("neighbors", "occlusion")), tmp_path) is None
        build(job, tmp_path)
        assert table_bytes(tmp_path, job.fingerprint) == expected and verify(tmp_path) == []

    def test_an_older_run_becomes_the_current_one_again(self, folder, tmp_path):
        first, second = (a_job(folder, stages=("activations",), seed=seed) for seed in (0, 1))
        build(first, tmp_path)
        assert build(second, tmp_path).fingerprint == second.fingerprint
        assert pipeline.finished(first, tmp_path) is not None
        assert Store(tmp_path).current() == first.fingerprint and len(Store(tmp_path).runs()) == 2

    @pytest.mark.slow
    def test_killed_for_real(self, folder, tmp_path):
        """kill -9 in the middle of a real process, then the same command again."""
        code = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
            "from tests.compute.pipeline import test_build as t\n"
            "t.open_run.SHARD_IMAGES, t.open_run.OCCLUSION_SHARD_IMAGES = 10, 9\n"
            "job = t.a_job(Path(sys.argv[2]), stages=('neighbors', 'occlusion'))\n"
            "t.pipeline.build(job, Path(sys.argv[3]), t.quiet())\n"
        )
        command = [sys.executable, "-c", code, str(ROOT), str(folder), str(tmp_path)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        with subprocess.Popen(command, env=environment) as process:
            while not list(tmp_path.glob("runs/*/images-00000.parquet")) and process.poll() is None:
                time.sleep(0.001)
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL and not (tmp_path / "CURRENT").exists()
        subprocess.run(command, check=True, env=environment)
        whole = a_job(folder, stages=("neighbors", "occlusion"))
        assert Store(tmp_path).current() == whole.fingerprint
        build(whole, tmp_path / "again")
        assert table_bytes(tmp_path, whole.fingerprint) == table_bytes(tmp_path / "again", whole.fingerprint)


def stop_at_the_second_write(patch, before):
    """Stops a build before its second shard is written, or just after."""
    writes = []
    write = RunWriter.write_shard

    def counted(self, *args):
        writes.append(args)
        if len(writes) == 2 and before:
            raise Stopped
        write(self, *args)
        if len(writes) == 2:
            raise Stopped

    patch.setattr(RunWriter, "write_shard", counted)


class TestJob:
    def test_the_fingerprint_tells_runs_apart(self, folder, tmp_path):
        job = a_job(folder)
        assert job.fingerprint == a_job(folder).fingerprint
        others = [
            a_job(folder, seed=1),
            a_job(folder, occlusion_stride=4),
            a_job(folder, stages=("activations",)),
            a_job(folder, model=tiny_model("plain")),
            a_job(folder, model=tiny_model("reused").with_random_weights(0)),
            a_job(folder / "yak"),
        ]
        assert len({job.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)

    def test_stages_bring_what_they_need(self):
        assert jobs.complete_stages(("grid",)) == ("activations", "embeddings", "grid")
        others = tuple(stage for stage in choices.NEEDS if stage != "showcase")
        assert jobs.complete_stages(None) == others
        assert jobs.complete_stages(("showcase",)) == (*others, "showcase")
        assert jobs.complete_stages(("showcase", "neighbors")) == ("activations", "neighbors", "showcase")
        assert jobs.complete_stages(()) == ("activations",)
        with pytest.raises(ValueError, match="unknown stage 'maps'; choose from activations, neighbors"):
            jobs.complete_stages(("maps",))

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"occlusion_patch": 25}, "patch 25 must lie between 1 and 24"),
            ({"occlusion_stride": 0}, "stride 0"),
        ],
    )
    def test_impossible_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            jobs.parameters(tiny_model(), **options)

    def test_no_image_can_be_read(self, tmp_path):
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "1.png").write_bytes(b"nothing")
        with pytest.raises(ValueError, match="none of the 1 images can be read; the first: not an image"):
            pipeline.build(a_job(tmp_path / "images"), tmp_path / "store", quiet())
        assert not (tmp_path / "store" / "CURRENT").exists()

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_tiny_folders(self, folder, tmp_path, number):
        (tmp_path / "images").mkdir()
        for index in range(number):
            (tmp_path / "images" / f"{index}.jpg").write_bytes(
                (folder / "dog" / f"{index:02}.jpg").read_bytes()
            )
        run = build(a_job(tmp_path / "images"), tmp_path / "store")
        assert run.image_count == number and verify(tmp_path / "store") == []
        assert run.manifest.model["accuracy"] == {}

    def test_threads_are_put_back(self, folder, tmp_path):
        before = torch.get_num_threads()
        build(a_job(folder, stages=("activations",)), tmp_path)
        assert torch.get_num_threads() == before


class TestProgress:
    def run(self, stream):
        seconds = iter(range(0, 1000, 3))
        progress = Progress(stream, clock=lambda: next(seconds))
        with progress.stage("activations", 40) as stage:
            stage.skip(10)
            for _ in range(3):
                stage.advance(10)
        return progress, stream.getvalue()

    def test_a_log_has_lines_with_rate_and_time_left(self):
        progress, text = self.run(io.StringIO())
        assert "activations  30/40 images" in text and "/s" in text and "left" in text and "\r" not in text
        assert text.splitlines()[0] == "activations   0/40 images"
        assert text.splitlines()[-1].endswith("taken  10 were there")
        assert progress.seconds["activations"] > 0

    def test_a_terminal_has_one_line(self):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        _, text = self.run(Terminal())
        assert text.count("\n") == 1 and text.count("\r") == 5

    def test_the_pace_is_said_of_what_is_quick_and_of_what_takes_long(self):
        said = [pace(1 / seconds) for seconds in (0.001, 0.3, 4.9, 24, 600)]
        assert said == ["1000/s", "3.3/s", "0.2/s", "24 s each", "600 s each"]

    def test_durations(self):
        assert [duration(seconds) for seconds in (0.4, 59.6, 3725)] == ["0:00", "1:00", "1:02:05"]


def test_accuracy_by_split():
    rows = pa.table(
        {
            "split": ["train", "train", "test", None, "test"],
            "correct": [True, False, True, True, None],
        }
    )
    assert pipeline.accuracy(rows) == {"train": 0.5, "test": 1.0, "all": 0.75}
