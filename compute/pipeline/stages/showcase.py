"""What channels look for: the picture that gradient ascent finds for each, at the method's own defaults.

Each is the file that `python -m compute ascend` writes for the store, the layer and the channel.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pyarrow as pa

from compute.methods.base import Inputs
from compute.methods.recipe import result_png, result_recipe
from compute.methods.requirements import check_gradient
from compute.methods.synthesis.ascent import Ascent
from compute.models.layers import ALL, Layer
from compute.models.model import Model
from compute.runtime.suggestions import did_you_mean
from featurestore.schemas import TABLES

METHOD = Ascent()

CHANNELS_AT_ONCE = 8
"""Channels of a shard: so many ascents are lost at most where a process is killed, and so many pictures are
read where one is looked at."""


@dataclass(frozen=True)
class ChannelsShard:
    """Some channels of a layer."""

    layer: str
    channels: range


def shards_of_channels(layers: Iterable[Layer]) -> list[ChannelsShard]:
    """Return all channels of these layers, in the order of the table's rows.

    The place of a shard is its number. It follows from the network alone, so that whichever layers are asked
    for, and in whatever order, a shard has the number that it always has.
    """
    return [
        ChannelsShard(layer.name, range(start, min(start + CHANNELS_AT_ONCE, layer.channels)))
        for layer in sorted(layers, key=lambda layer: layer.name)
        for start in range(0, layer.channels, CHANNELS_AT_ONCE)
    ]


def layers_asked_for(
    model: Model, stages: tuple[str, ...] | None, names: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the layers of whose channels pictures are asked for, in the network's order; none without the
    stage.

    names: of layers, where * stands for anything, or "all"; None is the last layer
    ValueError where one of them names no layer, or one that can't be followed to the pixels.
    """
    if "showcase" not in (stages or ()):
        return ()
    if not model.layers:
        raise ValueError(f"stage showcase shows a layer's channels, and {model.name} has no layers")
    listed = tuple(model.layers)
    asked = listed[-1:] if names is None else names
    for name in asked:
        if not _named(listed, name):
            raise ValueError(
                f"--showcase-layers: no layer of the run is called {name!r}{did_you_mean(name, listed)}"
            )
    chosen = {layer for name in asked for layer in _named(listed, name)}
    check_gradient("stage showcase", model, chosen)
    return tuple(layer for layer in listed if layer in chosen)


def showcase_table(model: Model, shard: ChannelsShard, run: str, advance: Callable[[int], None]) -> pa.Table:
    """Return the shard's rows of table `showcase`.

    run: fingerprint of the run, which is in each picture's recipe
    advance: called with the number of channels just done
    """
    rows = []
    for channel in shard.channels:
        rows.append(_row(model, shard.layer, channel, run))
        advance(1)
    return pa.Table.from_pylist(rows, TABLES["showcase"])


def _named(listed: tuple[str, ...], name: str) -> list[str]:
    return [layer for layer in listed if name in (ALL, layer) or fnmatchcase(layer, name)]


def _row(model: Model, layer: str, channel: int, run: str) -> dict:
    step = METHOD.run(model, Inputs(layer=layer, channel=channel))
    inputs = {"layer": layer, "channel": channel}
    recipe = result_recipe(METHOD, model.name, model.weights_hash, inputs, run)
    return {
        "layer": layer,
        "channel": channel,
        "image": {"bytes": result_png(step, recipe), "path": None},
        "value": step.numbers["maximum"],
        "mean": step.numbers["activation"],
        "dead": step.numbers["dead"],
        "predicted": step.numbers.get("predicted"),
        "seed": METHOD.seed,
        "parameters": json.dumps(METHOD.to_dict(), sort_keys=True),
    }
