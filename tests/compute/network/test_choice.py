"""A network is run the quickest way that gives what the plain network gives, or it says why not."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compute.network.choice import choose, logits_of
from compute.network.folded import FoldedNetwork
from compute.network.hooked import HookedNetwork
from compute.network.traced import FEATURES, LOGITS

IMAGES = torch.randn(3, 3, 24, 20, generator=torch.Generator().manual_seed(0))


class StandardisedConvolution(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias, self.stride, self.padding)


class SamePaddedConvolution(nn.Conv2d):
    def forward(self, x):
        needed = [
            (-(-n // s) - 1) * s + k - n
            for n, k, s in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        ]
        (top, bottom), (left, right) = ((max(n, 0) // 2, max(n, 0) - max(n, 0) // 2) for n in needed)
        return super().forward(F.pad(x, (left, right, top, bottom)))


class NormWithReLU(nn.BatchNorm2d):
    def forward(self, x):
        return F.relu(super().forward(x))


class OwnGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round(decimals=1)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Straight(nn.Module):
    def forward(self, x):
        return OwnGradient.apply(x)


class Undifferentiated(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            gate = x.mean((2, 3), keepdim=True).sigmoid()
        return x * gate


class Branching(nn.Module):
    def forward(self, x):
        return x * 2 if x.mean() > 0 else x


class Writing(nn.Module):
    def forward(self, x):
        x = x.clone()
        x[:, 1:, :, 2:] = x[:, 1:, :, 2:] * 3
        x[:, 0] += 1
        return x


def network(convolution=nn.Conv2d, norm=nn.BatchNorm2d, activation=nn.ReLU) -> nn.Sequential:
    torch.manual_seed(1)
    made = nn.Sequential(
        convolution(3, 6, 3, stride=2), norm(6), activation(), convolution(6, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    if isinstance(made[1], nn.BatchNorm2d) and made[1].running_mean is not None:
        nn.init.normal_(made[1].running_mean, std=0.3)
        nn.init.uniform_(made[1].running_var, 0.5, 1.5)
        nn.init.normal_(made[1].bias, std=0.3)
    return made.eval().requires_grad_(False)


def hooked() -> nn.Sequential:
    made = network()
    made[3].register_forward_hook(lambda module, inputs, output: -output)
    return made


def patched() -> nn.Sequential:
    made = network()
    plain = made[3].forward
    made[3].forward = lambda x: plain(x) + 1
    return made


def weight_norm() -> nn.Sequential:
    return network(lambda *a, **k: nn.utils.parametrizations.weight_norm(nn.Conv2d(*a, **k)))


GRAPHS = {
    "plain": network,
    "standardised weights": lambda: network(StandardisedConvolution),
    "same padding": lambda: network(SamePaddedConvolution),
    "norm with its ReLU": lambda: network(norm=NormWithReLU, activation=nn.Identity),
    "weight norm": weight_norm,
    "hook": hooked,
    "patched forward": patched,
    "gradient of its own": lambda: network(activation=Straight),
    "no gradient inside": lambda: network(activation=Undifferentiated),
    "branching part": lambda: network(activation=Branching),
    "writing part": lambda: network(activation=Writing),
}


def gradient(run, images: torch.Tensor) -> torch.Tensor:
    images = images.clone().requires_grad_(True)
    return torch.autograd.grad(run(images)[:, 2].sum(), images)[0]


@pytest.mark.parametrize("make", GRAPHS.values(), ids=GRAPHS)
def test_gives_the_plain_networks_scores_layers_and_gradient(make):
    plain = make()
    choice = choose(make(), IMAGES)
    assert isinstance(choice.network, FoldedNetwork)
    expected = plain(IMAGES)
    found = choice.network.run(IMAGES, {LOGITS, FEATURES})
    assert torch.allclose(found[LOGITS], expected, atol=1e-5)
    assert torch.allclose(plain[-1](found[FEATURES]), expected, atol=1e-5)
    seen = []
    plain[3].register_forward_hook(lambda *args: seen.append(args[2]))
    plain(IMAGES)
    assert torch.allclose(choice.network.run(IMAGES, {"3"})["3"], F.relu(seen[0]), atol=1e-5)
    run = logits_of(choice.network)
    assert torch.allclose(gradient(run, IMAGES), gradient(make(), IMAGES), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(24, 20), (31, 18), (40, 40)])
def test_padding_that_follows_the_size_follows_it(size):
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(3))
    plain, choice = GRAPHS["same padding"](), choose(GRAPHS["same padding"](), IMAGES)
    assert choice.network.of_one_size
    assert torch.allclose(choice.network.run(images, {LOGITS})[LOGITS], plain(images), atol=1e-5)


def test_parts_that_cannot_be_traced_run_as_they_are_and_are_named():
    notes = choose(GRAPHS["branching part"](), IMAGES).notes
    assert notes == ("2 is run as it is: its control flow depends on what the image shows",)
    notes = choose(GRAPHS["writing part"](), IMAGES).notes
    assert notes == ("2 is run as it is: its code writes into a part of a tensor",)
    (note,) = choose(GRAPHS["no gradient inside"](), IMAGES).notes
    assert "switches gradients off" in note


def test_a_network_stays_as_it_was():
    module = weight_norm()
    before = copy.deepcopy(module.state_dict())
    choose(module, IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert "weight" not in module[0].__dict__


class MuchRounded(nn.Module):
    """Its scores lose digits, others in batches of another size; what it computes is of each image alone."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        large = 1e4 * 8 ** x.shape[0]
        return self.head((self.convolution(x).mean((2, 3)) + large) - large)


def test_rounding_is_not_taken_for_the_other_images_of_a_batch():
    torch.manual_seed(0)
    module = MuchRounded().eval()
    alone, together = module(IMAGES[:1]), module(IMAGES[:2])[:1]
    assert bool((alone - together).abs().max() > 1e-3 * (alone.max() - alone.min()))
    assert not any("one by one" in note for note in choose(module, IMAGES).notes)


def test_scores_that_depend_on_the_batch_are_those_of_the_image_alone():
    module = network(norm=lambda channels: nn.BatchNorm2d(channels, track_running_stats=False))
    choice = choose(module, IMAGES)
    assert isinstance(choice.network, HookedNetwork) and "one by one" in choice.notes[0]
    alone = torch.cat([module(image[None]) for image in IMAGES])
    assert torch.allclose(choice.network.run(IMAGES, {LOGITS})[LOGITS], alone, atol=1e-6)


def test_random_networks_are_called_random():
    class Dropping(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, training=True)

    choice = choose(network(activation=Dropping), IMAGES)
    assert any("not deterministic" in note for note in choice.notes)


def test_a_network_that_takes_no_single_image():
    class Pairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            if len(x) < 2:
                raise ValueError("give me two")
            return self.net(x)

    choice = choose(Pairs().eval(), IMAGES)
    assert "two copies" in choice.notes[0]
    found = choice.network.run(IMAGES[:1], {LOGITS})[LOGITS]
    assert torch.allclose(found, network()(IMAGES[:1]), atol=1e-6)


def test_no_gradient_is_found_out():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            return self.net[-1](self.net[:-1](x).detach())

    assert "cut off from the image" in choose(Detached().eval(), IMAGES).no_gradient_because
    assert choose(network(), IMAGES).no_gradient_because is None


class TokensBehindNorm(nn.Module):
    """PyTorch 2.13 reads the gradient of a single image's tokens wrongly on a CPU, in float64 as well, in the
    backward pass of an evaluated norm whose map is contiguous."""

    def __init__(self, branches=False):
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.norm, self.fc = nn.Conv2d(3, 16, 4, stride=4), nn.BatchNorm2d(16), nn.Linear(16, 5)
        nn.init.uniform_(self.norm.weight, 0.5, 2.0)
        self.branches = branches

    def forward(self, x):
        x = self.norm(self.conv(x))
        if self.branches and x.mean() > 1e9:
            return self.fc(x.mean((2, 3)))
        return self.fc(x.flatten(2).transpose(1, 2)).square().mean(1)


@pytest.mark.parametrize("branches", [False, True], ids=["traced", "as it is"])
def test_gradients_are_right_where_pytorchs_own_are_wrong(branches):
    module = TokensBehindNorm(branches).eval().requires_grad_(False)
    choice = choose(copy.deepcopy(module), IMAGES)
    assert choice.no_gradient_because is None
    assert isinstance(choice.network, HookedNetwork) == branches
    # Of two copies PyTorch's is right.
    expected = gradient(module, torch.cat([IMAGES[1:2]] * 2))[:1]
    found = gradient(logits_of(choice.network), IMAGES[1:2])
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_layers_may_have_any_name():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            names = ("logits", "features", "maps", "code", "a:pre")
            self.names = names
            for index, name in enumerate(names):
                self.add_module(name, nn.Conv2d(3 if index == 0 else 4, 4, 3, padding=1))
            self.head = nn.Linear(4, 5)

        def forward(self, x):
            for name in self.names:
                x = getattr(self, name)(x).relu()
            return self.head(x.mean((2, 3)))

    module = Named().eval().requires_grad_(False)
    found = choose(module, IMAGES).network
    assert found.names == module.names
    values = found.run(IMAGES, {*module.names, LOGITS})
    assert torch.allclose(values["logits"], module.logits(IMAGES).relu(), atol=1e-5)
    assert torch.allclose(values[LOGITS], module(IMAGES), atol=1e-5)
