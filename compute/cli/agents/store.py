"""The tools that read the store alone: its description, questions in SQL, a search, an image."""

from contextlib import closing
from functools import partial
from typing import Any

from PIL import Image

from compute.analysis.image_search import HELP
from compute.cli.agents import pictures
from compute.cli.agents.arguments import Argument
from compute.cli.agents.bounded import bounded_row, rows_of, text
from compute.cli.agents.card import card, table_card
from compute.cli.agents.tool import Answer, Call, Tool
from compute.cli.agents.workspace import Workspace
from compute.images.decoding import DECODED, decoded_size
from compute.images.pictures import tiled, to_8_bit
from compute.images.raster import shown
from compute.reports.drawing.run_images import (
    IMAGE_COLUMNS,
    picture_of,
    preprocessing_of,
    thumbnail_pixels,
    thumbnails,
)
from compute.reports.maps.image_filter import searched
from featurestore.query.answers import Limits
from featurestore.query.asking import answering

SQL_ROWS, MOST_SQL_ROWS = 50, 1000
SQL_BYTES = 8 << 20
FOUND_ROWS, MOST_FOUND_ROWS = 25, 200

TILES, TILE_SIDE = 25, 128
"""Images in the sheet of a search, and the side of each in pixels."""

EXAMPLE = "SELECT label, avg(loss) AS loss FROM images GROUP BY label ORDER BY loss DESC"


def store_tools(workspace: Workspace) -> tuple[Tool, ...]:
    """Return the tools that need no network."""
    return (
        Tool(
            "describe",
            "What the store holds",
            "The run's card: network, images, classes, accuracy, layers, tables with their columns, the "
            "store's runs, and what was not computed. Begin here. With `table`, what each of its columns "
            "holds, its type and unit.",
            (Argument("table", str, "one table, its columns in full", choices=workspace.run.tables()),),
            partial(_describe, workspace),
        ),
        Tool(
            "sql",
            "Ask in SQL",
            f"Answers one SELECT in DuckDB's SQL over the run's tables, each by its name, such as {EXAMPLE}. "
            "It reads nothing else; `describe` lists tables and columns. It may take "
            f"{Limits.seconds:g} s and {Limits.memory >> 30} GiB of memory.",
            (
                Argument("select", str, "the SELECT", needed=True),
                Argument("rows", int, "rows at most", SQL_ROWS, low=1, high=MOST_SQL_ROWS),
            ),
            partial(_sql, workspace),
        ),
        Tool(
            "find_images",
            "Find images",
            f"{HELP} Answers their rows by number, and a sheet of the first {TILES}, row by row.",
            (
                Argument("search", str, "such as label:cat predicted:dog loss:1..", needed=True),
                Argument("rows", int, "rows that are answered", FOUND_ROWS, low=1, high=MOST_FOUND_ROWS),
                Argument("from_row", int, "the first of these rows, from 0", 0, low=0),
                Argument("with_picture", bool, "whether the sheet is answered too", True),
            ),
            partial(_find_images, workspace),
        ),
        Tool(
            "image",
            "An image",
            "One of the store's images, with its label, prediction, probabilities and path.",
            (
                Argument("image_id", int, "its number", low=0, needed=True),
                Argument(
                    "size",
                    str,
                    "the file itself, what the network sees of it, or the store's thumbnail",
                    "original",
                    ("original", "crop", "thumbnail"),
                ),
            ),
            partial(_image, workspace),
        ),
    )


def _describe(workspace: Workspace, call: Call) -> Answer:
    table = call.arguments["table"]
    return Answer(card(workspace) if table is None else table_card(workspace.run, table))


def _sql(workspace: Workspace, call: Call) -> Answer:
    limits = Limits(rows=call.arguments["rows"], bytes=SQL_BYTES)
    asked = workspace.store, call.arguments["select"], workspace.run.fingerprint, limits
    with closing(answering(*asked)) as running:
        while (answer := next(running)) is None:
            call.progress(0, None, "sql")
    said = rows_of(answer.table, 0, limits.rows)
    cut = answer.cut
    if "next_row" in said:
        cut = f"the first {len(said['rows']):,} rows alone, by their size; ask for fewer columns or rows"
    types = {text(each.name): str(each.type) for each in answer.table.schema}
    return Answer({"columns": types, "rows": said["rows"], "cut": cut or None})


def _find_images(workspace: Workspace, call: Call) -> Answer:
    run, given = workspace.run, call.arguments
    found = searched(run, given["search"])
    start = given["from_row"]
    ids = found[start : start + given["rows"]]
    table = run.rows("images", ids, IMAGE_COLUMNS)
    said: dict[str, Any] = {"found": len(found), "of": run.image_count, **rows_of(table, 0, len(ids))}
    said |= {"total": len(found), "from_row": start}
    said.pop("next_row", None)
    if (stop := start + len(said["rows"])) < len(found):
        said["next_row"] = stop
    if not given["with_picture"]:
        return Answer(said)
    shown_ids = [each for each in ids[:TILES].tolist() if _has_thumbnail(workspace, each)]
    if not shown_ids:
        return Answer(said)
    sheet = tiled(thumbnails(run, shown_ids, TILE_SIDE), min(5, len(shown_ids)), 4)
    picture, facts = pictures.shown(pictures.of_array(to_8_bit(sheet)))
    return Answer({**said, "picture": {**facts, "image_ids": shown_ids}}, picture)


def _has_thumbnail(workspace: Workspace, image_id: int) -> bool:
    return workspace.run.image(image_id)["width"] is not None


def _image(workspace: Workspace, call: Call) -> Answer:
    run, image_id = workspace.run, call.arguments["image_id"]
    row = run.image(image_id)
    picture, facts = pictures.shown(_pixels(workspace, image_id, call.arguments["size"]))
    columns = {
        name: found["number"][0].as_py() if about["kind"] == "number" else found["text"][0].as_py()
        for name, about in run.manifest.columns.items()
        if len(found := run.select("columns", name, image_id))
    }
    further = {"columns": bounded_row(columns)} if columns else {}
    return Answer({**bounded_row(row), **further, "picture": facts}, picture)


def _pixels(workspace: Workspace, image_id: int, size: str) -> Image.Image:
    run = workspace.run
    if size == "thumbnail":
        return pictures.of_array(to_8_bit(thumbnail_pixels(run.thumbnail(image_id))))
    preprocessing = preprocessing_of(run)
    content = workspace.read(run, image_id)
    with DECODED.taking(decoded_size(content)):
        photograph = picture_of(content, f"image {image_id}", preprocessing)
        if size == "original":
            return shown(photograph)
        return pictures.of_array(to_8_bit(preprocessing.shown(preprocessing.tensor(photograph))))
