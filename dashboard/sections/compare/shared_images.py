"""A wall of shared images, page by page; a click chooses one."""

from collections.abc import Callable

import pyarrow as pa

from dashboard.components import GridItem, image_grid
from dashboard.data.comparison import Pair
from dashboard.views import binding, urls
from dashboard.views.definitions import CompareView
from dashboard.widgets.image_wall import page_of

PER_PAGE = 40
SIZE = 104


def turn_back() -> None:
    """For callbacks: to the first page of another list."""
    binding.change(CompareView, wall_page=1)


def wall(pair: Pair, rows: pa.Table, item: Callable[[dict, str], GridItem], name: str) -> None:
    """rows: with image_id of the first run. item: a button of a row and the address of its thumbnail."""
    shown = rows[page_of(binding.key(CompareView, "wall_page"), len(rows), PER_PAGE)].to_pylist()
    image_grid(
        [item(row, urls.thumbnail(pair.view.store, pair.view.run, row["image_id"])) for row in shown],
        key=f"compare/{name}",
        label="Images in both runs",
        size=SIZE,
        selected=pair.view.image,
        on_click=lambda chosen: binding.change(CompareView, image=int(chosen)),
    )
