"""Writes the parts of the documentation that follow from the code, and the description of the command line:
`python -m docs.generate`.

A generated part stands between `<!-- generated NAME -->` and `<!-- end NAME -->`, NAME being one of `PARTS`;
a benchmark's table between `<!-- benchmark NAME -->` and `<!-- end NAME -->`, made from its JSON file. What
stands outside of them is written by hand and stays as it is.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from compute.__main__ import described
from compute.cli.description import COMMANDS
from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Method
from compute.reports.base import MODEL, OTHER_RUN, OTHER_RUNS, RUN, STORED_IMAGE, ReportSpec
from compute.reports.registry import REPORTS
from compute.runtime.parameters import bounds_text, option, option_name
from featurestore.schemas import SORT_KEYS, STAGES, TABLES
from tests.benchmarks.reporting.table import written as with_benchmarks

DOCS = Path(__file__).parent
BETWEEN = re.compile(r"(<!-- generated (\w+) -->\n).*?(\n<!-- end \2 -->)", re.DOTALL)

INPUTS = {
    RUN: "a store",
    OTHER_RUN: "a second store",
    OTHER_RUNS: "further stores",
    MODEL: "a network",
    STORED_IMAGE: "one of the store's images",
    IMAGE: "an image",
    SECOND: "a second image",
    TARGET: "a class",
    LAYER: "a layer",
    CHANNEL: "a channel",
    NEURON: "a neuron (layer, channel, and a place in its map)",
}


def main() -> None:
    """Write every page and the description anew."""
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(generated(path.read_text()))
    COMMANDS.write_text(described(), encoding="utf-8")


def generated(page: str) -> str:
    """Return a page with every generated part and every benchmark's table made anew.

    ValueError for a part that nothing makes.
    """
    return with_benchmarks(BETWEEN.sub(lambda part: f"{part[1]}\n{_part(part[2])}\n{part[3]}", page))


def _part(name: str) -> str:
    if name not in PARTS:
        raise ValueError(f"no part {name!r} is generated; there are {', '.join(PARTS)}")
    return "\n\n".join(PARTS[name]())


def store_tables() -> list[str]:
    """Return a section for each table of a store: the stage that makes it, its keys, and its columns."""
    return [_store_table(name, schema) for name, schema in TABLES.items()]


def _store_table(name: str, schema: pa.Schema) -> str:
    keys = ", ".join(f"`{key}`" for key in SORT_KEYS[name])
    rows = [(f"`{field.name}`", arrow_type(field), *_metadata(field)) for field in schema]
    return "\n\n".join((
        f"### {name}",
        f"Made by the stage `{STAGES.get(name, 'activations')}`; sorted by {keys}.",
        table(("column", "type", "shape", "unit", "what it holds"), rows),
    ))  # fmt: skip


def _metadata(field: pa.Field) -> tuple[str, str, str]:
    """Return a column's shape, unit and description, "" where it has none."""
    said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    return said.get("shape", ""), said.get("unit", ""), said["description"]


def arrow_type(field: pa.Field) -> str:
    """Return a column's type with its length, without the names that Arrow gives to the items of lists."""
    kind = field.type
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{each.name}: {arrow_type(each)}' for each in kind)})"
    if pa.types.is_list(kind):
        return f"list({arrow_type(kind.value_field)})"
    if pa.types.is_fixed_size_list(kind):
        return f"list({arrow_type(kind.value_field)}, {kind.list_size})"
    return "float32" if pa.types.is_float32(kind) else str(kind)


def methods() -> list[str]:
    """Return a section for each live method: theory, paper, inputs, and its parameters."""
    return [_method(method) for method in METHODS.values()]


def _method(method: type[Method]) -> str:
    reads = _reads(method.needs, method.takes)
    if TARGET in method.takes - method.needs:
        reads += f" Class, if none is named: {method.without_target}."
    return "\n\n".join((
        f"### {method.name}",
        f"{method.theory} ({method.reference})",
        f"{reads} Gives {_OUTPUTS[method.output]}.",
        parameters(method.parameters()),
    ))  # fmt: skip


def reports() -> list[str]:
    """Return a section for each report: what it shows, its inputs, and its parameters."""
    return [_report(report) for report in REPORTS.values()]


def _report(report: type[ReportSpec]) -> str:
    picture = "" if report.has_picture else " It has no picture."
    return "\n\n".join((
        f"### {report.name}",
        f"{report.title}. {report.description}",
        _reads(report.needs, report.takes) + picture,
        parameters(report.parameters()),
    ))  # fmt: skip


_OUTPUTS = {
    "image": "an image in [0, 1]",
    "heatmap": "a heat map, (H, W)",
    "gradient": "a gradient in the space of pixels, (H, W, C)",
    "mask": "a mask of 0 and 1, (H, W)",
}


def _reads(needs: frozenset[str], takes: frozenset[str]) -> str:
    said = {"needs": needs, "takes": takes - needs}
    parts = [f"{verb} {_inputs(names)}" for verb, names in said.items() if names]
    return f"{'; '.join(parts).capitalize()}."


def _inputs(names: frozenset[str]) -> str:
    return ", ".join(text for name, text in INPUTS.items() if name in names)


def parameters(declared: Sequence[dataclasses.Field]) -> str:
    """Return the table of declared parameters (`compute.runtime.parameters`)."""
    if not declared:
        return "No parameters."
    rows = [
        (
            f"`{option(option_name(each))}`",
            _default(each),
            _values(each),
            *(each.metadata[name] for name in ("unit", "help", "source")),
        )
        for each in declared
    ]
    return table(("parameter", "default", "values", "unit", "what it is", "source"), rows)


def _default(declared: dataclasses.Field) -> str:
    if isinstance(declared.default, bool):
        return "on" if declared.default else "off"
    return str(declared.default)


def _values(declared: dataclasses.Field) -> str:
    """Return what a parameter may be: its choices, its bounds (inclusive), or its type."""
    if choices := declared.metadata["choices"]:
        return ", ".join(map(str, choices))
    any_value = {bool: "on, off", int: "a whole number", float: "a number", str: "text"}
    return bounds_text(declared.metadata) or any_value[type(declared.default)]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: dict[str, Callable[[], list[str]]] = {
    "tables": store_tables,
    "methods": methods,
    "reports": reports,
}
"""What makes each generated part: its paragraphs."""


if __name__ == "__main__":
    main()
