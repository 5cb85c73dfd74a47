"""The short form of a link: `/s/{store}/{name}` leads to the page and query that the store keeps by it."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.server.routes import PLAIN
from dashboard.sharing.short_links import ShortLinks
from dashboard.views.navigation import PAGES
from dashboard.views.state import ViewState

UNKNOWN = (
    "There is no such short link: it is of another dashboard's store, or was removed. Ask for the full link."
)


def link_routes(open_links: Callable[[str], ShortLinks]) -> list[Route]:
    """Return the route of short links.

    open_links: opens those of a store by its listed name; ValueError for one that is not served
    """

    def follow(request: Request) -> Response:
        store = request.path_params["store"]
        try:
            view = open_links(store).find(request.path_params["name"])
        except ValueError:
            view = None
        if view is None:
            return PlainTextResponse(UNKNOWN, status_code=404, headers=PLAIN)
        # The folder may have another name here than where the link was made.
        return RedirectResponse(_relative(replace(view, store=store)), headers={"Cache-Control": "no-cache"})

    return [Route("/s/{store}/{name}", follow)]


def _relative(view: ViewState) -> str:
    """Return the view's address, relative to a short link's, so that it holds below a proxy's prefix."""
    # The first page has no path.
    path = "" if view.page == next(iter(PAGES)) else view.page
    return f"../../{path}?{urlencode(view.to_query(), errors='replace')}"
