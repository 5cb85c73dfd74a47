"""A stored occlusion map as a picture: over what the network saw, drawn where the patch was centred."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from compute.occlusion.drawing import ARGMAX, LOGIT, PROBABILITY, Shading, at_pixels, class_hues
from compute.occlusion.maps import centers, windows
from compute.reports.base import RUN, STORED_IMAGE, ReportInputs, ReportSpec
from compute.reports.drawing.charts import canvas, rendered, scale_beside
from compute.reports.drawing.report import Report
from compute.reports.drawing.run_images import Originals, of_run, picture_of, preprocessing_of, read_original
from compute.runtime.parameters import parameter
from featurestore.reader import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES = (PROBABILITY, LOGIT, ARGMAX)
UNOCCLUDED = {PROBABILITY: "unoccluded", LOGIT: "unoccluded_logit", ARGMAX: ""}
"""The column of `occlusion` with the score without a patch."""

WIDTH, HEIGHT = 900, 720
HALF_PIXEL = 0.5
"""From a pixel's edge to its centre."""


@dataclass(frozen=True)
class OcclusionMapSpec(ReportSpec):
    """The occlusion map that a run holds of one of its images."""

    name: ClassVar[str] = "occlusion-map"
    title: ClassVar[str] = "Stored occlusion map"
    description: ClassVar[str] = (
        "How far probability or logit change, or what is predicted, as a grey square covers the image, as "
        "the store holds it. Each pixel is drawn as the nearest place of the square, in the colors of the "
        "live `occlusion`. As a table: one place of the square a row."
    )
    needs: ClassVar[frozenset[str]] = frozenset({RUN, STORED_IMAGE})

    value: str = parameter(VALUES[0], "what is drawn at each place", choices=VALUES)
    target: str = parameter("", "a class; the first one that is stored where none is given")
    overlay: bool = parameter(True, "over what the network sees of the image")

    def _make(self, inputs: ReportInputs) -> Report:
        asked = self.value, self.overlay, self.target or None
        return occlusion_map_report(inputs.run, inputs.image_id, *asked, read=inputs.read)


def occlusion_map_report(
    run: Run,
    image_id: int,
    value: str = VALUES[0],
    overlay: bool = True,
    target: str | None = None,
    read: Originals = read_original,
) -> Report:
    """Report on a stored occlusion map; ValueError for an image without a map, or an unknown value.

    target: a class, None for the first that is stored.
    """
    if value not in VALUES:
        raise ValueError(f"unknown value {value!r}; choose from {', '.join(VALUES)}")
    maps = run.occlusion(image_id, target)
    size = preprocessing_of(run).size
    asked = {"value": value, "overlay": overlay, "target": maps["target"]}

    def draw() -> np.ndarray:
        return _draw(run, image_id, maps, asked, size, read)

    return Report(
        {"exhibit": "occlusion-map", "image": run.image(image_id)["sha256"], **asked, **of_run(run)},
        {"image_id": image_id, **asked, **_numbers(maps)},
        draw,
        lambda: occlusion_rows(run, maps, size),
        lambda: maps[value],
    )


def _numbers(maps: dict) -> dict:
    lowest = np.unravel_index(maps["probability"].argmin(), maps["probability"].shape)
    return {
        "patch": maps["patch"],
        "stride": maps["stride"],
        "rows": maps["rows"],
        "cols": maps["cols"],
        "unoccluded_probability": maps["unoccluded"],
        "unoccluded_logit": maps["unoccluded_logit"],
        "lowest_probability": float(maps["probability"][lowest]),
        "lowest_row": int(lowest[0]),
        "lowest_col": int(lowest[1]),
    }


def has_maps(run: Run, image_id: int | None) -> bool:
    """Return whether the run holds maps of the image; images that could not be read have none."""
    if image_id is None or "occlusion" not in run.tables():
        return False
    return len(run.select("occlusion", image_id, columns=["target"])) > 0


def patch_centers(maps: Mapping[str, Any], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where the patch of a stored map was centred: rows (rows,) and columns (cols,).

    In pixels of the network's input, whose height and width are `size`; the first pixel's centre is at 0.
    """
    patch, stride = maps["patch"], maps["stride"]
    ys, xs = (centers(windows(length, patch, stride), patch) for length in size)
    return ys, xs


def patch_centers_from_edge(maps: Mapping[str, Any], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the same, measured from the image's edge, as charts and the table say them."""
    ys, xs = patch_centers(maps, size)
    return ys + HALF_PIXEL, xs + HALF_PIXEL


def occlusion_rows(run: Run, maps: dict, size: tuple[int, int]) -> pa.Table:
    """Return one place of the patch a row; y and x are its centre in pixels of the network's input."""
    ys, xs = patch_centers_from_edge(maps, size)
    row, col = np.indices(maps["probability"].shape, np.int32).reshape(2, -1)
    return pa.table(
        {
            "row": row,
            "col": col,
            "y": ys[row],
            "x": xs[col],
            "probability": maps["probability"].ravel(),
            "logit": maps["logit"].ravel(),
            "predicted": [run.class_names[index] for index in maps["argmax"].ravel().tolist()],
        }
    )


def _draw(
    run: Run, image_id: int, maps: dict, asked: dict, size: tuple[int, int], read: Originals
) -> np.ndarray:
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    height, width = size
    shading = shading_of(maps, asked["value"], size)
    pixels = shading.picture(size, crop(run, image_id, read) if asked["overlay"] else None)
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="nearest")
    if shading.scale is None:
        _name_classes(figure, shading, size, run.class_names)
    else:
        said = f"change of {asked['value']} of {maps['target']}, {shading.scale.unit}"
        scale_beside(figure, axes, shading.scale.legend).set_label(said, size=14)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes.set_xlabel("column of the patch's centre, pixels")
    axes.set_ylabel("row of the patch's centre, pixels")
    return rendered(figure)


def shading_of(maps: Mapping[str, Any], value: str, size: tuple[int, int]) -> Shading:
    """Return what of a stored map is drawn, as a live map of the same patch and stride is.

    size: (height, width) of the network's input.
    """
    unoccluded = maps[UNOCCLUDED[value]] if UNOCCLUDED[value] else 0.0
    return Shading(value, maps[value], unoccluded, *patch_centers(maps, size))


def crop(run: Run, image_id: int, read: Originals) -> np.ndarray:
    """Return what the network sees of an image, (H, W, C) in [0, 1]."""
    preprocessing = preprocessing_of(run)
    photograph = picture_of(read(run, image_id), f"image {image_id}", preprocessing)
    return preprocessing.shown(preprocessing.tensor(photograph))


def _name_classes(figure: "Figure", shading: Shading, size: tuple[int, int], names: tuple[str, ...]) -> None:
    """Name the class that each color stands for."""
    from matplotlib.patches import Patch

    hues = class_hues(at_pixels(shading.values, shading.ys, shading.xs, size))
    patches = [Patch(color=hue, label=names[index]) for index, hue in hues.items()]
    figure.legend(handles=patches, title="predicted class", loc="outside right upper")
