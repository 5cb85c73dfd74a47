"""The short form of a link: `/s/{store}/{name}` leads to the page and query that the store keeps by it."""

from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.server.routes.answering import PLAIN, busy
from dashboard.server.routes.workers import LIGHT, Busy
from dashboard.sharing.short_links import ShortLinks
from dashboard.views.navigation import address

UNKNOWN = (
    "There is no such short link: it is of another dashboard's store, or was removed. Ask for the full link."
)


def link_routes(open_links: Callable[[str], ShortLinks]) -> list[Route]:
    """Return the route of short links.

    open_links: opens those of a store by its listed name; ValueError for one that is not served
    """

    async def follow(request: Request) -> Response:
        store, name = request.path_params["store"], request.path_params["name"]
        try:
            view = await LIGHT.run(lambda: open_links(store).find(name))
        except ValueError:
            view = None
        except Busy:
            return busy()
        if view is None:
            return PlainTextResponse(UNKNOWN, status_code=404, headers=PLAIN)
        # The folder may have another name here than where the link was made.
        # Relative to a short link's address, so that it holds below a proxy's prefix.
        where = f"../../{address(replace(view, store=store))}"
        return RedirectResponse(where, headers={"Cache-Control": "no-cache"})

    return [Route("/s/{store}/{name}", follow)]
