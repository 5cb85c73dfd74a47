"""What a method or a report is, what it reads, and its parameters: from its declaration, for a notebook."""

import dataclasses
from typing import Any

from compute.methods import METHODS
from compute.methods.base import Method
from compute.reports.base import ReportSpec
from compute.reports.notebook.given import check_known
from compute.reports.registry import REPORTS
from compute.runtime.parameters import bounds_text
from featurestore.notebook import html

COLUMNS = ("parameter", "default", "values", "unit", "what it is")


class Description:
    """A title, sentences, and a table; it shows itself in a notebook, and as text elsewhere.

    rows: as many texts each as there are columns.
    """

    def __init__(self, title: str, said: list[str], columns: tuple[str, ...], rows: list[tuple[str, ...]]):
        self.title, self.said, self.columns, self.rows = title, said, columns, rows

    def __repr__(self) -> str:
        lines = ("  ".join(filter(None, row)) for row in self.rows)
        return "\n".join([self.title, *self.said, *(f"  {line}" for line in lines)])

    @html.never_raising
    def _repr_html_(self) -> str:
        sentences = "".join(f"<div>{html.text(each, 1000)}</div>" for each in self.said)
        return html.card(html.text(self.title), sentences, html.rows(self.columns, self.rows))


def describe(name: str | None = None) -> Description:
    """Say what a method or a report is, what it reads and its parameters; without a name, list them all.

    ValueError, with near names, for one that there is not.
    """
    if name is None:
        rows: list[tuple[str, ...]] = [
            (each.name, kind, each.title)
            for kind, declared in (("run_method", METHODS), ("make_report", REPORTS))
            for each in declared.values()
        ]
        return Description("Methods and reports", [], ("name", "with", "what it is"), rows)
    check_known("there is no method or report", [name], {*METHODS, *REPORTS})
    declared: Any = METHODS.get(name) or REPORTS[name]
    rows = [
        (each.name, repr(each.default), _values(each), each.metadata["unit"], each.metadata["help"])
        for each in declared.parameters()
    ]
    return Description(declared.title, [*_about(declared), _reads(declared)], COLUMNS, rows)


def _about(declared: type[Method] | type[ReportSpec]) -> list[str]:
    if issubclass(declared, Method):
        return [declared.theory, declared.reference]
    return [declared.description]


def _reads(declared: type[Method] | type[ReportSpec]) -> str:
    said = {"needs": declared.needs, "takes": declared.takes - declared.needs}
    return "; ".join(f"{verb} {', '.join(sorted(names))}" for verb, names in said.items() if names)


def _values(parameter: dataclasses.Field) -> str:
    if choices := parameter.metadata["choices"]:
        return ", ".join(map(str, choices))
    return bounds_text(parameter.metadata) or type(parameter.default).__name__
