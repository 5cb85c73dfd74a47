"""Which of a file's tensors are meant: raw or averaged weights, one network of several, and what is no
network's."""

import pytest
import torch

from compute.models.checkpoints import read_checkpoint
from compute.models.weights.choosing import is_averaged, states
from compute.runtime.notices import Notice
from tests.support.networks.saved import BESIDE, network, prefixed, state

RAW, AVERAGED = state(0), state(1)


def written(content, folder, name="weights.pt"):
    torch.save(content, folder / name)
    return folder / name


def same(found, expected) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) for name in expected
    )


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_the_weights_is_passed_over(name, tmp_path):
    path = written({"state_dict": RAW, "beside": BESIDE[name], "epoch": 3}, tmp_path)
    assert same(read_checkpoint(path), RAW)


@pytest.mark.parametrize("key", [
    "state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params",
    "a_name_of_their_own",
])  # fmt: skip
def test_weights_lie_under_any_name(key, tmp_path):
    assert same(read_checkpoint(written({key: RAW, "optimizer": optimizer_state()}, tmp_path)), RAW)


def optimizer_state() -> dict:
    module = network()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".ckpt", ".bin", ".pkl", ".pth.tar", ".PT"])
def test_every_suffix_that_people_use(suffix, tmp_path):
    assert same(read_checkpoint(written(RAW, tmp_path, f"weights{suffix}")), RAW)


PAIRS = [
    ("model", "model_ema"),
    ("state_dict", "state_dict_ema"),
    ("state_dict", "ema_state_dict"),
    ("net", "ema"),
    ("model", "averaged_model"),
    ("model", "swa_model"),
    ("params", "params_ema"),
    ("model", "modelEMA"),
    ("student", "teacher"),
]


@pytest.mark.parametrize("raw, averaged", PAIRS)
def test_raw_and_averaged_weights_need_a_choice(raw, averaged, tmp_path):
    path = written({raw: RAW, averaged: AVERAGED, "epoch": 1}, tmp_path)
    with pytest.raises(
        ValueError, match=f"several sets of weights: {raw}, {averaged}; choose .*--checkpoint-key"
    ):
        read_checkpoint(path)
    assert same(read_checkpoint(path, raw), RAW)
    assert same(read_checkpoint(path, averaged), AVERAGED)


def test_averaged_weights_alone_are_taken_with_a_word(tmp_path):
    with pytest.warns(Notice, match="averaged ones, kept under model_ema"):
        assert same(read_checkpoint(written({"model_ema": AVERAGED, "epoch": 3}, tmp_path)), AVERAGED)


@pytest.mark.parametrize(
    "name, averaged",
    [
        ("model_ema", True),
        ("ema.module", True),
        ("emaModel", True),
        ("stateDictEMA", True),
        ("swa_state", True),
        ("model", False),
        ("schema", False),
        ("cinema_net", False),
        ("state_dict", False),
    ],
)
def test_names_of_averaged_weights(name, averaged):
    assert is_averaged(name) == averaged


def test_a_dotted_key_and_a_key_of_a_prefix(tmp_path):
    deep = {"callbacks": {"EMA{'decay': 0.9}": {"weights": AVERAGED}}, "state_dict": RAW}
    path = written(deep, tmp_path)
    assert same(read_checkpoint(path, "callbacks.EMA{'decay': 0.9}.weights"), AVERAGED)
    assert same(read_checkpoint(path, "callbacks"), AVERAGED)
    both = written({"state_dict": {**prefixed("student.", RAW), **prefixed("teacher.", AVERAGED)}}, tmp_path)
    assert same(read_checkpoint(both, "teacher"), AVERAGED)
    assert same(
        read_checkpoint(both, "state_dict"), {**prefixed("student.", RAW), **prefixed("teacher.", AVERAGED)}
    )


def test_a_key_that_is_not_there(tmp_path):
    path = written({"model": RAW, "model_ema": AVERAGED}, tmp_path)
    with pytest.raises(ValueError, match="has no weights under 'model_emma'; did you mean model_ema"):
        read_checkpoint(path, "model_emma")


def test_several_networks_of_equal_right_need_a_choice(tmp_path):
    path = written({"generator": RAW, "discriminator": AVERAGED}, tmp_path)
    with pytest.raises(ValueError, match="several sets of weights: generator, discriminator"):
        read_checkpoint(path)


def test_tensors_that_are_no_weights_are_no_choice(tmp_path):
    beside = {
        "confusion": torch.eye(4),
        "metrics": {"accuracy": torch.ones(3, 3)},
        "criterion": {"w": torch.ones(2)},
    }
    assert same(read_checkpoint(written({"state_dict": RAW, **beside}, tmp_path)), RAW)


def test_numbers_among_the_weights_are_left_out_with_a_word(tmp_path):
    with pytest.warns(Notice, match="left out, no tensors: epoch, _extra_state"):
        assert same(read_checkpoint(written({**RAW, "epoch": 3, "_extra_state": {"a": 1}}, tmp_path)), RAW)


def test_a_dictionary_that_holds_itself_ends():
    content: dict = {}
    content["model"] = content["net"] = content
    assert states(content) == {}


@pytest.mark.parametrize("content, words", [
    ({}, "holds a dictionary of nothing"),
    ({"epoch": 3}, "holds a dictionary of 'epoch'"),
    ([torch.ones(1)], "holds list"),
    ({1: torch.ones(1)}, "holds a dictionary of 1"),
])  # fmt: skip
def test_files_without_weights(content, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        read_checkpoint(written(content, tmp_path))


@pytest.mark.parametrize("wrap", [lambda whole: whole, lambda whole: {"model": whole, "epoch": 1}])
def test_whole_pickled_networks_are_refused_with_the_way_out(wrap, tmp_path):
    with pytest.raises(
        ValueError, match=r"Linear, a whole pickled network.*save `network.state_dict\(\)` instead"
    ):
        read_checkpoint(written(wrap(torch.nn.Linear(2, 2)), tmp_path))
