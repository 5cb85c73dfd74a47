"""What fooling is built on: 8 bits and back, the balls, and the score that is climbed."""

import math

import pytest
import torch
from torch.nn import functional as F

from compute.images.saved_image import decoded, eight_bit, picture, png_bytes, through_file
from compute.methods.optimize.norm_balls import L2Ball, LInfBall
from compute.methods.synthesis.attack_goal import AttackGoal
from tests.support.networks.linear import linear_model, middle_image
from tests.support.networks.tiny import tiny_image, tiny_model


def test_rounding_is_to_the_nearest_level():
    values = torch.tensor([-0.2, 0.0, 0.49 / 255, 0.51 / 255, 100.4 / 255, 100.6 / 255, 1.0, 1.3])
    assert (eight_bit(values) * 255).round().tolist() == [0, 0, 0, 1, 100, 101, 255, 255]


@pytest.mark.parametrize("name", ["plain", "grey", "wide"])
def test_png_keeps_every_level(name):
    model = tiny_model(name)
    image = tiny_image(model)
    assert torch.equal(through_file(model.preprocessing, image), image)
    assert decoded(model.preprocessing, png_bytes(image)).shape == (model.in_channels, *model.input_size)
    assert picture(image).mode == ("L" if name == "grey" else "RGB")
    with pytest.raises(ValueError, match="not 2"):
        picture(torch.zeros(2, 4, 4))


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
