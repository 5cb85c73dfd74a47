"""Fooling images: what the saved bytes do, against closed forms, slow loops and an independent decoder."""

import io
import math

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from compute.images.preprocessing import Preprocessing
from compute.images.saved_image import eight_bit
from compute.methods.base import Inputs
from compute.methods.optimize.norm_balls import L2Ball, LInfBall
from compute.methods.synthesis.attack import FGSM, GRADIENT, PGD_L2, PGD_LINF, Attack
from compute.methods.synthesis.attack_goal import AttackGoal
from compute.models.model import Model
from tests.support.networks.linear import affine, linear_model, middle_image
from tests.support.networks.tiny import tiny_image, tiny_model
from tests.support.pictures import decoded, encoded

ATTACKS = (PGD_LINF, PGD_L2, FGSM, GRADIENT)


def independent_prediction(model: Model, data: np.ndarray) -> int:
    """The result saved and read by Pillow alone, and run through the plain network."""
    levels = np.rint(data * 255).astype(np.uint8)
    file = encoded(levels[..., 0] if levels.shape[2] == 1 else levels)
    pixels = decoded(file).astype(np.float32) / 255
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    mean, std = np.float32(model.preprocessing.mean), np.float32(model.preprocessing.std)
    normalised = torch.from_numpy((pixels - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return int(model.module(normalised).argmax())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "grey", "wide", "untraceable"])
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("target", [None, 0, 3])
def test_every_claim_holds_for_the_saved_bytes(name, attack, target):
    model = tiny_model(name)
    image = tiny_image(model, 4)
    step = Attack(attack=attack, iterations=8).run(model, Inputs(image=image, target=target))
    numbers, original = step.numbers, int(model.logits(image[None]).argmax())
    predicted = independent_prediction(model, step.data)
    assert numbers["predicted"] == model.classes[predicted]
    assert numbers["predicted_before"] == model.classes[original]
    assert numbers["success"] == (predicted != original if target is None else predicted == target)
    assert ("fail" in numbers["note"].split(":")[0].split(",")[0]) == (not numbers["success"])
    difference = np.rint(step.data * 255) - np.rint(image.permute(1, 2, 0).numpy() * 255)
    assert numbers["linf_255"] == np.abs(difference).max() and numbers["linf"] == numbers["linf_255"] / 255
    assert numbers["l2"] == pytest.approx(np.linalg.norm(difference / 255), rel=1e-5)
    with torch.inference_mode():
        logits = model.logits(torch.from_numpy(step.data).permute(2, 0, 1)[None])[0]
    focus = original if target is None else target
    others = torch.cat([logits[:focus], logits[focus + 1 :]])
    sign = -1 if target is None else 1
    assert numbers["margin"] == pytest.approx(sign * float(logits[focus] - others.max()), abs=1e-4)
    probability = float(logits.softmax(0)[focus])
    assert numbers["probability"] == pytest.approx(
        1 - probability if target is None else probability, abs=1e-5
    )
    if attack in (PGD_LINF, FGSM):
        assert numbers["linf_255"] <= numbers["epsilon_255"]
    if attack == PGD_L2:
        assert numbers["l2"] <= numbers["epsilon"] * math.sqrt(image.numel()) + 1e-6


def test_fgsm_is_one_step_of_pgd_and_its_closed_form():
    model = tiny_model("plain")
    image = middle_image(model)
    options = {"epsilon": 6.0, "raise_epsilon": False, "confidence": 1.0}
    inputs = Inputs(image=image, target=2)
    fast = Attack(attack=FGSM, **options).run(model, inputs)
    single = Attack(attack=PGD_LINF, iterations=1, **options).run(model, inputs)
    np.testing.assert_array_equal(fast.data, single.data)
    images = image[None].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(model.logits(images), torch.tensor([2])), images)
    expected = (image - 6 / 255 * gradient[0].sign()).clamp(0, 1)
    np.testing.assert_allclose(fast.data, expected.permute(1, 2, 0).numpy(), atol=1e-6)


def test_pgd_by_a_slow_loop():
    model = tiny_model("plain")
    image = tiny_image(model, 1)
    options = {"epsilon": 4.0, "raise_epsilon": False, "iterations": 5, "confidence": 1.0}
    result = Attack(**options).run(model, Inputs(image=image, target=1))
    current, radius, best = image.clone(), 4 / 255, (False, -math.inf, None)
    for _ in range(5):
        images = current[None].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(F.cross_entropy(model.logits(images), torch.tensor([1])), images)
        current = current - 2.5 * radius / 5 * gradient[0].sign()
        current = torch.minimum(torch.maximum(current, image - radius), image + radius).clamp(0, 1)
        saved = (current * 255).round() / 255
        logits = model.logits(saved[None])[0]
        margin = float(logits[1] - torch.cat([logits[:1], logits[2:]]).max())
        best = max(best, (int(logits.argmax()) == 1, margin, saved), key=lambda each: each[:2])
    np.testing.assert_allclose(result.data, best[2].permute(1, 2, 0).numpy(), atol=1e-6)


@pytest.mark.slow
def test_the_lectures_step_by_a_slow_loop():
    """Normalised units, the class score itself, steps of L2 norm 1 at 3x224x224, until the saved picture
    fools."""
    model = tiny_model("plain")
    image = tiny_image(model, 1)
    target = int(model.logits(image[None])[0].argsort()[-2])
    result = Attack(attack=GRADIENT, confidence=0.0).run(model, Inputs(image=image, target=target))
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (model.preprocessing.mean, model.preprocessing.std)
    )
    current, rate = (image[None] - mean) / std, math.sqrt(image.numel() / (3 * 224 * 224))
    taken, fooled = 0, False
    while not fooled:
        current.requires_grad_(True)
        (gradient,) = torch.autograd.grad(model.module(current)[0, target], current)
        current = (current + rate * gradient / gradient.norm()).detach()
        current = torch.maximum(torch.minimum(current, (1 - mean) / std), -mean / std)
        saved = ((mean + std * current) * 255).round() / 255
        taken, fooled = taken + 1, int(model.logits(saved).argmax()) == target
    assert result.numbers["success"] and result.numbers["steps"] == taken > 1
    np.testing.assert_allclose(result.data, saved[0].permute(1, 2, 0).numpy(), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_minimum_epsilon_of_a_linear_network_is_known(seed):
    model = linear_model(seed, scale=0.2)
    image = middle_image(model, seed)
    weight, bias = affine(model)
    score = float((weight * image).sum() + bias)
    needed = abs(score) / float(weight.abs().sum()) * 255
    found = Attack(minimum=True, epsilon=16.0).run(model, Inputs(image=image, target=int(score < 0))).numbers
    assert found["success"] and found["minimum_epsilon_255"] == math.floor(needed) + 1
    assert found["minimum_epsilon"] == pytest.approx(found["minimum_epsilon_255"] / 255)


def test_minimum_epsilon_of_a_linear_network_in_the_two_norm():
    """Rounding costs something: the float optimum is a bound, met to 5 % of the bisection and a share of a
    level."""
    model = linear_model(1, scale=0.2)
    image = middle_image(model, 1)
    weight, bias = affine(model)
    score = float((weight * image).sum() + bias)
    needed = abs(score) / float(weight.norm()) / math.sqrt(image.numel()) * 255
    attack = Attack(attack=PGD_L2, minimum=True, epsilon=32.0)
    found = attack.run(model, Inputs(image=image, target=int(score < 0))).numbers
    assert found["success"] and needed * 0.98 < found["minimum_epsilon_255"] < needed * 1.06 + 0.3


def test_epsilon_is_raised_in_steps_and_said_so():
    model = linear_model(0, scale=0.2)
    image = middle_image(model)
    weight, bias = affine(model)
    score = float((weight * image).sum() + bias)
    needed = abs(score) / float(weight.abs().sum()) * 255
    first = max(1.0, float(math.floor(needed / 2)))
    assert needed > first, "the case must need more than it is given"
    inputs = Inputs(image=image, target=int(score < 0))
    raised = Attack(epsilon=first).run(model, inputs).numbers
    assert raised["success"] and raised["epsilon_raised"] and raised["epsilon_255"] > needed > first
    assert f"raised from {first:g}/255" in raised["note"]
    kept = Attack(epsilon=first, raise_epsilon=False).run(model, inputs)
    assert not kept.numbers["success"] and kept.numbers["note"].startswith("failed at epsilon")
    assert kept.numbers["epsilon_255"] == first and kept.data.shape == (8, 8, 3)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_failure_is_returned_and_called_one(attack):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    network[1].weight.data.mul_(1e-6)
    network[1].bias.data.copy_(torch.tensor([1.0, 0.0]))
    model = Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.25,) * 3), ("always", "never"), "deaf")
    step = Attack(attack=attack, iterations=2).run(model, Inputs(image=tiny_image(model), target=1))
    assert not step.numbers["success"] and step.numbers["note"].startswith("failed")
    assert step.numbers["predicted"] == "always" and np.isfinite(step.data).all()


def test_a_picture_that_is_taken_for_the_target_already_stays_as_it_is():
    model = tiny_model("plain")
    image = tiny_image(model)
    target = int(model.logits(image[None]).argmax())
    step = Attack(confidence=0.0).run(model, Inputs(image=image, target=target))
    assert step.numbers["success"] and step.numbers["steps"] == 0 and step.numbers["linf_255"] == 0
    assert "nothing to do" in step.numbers["note"]
    np.testing.assert_array_equal(step.data, image.permute(1, 2, 0).numpy())


@pytest.mark.slow
def test_epsilon_in_levels_and_as_a_share_are_the_same():
    model = tiny_model("plain")
    inputs = Inputs(image=tiny_image(model), target=3)
    levels, share = (Attack(epsilon=each, iterations=4).run(model, inputs) for each in (8.0, 8 / 255))
    np.testing.assert_array_equal(levels.data, share.data)
    assert Attack().epsilon == 8.0 and Attack().attack == PGD_LINF
    assert Attack().radii == (8.0, 12, 18, 27, 41, 62, 64)


def test_confidence_goes_on_beyond_the_first_success():
    model = linear_model(scale=3)
    image = middle_image(model)
    inputs = Inputs(image=image, target=1 - int(model.logits(image[None]).argmax()))
    barely, surely = (
        Attack(confidence=each, epsilon=16.0).run(model, inputs).numbers for each in (0.0, 0.99)
    )
    assert barely["success"] and surely["success"]
    assert surely["probability"] >= 0.99 > barely["probability"] and surely["l2"] > barely["l2"]


def test_the_difference_is_signed_about_no_change():
    model = tiny_model("plain")
    image = tiny_image(model)
    step = Attack(iterations=4).run(model, Inputs(image=image, target=2))
    before = np.rint(image.permute(1, 2, 0).numpy() * 255) / 255
    change = (step.data - before).mean(axis=2) / step.numbers["linf"]
    drawn = step.pictures["difference"]
    assert drawn.shape == (*change.shape, 3) and np.abs(change).max() <= 1 + 1e-6
    assert np.abs(drawn - matplotlib.colormaps["coolwarm"](0.5 + 0.5 * change)[..., :3]).max() < 0.02
    brighter, darker = drawn[change > 0.5], drawn[change < -0.5]
    assert (brighter[:, 0] > brighter[:, 2]).all() and (darker[:, 2] > darker[:, 0]).all()
    assert step.numbers["predicted_probability"] >= 1 / 5, "of five classes the most probable one"


@pytest.mark.slow
def test_survival_is_what_the_altered_pictures_do():
    model = tiny_model("plain")
    step = Attack().run(model, Inputs(image=tiny_image(model), target=2))
    survival = step.numbers["survival"]
    assert set(survival) == {"jpeg 95", "jpeg 75", "jpeg 50", "resized to half and back", "blurred, 1 pixel"}
    file = encoded(np.rint(step.data * 255).astype(np.uint8), "JPEG", quality=75)
    seen = model.prepare(Image.open(io.BytesIO(file)))
    predicted = int(model.logits(seen[None]).argmax())
    assert survival["jpeg 75"]["predicted"] == model.classes[predicted]
    assert survival["jpeg 75"]["fooled"] == (predicted == 2)


def test_random_start_follows_from_the_seed_and_stays_in_the_ball():
    model = tiny_model("plain")
    inputs = Inputs(image=tiny_image(model), target=1)
    options = {"random_start": True, "iterations": 2, "raise_epsilon": False, "confidence": 1.0}
    first, again, other = (Attack(seed=seed, **options).run(model, inputs) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.data, again.data)
    assert not np.array_equal(first.data, other.data) and other.numbers["linf_255"] <= 8


def test_every_step_shows_a_certified_picture_and_its_margin():
    model = tiny_model("plain")
    image = tiny_image(model)
    for step in Attack(iterations=3, epsilon=64.0).steps(model, Inputs(image=image, target=2)):
        logits = model.logits(torch.from_numpy(step.data).permute(2, 0, 1)[None])[0]
        expected = float(logits[2] - torch.cat([logits[:2], logits[3:]]).max())
        assert step.score == pytest.approx(expected, abs=1e-4)


def test_wrong_sizes_and_networks_without_classes_are_refused():
    model = tiny_model("plain")
    with pytest.raises(ValueError, match="24x24, not 30x20"):
        Attack().run(model, Inputs(image=torch.zeros(3, 20, 30), target=1))
    embedding = nn.Sequential(nn.Flatten(), nn.Linear(192, 6))
    without = Model(embedding, Preprocessing((8, 8), None, (0.5,) * 3, (0.5,) * 3), (), "bare", scores="none")
    with pytest.raises(ValueError, match="no class scores"):
        Attack().run(without, Inputs(image=torch.zeros(3, 8, 8)))


def test_a_target_that_is_predicted_already_is_no_fooling_at_any_confidence():
    model = tiny_model("plain")
    image = tiny_image(model)
    target = int(model.logits(image[None]).argmax())
    step = Attack(confidence=1.0).run(model, Inputs(image=image, target=target))
    assert step.numbers["linf_255"] == 0 and "nothing to do" in step.numbers["note"]


@pytest.mark.slow
def test_a_failure_returns_the_best_of_all_epsilons():
    model = tiny_model("plain")
    image = tiny_image(model)
    for target in range(len(model.classes)):
        inputs = Inputs(image=image, target=target)
        alone = Attack(attack="fgsm", epsilon=1.0, raise_epsilon=False).run(model, inputs)
        raised = Attack(attack="fgsm", epsilon=1.0).run(model, inputs)
        assert (raised.numbers["success"], raised.score) >= (alone.numbers["success"], alone.score)


def test_infinity_ball_clips_each_value():
    centre = eight_bit(torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    ball = LInfBall(centre, 7.6 / 255)
    assert ball.radius == pytest.approx(7 / 255)
    ball.variable = ball.variable + torch.randn(centre.shape, generator=torch.Generator().manual_seed(1))
    before = ball.variable.clone()
    ball.constrain()
    for now, then, middle in zip(ball.variable.flatten(), before.flatten(), centre.flatten(), strict=True):
        nearest = min(max(float(then), float(middle) - 7 / 255), float(middle) + 7 / 255)
        assert float(now) == pytest.approx(min(max(nearest, 0.0), 1.0), abs=1e-6)
    changed = ((ball.saved() - centre) * 255).round()
    assert changed.abs().max() <= 7 and torch.equal(eight_bit(ball.saved()), ball.saved())


@pytest.mark.parametrize("radius", [0.01, 0.1, 1.0, 30.0])
def test_two_ball_shrinks_the_difference_and_rounds_inside(radius):
    centre = eight_bit(torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)))
    ball = L2Ball(centre, radius)
    push = torch.randn(centre.shape, generator=torch.Generator().manual_seed(1))
    ball.variable = centre + push
    ball.constrain()
    expected = (centre + push * min(1.0, radius / float(push.norm()))).clamp(0, 1)
    torch.testing.assert_close(ball.variable, expected)
    assert float((ball.saved() - centre).norm()) <= radius
    assert torch.equal(eight_bit(ball.saved()), ball.saved())


def test_log_odds_climb_as_cross_entropy_falls():
    model = tiny_model("plain")
    image = tiny_image(model)
    goal = AttackGoal.of(model, image, 2)
    gradient, score = model.gradient(image[None], goal.log_odds())
    images = image[None].clone().requires_grad_(True)
    (entropy,) = torch.autograd.grad(F.cross_entropy(model.logits(images), torch.tensor([2])), images)
    probability = float(model.probabilities(image[None])[0, 2])
    torch.testing.assert_close(-entropy / (1 - probability), gradient, rtol=1e-3, atol=1e-6)
    assert float(score) == pytest.approx(math.log(probability / (1 - probability)), abs=1e-4)


def test_log_odds_do_not_vanish_where_the_network_is_sure():
    """The cross-entropy's own gradient is exactly 0 there: the attack would never leave."""
    model = linear_model(scale=3000)
    image = middle_image(model)
    goal = AttackGoal.of(model, image, None)
    images = image[None].clone().requires_grad_(True)
    entropy = F.cross_entropy(model.logits(images), torch.tensor([goal.original]))
    assert not torch.autograd.grad(entropy, images)[0].any()
    assert model.gradient(image[None], goal.log_odds())[0].all()
