"""How a picture is parameterised, perturbed and regularised, against slow code and by identities."""

import math

import numpy as np
import pytest
import torch
from torch import Generator

from compute.images.saved_image import eight_bit
from compute.methods.optimize import transforms
from compute.methods.optimize.loop import Adam, climb, mean_normalized, normalized, signed, slope, watched
from compute.methods.optimize.parameterizations import (
    Fourier,
    Phase,
    Pixels,
    color_transform,
    natural_magnitude,
)
from compute.methods.optimize.regularizers import LectureRule, alpha_norm, blurred, clipped, total_variation
from compute.methods.optimize.tiled_gradient import places, spans, tiled_score, tiled_slope
from compute.methods.optimize.transforms import (
    cropped,
    enlarged_size,
    in_proportion,
    jittered,
    padded,
    resized,
    robust,
    rolled,
    turned,
)
from compute.runtime.vision import transforms as torchvisions

SHAPES = [(3, 8, 8), (3, 7, 9), (1, 10, 6), (3, 5, 12)]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(seed))


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (4, 10)])
@pytest.mark.parametrize("falloff", [1.0, 1.5])
def test_natural_magnitude_is_a_power_of_the_frequency(size, falloff):
    height, width = size
    magnitude = natural_magnitude(size, falloff)
    assert magnitude.shape == (height, width // 2 + 1)
    for row in range(height):
        for column in range(width // 2 + 1):
            down = min(row, height - row) / height
            frequency = max(math.hypot(down, column / width), 1 / max(size))
            expected = max(size) * (max(size) * frequency) ** -falloff
            assert float(magnitude[row, column]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("correlated", [True, False])
def test_fourier_is_the_sigmoid_of_scaled_waves(shape, correlated):
    channels, height, width = shape
    made = Fourier(shape, seeded(), correlated=correlated, falloff=1.25)
    spectrum = made.variable.numpy()[0, ..., 0] + 1j * made.variable.numpy()[0, ..., 1]
    scaled = spectrum * natural_magnitude((height, width), 1.25).numpy()
    waves = (
        np.stack([np.fft.irfft2(each, s=(height, width)) for each in scaled]) * math.sqrt(height * width) / 4
    )
    mixed = np.einsum("ij,jhw->ihw", color_transform(channels, correlated).numpy(), waves)
    np.testing.assert_allclose(made.image()[0].numpy(), 1 / (1 + np.exp(-mixed)), atol=1e-5)


@pytest.mark.parametrize("kind", [Fourier, Phase])
@pytest.mark.parametrize("shape", SHAPES)
def test_spectra_give_pictures_in_range_that_follow_from_the_seed(kind, shape):
    first, again, other = (kind(shape, seeded(seed)).image() for seed in (1, 1, 2))
    assert first.shape == (1, *shape) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 6)])
def test_phase_keeps_the_magnitude_of_photographs(shape):
    """Undo sigmoid and colours: apart from the mean, the spectrum is the fixed one times one factor."""
    made = Phase(shape, seeded(3), correlated=True, falloff=1.0)
    made.variable = made.variable + torch.randn(made.variable.shape, generator=seeded(4))
    waves = torch.einsum(
        "ij,njhw->nihw", torch.linalg.inv(made.colors), torch.logit(made.image().double()).float()
    )
    ratio = (torch.fft.rfft2(waves).abs() / made.magnitude)[0]
    # Where a frequency is its own mirror image, a real picture has no imaginary part, and so less magnitude.
    free = torch.ones_like(ratio, dtype=torch.bool)
    free[:, :, [0, -1]] = False
    assert float(ratio[free].std() / ratio[free].mean()) < 1e-3


def test_colours_covary_as_in_photographs():
    """White noise through the transform is strongly and positively correlated between channels."""
    mixed = color_transform(3) @ torch.randn(3, 20000, generator=seeded())
    correlations = torch.corrcoef(mixed)[[0, 0, 1], [1, 2, 2]]
    assert (correlations > 0.75).all() and correlations[1] == correlations.min()
    assert torch.equal(color_transform(3, correlated=False), torch.eye(3))
    assert torch.equal(color_transform(1), torch.eye(1))


def test_pixels_are_the_picture_in_normalised_units():
    start, mean, std = noise(1, 3, 4, 5), (0.4, 0.5, 0.6), (0.2, 0.3, 0.1)
    pixels = Pixels(start, mean, std)
    expected = (start - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    torch.testing.assert_close(pixels.variable, expected)
    torch.testing.assert_close(pixels.image(), start)
    pixels.variable = pixels.variable + 10
    pixels.constrain()
    assert pixels.image().max() <= 1 + 1e-6 and pixels.image().min() > 0.99


def test_rolling_moves_every_pixel_and_loses_none():
    images, down, right = noise(1, 2, 9, 11), set(), set()
    generator = seeded()
    for _ in range(60):
        moved = rolled(2, generator)(images)
        shift = next(
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if torch.equal(torch.roll(images, (y, x), (2, 3)), moved)
        )
        down.add(shift[0])
        right.add(shift[1])
    assert down == right == {-2, -1, 0, 1, 2}
    assert torch.equal(rolled(0, generator)(images), images)


def test_jitter_is_a_random_window():
    images, generator = noise(1, 1, 8, 6), seeded()
    offsets = set()
    for _ in range(80):
        window = jittered(2, generator)(images)
        assert window.shape == (1, 1, 6, 4)
        offsets |= {
            (y, x)
            for y in range(3)
            for x in range(3)
            if torch.equal(images[:, :, y : y + 6, x : x + 4], window)
        }
    assert len(offsets) == 9


def test_turning_by_a_right_angle_is_rot90(monkeypatch):
    monkeypatch.setattr(transforms, "_uniform", lambda generator: 1.0)
    images = noise(1, 3, 8, 8)
    torch.testing.assert_close(
        turned(0.0, 90.0, seeded())(images), torch.rot90(images, -1, (2, 3)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (1, 1, 17, 9), (5, 2, 33, 60)])
@pytest.mark.parametrize(("scale", "degrees"), [(0.1, 10), (0, 25), (0.3, 0), (0.2, 90)])
def test_turning_is_torchvisions_bit_by_bit(shape, scale, degrees):
    """Results that were kept with it stay what they are; so the slopes are compared, too."""
    ours, theirs = (noise(*shape).requires_grad_() for _ in range(2))
    own, drawn = seeded(3), seeded(3)
    factor, angle = 1 + scale * transforms._uniform(drawn), degrees * transforms._uniform(drawn)
    bilinear = torchvisions.InterpolationMode.BILINEAR
    expected = torchvisions.functional.affine(theirs, angle, [0, 0], factor, [0.0], bilinear)
    found = turned(scale, degrees, own)(ours)
    assert torch.equal(found, expected)
    for each in (found, expected):
        (each * noise(*shape, seed=1)).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("size", [(16, 16), (40, 12), (300, 300), (33, 61), (31, 40), (8, 7)])
def test_cropping_is_torchvisions(size):
    images = noise(2, 3, 31, 40)
    assert torch.equal(cropped(size)(images), torchvisions.functional.center_crop(images, list(size)))


def test_turning_by_nothing_changes_nothing():
    images = noise(1, 3, 8, 8)
    assert torch.equal(turned(0.0, 0.0, seeded())(images), images)
    assert torch.equal(padded(0)(images), images)


@pytest.mark.parametrize("size", [(24, 24), (20, 33), (224, 224)])
def test_robust_keeps_size_and_fills_with_the_colour(size):
    fill, generator = (0.2, 0.5, 0.7), seeded()
    plain = torch.tensor(fill).view(1, 3, 1, 1).expand(1, 3, *size)
    for _ in range(5):
        torch.testing.assert_close(robust(size, fill, generator)(plain), plain)


def test_robust_switched_off_is_the_identity_and_each_term_does_something():
    images = noise(1, 3, 48, 48)
    off = {"pad": 0, "jitter": 0, "scale": 0.0, "rotate": 0.0}
    torch.testing.assert_close(robust((48, 48), (0.5,) * 3, seeded(), **off)(images), images)
    for term in ({"pad": 12, "jitter": 40}, {"scale": 0.3}, {"rotate": 30.0}):
        assert not torch.allclose(robust((48, 48), (0.5,) * 3, seeded(), **off | term)(images), images)


def test_robust_is_differentiable_and_follows_from_its_generator():
    images = noise(1, 3, 32, 32).requires_grad_(True)
    perturb = robust((32, 32), (0.5,) * 3, seeded(5))
    (gradient,) = torch.autograd.grad(perturb(images).sum(), images)
    assert gradient[0, :, 8:24, 8:24].min() > 0
    first, again = (robust((32, 32), (0.5,) * 3, seeded(6))(images) for _ in range(2))
    assert torch.equal(first, again)


def test_lengths_in_proportion():
    assert in_proportion(12, (224, 300)) == 12 and in_proportion(12, (112, 300)) == 6
    assert in_proportion(4, (8, 8)) == 1 and in_proportion(0, (224, 224)) == 0
    assert enlarged_size((30, 60), 120) == (60, 120) and enlarged_size((30, 60), 0) == (30, 60)


def test_resizing_to_the_same_size_changes_nothing():
    images = noise(1, 3, 8, 6)
    assert resized(images, (8, 6)) is images
    constant = torch.full((1, 3, 8, 6), 0.3)
    torch.testing.assert_close(resized(constant, (13, 17)), torch.full((1, 3, 13, 17), 0.3))


@pytest.mark.parametrize("rule", [signed(0.1), normalized(0.1), mean_normalized(0.1)])
def test_steps_have_their_size_in_their_norm(rule):
    variable, gradient = noise(1, 3, 4, 4), torch.randn(1, 3, 4, 4, generator=seeded())
    change = rule(variable, gradient) - variable
    sizes = {"linf": change.abs().max(), "l2": change.norm(), "mean": change.abs().mean()}
    assert any(float(size) == pytest.approx(0.1, rel=1e-4) for size in sizes.values())
    assert float((change * gradient).sum()) > 0
    assert torch.equal(rule(variable, torch.zeros_like(gradient)), variable)


def test_adam_is_torchs_and_climbs():
    target = 0.35 + 0.3 * noise(1, 1, 4, 4, seed=9)
    pixels, rule = Pixels(torch.full((1, 1, 4, 4), 0.5)), Adam(0.05)
    reference = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    optimizer = torch.optim.Adam([reference], lr=0.05)
    scores = list(climb(pixels, slope(lambda images: -(images - target).square().sum()), rule, 30))
    for _ in range(30):
        optimizer.zero_grad()
        (reference - target).square().sum().backward()
        optimizer.step()
    torch.testing.assert_close(pixels.variable, reference.detach())
    assert scores[-1] > scores[0] and len(scores) == 30


def test_adam_is_torchs_to_the_last_bit_whatever_the_gradients():
    variable = noise(1, 3, 5, 7)
    reference, rule = variable.clone(), Adam(0.05)
    optimizer = torch.optim.Adam([reference], lr=0.05, maximize=True)
    for number in range(60):
        scale = 0.0 if number % 7 == 0 else 10.0 ** (number % 5 - 3)
        gradient = scale * torch.randn(1, 3, 5, 7, generator=seeded(number))
        variable = rule(variable, gradient)
        reference.grad = gradient.clone()
        optimizer.step()
        assert torch.equal(variable, reference), number


def test_no_graph_is_left_behind_and_few_pictures_are_made():
    pixels = Pixels(noise(1, 3, 4, 4))
    steps = list(watched(climb(pixels, slope(torch.sum), signed(0.001), 120), pixels, 120))
    assert pixels.variable.grad is None and not pixels.variable.requires_grad
    assert [step.index for step in steps] == list(range(1, 121)) and {step.total for step in steps} == {120}
    assert len({id(step.data) for step in steps}) <= 50
    np.testing.assert_array_equal(steps[-1].data, eight_bit(pixels.image())[0].permute(1, 2, 0).numpy())


def test_lecture_rule_is_a_regularised_step_and_a_blur():
    variable, gradient = (
        torch.randn(1, 3, 6, 6, generator=seeded()),
        torch.randn(1, 3, 6, 6, generator=seeded(1)),
    )
    rule = LectureRule(rate=2.0, l2=0.1, every=2, blur=0.5, clip_values=0.0, clip_contributions=0.0)
    uphill = gradient / math.sqrt(float(gradient.square().sum())) - 0.2 * variable
    moved = variable + 2.0 * uphill / math.sqrt(float(uphill.square().sum()))
    torch.testing.assert_close(rule(variable, gradient), blurred(moved, 0.5))
    torch.testing.assert_close(rule(variable, gradient), moved)
    torch.testing.assert_close(rule(variable, gradient), blurred(moved, 0.5))


def test_blur_is_a_normalised_gaussian():
    point = torch.zeros(1, 1, 21, 21)
    point[0, 0, 10, 10] = 1
    weights = np.exp(-0.5 * (np.arange(-4, 5) / 1.2) ** 2)
    expected = np.outer(weights / weights.sum(), weights / weights.sum())
    np.testing.assert_allclose(blurred(point, 1.2)[0, 0, 6:15, 6:15].numpy(), expected, atol=1e-6)
    assert torch.equal(blurred(point, 0.0), point)
    assert blurred(torch.rand(1, 1, 2, 2), 4.0).shape == (1, 1, 2, 2)


def test_clipping_sets_the_least_important_share_to_zero():
    variable = torch.arange(1.0, 17.0).view(1, 1, 4, 4)
    kept = clipped(variable, variable, 0.25)
    assert int((kept == 0).sum()) == 4 and torch.equal(kept[kept > 0], torch.arange(5.0, 17.0))
    assert torch.equal(clipped(variable, variable, 0.0), variable)


@pytest.mark.parametrize("beta", [2.0, 1.5])
def test_total_variation_and_alpha_norm_by_loops(beta):
    images, total, powers = noise(1, 2, 4, 5), 0.0, 0.0
    for channel in range(2):
        for y in range(4):
            for x in range(5):
                value = float(images[0, channel, y, x])
                powers += abs(2 * (value - 0.4)) ** 6
                if y < 3 and x < 4:
                    down = float(images[0, channel, y + 1, x]) - value
                    across = float(images[0, channel, y, x + 1]) - value
                    total += (down**2 + across**2) ** (beta / 2)
    assert float(total_variation(images, beta)) == pytest.approx(total / (2 * 3 * 4), rel=1e-4)
    assert float(alpha_norm(images, torch.tensor(0.4))) == pytest.approx(powers / 40, rel=1e-4)


def test_tiles_cut_without_gap_or_overlap():
    assert spans(10, 10) == [slice(0, 10)] and spans(11, 5) == [slice(0, 4), slice(4, 7), slice(7, 11)]
    covered = torch.zeros(1, 1, 23, 31)
    for place in places(23, 31, 7):
        covered[place] += 1
        assert max(covered[place].shape[2:]) <= 7
    assert (covered == 1).all()


def test_tiled_slope_of_a_score_of_single_pixels_is_the_whole_one():
    """Where no pixel looks at another, neither tiles nor shifts matter."""
    pixels = Pixels(noise(1, 2, 23, 31))
    whole, score = slope(lambda images: images.square().sum())(pixels)
    for tile, jitter in ((64, 0), (64, 5), (7, 3)):
        gradient, total = tiled_slope(lambda images: images.square().sum(), tile, jitter, seeded())(pixels)
        torch.testing.assert_close(gradient, whole)
        assert total == pytest.approx(score, rel=1e-5)
        assert tiled_score(lambda images: images.square().sum(), tile, pixels.image()) == pytest.approx(
            score, rel=1e-5
        )


def test_seams_move():
    """The difference to the next pixel is lost at a seam; over several steps no place loses it every time."""
    pixels, generator = Pixels(torch.full((1, 1, 8, 40), 0.5)), seeded()
    climbs = lambda images: (images[..., 1:] - images[..., :-1]).sum()  # noqa: E731
    lost = [tiled_slope(climbs, 10, 0, generator)(pixels)[0][0, 0, 0].abs() > 0 for _ in range(6)]
    assert len({tuple(each.tolist()) for each in lost}) > 2
