"""Grad-CAM: where the feature maps that speak for a class are active (Selvaraju et al. 2017).

    alpha_k = mean over y, x of dS/dA_k[y, x]          map = ReLU(sum over k of alpha_k A_k)

S is the class's pre-softmax score, A_k the k-th feature map.
"""

import torch
from torch.nn import functional as F

from compute.methods.requirements import patch_embedding
from compute.models.model import Model
from compute.network.traced import LOGITS, MAPS


def gradcam(model: Model, image: torch.Tensor, target: int, layer: str | None = None) -> torch.Tensor:
    """Return the Grad-CAM map (H, W), at least 0, scaled up bilinearly to the image's size.

    image: (C, H, W) in [0, 1]
    target: index of the class
    layer: whose maps are taken, after its nonlinearity; None: the last maps that still have height and width
    """
    site = layer or last_maps(model)
    with torch.enable_grad():
        # The pixels need a gradient, or nothing would: all weights are frozen.
        values = model.activations(image[None].clone().requires_grad_(True), {site, LOGITS})
        (gradient,) = torch.autograd.grad(model.output.score(values[LOGITS], target)[0], values[site])
    weights = gradient.mean((2, 3), keepdim=True)
    coarse = (weights * values[site].detach()).sum(1, keepdim=True).relu()
    return F.interpolate(coarse, image.shape[1:], mode="bilinear", align_corners=False)[0, 0].float().cpu()


def last_maps(model: Model) -> str:
    """The site of the last maps with height and width: of a network that can't be traced, the last such
    layer.

    In transformers and MLPs these are the token grid of the last block, behind its norm. Raises ValueError
    where there is none, or only the convolution that cuts the image into patches.
    """
    if model.graph is not None and model.network.grid(MAPS) is not None:
        return MAPS
    if patch_embedding(model) is not None:
        raise ValueError(
            f"Grad-CAM needs feature maps or a token grid behind the patches, and {model.name} shows none"
        )
    if model.graph is not None:
        return MAPS
    names = [name for name, layer in model.layers.items() if layer.height * layer.width > 1]
    if not names:
        raise ValueError("Grad-CAM needs a layer whose map is larger than 1 x 1, and the network has none")
    return names[-1]
