"""Table showcase: pictures byte for byte those of `ascend`, the same ones however a run comes to them."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from compute.methods import METHODS
from compute.methods.synthesis.ascent import Ascent
from compute.pipeline import build
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.stages import showcase
from featurestore.errors import NotComputed
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from featurestore.writing.run_writer import RunWriter
from tests.support import ROOT

pytestmark = pytest.mark.slow

NETWORK = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    early, late = nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 3, 3, padding=1)
    with torch.no_grad():
        late.weight[DEAD], late.bias[DEAD] = 0, -1
    model = nn.Sequential()
    parts = {"zebra": early, "first": nn.ReLU(), "aardvark": late, "second": nn.ReLU()}
    head = {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "head": nn.Linear(3, 2)}
    for name, part in (parts | head).items():
        model.add_module(name, part)
    return model
"""
DEAD = 1
"""A channel of the last layer that no picture can wake."""

EARLY, LATE = "zebra", "aardvark"
"""The layers: their names are sorted otherwise than they run."""

CHANNELS = {EARLY: 10, LATE: 3}

FEW_ITERATIONS = Ascent(iterations=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("job")
    (root / "network.py").write_text(NETWORK.replace("DEAD", str(DEAD)))
    (root / "images").mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (12, 12, 12, 3), np.uint8)):
        Image.fromarray(pixels).save(root / "images" / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def every_layer(folder, tmp_path_factory):
    """The files of a store that was made at once."""
    return whole(folder, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def every_layer_in_short(folder, tmp_path_factory):
    """The same, of short ascents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(showcase, "METHOD", FEW_ITERATIONS)
        return whole(folder, tmp_path_factory.mktemp("short"))


@pytest.fixture
def short_ascents(monkeypatch):
    """Of this process, for tests of when an ascent is made and where its row is written."""
    monkeypatch.setattr(showcase, "METHOD", FEW_ITERATIONS)


short = pytest.mark.usefixtures("short_ascents")


def whole(folder, store):
    assert made(folder, store, "--showcase-layers", "all") == 0
    assert verify(store) == []
    return files(store)


def arguments(folder, store, *more, stages="activations,showcase"):
    network = ["--model", f"{folder / 'network.py'}:net", "--size", "12", "--device", "cpu"]
    images = ["--images", str(folder / "images"), "--threads", "1"]
    return ["store", *network, *images, "--store", str(store), "--stages", stages, *more]


def made(folder, store, *more, **options):
    return main(arguments(folder, store, *more, **options))


def files(store):
    """All of the store's only run but its manifest."""
    return {path.name: path.read_bytes() for path in store.glob("runs/*/*.parquet")}


def shown(store):
    return [(row["layer"], row["channel"]) for row in Store(store).open().table("showcase").to_pylist()]


def ascended(folder, store, layer, channel, out, capsys):
    """The file and the numbers of the live method's command."""
    capsys.readouterr()
    asked = ["--layer", layer, "--channel", str(channel), "--model", f"{folder / 'network.py'}:net"]
    with fixed_threads(1):
        assert main(["ascend", "--store", str(store), *asked, "--out", str(out), "--json"]) == 0
    return out.read_bytes(), json.loads(capsys.readouterr().out.partition("\nwritten")[0])


def test_every_picture_is_the_file_that_ascend_writes(folder, tmp_path, capsys):
    assert made(folder, tmp_path / "store") == 0
    said = capsys.readouterr()
    assert "showcase     3/3 channels" in said.err and "1 of 3 channels stay dead" in said.err
    assert "3 channels have a picture of what they look for" in said.out
    rows = Store(tmp_path / "store").open().table("showcase").to_pylist()
    assert [(row["layer"], row["channel"]) for row in rows] == [(LATE, channel) for channel in range(3)]
    for row in rows:
        written, numbers = ascended(
            folder, tmp_path / "store", LATE, row["channel"], tmp_path / "a.png", capsys
        )
        assert row["image"] == {"bytes": written, "path": None}
        assert (row["value"], row["mean"]) == (numbers["maximum"], numbers["activation"])
        assert row["dead"] == numbers["dead"] == (row["channel"] == DEAD)
        assert row["predicted"] == numbers["predicted"]
        assert json.loads(row["parameters"]) == METHODS["ascend"]().to_dict() and row["seed"] == 0
        assert Image.open(io.BytesIO(written)).size == (12, 12)


@short
def test_a_run_that_is_there_gains_the_table_and_keeps_all_else(folder, tmp_path, every_layer_in_short):
    assert made(folder, tmp_path, stages="activations") == 0
    before, run = files(tmp_path), Store(tmp_path).current()
    with pytest.raises(NotComputed, match="store --stages showcase"):
        Store(tmp_path).open().table("showcase")
    assert made(folder, tmp_path) == 0
    assert Store(tmp_path).runs() == [run] and files(tmp_path).items() > before.items()
    assert shown(tmp_path) == [(LATE, channel) for channel in range(3)] and verify(tmp_path) == []
    assert files(tmp_path).items() < every_layer_in_short.items()


@short
def test_named_alone_it_is_added_to_all_other_stages(folder, tmp_path):
    assert made(folder, tmp_path, stages="activations,neighbors,embeddings,grid,occlusion") == 0
    run = Store(tmp_path).current()
    assert made(folder, tmp_path, stages="showcase") == 0
    assert Store(tmp_path).runs() == [run] and len(shown(tmp_path)) == 3


@short
@pytest.mark.parametrize(
    "layers, of", [(EARLY, (EARLY,)), ("zebra,aard*", (LATE, EARLY)), ("default", (LATE,))]
)
def test_a_run_of_layers_that_are_named_shows_all_of_them(folder, tmp_path, layers, of):
    assert made(folder, tmp_path, "--layers", layers) == 0
    assert {layer for layer, _ in shown(tmp_path)} == set(of)


@short
@pytest.mark.parametrize("orders", [(EARLY, LATE), (LATE, EARLY), ("z*", "all"), (f"{EARLY},{LATE}",)])
def test_other_layers_are_added_and_what_is_there_stays(folder, tmp_path, every_layer_in_short, orders):
    before = {}
    for order in orders:
        assert made(folder, tmp_path, "--showcase-layers", order) == 0
        assert files(tmp_path).items() >= before.items()
        before = files(tmp_path)
    assert files(tmp_path) == every_layer_in_short and verify(tmp_path) == []
    assert shown(tmp_path) == [(layer, each) for layer in (LATE, EARLY) for each in range(CHANNELS[layer])]


@short
def test_what_is_there_is_not_computed_again(folder, tmp_path, capsys):
    assert made(folder, tmp_path) == 0
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("runs/*/*"))]
    for more in ((), ("--showcase-layers", LATE)):
        assert made(folder, tmp_path, *more) == 0
    assert made(folder, tmp_path, stages="activations") == 0
    assert capsys.readouterr().out.count("is complete already") == 3
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("runs/*/*"))] == before


class Stopped(BaseException):
    """As final as a kill for the code that it hits."""


@short
@pytest.mark.parametrize("undone", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_stopped_before_or_after_any_write_it_ends_with_the_same_bytes(
    folder, tmp_path, every_layer_in_short, monkeypatch, number, undone
):
    """A run that is there gains three files and their commit: four calls, of which one is the last."""
    assert made(folder, tmp_path, stages="activations") == 0
    with monkeypatch.context() as patch:
        calls = []
        for name in ("write_shard", "commit"):
            patch.setattr(RunWriter, name, stopping(getattr(RunWriter, name), calls, number, undone))
        with pytest.raises(Stopped):
            made(folder, tmp_path, "--showcase-layers", "all")
    assert verify(tmp_path) == []
    assert made(folder, tmp_path, "--showcase-layers", "all") == 0
    assert files(tmp_path) == every_layer_in_short and len(shown(tmp_path)) == 13 and verify(tmp_path) == []


def stopping(call, calls, number, undone):
    """`call`, of which, counted with others, the one of this number stops the program: before or after."""

    def counted(*given):
        calls.append(call)
        if len(calls) == number and undone:
            raise Stopped
        result = call(*given)
        if len(calls) == number:
            raise Stopped
        return result

    return counted


def test_killed_for_real_the_run_is_whole_and_the_same_command_goes_on(folder, tmp_path, every_layer):
    command = [sys.executable, "-m", "compute", *arguments(folder, tmp_path, "--showcase-layers", "all")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, env=environment) as process:
        while not list(tmp_path.glob("runs/*/showcase-*.parquet")) and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    run = Store(tmp_path).open()
    assert "showcase" not in run.tables() and run.image_count == 12 and verify(tmp_path) == []
    left = files(tmp_path)
    assert made(folder, tmp_path, stages="activations") == 0
    assert files(tmp_path) == left and "showcase" not in Store(tmp_path).open().tables()
    assert made(folder, tmp_path, "--showcase-layers", "all") == 0
    assert files(tmp_path) == every_layer and len(shown(tmp_path)) == 13


@short
@pytest.mark.parametrize("change", ["cut", "gone"])
def test_a_damaged_file_is_made_again_whoever_asked_for_it(
    folder, tmp_path, every_layer_in_short, change, capsys
):
    assert made(folder, tmp_path, "--showcase-layers", "all") == 0
    (victim,) = tmp_path.glob("runs/*/showcase-00001.parquet")
    manifest = (victim.parent / "manifest.json").read_bytes()
    victim.write_bytes(victim.read_bytes()[:-9]) if change == "cut" else victim.unlink()
    assert [fault.where.rpartition("/")[2] for fault in verify(tmp_path)][:1] == [victim.name]
    assert made(folder, tmp_path, stages="activations") == 0
    assert "showcase-00001.parquet is damaged or missing: made again" in capsys.readouterr().err
    assert files(tmp_path) == every_layer_in_short and verify(tmp_path) == []
    assert (victim.parent / "manifest.json").read_bytes() == manifest


def test_worker_processes_give_the_same_bytes(folder, tmp_path, every_layer):
    engine = ("--engine", "processes", "--workers", "2")
    assert made(folder, tmp_path, *engine, "--showcase-layers", "all") == 0
    assert files(tmp_path) == every_layer


@short
def test_parts_give_the_same_bytes(folder, tmp_path, every_layer_in_short):
    for part in ("1/2", "2/2"):
        assert made(folder, tmp_path, "--showcase-layers", "all", "--shards", part) == 0
    expected = {name for name in every_layer_in_short if name.startswith("showcase")}
    assert {name for name in files(tmp_path) if name.startswith("showcase")} == expected
    assert made(folder, tmp_path, "--showcase-layers", "all") == 0
    assert files(tmp_path) == every_layer_in_short


@pytest.mark.parametrize(
    "more, stages, message",
    [
        (("--showcase-layers", "zebre"), "showcase", "no layer of the run is called 'zebre'; .*zebra"),
        (("--showcase-layers", EARLY), "activations", "zebra is of the stage showcase; give --stages"),
        ((), "activations,showcases", "unknown stage 'showcases'; .* showcase"),
    ],
)
def test_what_can_not_be_is_said_before_anything_is_computed(
    folder, tmp_path, capsys, monkeypatch, more, stages, message
):
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("it builds"))
    assert made(folder, tmp_path / "store", *more, stages=stages) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "store").exists()
