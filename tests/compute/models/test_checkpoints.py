"""Weights from files: every form that people save, and clear messages where one doesn't fit or isn't
safe."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compute.models.checkpoints import load_weights, read_checkpoint
from compute.models.zoo import ModelSpec, load
from compute.runtime.notices import Notice
from compute.runtime.vision import models

pytestmark = pytest.mark.slow

SOURCE = """
from torch import nn

def small():
    layers = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(6, 4))
"""


@pytest.fixture
def file(tmp_path):
    """A user's file with a network."""
    path = tmp_path / "my_networks.py"
    path.write_text(SOURCE)
    return path


def small(file, **changes) -> ModelSpec:
    return ModelSpec(f"{file}:small", **{"size": 16, **changes})


def state_of(file) -> dict[str, torch.Tensor]:
    """Weights that the network doesn't start with."""
    return dict(load(small(file, seed=5)).module.state_dict())


WRAPPED = {
    "plain.pt": lambda state: state,
    "nested.pth": lambda state: {"state_dict": state, "epoch": 7, "best_prec1": 91.7},
    "model.th": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "twice.pt": lambda state: {"model": {"state_dict": state}},
    "parallel.pth": lambda state: {
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}
    },
    "compiled.pt": lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
    "old.pt": lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_checkpoints_of_every_shape(name, file, tmp_path):
    state = state_of(file)
    torch.save(WRAPPED[name](state), tmp_path / name)
    model = load(small(file, checkpoint=str(tmp_path / name)))
    assert all(torch.equal(model.module.state_dict()[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors(prefix, file, tmp_path):
    state = state_of(file)
    save_file(
        {prefix + key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "weights.safetensors"
    )
    model = load(small(file, checkpoint=str(tmp_path / "weights.safetensors")))
    assert all(torch.equal(model.module.state_dict()[key], tensor) for key, tensor in state.items())


def test_a_fine_tuned_checkpoint_of_torchvisions_brings_its_number_of_classes(tmp_path):
    saved = models.squeezenet1_1(num_classes=7).state_dict()
    torch.save({f"module.{name}": tensor for name, tensor in saved.items()}, tmp_path / "tuned.pt")
    spec = ModelSpec("torchvision:squeezenet1_1", checkpoint=str(tmp_path / "tuned.pt"), size=64)
    model = load(spec, class_names="abcdefg")
    assert model.classes == tuple("abcdefg")
    assert torch.equal(model.module.state_dict()["classifier.1.weight"], saved["classifier.1.weight"])


def test_a_checkpoint_that_does_not_fit_names_the_keys_and_changes_nothing():
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(8)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in before.items() if not name.endswith("bias")}
    state["0.weight"] = torch.zeros(3, 2)
    state |= {f"head.{index}": torch.zeros(1) for index in range(12)}
    with pytest.raises(ValueError) as error:
        load_weights(network, state, "checkpoint 'x.pt'")
    for words in (
        "checkpoint 'x.pt' doesn't fit Sequential",
        "missing from the file: 0.bias, 1.bias",
        "unknown to the network: head.0, head.1",
        "head.9, … (12 in all)",
        "0.weight: (3, 2) in the file, (2, 2) in the network",
    ):
        assert words in str(error.value)
    assert "head.10" not in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Harmful:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_checkpoint_is_refused_and_not_run(save, tmp_path):
    save({"state_dict": Harmful(tmp_path / "harmed")}, tmp_path / "bad.pt")
    with pytest.raises(ValueError, match="holds Python objects besides tensors"):
        read_checkpoint(tmp_path / "bad.pt")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_torchs_advice_to_load_it_all_the_same_is_not_passed_on(tmp_path):
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Harmful(tmp_path / "harmed"))[:-4])
    with pytest.raises(ValueError) as error:
        read_checkpoint(tmp_path / "bad.pt")
    assert "weights_only" not in str(error.value)


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "network.pt")
    with pytest.raises(ValueError, match=r"save `network.state_dict\(\)` instead"):
        read_checkpoint(tmp_path / "network.pt")


@pytest.mark.parametrize("name", ["damaged.pt", "damaged.pth", "damaged.safetensors"])
@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"hello" * 9]
)
def test_a_damaged_checkpoint_is_called_that(name, damage, tmp_path):
    path, whole = tmp_path / name, {"weight": torch.arange(1000.0)}
    save_file(whole, path) if path.suffix == ".safetensors" else torch.save(whole, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{name}' is damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content, words",
    [
        ({"epoch": 3, "lr": 0.1}, "a dictionary of 'epoch', 'lr'"),
        ([torch.zeros(2)], "list"),
        (torch.zeros(2), "Tensor"),
        ({}, "not tensors by name"),
    ],
)
def test_a_checkpoint_without_tensors_by_name(content, words, tmp_path):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=words):
        read_checkpoint(tmp_path / "odd.pt")


def test_no_such_checkpoint_or_format(tmp_path):
    with pytest.raises(ValueError, match=r"there is no checkpoint '.*none.pt'"):
        read_checkpoint(tmp_path / "none.pt")
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"ends in '.h5'; the formats are .pt, .pth, .th, .safetensors"):
        read_checkpoint(tmp_path / "weights.h5")


@pytest.mark.parametrize(
    "start, words",
    [
        (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS.*git lfs pull"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (bytes(257) + b"ustar", "is a tar archive"),
    ],
)
def test_other_files_under_a_checkpoints_name(start, words, tmp_path):
    (tmp_path / "weights.pth").write_bytes(start + bytes(300))
    with pytest.raises(ValueError, match=words):
        read_checkpoint(tmp_path / "weights.pth")


def test_pipes_and_devices_are_no_checkpoints(tmp_path):
    """Reading them would never end."""
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "zeros.safetensors").symlink_to("/dev/zero")
    for name in ("pipe.pt", "zeros.safetensors"):
        with pytest.raises(ValueError, match="there is no checkpoint"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda module: torch.jit.trace(module, torch.rand(1, 3, 16, 16))]
)
def test_weights_of_torchscript_are_read_where_the_code_is_given(make, file, tmp_path):
    model = load(small(file, seed=5))
    torch.jit.save(make(model.module), tmp_path / "script.pt")
    found = load(small(file, checkpoint=str(tmp_path / "script.pt")))
    assert found.weights_hash == model.weights_hash
    with pytest.raises(
        ValueError, match=r"is a file of weights.*--model path/to/file.py:function --checkpoint"
    ):
        load(ModelSpec(str(tmp_path / "script.pt"), size=16))


def test_frozen_torchscript_has_no_weights_by_name(file, tmp_path):
    torch.jit.save(torch.jit.freeze(torch.jit.script(load(small(file)).module)), tmp_path / "frozen.pt")
    with pytest.raises(ValueError, match=r"frozen.pt' .*TorchScript.*network.state_dict\(\)"):
        read_checkpoint(tmp_path / "frozen.pt")


def test_the_key_reaches_the_file_and_needs_one(file, tmp_path):
    state = state_of(file)
    torch.save(
        {"model": {name: value * 0 for name, value in state.items()}, "model_ema": state},
        tmp_path / "both.pt",
    )
    model = load(small(file, checkpoint=str(tmp_path / "both.pt"), checkpoint_key="model_ema"))
    assert all(torch.equal(model.module.state_dict()[name], value) for name, value in state.items())
    with pytest.raises(ValueError, match="--checkpoint-key 'model_ema' is of a --checkpoint"):
        load(small(file, checkpoint_key="model_ema"))


def with_statistics(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.copy_(torch.randn(each.num_features, generator=generator) * 0.1)
            each.running_var.copy_(torch.rand(each.num_features, generator=generator) * 0.5 + 0.05)
    return module.eval()


def refitted(module: nn.Module, classes: int) -> nn.Module:
    module.fc = nn.Linear(module.fc.in_features, classes)
    return module


GOOGLENETS = {
    "with auxiliary heads": lambda **options: models.googlenet(
        init_weights=False, aux_logits=True, **options
    ),
    "without": lambda **options: models.googlenet(init_weights=False, aux_logits=False, **options),
    "another fc": lambda **options: refitted(
        models.googlenet(init_weights=False, aux_logits=True, **options), 7
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transformed", [True, False])
@pytest.mark.parametrize("name", GOOGLENETS)
def test_googlenet_as_torchvision_saves_it(name, transformed, tmp_path):
    saved = with_statistics(GOOGLENETS[name](transform_input=transformed))
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    said = None if transformed else False
    spec = ModelSpec(
        "torchvision:googlenet", checkpoint=str(tmp_path / "weights.pth"), size=64, transform_input=said
    )
    model, images = load(spec), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = saved(model.normalize(images))
    assert torch.allclose(model.logits(images), expected, atol=1e-5)


def test_what_inception_makes_of_its_input_is_said_and_is_its_alone(tmp_path):
    torch.save(GOOGLENETS["without"]().state_dict(), tmp_path / "weights.pth")
    with pytest.warns(Notice, match="for weights that were trained from scratch give --transform-input off"):
        load(ModelSpec("torchvision:googlenet", checkpoint=str(tmp_path / "weights.pth"), size=64))
    for name in ("torchvision:squeezenet1_1", "demo"):
        with pytest.raises(ValueError, match="--transform-input is of"):
            load(ModelSpec(name, weights="none", transform_input=True))
