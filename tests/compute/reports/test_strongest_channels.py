"""The strongest unit of each channel in one image, held against each channel's map."""

import numpy as np
import pytest
import torch

from compute.reports.channels.responses import Response, peaks, place
from tests.support.networks.tiny import tiny_model


@pytest.mark.parametrize("name", ["plain", "reused", "untraceable"])
def test_peaks_are_each_maps_first_greatest_unit(name):
    model = tiny_model(name)
    image = torch.rand(model.in_channels, *model.input_size, generator=torch.Generator().manual_seed(1))
    found = peaks(model, image, model.layers)
    with torch.no_grad():
        maps = model.activations(image[None], set(model.layers))
    for layer, peak in found.items():
        for channel, values in enumerate(maps[layer][0].numpy()):
            expected = np.unravel_index(values.argmax(), values.shape)
            assert (peak.y[channel], peak.x[channel]) == expected
            assert peak.value[channel] == values.max()


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "strongest"),
        (0.00031, "top 0.03%"),
        (1e-7, "top 0.01%"),
        (0.0042, "top 0.42%"),
        (0.042, "top 4.2%"),
    ],
)
def test_places_of_the_strongest_are_told_apart(share, said):
    assert place(Response("conv", 1, 2.0, 3.0, share, None, 0, 0, None)) == said
