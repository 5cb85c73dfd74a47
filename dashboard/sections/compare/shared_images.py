"""The images of both runs as thumbnails, page by page; each is a link to the page with that image."""

from collections.abc import Callable

import pyarrow as pa

from dashboard.components import GridItem, image_grid
from dashboard.data.comparison import Pair
from dashboard.views import binding, urls
from dashboard.views.definitions import CompareView
from dashboard.views.navigation import address_up_to
from dashboard.widgets.image_wall import page_of
from dashboard.widgets.keyboard import walk_through

PER_PAGE = 40
SIZE = 104


def turn_back() -> None:
    """Show the first page of the list, from a callback that makes it another list."""
    binding.change(CompareView, wall_page=1)


def wall(pair: Pair, rows: pa.Table, item: Callable[[dict, str], GridItem], name: str) -> None:
    """Draw one page of images that both runs have.

    rows: a table with the first run's image_id.
    item: makes the card of a row, from the row and the address of its thumbnail.
    name: of the list, for its key.
    """
    shown = rows[page_of(CompareView, "wall_page", len(rows), PER_PAGE)].to_pylist()
    walk_through(pair.view, rows["image_id"].to_numpy())
    image_grid(
        [item(row, urls.thumbnail(pair.view.store, pair.view.run, row["image_id"])) for row in shown],
        key=f"compare/{name}",
        label="Images in both runs",
        size=SIZE,
        selected=pair.view.image,
        link=address_up_to(pair.view, "image"),
    )
