"""Browsers may have so many pages open; one more is told so, and comes in when another one goes."""

from contextlib import ExitStack

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dashboard.jobs import visitor
from dashboard.server.access import AccessMiddleware, Policy
from dashboard.server.front_end import FrontEndMiddleware
from dashboard.server.messages import MessageRoom
from dashboard.server.open_pages import OpenPages

BROWSER = visitor.new_name()


def scope(address="10.0.0.1", browser=""):
    cookie = [(b"cookie", f"{visitor.COOKIE}={browser}".encode())] if browser else []
    return {"type": "websocket", "client": (address, 1), "headers": cookie}


def test_pages_are_counted_of_all_and_of_an_address_that_is_known():
    pages = OpenPages(most=4, most_of_address=2)
    with ExitStack() as first, pages.counting(scope("10.0.0.2")):
        for _ in range(2):
            first.enter_context(pages.counting(scope()))
        assert "2 pages are open at your address" in pages.refusal(scope())
        assert pages.refusal(scope("10.0.0.2")) is None
        # Those behind a proxy of this machine have no address of their own.
        assert all(pages.refusal(scope("127.0.0.1")) is None for _ in range(3))
        with pages.counting(scope("127.0.0.1")):
            assert "as many pages open as it may, 4" in pages.refusal(scope("10.0.0.3"))
        first.close()
        assert pages.refusal(scope()) is None
    assert not pages._of_address and not pages._of_browser


def test_a_browser_loads_its_open_page_anew():
    pages = OpenPages(most=1)
    with pages.counting(scope(browser=BROWSER)):
        assert pages.refusal_of_page(scope(browser=BROWSER)) is None
        assert pages.refusal_of_page(scope()) and pages.refusal_of_page(scope(browser=visitor.new_name()))
    assert pages.refusal_of_page(scope()) is None


def test_one_page_too_many_is_told_so_and_comes_in_later():
    async def connected(websocket):
        await websocket.accept()
        await websocket.receive()

    pages = OpenPages(most=1)
    inner = Starlette(routes=[WebSocketRoute("/_stcore/stream", connected)])
    app = FrontEndMiddleware(inner, "", lambda named: "", pages)
    server = TestClient(AccessMiddleware(app, Policy(), MessageRoom(10**6), pages))
    with server.websocket_connect("/_stcore/stream"):
        answer = server.get("/map")
        assert answer.status_code == 503 and "as many pages open as it may, 1" in answer.text
        with pytest.raises(WebSocketDisconnect), server.websocket_connect("/_stcore/stream"):
            pass
    assert server.get("/map").status_code == 200
    with server.websocket_connect("/_stcore/stream"):
        pass
