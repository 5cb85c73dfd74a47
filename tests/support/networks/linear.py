"""Networks whose scores are affine in the image, so that the smallest change that fools them is known."""

import torch
from torch import nn

from compute.images.preprocessing import Preprocessing
from compute.images.saved_image import eight_bit
from compute.models.model import Model
from tests.support.networks.tiny import tiny_image


def linear_model(seed: int = 0, scale: float = 1.0) -> Model:
    """Two classes; the difference of their scores is affine in the image, so that minimal changes are
    known."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    network[1].weight.data *= scale
    return Model(network, Preprocessing((8, 8), None, (0.5,) * 3, (0.25,) * 3), ("left", "right"), "linear")


def middle_image(model: Model, seed: int = 0) -> torch.Tensor:
    """Values k/255 well inside [0, 1], so that clamping plays no part."""
    return eight_bit(0.3 + 0.4 * tiny_image(model, seed))


def affine(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """w (3, 8, 8) and b with score 1 - score 0 = w · image + b."""
    images = torch.zeros(1, 3, 8, 8, requires_grad=True)
    logits = model.logits(images)
    difference = logits[0, 1] - logits[0, 0]
    return torch.autograd.grad(difference, images)[0][0], difference.detach()
