"""From a model's specification to a Model, and the errors where there is none."""

import argparse
import json
import os
import sys
import urllib.error

import pytest
import torch

from compute.demo.networks import CLASSES
from compute.models.zoo import ModelSpec, add_model_arguments, load, resolve_device
from compute.runtime.vision import models

pytestmark = pytest.mark.slow

NETWORK = """
from dataclasses import dataclass
import torch
from torch import nn
from widths import WIDTH

@dataclass
class Shape:
    channels: int = 3

class Net(nn.Module):
    def __init__(self, channels=3):
        super().__init__()
        self.conv = nn.Conv2d(channels, WIDTH, 3)
        self.bn = nn.BatchNorm2d(WIDTH)
        self.fc = nn.Linear(WIDTH, 4)

    def forward(self, x):
        return self.fc(self.bn(self.conv(x)).relu().mean((2, 3)))

def small(): return Net()
def grey(): return Net(1)
def wide(channels): return Net(channels)
def number(): return 7
def broken(): raise OSError("no such luck")
def deaf(): return nn.Sequential(nn.Flatten(), nn.Linear(5, 4))
"""


@pytest.fixture
def file(tmp_path):
    """A user's file with networks, which imports its neighbour."""
    (tmp_path / "widths.py").write_text("WIDTH = 6\n")
    path = tmp_path / "my_networks.py"
    path.write_text(NETWORK)
    return path


def small(file, **changes) -> ModelSpec:
    return ModelSpec(f"{file}:small", **{"size": 16, **changes})


@pytest.mark.parametrize("name, channels, size", [("demo", 3, 96), ("digits", 1, 32)])
def test_demo_networks(name, channels, size):
    model = load(ModelSpec(name))
    assert (model.name, model.classes, model.in_channels, model.input_size) == (
        name,
        CLASSES[name],
        channels,
        (size, size),
    )
    assert load(ModelSpec(name, weights="DEFAULT")).weights_hash == model.weights_hash
    untrained = load(ModelSpec(name, weights="none"))
    assert untrained.weights_hash != model.weights_hash
    assert untrained.name == f"{name} (random weights)"


def test_torchvision_with_random_weights_knows_preprocessing_and_classes():
    model = load(ModelSpec("torchvision:efficientnet_b0", weights="none"))
    weights = models.EfficientNet_B0_Weights.DEFAULT
    assert (model.preprocessing.size, model.preprocessing.resize) == ((224, 224), 256)
    assert model.preprocessing.interpolation == "bicubic"
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)
    assert model.classes[:3] == tuple(weights.meta["categories"][:3])
    assert len(set(model.classes)) == 1000


def test_random_weights_follow_from_the_seed_and_disturb_nobody():
    before = torch.get_rng_state()
    spec = ModelSpec("torchvision:squeezenet1_1", weights="none", size=64)
    hashes = [load(spec).weights_hash, load(spec).weights_hash]
    other = load(ModelSpec("torchvision:squeezenet1_1", weights="none", size=64, seed=1)).weights_hash
    assert hashes[0] == hashes[1] != other
    assert torch.equal(torch.get_rng_state(), before)


def test_options_replace_what_the_weights_say():
    spec = ModelSpec(
        "torchvision:squeezenet1_1", weights="none", size=48, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    preprocessing = load(spec).preprocessing
    assert (preprocessing.size, preprocessing.resize) == ((48, 48), 48)
    assert (preprocessing.mean, preprocessing.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_weights_are_loaded_where_they_can_be_downloaded(monkeypatch, tmp_path):
    """The download itself is replaced by a file in torch's folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = models.SqueezeNet1_1_Weights.DEFAULT
    saved = models.squeezenet1_1().state_dict()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(saved, tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2])
    model = load(ModelSpec("torchvision:squeezenet1_1", weights="IMAGENET1K_V1", size=64))
    assert all(torch.equal(model.module.state_dict()[name], tensor) for name, tensor in saved.items())
    assert model.name == "squeezenet1_1"


def test_offline_says_what_to_do(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(ValueError) as error:
        load(ModelSpec("torchvision:squeezenet1_1"))
    for words in ("could not be downloaded", "squeezenet1_1-b8a52dc0.pth", str(tmp_path), "--weights none"):
        assert words in str(error.value)


def test_a_users_file(file):
    model = load(small(file))
    assert (model.name, model.input_size) == ("small", (16, 16))
    assert model.classes == ("class 0", "class 1", "class 2", "class 3")
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)
    assert load(small(file)).weights_hash == model.weights_hash != load(small(file, seed=1)).weights_hash
    assert list(model.layers) == ["conv"]


def test_a_users_file_with_one_channel(file):
    model = load(ModelSpec(f"{file}:grey", size=16, mean=(0.5,), std=(0.5,)))
    assert model.in_channels == 1
    with pytest.raises(ValueError, match="takes 1 channel; give --mean and --std"):
        load(ModelSpec(f"{file}:grey", size=16))


def test_a_pipe_or_a_device_has_no_class_names(file, tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for names in (tmp_path / "pipe.txt", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match="can't be read: it is no file"):
            load(small(file, classes=str(names)))


def test_class_names(file, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\ufeffäpfel\nbirnen\n\ncitronen \ndatteln\n", encoding="utf-8")
    folders = ("a", "b", "c", "d")
    fruit = ("äpfel", "birnen", "citronen", "datteln")
    assert load(small(file, classes=str(names))).classes == fruit
    assert load(small(file, classes=str(names)), class_names=folders).classes == fruit
    assert load(small(file), class_names=folders).classes == folders
    assert load(small(file), class_names=("a", "b")).classes[0] == "class 0"
    assert load(ModelSpec("digits"), class_names="abcdefghij").classes == CLASSES["digits"]
    names.write_text("one\ntwo\n")
    with pytest.raises(ValueError, match="2 class names, but the network tells 4 classes apart"):
        load(small(file, classes=str(names)))
    with pytest.raises(ValueError, match="no-such-file"):
        load(small(file, classes="no-such-file"))


@pytest.mark.parametrize(
    "model, words",
    [
        ("resnet18", "did you mean torchvision:resnet18"),
        ("dmeo", "did you mean demo"),
        ("torchvision:resnet81", "did you mean resnet18"),
        ("torchvision:fasterrcnn_resnet50_fpn", "no classification network"),
        ("networks.py", "names no function; give networks.py:FUNCTION"),
        ("nowhere/networks.py:small", "there is no file 'nowhere/networks.py'"),
        ("", "unknown model ''"),
    ],
)
def test_unknown_models(model, words):
    with pytest.raises(ValueError, match=words):
        load(ModelSpec(model, size=16))


@pytest.mark.parametrize(
    "function, words",
    [
        ("smal", "has no function 'smal'; did you mean small"),
        ("wide", "needs channels; name a function that takes no arguments"),
        ("number", "returns int, not a torch.nn.Module"),
        ("broken", r"broken\(\) stopped with OSError: no such luck"),
        ("deaf", "doesn't run on an image of 3 x 16 x 16"),
    ],
)
def test_functions_that_make_no_network(function, words, file):
    with pytest.raises(ValueError, match=words):
        load(ModelSpec(f"{file}:{function}", size=16))


def test_two_files_may_have_neighbours_of_the_same_name(file, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "widths.py").write_text("WIDTH = 9\n")
    other = tmp_path / "other" / "my_networks.py"
    other.write_text(NETWORK)
    assert [load(small(each)).layers["conv"].channels for each in (file, other, file)] == [6, 9, 6]


def test_a_file_that_does_not_run(tmp_path):
    (tmp_path / "bad.py").write_text("import a_library_that_nobody_has\n")
    with pytest.raises(ValueError, match="stopped with ModuleNotFoundError: No module named 'a_library"):
        load(ModelSpec(f"{tmp_path / 'bad.py'}:net", size=16))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"size": None}, "give --size"),
        ({"size": 0}, "size 0 is not a size in pixels"),
        ({"size": 100000}, "100000 x 100000 pixels"),
        ({"size": (64, 10**9)}, "at most 50,331,648"),
        ({"weights": "DEFAULT"}, "a file's network takes a --checkpoint"),
        ({"mean": (0.5, 0.5), "std": (0.2, 0.2, 0.2)}, "mean has 2 values and std 3"),
    ],
)
def test_options_that_do_not_fit(changes, words, file):
    with pytest.raises(ValueError) as error:
        load(small(file, **changes))
    assert words in str(error.value)


def test_unknown_weights():
    with pytest.raises(ValueError, match=r"unknown weights 'V2' .* choose from DEFAULT, IMAGENET1K_V1, none"):
        load(ModelSpec("torchvision:squeezenet1_1", weights="V2"))
    with pytest.raises(ValueError, match="unknown weights 'V2' for demo; choose from DEFAULT, none"):
        load(ModelSpec("demo", weights="V2"))


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(ValueError, match="unknown device 'gpu'; choose from auto, cuda, mps, cpu"):
        resolve_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="no 'cuda' device that torch can use; it has cpu"):
        load(ModelSpec("demo"), device="cuda")


def parsed(*words: str) -> ModelSpec:
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    parser.add_argument("--seed", type=int, default=0)
    return ModelSpec.from_args(parser.parse_args(words))


def test_from_the_command_line():
    assert parsed("--model", "demo") == ModelSpec("demo")
    options = "--checkpoint b.pt --classes c.txt --size 32 --mean 0.1,0.2,0.3 --std 1,1,1 --seed 4".split()
    spec = ModelSpec("a.py:f", "none", "b.pt", "c.txt", 32, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0), 4)
    assert parsed("--model", "a.py:f", *options, "--weights", "none") == spec
    with pytest.raises(ValueError, match="give --model"):
        parsed("--size", "32")


def test_a_list_of_numbers_that_is_none(capsys):
    with pytest.raises(SystemExit):
        parsed("--model", "demo", "--mean", "grey")
    assert "'grey' is not a list of numbers" in capsys.readouterr().err


def test_a_spec_survives_a_journey_through_json():
    spec = ModelSpec("a.py:f", checkpoint="b.pt", size=32, mean=(0.1, 0.2, 0.3), seed=4)
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.runs_user_code
    assert not ModelSpec("torchvision:resnet18").runs_user_code
    assert not ModelSpec("demo").runs_user_code


def test_a_function_of_a_module_that_python_finds(file, monkeypatch):
    monkeypatch.syspath_prepend(str(file.parent))
    spec = ModelSpec("my_networks:small", size=16)
    assert spec.runs_user_code and load(spec).weights_hash == load(small(file)).weights_hash
    assert spec.with_whole_paths() == spec
    for name in ("my_networks", "widths"):
        del sys.modules[name]


@pytest.mark.parametrize(
    "model, words",
    [
        ("no_such_package.networks:small", "Python finds no module 'no_such_package'"),
        ("compute.no_such_module:small", "Python finds no module 'compute.no_such_module'"),
        ("json:smal", "json has no function 'smal'"),
        ("torchvison:resnet18", "unknown model 'torchvison:resnet18'"),
    ],
)
def test_modules_that_have_no_network(model, words):
    with pytest.raises(ValueError, match=words):
        load(ModelSpec(model, size=16))


def test_a_file_of_a_package_imports_its_neighbors_as_the_package_does(tmp_path):
    package = tmp_path / "nets" / "small"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "widths.py").write_text("WIDTH = 5\n")
    (package.parent / "shared.py").write_text("from nets.small.widths import WIDTH\n")
    source = NETWORK.replace(
        "from widths import WIDTH", "from .widths import WIDTH\nfrom ..shared import WIDTH as SAME"
    )
    (package / "networks.py").write_text(source)
    model = load(ModelSpec(f"{package / 'networks.py'}:small", size=16))
    assert model.layers["conv"].channels == 5
    assert not any(name.partition(".")[0] == "nets" for name in sys.modules)


def test_whole_paths_are_taken_from_a_folder(file, tmp_path):
    spec = ModelSpec("my_networks.py:small", checkpoint="w.pt", classes="c.txt").with_whole_paths(tmp_path)
    folder = tmp_path.resolve()
    assert spec == ModelSpec(
        f"{folder}/my_networks.py:small", checkpoint=f"{folder}/w.pt", classes=f"{folder}/c.txt"
    )
