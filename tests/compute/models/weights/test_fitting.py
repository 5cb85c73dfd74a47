"""Weights of a file in a network whose names are others: the same scores, or every reason why they don't
fit."""

import time

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from compute.models.checkpoints import load_weights
from compute.runtime.notices import Notice
from tests.support.networks.saved import network, prefixed, state

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
RAW = state(0)


def scores(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(IMAGES)


def loaded(tensors) -> torch.Tensor:
    module = network()
    load_weights(module, tensors)
    return scores(module)


def expected() -> torch.Tensor:
    module = network()
    module.load_state_dict(RAW)
    return scores(module)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "model.",
        "backbone.",
        "net.",
        "network.",
        "encoder.",
        "_orig_mod.",
        "module._orig_mod.",
        "model.module.",
        "model.backbone.",
        "lit.model.net.",
        "a_name_of_their_own.",
    ],
)
def test_prefixes(prefix):
    assert torch.equal(loaded(prefixed(prefix, RAW)), expected())


@pytest.mark.parametrize(
    "extra",
    [
        {"criterion.weight": torch.ones(3)},
        {"loss.weight": torch.ones(3)},
        {"loss_fn.pos_weight": torch.ones(3)},
        {"class_weights": torch.ones(3)},
        {"train_acc.correct": torch.ones(1)},
        {"val_metrics.confmat": torch.ones(2, 2)},
        {"centerLoss.centers": torch.ones(2, 2)},
    ],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_losss_own_entries_are_left_out_with_a_word(prefix, extra):
    with pytest.warns(Notice, match=f"of the loss: {next(iter(extra))}"):
        assert torch.equal(loaded({**prefixed(prefix, RAW), **extra}), expected())


@pytest.mark.parametrize("extra", ["total_ops", "conv.total_ops", "conv.total_params", "n_averaged"])
def test_counters_are_left_out_with_a_word(extra):
    with pytest.warns(Notice, match=f"counters.*{extra}"):
        assert torch.equal(loaded({**RAW, extra: torch.zeros(1)}), expected())


def test_averaged_models():
    module = network()
    module.load_state_dict(RAW)
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(module))
    assert torch.equal(loaded(averaged.state_dict()), expected())


def test_counts_of_batches_matter_neither_way():
    without = {name: value for name, value in RAW.items() if "num_batches" not in name}
    assert torch.equal(loaded(without), expected())
    assert torch.equal(loaded({**without, "bn.num_batches_tracked": torch.tensor(3.0)}), expected())
    module = nn.BatchNorm2d(6, track_running_stats=True)
    load_weights(module, {**module.state_dict(), "num_batches_tracked": torch.tensor(7)})
    assert module.num_batches_tracked == 7


class Wrapper(nn.Module):
    """Does more than what it holds."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, x):
        return 2 * self.inner(x)


def test_weights_of_the_bare_network_fit_the_one_that_holds_it():
    for module in (Wrapper(), nn.DataParallel(network()), nn.Sequential(nn.Identity(), network())):
        load_weights(module, RAW)
        inner = next(each for each in module.modules() if hasattr(each, "conv"))
        assert torch.equal(scores(inner), expected())


def test_wrappers_within_the_names():
    """As pytorch/examples saves AlexNet and VGG: their features alone were parallel."""
    inner = {name.replace("conv.", "conv.module."): value for name, value in RAW.items()}
    assert torch.equal(loaded(inner), expected())
    assert torch.equal(loaded(prefixed("module.", inner)), expected())


def test_two_networks_of_the_same_names_need_a_choice():
    both = {**prefixed("student.", RAW), **prefixed("teacher.", state(1))}
    with pytest.raises(
        ValueError, match=r"several networks .*student\., teacher\.; .*--checkpoint-key student"
    ):
        loaded(both)


def test_what_else_a_file_holds_is_an_error_that_says_how_to_leave_it_out():
    with pytest.raises(
        ValueError, match=r"unknown to the network: projector.weight; .*--checkpoint-key model"
    ):
        loaded({**prefixed("model.", RAW), "projector.weight": torch.ones(2, 2)})


def test_a_head_of_another_size_says_so():
    with pytest.raises(
        ValueError, match="classifier fc has 7 classes and the network's 4: build the network with 7"
    ):
        loaded(dict(network(7).state_dict()))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_other_kinds_of_numbers_are_not_cast(dtype):
    with pytest.raises(
        ValueError, match=r"another kind of number.*conv.weight: \w+ in the file, float32 in the network"
    ):
        loaded({**RAW, "conv.weight": RAW["conv.weight"].to(dtype)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_nor_are_they_in_a_part_that_is_made_at_the_first_image(dtype):
    weights = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).state_dict()
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
    load_weights(lazy, dict(weights))
    assert torch.equal(lazy[0].weight, weights["0.weight"])
    for name in ("0.weight", "1.running_mean"):
        lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d())
        with pytest.raises(ValueError, match=f"another kind of number.*{name}"):
            load_weights(lazy, {**weights, name: weights[name].to(dtype)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.complex64, torch.float8_e4m3fn])
@pytest.mark.parametrize("part", ["weight norm", "weight norm, new", "spectral norm", "spectral norm, new"])
def test_nor_are_they_in_parts_that_are_put_together(part, dtype):
    state = nn.Sequential(PARTS[part](nn.Linear(5, 3))).state_dict()
    of_weight = [name for name in state if "bias" not in name]
    for names in ([name] for name in of_weight), [of_weight]:
        for changed in names:
            other = {name: value.to(dtype) if name in changed else value for name, value in state.items()}
            with pytest.raises(ValueError, match=r"another kind of number|parts that don't go together"):
                load_weights(nn.Sequential(nn.Linear(5, 3)), other)


@pytest.mark.parametrize("mask", [torch.ones(1, 60_000), torch.ones(3, 5, dtype=torch.complex64)])
def test_a_mask_is_of_the_weights_shape_and_of_real_numbers(mask):
    parts = {"0.weight_orig": torch.ones(3, 5), "0.weight_mask": mask, "0.bias": torch.ones(3)}
    with pytest.raises(ValueError, match=r"keeps 0.weight in parts that don't go together"):
        load_weights(nn.Sequential(nn.Linear(5, 3)), parts)


def test_parts_of_another_shape_are_not_put_together():
    """A product of a column and a row would have 3,600 million elements."""
    wide = {"0.weight_orig": torch.ones(60_000, 1), "0.weight_mask": torch.ones(1, 60_000)}
    with pytest.raises(ValueError, match=r"0.weight: \(60000, 1\) in the file, \(3, 5\) in the network"):
        load_weights(nn.Sequential(nn.Linear(5, 3)), {**wide, "0.bias": torch.ones(3)})


def test_many_tensors_of_a_loss_are_left_out_at_once():
    many = {f"loss.{index}": torch.ones(1) for index in range(50_000)}
    started = time.perf_counter()
    with pytest.warns(Notice, match="of the loss"):
        assert torch.equal(loaded({**RAW, **many}), expected())
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_exact_in_float32(dtype):
    half = {name: value.to(dtype) if value.is_floating_point() else value for name, value in RAW.items()}
    module = network()
    module.load_state_dict(half)
    assert torch.equal(loaded(half), scores(module))


def test_double_precision_is_rounded_with_a_word():
    double = {**RAW, "fc.weight": RAW["fc.weight"].double() + 1e-12}
    with pytest.warns(Notice, match="rounded from float64 to the network's float32: fc.weight"):
        loaded(double)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(value):
    broken = {**RAW, "fc.bias": torch.full_like(RAW["fc.bias"], value)}
    with pytest.raises(ValueError, match=r"not finite, as a training leaves them that diverged: fc.bias"):
        loaded(broken)


def test_nothing_fits_nothing():
    with pytest.raises(ValueError, match="missing from the file"):
        load_weights(network(), {})


class Masked(nn.Module):
    """Makes a buffer that this version doesn't save."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.register_buffer("index", torch.arange(3), persistent=False)


def test_a_buffer_that_the_network_makes_itself():
    module = Masked()
    with pytest.warns(Notice, match="that the network makes: index"):
        load_weights(module, {**module.state_dict(), "index": torch.arange(3)})
    with pytest.raises(ValueError, match="unknown to the network: index"):
        load_weights(module, {**module.state_dict(), "index": torch.arange(3) + 1})


def old_weight_norm(module):
    return nn.utils.weight_norm(module)


def old_spectral_norm(module):
    return nn.utils.spectral_norm(module)


PARTS = {
    "pruned": lambda module: prune.random_unstructured(module, "weight", amount=0.5),
    "weight norm": old_weight_norm,
    "weight norm, new": parametrizations.weight_norm,
    "spectral norm": old_spectral_norm,
    "spectral norm, new": parametrizations.spectral_norm,
}
LAYERS = {
    "linear": (lambda: nn.Linear(5, 3), torch.rand(2, 5)),
    "convolution": (lambda: nn.Conv2d(3, 4, 3), torch.rand(1, 3, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3), torch.rand(1, 3, 6, 6)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("part", PARTS)
def test_weights_in_parts_make_the_weight(part, layer):
    make, inputs = LAYERS[layer]
    torch.manual_seed(0)
    saved = nn.Sequential(PARTS[part](make())).eval()
    plain = nn.Sequential(make()).eval()
    load_weights(plain, dict(saved.state_dict()))
    assert torch.allclose(plain(inputs), saved(inputs), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "old, new", [("weight norm", "weight norm, new"), ("spectral norm", "spectral norm, new")]
)
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_parts_are_named_as_the_network_names_them(old, new, back, prefix):
    saved, wanted = (
        nn.Sequential(PARTS[name](nn.Conv2d(3, 4, 3))).eval() for name in ((new, old) if back else (old, new))
    )
    load_weights(wanted, prefixed(prefix, dict(saved.state_dict())))
    inputs = torch.rand(1, 3, 6, 6)
    assert torch.allclose(wanted(inputs), saved(inputs), atol=1e-6)


def test_a_pruned_network_takes_its_own_parts():
    saved, wanted = (nn.Sequential(PARTS["pruned"](nn.Linear(5, 3))) for _ in range(2))
    load_weights(wanted, dict(saved.state_dict()))
    assert all(torch.equal(wanted.state_dict()[name], value) for name, value in saved.state_dict().items())
