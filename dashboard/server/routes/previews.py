"""The route of the picture that a preview of a link shows, see `dashboard.sharing.preview`."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.data import runs
from dashboard.server.routes.answering import OpenRun, Payload, answers, busy, not_found, respond
from dashboard.server.routes.workers import DRAWING, Busy
from dashboard.sharing.preview import preview
from dashboard.views.navigation import PAGES
from dashboard.views.state import LiveView
from featurestore.reader import Store


def preview_routes(open_run: OpenRun) -> list[Route]:
    """Return the route; the view is what the query says, as in the page's own address."""

    async def answer(request: Request) -> Response:
        page, query = request.path_params["page"], dict(request.query_params)
        if page not in PAGES:
            return not_found(request)
        try:
            payload = await DRAWING.run(lambda: _payload(page, query, open_run))
        except Busy:
            return busy()
        except (ValueError, LookupError, OSError):
            return not_found(request)
        return not_found(request) if payload is None else respond(payload, request.headers)

    return [Route("/preview/{page}", answer)]


def _payload(page: str, query: dict[str, str], open_run: OpenRun) -> Payload | None:
    """Return the picture of what an address shows; None where it shows none."""
    asked, _ = PAGES[page].view.from_query(query)
    store = runs.shown_store(asked.store, asked.run)
    listed = runs.stores()
    if store not in listed:
        return None
    run = open_run(store, asked.run or Store(listed[store]).current())
    view, _ = type(asked).from_query({**query, "store": store, "run": run.fingerprint, "proof": ""})
    view, _ = view.fitted(runs.choices(run))
    named = str(run.folder), "preview", tuple(sorted(view.to_query().items()))
    known = answers().get(named)
    if known is not None:
        return known
    content = preview(view, run)
    if content is None:
        return None
    # A live result may come later, or be made anew, so what stands for it is not kept.
    payload = Payload(content, "image/png", kept=not isinstance(view, LiveView))
    if payload.kept:
        answers().put(named, payload)
    return payload
