"""Receptive fields (placeholder interface, being written)."""
from dataclasses import dataclass


@dataclass(frozen=True)
class AxisField:
    size: int
    stride: float
    offset: float


@dataclass(frozen=True)
class ReceptiveField:
    y: AxisField
    x: AxisField


def receptive_fields(network):
    whole = ReceptiveField(AxisField(1, 1, 0), AxisField(1, 1, 0))
    return {site.post: whole for site in network.sites.values()}


def whole_image(size, because=None):
    return ReceptiveField(AxisField(size[0], 0, 0), AxisField(size[1], 0, 0))
