"""What the network is made of: its layers with their receptive fields, and its first filters."""

from collections.abc import Iterable

import pyarrow as pa

from compute.models.layers import Layer
from compute.models.model import Model


def layers_table(layers: Iterable[Layer]) -> pa.Table:
    """Table `layers`, in the order of the network; with places where a layer has some."""
    layers = list(layers)
    placed = any(layer.place is not None for layer in layers)
    return pa.Table.from_pylist([_layer_row(layer) | (_place(layer) if placed else {}) for layer in layers])


def filters_table(model: Model) -> pa.Table | None:
    """Table `filters`: the first convolution's weights as learnt, and the input's standard deviation for
    pixel space (null where that convolution doesn't read the image's own channels). None without a
    convolution.
    """
    if not model.convolutions:
        return None
    weight = model.convolution(model.first_layer).weight.detach().float().cpu()
    channels, in_channels, height, width = weight.shape
    std = list(model.preprocessing.std) if in_channels == model.in_channels else None
    return pa.table(
        {
            "channel": pa.array(range(channels), pa.int32()),
            "in_channels": pa.array([in_channels] * channels, pa.int32()),
            "height": pa.array([height] * channels, pa.int32()),
            "width": pa.array([width] * channels, pa.int32()),
            "weight": pa.array(weight.flatten(1).tolist(), pa.list_(pa.float32())),
            "std": pa.array([std] * channels, pa.list_(pa.float32())),
        }
    )


def _layer_row(layer: Layer) -> dict:
    field = layer.receptive_field
    y, x = (field.y, field.x) if field is not None else (None, None)
    return {
        "position": layer.position,
        "layer": layer.name,
        "kind": layer.kind,
        "tap": layer.tap,
        "in_channels": layer.in_channels,
        "channels": layer.channels,
        "height": layer.height,
        "width": layer.width,
        "rf_height": y and y.size,
        "rf_width": x and x.size,
        "stride_y": y and y.stride,
        "stride_x": x and x.stride,
        "offset_y": y and y.offset,
        "offset_x": x and x.offset,
        "rf_size": y and y.size,
        "rf_stride": y and y.stride,
        "rf_offset": y and y.offset,
    }


def _place(layer: Layer) -> dict:
    """What each map position stands for, where it is not what it sees."""
    place = layer.place
    y, x = (place.y, place.x) if place is not None else (None, None)
    return {
        "place_height": y and y.size,
        "place_width": x and x.size,
        "place_stride_y": y and y.stride,
        "place_stride_x": x and x.stride,
        "place_offset_y": y and y.offset,
        "place_offset_x": x and x.offset,
    }
