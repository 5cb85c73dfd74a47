"""The pictures that gradient ascent found for channels, as a store keeps them (stage showcase)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from compute.images.encoding import opened
from compute.methods.recipe import RECIPE
from compute.methods.synthesis.ascent import CHANNEL, Ascent
from compute.reports.drawing.report import Report
from featurestore.reader import Run

TABLE = "showcase"


@dataclass(frozen=True)
class Kept:
    """A picture that the store keeps of a channel.

    png: the file that `python -m compute ascend` writes of the channel, recipe included
    value, mean: the channel's spatial maximum and its mean in the picture
    dead: whether it is 0 at every place of it
    predicted: class that the network sees in it; None of a network without classes
    parameters: those of gradient ascent; one that it did not have then has its default
    """

    png: bytes
    value: float
    mean: float
    dead: bool
    predicted: str | None
    parameters: Mapping[str, Any]

    @property
    def pixels(self) -> np.ndarray:
        """Decode the picture: uint8 (H, W) or (H, W, 3). ValueError for bytes that are none."""
        try:
            return np.asarray(opened(self.png))
        except OSError as error:
            raise ValueError(f"the store's picture of a channel can't be read: {error}") from error

    @property
    def recipe(self) -> dict[str, Any]:
        """Read the recipe in the picture's file. ValueError where there is none."""
        try:
            return json.loads(opened(self.png).info[RECIPE])
        except (OSError, KeyError) as error:
            raise ValueError(f"the store's picture of a channel has no recipe: {error!r}") from error


def kept(run: Run, layer: str, channel: int) -> Kept | None:
    """Return what a run keeps of a channel; None where it has no such picture."""
    if TABLE not in run.tables():
        return None
    rows = run.select(TABLE, layer, channel).to_pylist()
    if not rows:
        return None
    (row,) = rows
    return Kept(
        row["image"]["bytes"],
        row["value"],
        row["mean"],
        row["dead"],
        row["predicted"],
        Ascent().to_dict() | json.loads(row["parameters"]),
    )


def kept_channels(run: Run, layer: str) -> frozenset[int]:
    """Return the channels of a layer of which a run keeps a picture."""
    if TABLE not in run.tables():
        return frozenset()
    return frozenset(run.select(TABLE, layer, columns=["channel"])["channel"].to_pylist())


def kept_report(picture: Kept) -> Report:
    """Report on a picture that is kept: its file has the bytes of the live result's."""
    numbers = {"objective": CHANNEL, "activation": picture.mean, "maximum": picture.value}
    said = {} if picture.predicted is None else {"predicted": picture.predicted}
    return Report(
        picture.recipe,
        numbers | said | {"dead": picture.dead},
        lambda: picture.pixels,
        drawn=lambda: picture.png,
    )


def said_of(reached: float, dead: bool, best: float | None) -> str:
    """Say, in Markdown, how far a channel gets with its picture.

    reached: its spatial maximum there
    best: its greatest in the store's images; None where that isn't known
    """
    if dead:
        return "It stays dead: ascent found no picture that it answers to, and this one is as good as any."
    times = "" if not best or best <= 0 else f", **{reached / best:.1f} times** the best patch's {best:.3g}"
    return f"The channel reaches {reached:.3g}{times}."


def made_by(parameters: Mapping[str, Any]) -> str:
    """Say how a picture was made. parameters: those of gradient ascent."""
    return (
        f"Gradient ascent from noise: {parameters['iterations']} steps, {parameters['parameterization']} "
        f"parameterisation, seed {parameters['seed']} (Olah et al. 2017)."
    )
