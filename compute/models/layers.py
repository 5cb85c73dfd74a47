"""A network's layers: which of those that it has are listed, and what is said of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from compute.network.choice import Network
from compute.network.layers.centers import Centers, of_fields, of_grid
from compute.network.layers.grids import Grid
from compute.network.receptive_field.walk import Box, ReceptiveField
from compute.runtime.suggestions import did_you_mean

DEFAULT, ALL = "default", "all"


@dataclass(frozen=True)
class Layer:
    """A place in the network whose value is a map, named as in `named_modules()`.

    kind: such as "conv 3x3 /2", "linear" or "block".
    tap: where its value is read, such as "conv+bn+relu".
    height, width: of its map for the network's input size.
    receptive_field: the whole image where the network could not be traced.
    place: what each unit of a token grid stands for, its own patch, where it sees the whole image.
    """

    name: str
    kind: str
    tap: str
    position: int
    in_channels: int
    channels: int
    height: int
    width: int
    receptive_field: ReceptiveField
    place: ReceptiveField | None = None

    def box(self, y: int, x: int) -> Box:
        """(left, top, right, bottom) of what is shown of the unit at row y, column x: its place, or what it
        sees. Edges in pixels of the crop, right and bottom exclusive; may pass the border."""
        return (self.place or self.receptive_field).box(y, x)

    @property
    def centers(self) -> Centers | None:
        """Where its rows and columns stand in the crop; None where all units see the same."""
        if self.place is not None:
            return of_grid(self.place.y, self.place.x, self.height, self.width)
        field = self.receptive_field
        return of_fields(field.y, field.x, self.height, self.width)


def chosen_layers(network: Network, asked: str | None = None) -> tuple[str, ...]:
    """Names of the layers that are listed, in the order in which they run.

    asked: "default" (as None: convolutions, and in transformers and MLPs what blocks give and the hidden
        units of their MLPs), "all", a name, or a pattern such as "blocks.*.attn.proj"; several with commas.
    Raises ValueError where one of them names no layer.
    """
    wanted: set[str] = set()
    for pattern in (each.strip() for each in (asked or DEFAULT).split(",")):
        found = _matching(network, pattern)
        if not found and pattern not in (DEFAULT, ALL):
            raise ValueError(
                f"--layers: no layer is called {pattern!r}{did_you_mean(pattern, network.names)}; give "
                f"{DEFAULT}, {ALL}, or names, in which * stands for anything"
            )
        wanted.update(found)
    return tuple(name for name in network.names if name in wanted)


def are_named(asked: str | None) -> bool:
    """Return whether layers are asked for by names and patterns alone."""
    return not {DEFAULT, ALL} & {each.strip() for each in (asked or DEFAULT).split(",")}


def _matching(network: Network, pattern: str) -> Iterable[str]:
    if pattern == DEFAULT:
        return network.usual
    return [name for name in network.names if pattern in (ALL, name) or fnmatchcase(name, pattern)]


def described(network: Network, name: str, position: int, field: ReceptiveField) -> Layer:
    """What is said of one layer."""
    module = network.layer_module(name)
    _, channels, height, width = network.shape(name)
    return Layer(
        name=name,
        kind=_kind(network, name),
        tap=network.tap(name),
        position=position,
        in_channels=_in_channels(module, channels),
        channels=channels,
        height=height,
        width=width,
        receptive_field=field,
        place=_place(network.grid(name)) if field.whole else None,
    )


def _place(grid: Grid | None) -> ReceptiveField | None:
    return None if grid is None else ReceptiveField(grid.y, grid.x)


def _in_channels(module: nn.Module | None, channels: int) -> int:
    if isinstance(module, nn.Conv2d):
        return module.in_channels
    return module.in_features if isinstance(module, nn.Linear) else channels


def _kind(network: Network, name: str) -> str:
    if name not in network.convolutions:
        return network.kind(name)
    convolution = network.convolution(name)
    parts = ["conv {}x{}".format(*convolution.kernel_size)]
    if max(convolution.stride) > 1:
        parts.append(f"/{_per_axis(convolution.stride)}")
    if max(convolution.dilation) > 1:
        parts.append(f"dilation {_per_axis(convolution.dilation)}")
    if convolution.groups > 1:
        depthwise = convolution.groups == convolution.in_channels
        parts.append("depthwise" if depthwise else f"{convolution.groups} groups")
    return " ".join(parts)


def _per_axis(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}x{sizes[1]}"
