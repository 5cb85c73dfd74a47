"""What can be wrong with a command is said without torch, in the words of those who would find it later."""

import subprocess
import sys

import pytest

from compute.__main__ import main
from compute.cli import description
from tests.support import ROOT
from tests.support.stores.full import LAYERS, write_full_store

PICTURE = str(ROOT / "docs" / "gallery" / "occlusion.png")
ON_PICTURE = ("saliency", "--model", "demo", "--image", PICTURE)
NEW_STORE = ("store", "--store", "{folder}/new")
STORED = ("--store", "{store}", "--image-id", "0")
WRONG = [
    (["store", "--model", "digits", "--store", ""], "'' names no store"),
    (["map", "--store", "", "--out", "map.png"], "'' names no store"),
    (("saliency", "--model", "demos", "--image", PICTURE), "unknown model 'demos'"),
    (("saliency", "--model", "timm:resnet81", "--image", PICTURE), "did you mean resnet18"),
    (("saliency", "--model", "torchvision:resnt18", "--image", PICTURE), "did you mean resnet18"),
    (("saliency", "--model", "nowhere.py:net", "--image", PICTURE), "there is no file 'nowhere.py'"),
    (("saliency", "--image", PICTURE), "no model is named"),
    (("saliency", "--model", "demo", "--image", "nowhere.png"), "no such file: 'nowhere.png'"),
    (("saliency", "--model", "demo", "--image-id", "3"), "--image-id is of a store"),
    ((*ON_PICTURE, "--run", "abc"), "give --store S too"),
    ((*ON_PICTURE, "--weights", "DEFUALT"), "unknown weights 'DEFUALT' for demo"),
    ((*ON_PICTURE, "--checkpoint", "nowhere.pth"), "there is no checkpoint 'nowhere.pth'"),
    ((*ON_PICTURE, "--transform-input", "on"), "not of demo"),
    ((*ON_PICTURE, "--device", "tpu"), "unknown device 'tpu'"),
    ((*ON_PICTURE, "--size", "big"), "'big' is not a size"),
    ((*ON_PICTURE, "--size", "0"), "size 0 is not a size"),
    ((*ON_PICTURE, "--mean", "120,110,100"), "--mean 0.470588,0.431373,0.392157"),
    ((*ON_PICTURE, "--mean", "a"), "is not a list of numbers"),
    ((*ON_PICTURE, "--std", "0"), "must be positive"),
    ((*ON_PICTURE, "--crop-fraction", "2"), "crop fraction 2.0"),
    ((*ON_PICTURE, "--fit", "stretch"), "unknown fit 'stretch'"),
    ((*ON_PICTURE, "--interpolation", "cubic"), "unknown interpolation 'cubic'"),
    ((*ON_PICTURE, "--channels", "blue"), "channels 'blue'"),
    ((*ON_PICTURE, "--value-range=1,0"), "value_range (1.0, 0.0)"),
    ((*ON_PICTURE, "--samples", "0"), "samples is 0; it must be 1 to"),
    ((*ON_PICTURE, "--variant", "best"), "variant is 'best'; choose from"),
    ((*ON_PICTURE, "--out", "x.jpg"), "--out 'x.jpg' must end in"),
    ((*ON_PICTURE, "--out", "nowhere/x.png"), "there is no folder 'nowhere'"),
    ((*NEW_STORE, "--model", "demos"), "unknown model 'demos'"),
    ((*NEW_STORE, "--images", "nowhere"), "no folder 'nowhere'"),
    ((*NEW_STORE, "--images", "torchvision:CIFAR"), "unknown data set 'CIFAR'"),
    ((*NEW_STORE, "--stages", "maps"), "unknown stage 'maps'"),
    ((*NEW_STORE, "--precision", "half"), "invalid choice: 'half'"),
    (("saliency", "--store", "{folder}/none", "--image-id", "0"), "no store"),
    (("saliency", *STORED, "--target", "unicorn"), "unknown class 'unicorn'"),
    (("saliency", *STORED, "--run", "abc"), "abc"),
    (("guided", *STORED, "--layer", "conv9", "--channel", "0"), "unknown layer 'conv9'"),
    (("guided", *STORED, "--layer", "{layer}", "--channel", "9999"), "channel 9999 is not in {layer}"),
    (("patches", "--store", "{store}", "--layer", "conv9", "--channel", "0"), "unknown layer 'conv9'"),
    (("table", "--store", "{store}"), "table is ''; choose from images"),
    (("neighbors", "--store", "{folder}/none", "--image-id", "0"), "no store"),
]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spelling")
    write_full_store(folder / "full")
    return {"store": folder / "full", "layer": next(iter(LAYERS)), "folder": folder}


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_is_wrong_is_one_line_with_the_choices(names, capsys, arguments, message):
    try:
        status = main([each.format(**names) for each in arguments])
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2 and message.format(**names) in said and "error: " in said


def test_none_of_it_needs_torch(names):
    """All of them in one process, in which importing torch would stop with an error."""
    commands = [[each.format(**names) for each in arguments] for arguments, _ in WRONG]
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom compute.__main__ import main\n"
        f"for command in {commands!r}:\n"
        "    try:\n        status = main(command)\n"
        "    except SystemExit as stop:\n        status = stop.code\n"
        "    except ImportError as error:\n        sys.exit(f'{command}: {error}')\n"
        "    assert status == 2, command\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_bounds_of_parameters_are_described():
    assert description.read()["dream"]["parameters"]["octaves"] == {"low": 0, "high": 24}
