"""What was asked for and plays no role is said: by the methods, and on the command line's standard error."""

import pytest
import torch

from compute.methods.attribution.saliency import Saliency
from compute.methods.base import Inputs
from compute.methods.synthesis.ascent import Ascent
from compute.methods.synthesis.attack import Attack

IMAGE = torch.zeros(3, 2, 2)


@pytest.mark.parametrize(
    "method, inputs, unused",
    [
        (Saliency(), Inputs(image=IMAGE, layer="conv1"), ("layer",)),
        (Saliency(variant="gradcam"), Inputs(image=IMAGE, layer="conv1"), ()),
        (Ascent(), Inputs(target=0, layer="conv1", channel=2), ("target",)),
        (Ascent(), Inputs(layer="conv1", channel=2), ()),
        (Ascent(objective="logit"), Inputs(target=0, layer="conv1", channel=2), ("layer", "channel")),
        (Ascent(), Inputs(image=IMAGE, layer="conv1", y=1, x=1), ()),
        (
            Attack(attack="gradient", minimum=True, random_start=True),
            Inputs(image=IMAGE),
            ("minimum", "random_start"),
        ),
        (Attack(attack="fgsm", random_start=True), Inputs(image=IMAGE), ("random_start",)),
        (Attack(minimum=True, random_start=True), Inputs(image=IMAGE), ()),
    ],
)
def test_inputs_and_parameters_that_play_no_role(method, inputs, unused):
    assert method.unused(inputs) == unused
