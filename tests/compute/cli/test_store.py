"""python -m compute store as a person uses it: its options, its last line, and what it says of bad input."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from compute.__main__ import main
from compute.cli import store as command
from featurestore.reader import Store
from featurestore.upkeep.verify import verify

NETWORK = """
import torch
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a network of the user's, its weights, and six photographs of two classes."""
    (tmp_path / "network.py").write_text(NETWORK)
    scope = {}
    exec(NETWORK, scope)
    torch.manual_seed(0)
    torch.save({"state_dict": scope["net"]().state_dict()}, tmp_path / "weights.pth")
    rng = np.random.default_rng(0)
    for label in ("moth", "wasp"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{number}.png")
    (tmp_path / "images" / "wasp" / "2.png").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN = (
    "--model network.py:net --checkpoint weights.pth --size 12 --mean 0.5,0.5,0.5 --std 0.2,0.2,0.2 "
    "--images images --device cpu"
).split()
FAST = ["--stages", "neighbors"]


def run(*arguments):
    return main(["store", *OWN, "--store", "out", *FAST, *arguments])


def test_a_store_of_ones_own_network_and_images(here, capsys):
    assert run("--occlusion-patch", "6", "--occlusion-stride", "6", "--stages", "occlusion") == 0
    opened = Store("out").open()
    assert opened.class_names == ("moth", "wasp") and opened.image_count == 6
    assert opened.occlusion(0)["probability"].shape == (2, 2)
    assert set(opened.tables()) == {
        "images",
        "features",
        "layers",
        "channels",
        "top_patches",
        "filters",
        "occlusion",
        "problems",
    }
    lines = capsys.readouterr().out.splitlines()
    assert "6 images, 1 unreadable" in lines[-3]
    assert lines[-2].startswith("accuracy: all 0.") and lines[-1].endswith("make dashboard STORES=out")
    assert verify("out") == []


def test_the_manifest_lets_model_and_images_be_opened_again_from_anywhere(here, monkeypatch):
    from compute.images.sources import open_source
    from compute.models import zoo

    run()
    manifest = Store("out").open().manifest
    monkeypatch.chdir("/")
    spec = zoo.ModelSpec.from_dict(manifest.model["spec"])
    assert zoo.load(spec, "cpu", manifest.class_names).weights_hash == manifest.model["weights_hash"]
    assert (
        open_source(manifest.images["spec"]).read("moth/0.png") == (here / "images/moth/0.png").read_bytes()
    )
    assert manifest.model["preprocessing"]["size"] == [12, 12] and manifest.model["feature_dim"] == 4
    assert manifest.images["labels"] == ["moth", "wasp"] and manifest.images["problems"] == 1
    assert manifest.parameters["stages"] == ["activations", "neighbors"]
    assert set(manifest.notes["timings"]) == {"reading", "activations", "neighbors"}


@pytest.mark.slow
def test_a_second_time_there_is_nothing_to_do_and_a_new_image_makes_a_new_run(here, capsys):
    assert run() == 0
    first = Store("out").current()
    capsys.readouterr()
    assert run() == 0
    assert f"run {first} is complete already" in capsys.readouterr().out
    (here / "images" / "wasp" / "3.png").write_bytes((here / "images" / "moth" / "0.png").read_bytes())
    assert run() == 0
    assert Store("out").current() != first and Store("out").open(first).image_count == 6


def test_limit_is_a_seeded_sample_of_each_class(here):
    run("--limit", "4")
    labels = Store("out").open().table("images")["label"].to_pylist()
    assert labels == ["moth", "moth", "wasp", "wasp"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model", "network.py:nets"], "nets"),
        (["--model", "demos"], "unknown model 'demos'"),
        (["--checkpoint", "none.pth"], "none.pth"),
        (["--images", "nowhere"], "no folder 'nowhere'"),
        (["--images", "texts"], r"found 1 files \(1 .txt\); accepted are .jpg"),
        (["--stages", "maps"], "unknown stage 'maps'; choose from activations"),
        (["--limit", "0"], "limit is 0"),
        (["--seed", "-1"], "seed -1 must lie between 0 and"),
        (["--occlusion-patch", "13"], "patch 13 must lie between 1 and 12"),
        (["--device", "tpu"], "tpu"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_store(here, capsys, arguments, message):
    (here / "texts").mkdir()
    (here / "texts" / "a.txt").write_text("text")
    assert run(*arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert not (here / "out").exists()


def test_an_interruption_says_how_to_go_on(here, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run", interrupt)
    assert run() == 130
    assert "the same command goes on where it was" in capsys.readouterr().err


def test_help_names_every_option_of_the_contract(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["store", "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    source = {"model", "images", "store", "weights", "checkpoint", "classes", "size", "mean", "std"}
    for option in source | {"stages", "limit", "device", "seed", "occlusion-patch", "occlusion-stride"}:
        assert f"--{option} " in said
