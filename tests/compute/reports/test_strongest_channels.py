"""The strongest unit of each channel in one image, held against each channel's map."""

import numpy as np
import pytest
import torch

from compute.reports.strongest_channels import peaks
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
