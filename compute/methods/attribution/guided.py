"""Guided backpropagation: what in the image excites one neuron (the rule itself is in `guided_backprop`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compute.images.pictures import seen, signed
from compute.images.raster import false_color
from compute.methods.attribution.guided_backprop import energy_box, guided_gradients, undefined_because
from compute.methods.base import CHANNEL, IMAGE, NEURON, Inputs, Method, Step
from compute.models.model import Model


@dataclass(frozen=True)
class Guided(Method):
    name: ClassVar[str] = "guided"
    title: ClassVar[str] = "Guided backpropagation"
    theory: ClassVar[str] = (
        "The gradient of one neuron with respect to the pixels, from which every ReLU on the way back "
        "removes what is negative: only paths that excite the neuron are left, and the pattern it responds "
        "to stands out."
    )
    reference: ClassVar[str] = "Springenberg, Dosovitskiy, Brox, Riedmiller 2015, arXiv:1412.6806"
    output: ClassVar[str] = "gradient"
    needs: ClassVar[frozenset[str]] = frozenset({IMAGE, NEURON, CHANNEL})

    @classmethod
    def unavailable_because(cls, model: Model) -> str | None:
        if not model.layers:
            return "the network has no convolution whose neurons could be chosen"
        return undefined_because(model)

    def steps(self, model: Model, inputs: Inputs) -> Iterator[Step]:
        """One step: data (H, W, C), signed, per unit of the pixels' range."""
        units = None if inputs.y is None else [(inputs.y, inputs.x)]
        (found,) = guided_gradients(model, inputs.image[None], inputs.layer, inputs.channel, units)
        gradient = np.ascontiguousarray(found.gradient.permute(1, 2, 0).numpy())
        layer = model.layer(inputs.layer)
        numbers = {
            "layer": layer.name,
            "channel": inputs.channel,
            "y": found.y,
            "x": found.x,
            "value": found.value,
            "off": found.value <= 0 and "relu" in layer.tap,
            "energy_box": list(energy_box(found.gradient)),
            "gradient_norm": float(np.linalg.norm(gradient)),
        }
        if found.gated:
            numbers["note"] = (
                "the gates (squeeze-and-excitation) before this layer pass their gradient unchanged"
            )
        box = layer.box(found.y, found.x)
        pictures = {
            "image patch": seen(model.preprocessing.shown(inputs.image), box),
            "patch": seen(false_color(signed(gradient)), box),
        }
        yield Step(1, 1, self.output, gradient, found.value, numbers, pictures)
