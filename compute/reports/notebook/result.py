"""A report in a notebook: its picture, array, rows, numbers, recipe and files, and how it shows itself."""

import io
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from compute.images.encoding import encoded
from compute.images.pictures import to_8_bit
from compute.methods.base import Method, Step
from compute.methods.recipe import finite
from compute.reports.drawing.formats import PNG
from compute.reports.drawing.report import Report
from compute.reports.live.call import MethodCall
from compute.reports.live.legend import Legend, legend_of
from featurestore.manifest import model_remarks
from featurestore.notebook import html

WIDEST, SMALLEST = 860, 256
"""Pixels of a picture's sides that a card shows: larger ones are scaled down, smaller ones drawn larger."""

MOST_NUMBERS, MOST_ROWS, MOST_COLUMNS = 14, 8, 8
TILE = 180
QUALITIES = (90, 70, 40)
SHRINK = 0.8
STEPS = 10


class Result:
    """What a report or a method made. In a notebook it shows itself.

    title: what it is called.
    numbers: what it says, ready for JSON.
    recipe: all that it depends on.
    command: the command line that makes the same files; None where there is none, and `no_command` says why.
    """

    def __init__(self, title: str, report: Report, command: str | None, no_command: str = ""):
        self.title, self.report = title, report
        self.command, self.no_command = command, no_command

    @property
    def numbers(self) -> dict[str, Any]:
        return finite({**self.report.numbers, **self.report.notes})

    @property
    def recipe(self) -> dict[str, Any]:
        return dict(self.report.recipe)

    @property
    def formats(self) -> tuple[str, ...]:
        """The suffixes of the files that it can be saved as."""
        return self.report.formats()

    @property
    def picture(self) -> Image.Image:
        """The picture, as the .png has it. ValueError where there is none."""
        return Image.open(io.BytesIO(self.file(PNG)))

    @cached_property
    def array(self) -> np.ndarray:
        """The array behind the picture, float32, as the .npy has it. ValueError where there is none."""
        if self.report.array is None:
            raise ValueError(f"{self.title} has no array; it has {', '.join(self.formats)}")
        return np.ascontiguousarray(self.report.array(), np.float32)

    @cached_property
    def table(self) -> pa.Table:
        """The numbers as rows, as .csv and .parquet have them. ValueError where there are none."""
        if self.report.tabulate is None:
            raise ValueError(f"{self.title} has no rows; it has {', '.join(self.formats)}")
        return self.report.tabulate()

    def file(self, suffix: str) -> bytes:
        """Return the bytes of a file with this suffix, the same as the command line's.

        ValueError for a format that it does not have.
        """
        return self._png if suffix == PNG and PNG in self.formats else self.report.file(suffix)

    def save(self, path: str | os.PathLike) -> Path:
        """Write a file: .png, .npy, .csv or .parquet, the same bytes as with --out; return its path."""
        target = Path(path)
        if not target.parent.is_dir():
            raise ValueError(f"there is no folder {str(target.parent)!r} to write {target.name!r} into")
        target.write_bytes(self.file(target.suffix.lower()))
        return target

    def __repr__(self) -> str:
        scalars = ", ".join(f"{name} {html.one_line(value, 40)}" for name, value in self._scalars()[:6])
        return f"<{self.title}: {scalars}>"

    @cached_property
    def _png(self) -> bytes:
        return self.report.file(PNG)

    @html.never_raising
    def _repr_html_(self) -> str:
        parts = [html.or_reason(each) for each in (self._picture, self._numbers, self._rows)]
        remark = [html.quiet(html.text(self.report.remark, 400))] if self.report.remark else []
        return html.card(html.text(self.title), *remark, *parts, self._how())

    def _picture(self) -> str:
        return displayed(self._png, self.title) if PNG in self.formats else ""

    def _scalars(self) -> list[tuple[str, str]]:
        plain = (str, bool, int, float)
        return [
            (name, html.spoken(value)) for name, value in self.numbers.items() if isinstance(value, plain)
        ]

    def _numbers(self) -> str:
        return html.facts({name: html.text(value, 80) for name, value in self._scalars()[:MOST_NUMBERS]})

    def _rows(self) -> str:
        """The first rows of what has no picture."""
        if PNG in self.formats or self.report.tabulate is None:
            return ""
        table = self.table.slice(0, MOST_ROWS)
        names = table.column_names[:MOST_COLUMNS]
        lines = [[html.one_line(html.spoken(row[name]), 40) for name in names] for row in table.to_pylist()]
        left = len(self.table) - len(lines)
        more = html.quiet(f"and {left:,} more rows: .table has all") if left > 0 else ""
        return html.rows(names, lines) + more

    def _how(self) -> str:
        command = html.code(self.command) if self.command else html.quiet(html.text(self.no_command, 300))
        recipe = html.code(json.dumps(finite(self.recipe), indent=1, ensure_ascii=False))
        numbers = html.code(json.dumps(self.numbers, indent=1, ensure_ascii=False))
        parts = (("Command line", command), ("Recipe", recipe), ("All numbers", numbers))
        return "".join(html.folded(title, content) for title, content in parts)


class MethodResult(Result):
    """What a live method made.

    step: its last step: data, score, numbers, pictures.
    seconds: that it took.
    remarks: what a person should know of it, a sentence each.
    """

    def __init__(self, call: MethodCall, step: Step, seconds: float, command: str | None, no_command: str):
        super().__init__(call.method.title, call.report(step), command, no_command)
        self.call, self.step, self.seconds = call, step, seconds

    @property
    def method(self) -> Method:
        return self.call.method

    @property
    def remarks(self) -> list[str]:
        unused = ", ".join(self.call.unused)
        said = [f"not used here: {unused}"] if unused else []
        return [*said, *model_remarks(self.call.model.facts)]

    @property
    def pictures(self) -> dict[str, Image.Image]:
        """The method's further pictures, by name."""
        return {name: Image.fromarray(to_8_bit(each)) for name, each in self.step.pictures.items()}

    def save(self, path: str | os.PathLike, picture: str | None = None) -> Path:
        """Write the result, or this one of its further pictures, to a file; return its path."""
        if picture is None:
            return super().save(path)
        return Result(picture, self.call.report(self.step, picture), None).save(path)

    def _picture(self) -> str:
        legend = drawn_legend(legend_of(self.step, self.method, self.call.model.classes))
        further = "".join(
            f"<div>{displayed(encoded(each), name, TILE)}{html.quiet(html.text(name))}</div>"
            for name, each in self.pictures.items()
            if name != "result"
        )
        return html.row([f"<div>{displayed(self._png, self.title)}{legend}</div>", further])

    def _numbers(self) -> str:
        left_out = ("parameters", "method")
        said = {name: html.text(value, 80) for name, value in self._scalars() if name not in left_out}
        notes = "".join(html.quiet(html.text(each, 400)) for each in self.remarks)
        shown = dict(list(said.items())[:MOST_NUMBERS])
        return html.facts(shown | {"seconds": f"{self.seconds:.1f}"}) + notes


def displayed(png: bytes, alt: str, smallest: int = SMALLEST) -> str:
    """Return a picture as a card shows it: tiny ones enlarged, large ones scaled down, which is said."""
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
        scale = min(WIDEST / width, WIDEST / height)
        if scale >= 1 and len(png) <= html.MOST_BYTES:
            factor = max(1, min(smallest // max(width, height), int(scale)))
            css = f"width:{width * factor}px;height:{height * factor}px;image-rendering:pixelated"
            return html.picture(png, alt, css)
        scale = min(scale, 1)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    candidates = (encoded(small), *(encoded(small, "JPEG", quality=each) for each in QUALITIES))
    content = next((each for each in candidates if len(each) <= html.MOST_BYTES), candidates[-1])
    while len(content) > html.MOST_BYTES:  # noise is smaller in fewer pixels alone
        size = max(1, round(SHRINK * size[0])), max(1, round(SHRINK * size[1]))
        scale = size[0] / width
        smaller = small.resize(size, Image.Resampling.LANCZOS)
        content = encoded(smaller, "JPEG", quality=QUALITIES[-1])
    shown = html.picture(content, alt, f"width:{size[0]}px;height:{size[1]}px")
    said = f"shown at {size[0]} × {size[1]} pixels; the picture has {width} × {height}"
    if scale == 1:
        said = "shown in fewer bytes than the picture has"
    return shown + html.quiet(said)


def drawn_legend(legend: Legend) -> str:
    """Return a legend as a bar of its colors with both ends, or a spot of color for each class."""
    if legend.classes:
        return "".join(
            f'<div><span style="display:inline-block;width:12px;height:12px;margin-right:6px;'
            f'background:{_css(hue)}"></span>{html.text(name, 60)} {share:.1%}</div>'
            for name, hue, share in legend.classes[:STEPS]
        )
    if not legend.colors:
        return html.quiet(html.text(legend.said)) if legend.said else ""
    stops = ",".join(legend.colors[:: max(1, (len(legend.colors) - 1) // STEPS)])
    ends = "".join(f"<span>{end:.3g}</span>" for end in (legend.low, legend.high))
    bar = f"height:10px;width:{SMALLEST}px;background:linear-gradient(to right,{stops})"
    line = f"display:flex;justify-content:space-between;width:{SMALLEST}px;font-size:85%"
    return f'<div style="{bar};margin-top:6px"></div><div style="{line}">{ends}</div>' + html.quiet(
        html.text(legend.said, 80)
    )


def _css(hue: tuple[float, float, float]) -> str:
    return "rgb({})".format(",".join(str(round(255 * each)) for each in hue))
