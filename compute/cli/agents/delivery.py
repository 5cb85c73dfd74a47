"""A report or a method's result as an answer: numbers, a picture, rows, and the recipe of all three."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from compute.cli.agents import pictures
from compute.cli.agents.arguments import Argument, shown
from compute.cli.agents.bounded import fitting, rows_of, text
from compute.cli.agents.tool import Answer
from compute.reports.drawing.formats import CSV, FORMATS, PNG
from compute.reports.drawing.report import Report

TAKEN = "there is a file {!r} already, and nothing is overwritten; choose another name"
MOST_ROWS = 500
REPORT_ROWS = 20
METHOD_ROWS = 0
"""Rows that are answered where nothing is said: those of a method's table are pixels."""

FILE_NAME = re.compile(r"[^\W_][\w .=+,()-]{0,150}")
"""Of a file that an agent writes: no folder, nothing hidden, nothing that a shell or a terminal takes."""


def delivery_arguments(rows: int, results: Path | None, has_picture: bool = True) -> tuple[Argument, ...]:
    """Return the arguments that say how much of a result is answered, and what is written."""
    paging = (
        Argument("rows", int, "rows of its table that are answered", rows, low=0, high=MOST_ROWS),
        Argument("from_row", int, "the first of these rows, from 0", 0, low=0),
    )
    drawn = Argument("with_picture", bool, "whether the picture is answered too", True)
    name = f"also write the whole result to a new file of this name, ending in {', '.join(FORMATS)}"
    saved = () if results is None else (Argument("save", str, name),)
    return (*paging, *((drawn,) if has_picture else ()), *saved)


def delivered(
    report: Report,
    numbers: Mapping[str, Any],
    arguments: Mapping[str, Any],
    results: Path | None,
    command: str,
    notes: Sequence[str] = (),
) -> Answer:
    """Return a report as an answer, written to a file before where that is asked for.

    numbers: what the command line prints.
    arguments: those of `delivery_arguments`, read.
    command: the command line that makes the same file.
    """
    said: dict[str, Any] = {"numbers": fitting(numbers)}
    remarks = list(notes)
    if arguments.get("save") is not None:
        said["saved"] = _saved(report, arguments["save"], results)
    picture = None
    if PNG in report.formats() and arguments.get("with_picture"):
        try:
            drawn = pictures.of_file(report.drawn()) if report.drawn else pictures.of_array(report.draw())
            picture, said["picture"] = pictures.shown(drawn)
        except ValueError as error:  # the numbers say something without it, as on the command line
            remarks.append(f"no picture: {error}")
    if CSV in report.formats() and arguments["rows"]:
        said["table"] = rows_of(report.tabulate(), arguments["from_row"], arguments["rows"])
    said |= {"recipe": fitting(report.recipe), "command": command, "formats": list(report.formats())}
    if remarks:
        said["notes"] = [text(" ".join(each.split()), 1000) for each in remarks]
    return Answer(said, picture)


def check_save(save: str | None, results: Path | None) -> None:
    """Raise ValueError for a name that no new file may have that an agent writes."""
    if save is None:
        return
    if not FILE_NAME.fullmatch(save) or save != save.strip():
        raise ValueError(
            f"save is {shown(save)}; it must be a file's plain name, without a folder, such as result{PNG}"
        )
    if Path(save).suffix.lower() not in FORMATS:
        raise ValueError(f"save is {shown(save)}; it must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if os.path.lexists(results / save):
        raise ValueError(TAKEN.format(save))


def file_of(save: str | None, name: str) -> str:
    """Return the file that a shown command writes."""
    return save or f"{name}{PNG}"


def _saved(report: Report, name: str, results: Path) -> str:
    """Write a new file and return its name; ValueError where there is one of that name."""
    content = report.file(Path(name).suffix.lower())
    path = results / name
    try:
        with open(path, "xb") as file:
            try:
                file.write(content)
            except OSError:
                with suppress(OSError):
                    path.unlink()
                raise
    except FileExistsError as error:
        raise ValueError(TAKEN.format(name)) from error
    return name
