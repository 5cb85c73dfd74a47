"""What can be asked of a network, found out once: every live method, and every question to its store."""

from collections.abc import Callable

from compute.methods import METHODS
from compute.methods.requirements import patch_embedding
from compute.models.model import Model

Reason = str | None


def capabilities(model: Model) -> dict[str, Reason]:
    """By name of a method or query: None where it is available for `model`, else a sentence that says why
    not."""
    methods = {name: method.unavailable_because(model) for name, method in METHODS.items()}
    return {name: reason(model) for name, reason in QUERIES.items()} | methods


def no_filters_because(model: Model) -> Reason:
    """First-layer filters are those of a convolution that slides over the image."""
    if not model.convolutions:
        return "the network has no convolution"
    if (patches := patch_embedding(model)) is not None:
        return f"{patches}; its weights are an embedding, not filters that slide over the image"
    return None


def no_patches_because(model: Model) -> Reason:
    """Maximally activating patches are those of channels that look at many places of an image."""
    if not any(layer.height * layer.width > 1 for layer in model.layers.values()):
        return "the network has no layer whose map is larger than 1 x 1"
    if tuple(model.layers) == model.convolutions and (patches := patch_embedding(model)) is not None:
        return f"{patches}; what follows it attends to the whole image"
    return None


QUERIES: dict[str, Callable[[Model], Reason]] = {
    "filters": no_filters_because,
    # A network with class scores has a vector for each image: what the scores are made of.
    "neighbors": lambda model: None,
    "maps": lambda model: None,
    "patches": no_patches_because,
}
