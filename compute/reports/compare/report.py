"""Two runs over the same images, as pictures and rows: one report for each thing that is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compute.analysis.comparison import KINDS
from compute.reports.base import OTHER_RUN, RUN, ReportInputs, ReportSpec
from compute.reports.compare.measures import COLORS, PATCHES, Channels, Compared
from compute.reports.compare.pictures import (
    agreement_picture,
    channels_picture,
    maps_picture,
    overlap_picture,
    predictions_picture,
)
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import of_run
from compute.runtime.parameters import parameter

CHANGED = ("all", *(kind for kind in KINDS if kind != "same"))
NEIGHBORS = 10


SHOWN = ("summary", "predictions", "neighbors", "channels", "maps")


@dataclass(frozen=True)
class CompareSpec(ReportSpec):
    """What changed between two runs over the same images."""

    name: ClassVar[str] = "compare"
    title: ClassVar[str] = "Two runs over the same images"
    description: ClassVar[str] = (
        "Holds two runs over the same images, matched by the SHA-256 of their bytes, against each other. "
        "summary: all measures, beside chance; predictions: those that changed; neighbors: how many of "
        "each image's nearest are the same; channels: the same of each channel's nine strongest images; "
        "maps: the other map laid upon the first."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, OTHER_RUN})

    show: str = parameter("summary", "what is compared", choices=SHOWN)
    k: int = parameter(NEIGHBORS, "of neighbours: how many nearest of each image", low=1, high=1000)
    kind: str = parameter("all", "of changed predictions: what became of them", choices=CHANGED)
    label: str = parameter("", "a class: its changed predictions alone")
    layer: str = parameter("", "of channels; the first layer that both networks have where none is given")
    method: str = parameter("", "of maps; the first that both runs have where none is given")
    color: str = parameter("label", "of maps: what gives the colours", choices=COLORS)

    def _make(self, inputs: ReportInputs) -> Report:
        return compare_report(Compared(inputs.run, inputs.other_run), self)


def compare_report(compared: Compared, asked: CompareSpec) -> Report:
    """Report on two runs; ValueError for what they don't have, or where they share no image."""
    if not len(compared.matched):
        raise ValueError(
            "these runs have no image in common: no file of the one has the bytes of one of the other"
        )
    return _MAKERS[asked.show](compared, asked)


def _summary(compared: Compared, asked: CompareSpec) -> Report:
    table = _measures(compared, asked.k)
    numbers = {row["measure"]: row["value"] for row in table.to_pylist()}
    chances = {
        f"{row['measure']}_chance": row["chance"] for row in table.to_pylist() if row["chance"] is not None
    }
    return Report(
        _recipe(compared, "summary", k=asked.k),
        numbers | chances,
        lambda: agreement_picture(table),
        lambda: table,
    )


def _predictions(compared: Compared, asked: CompareSpec) -> Report:
    found = compared.changed(asked.kind, asked.label)
    counts = {each["values"]: each["counts"] for each in pc.value_counts(found["kind"]).to_pylist()}
    recipe = _recipe(compared, "predictions", kind=asked.kind, label=asked.label)
    numbers = {
        "kind": asked.kind,
        "label": asked.label or "any",
        "compared": len(compared.predictions),
        "images": len(found),
        **{kind.replace(" ", "_"): counts.get(kind, 0) for kind in CHANGED[1:]},
        "mcnemar_p": compared.accuracies.p,
    }
    return Report(
        recipe,
        numbers,
        lambda: predictions_picture(compared.run, found),
        lambda: _with_paths(compared, found),
    )


def _neighbors(compared: Compared, asked: CompareSpec) -> Report:
    if not compared.have("neighbors"):
        raise ValueError(
            "one of the runs has no neighbours; `python -m compute store --stages neighbors` makes them"
        )
    found, matched = compared.neighbor_overlap(asked.k), compared.matched
    table = pa.table(
        {
            "image_id": matched.ids,
            "other_id": matched.other_ids,
            "overlap": pa.array(found.share, from_pandas=True),
            "k": found.k,
        }
    )
    numbers = {
        "k": asked.k,
        "images": len(matched),
        "overlap": found.mean,
        "chance": found.chance(len(matched) - 1),
        "unchanged": int((found.share == 1).sum()),
        "nothing_in_common": int((found.share == 0).sum()),
    }
    return Report(
        _recipe(compared, "neighbors", k=asked.k),
        numbers,
        lambda: overlap_picture(found, asked.k),
        lambda: _with_paths(compared, table),
    )


def _channels(compared: Compared, asked: CompareSpec) -> Report:
    if not compared.have("layers", "channels", "top_patches") or not compared.layers:
        raise ValueError("these networks have no layer of the same name and number of channels")
    layer = asked.layer or next(iter(compared.layers))
    found = compared.channels(layer)
    numbers = {
        "layer": layer,
        "channels": len(found.partner),
        "counted": int((found.overlap.k > 0).sum()),
        "overlap": found.overlap.mean,
        "best_partners": found.partner_mean,
    }
    return Report(
        _recipe(compared, "channels", layer=layer),
        numbers,
        lambda: channels_picture(found, layer),
        lambda: _channel_table(found, layer),
    )


def _maps(compared: Compared, asked: CompareSpec) -> Report:
    if not compared.maps:
        raise ValueError("the runs have no map by the same method")
    method = asked.method or compared.maps[0]
    if method not in compared.maps:
        raise ValueError(f"no map by {method!r} in both runs; choose from {', '.join(compared.maps)}")
    found = compared.moved(method)
    colors = compared.coloring(asked.color, found)
    rows = compared.matched.rows(found.ids)
    (x, y), (other_x, other_y) = found.here.T, found.aligned.points.T
    table = pa.table(
        {
            "image_id": found.ids,
            "other_id": compared.matched.other_ids[rows],
            "x": x,
            "y": y,
            "other_x": other_x,
            "other_y": other_y,
            "moved": found.aligned.moved,
        }
    )
    numbers = {
        "method": method,
        "color": asked.color,
        "images": len(found.ids),
        "residual": found.aligned.residual,
        "moved_median": float(np.median(found.aligned.moved)),
        "moved_most": float(found.aligned.moved.max()),
    }
    return Report(
        _recipe(compared, "maps", method=method, color=asked.color),
        numbers,
        lambda: maps_picture(found, colors),
        lambda: _with_paths(compared, table),
    )


_MAKERS: dict[str, Callable[[Compared, CompareSpec], Report]] = {
    "summary": _summary,
    "predictions": _predictions,
    "neighbors": _neighbors,
    "channels": _channels,
    "maps": _maps,
}


def _measures(compared: Compared, k: int) -> pa.Table:
    """measure, value, chance (null where there is none); shares are 0 to 1."""
    rows: list[tuple[str, float | None, float | None]] = [*_of_predictions(compared)]
    if compared.have("neighbors"):
        found = compared.neighbor_overlap(k)
        rows.append((f"neighbor_overlap_at_{k}", found.mean, found.chance(len(compared.matched) - 1)))
    if compared.have("features"):
        rows.append(("linear_cka", compared.cka.value, compared.cka.chance))
    if compared.have("layers", "channels", "top_patches"):
        for layer in compared.layers:
            channels = compared.channels(layer)
            rows.append((f"top{PATCHES}_overlap.{layer}", channels.overlap.mean, None))
            rows.append((f"top{PATCHES}_overlap_of_best_partners.{layer}", channels.partner_mean, None))
    for method in compared.maps:
        rows.append((f"map_residual.{method}", _residual(compared, method), None))
    measure, value, chance = zip(*rows, strict=True)
    return pa.table(
        {
            "measure": pa.array(measure, pa.string()),
            "value": pa.array(value, pa.float64()),
            "chance": pa.array(chance, pa.float64()),
        }
    )


def _of_predictions(compared: Compared) -> list[tuple[str, float | None, None]]:
    table, scores = compared.predictions, compared.accuracies
    same = pc.sum(pc.equal(table["kind"], "same")).as_py() or 0
    rows = {
        "images": len(table),
        "only_first": compared.matched.only,
        "only_other": compared.matched.other_only,
        "predictions_kept": same / len(table) if len(table) else None,
    }
    if scores.count:
        rows |= {"right_first": scores.mine, "right_other": scores.theirs, "fixed": scores.fixed}
        rows |= {"broken": scores.broken, "mcnemar_p": scores.p}
    return [(name, value, None) for name, value in rows.items()]


def _residual(compared: Compared, method: str) -> float | None:
    try:
        return compared.moved(method).aligned.residual
    except ValueError:
        # Of too few images in common, or all at one place.
        return None


def _channel_table(found: Channels, layer: str) -> pa.Table:
    return pa.table(
        {
            "layer": [layer] * len(found.partner),
            "channel": np.arange(len(found.partner), dtype=np.int32),
            "overlap": pa.array(found.overlap.share, from_pandas=True),
            "k": found.overlap.k,
            "best_partner": found.partner,
            "partner_overlap": pa.array(found.partner_share, from_pandas=True),
        }
    )


def _with_paths(compared: Compared, table: pa.Table) -> pa.Table:
    """With each image's path in the first run, after its numbers."""
    paths = compared.run.table("images", ["path"])["path"].take(table["image_id"])
    return table.add_column(2, "path", paths)


def _recipe(compared: Compared, show: str, **asked: Any) -> dict[str, Any]:
    return {"exhibit": f"compare {show}", **asked, **of_run(compared.run), "other": of_run(compared.other)}
