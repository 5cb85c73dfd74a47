"""What training code wraps around a network is looked into: the bare network's values bit for bit, and its
names."""

import copy
import functools
import types

import pytest
import torch
from torch import nn

from compute.models.unwrapping import unwrapped
from compute.models.zoo import ModelSpec, load
from tests.support.networks.saved import SOURCE, network

pytestmark = pytest.mark.slow

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
NAMES = {"", "conv", "bn", "fc"}


def small() -> nn.Module:
    torch.manual_seed(0)
    return network()


def scores(module: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return module.eval()(IMAGES)


class Lightning(nn.Module):
    """As a LightningModule keeps its network, beside a loss and a metric."""

    def __init__(self):
        super().__init__()
        self.loss, self.net = nn.CrossEntropyLoss(weight=torch.ones(4)), small()

    def forward(self, x):
        return self.net(x)


class ByName(Lightning):
    def forward(self, x):
        return self.net(x=x)


def compiled_in_place():
    module = small()
    module.compile()
    return module


WRAPPERS = {
    "DataParallel": lambda: nn.DataParallel(small()),
    "AveragedModel": lambda: torch.optim.swa_utils.AveragedModel(small()),
    "torch.compile": lambda: torch.compile(small()),
    "compile in place": compiled_in_place,
    "Lightning": Lightning,
    "by name": ByName,
    "all of them": lambda: torch.optim.swa_utils.AveragedModel(nn.DataParallel(torch.compile(small()))),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_give_the_bare_network(name):
    module = unwrapped(WRAPPERS[name](), IMAGES)
    assert {each for each, _ in module.named_modules()} == NAMES
    assert torch.equal(scores(module), scores(small()))


class Doubled(Lightning):
    def forward(self, x):
        return 2 * self.net(x)


class Clamped(Lightning):
    def forward(self, x):
        return self.net(x).clamp(-1e6, 1e6)


class Scaled(Lightning):
    def forward(self, x):
        return self.net(x * 1.0)


class Twice(Lightning):
    def forward(self, x):
        self.net(x)
        return self.net(x)


class Autocast(Lightning):
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.net(x)


@pytest.mark.parametrize("kind", [Doubled, Clamped, Scaled, Twice, Autocast])
def test_what_does_more_than_its_network_stays(kind):
    before = scores(kind())
    module = unwrapped(kind(), IMAGES)
    assert type(module) is kind and torch.equal(scores(module), before)


def test_wrappers_of_parts_go_too():
    module = small()
    module.conv = nn.DataParallel(module.conv)
    assert {each for each, _ in unwrapped(module, IMAGES).named_modules()} == NAMES


def test_a_network_that_does_not_run_stays():
    module = nn.Sequential(nn.Linear(5, 4))
    assert unwrapped(module, IMAGES) is module


def own_method():
    module = small()
    module.forward = types.MethodType(lambda self, x: 3 * self.fc(self.bn(self.conv(x)).mean((2, 3))), module)
    return module


def closure():
    module = small()
    original = module.forward
    module.forward = lambda x: 3 * original(x)
    return module


def partial():
    module = small()
    module.forward = functools.partial(
        lambda self, x: 3 * self.fc(self.bn(self.conv(x)).mean((2, 3))), module
    )
    return module


def wrapped_but_other():
    module = small()
    original = module.forward
    module.forward = functools.wraps(original)(lambda x: original(x).clamp(-0.1, 0.1))
    return module


def patched_layer():
    module = small()
    original = module.conv.forward
    module.conv.forward = lambda x: 3 * original(x)
    return module


@pytest.mark.parametrize("patched", [own_method, closure, partial, wrapped_but_other, patched_layer])
def test_a_forward_set_on_an_object_is_followed(patched):
    before = scores(patched())
    module = unwrapped(patched(), IMAGES)
    assert not any("forward" in vars(each) for each in module.modules())
    assert {each for each, _ in module.named_modules()} == NAMES
    assert torch.equal(scores(module), before)
    assert torch.equal(torch.fx.symbolic_trace(module)(IMAGES), before)


@pytest.mark.parametrize("decorate", [
    torch.no_grad(),
    lambda original: functools.wraps(original)(lambda *args, **kwargs: original(*args, **kwargs)),
    functools.partial,
])  # fmt: skip
def test_the_classs_own_forward_in_another_guise_is_the_classs_own(decorate):
    module = small()
    module.forward = decorate(module.forward)
    bare = unwrapped(module, IMAGES)
    assert type(bare).__name__ == "Small" and torch.equal(scores(bare), scores(small()))
    assert "forward" not in vars(bare) and type(bare).__mro__[1] is nn.Module


def test_copies_have_their_own_weights_or_there_are_none():
    """A copy whose forward still ran the original would give the original's scores."""
    copied = copy.deepcopy(unwrapped(own_method(), IMAGES))
    with torch.no_grad():
        copied.fc.weight.zero_()
    assert not torch.equal(scores(copied), scores(own_method()))
    with pytest.raises(ValueError, match="can't be copied: its forward was set on the object"):
        copy.deepcopy(unwrapped(closure(), IMAGES))


PARALLEL = (
    SOURCE
    + """
def parallel():
    return nn.DataParallel(Small())
"""
)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_wrapped_network_of_a_file_loads_bare_and_wrapped_weights(prefix, tmp_path):
    (tmp_path / "nets.py").write_text(PARALLEL)
    saved = network().state_dict()
    torch.save({f"{prefix}{name}": value for name, value in saved.items()}, tmp_path / "weights.pt")
    models = [
        load(ModelSpec(f"{tmp_path / 'nets.py'}:{name}", checkpoint=str(tmp_path / "weights.pt"), size=16))
        for name in ("small", "parallel")
    ]
    assert models[0].weights_hash == models[1].weights_hash
    assert list(models[0].layers) == list(models[1].layers) == ["conv"]
    assert torch.equal(models[0].logits(IMAGES), models[1].logits(IMAGES))
