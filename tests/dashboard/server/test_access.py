"""What a stranger may ask the real server: hostile paths, foreign origins, other names, messages for all."""

import asyncio
import http.client
import itertools
import time
from http.cookies import SimpleCookie
from urllib.parse import quote, urlsplit

import pytest
from starlette.responses import HTMLResponse
from starlette.testclient import TestClient
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard.jobs import visitor
from dashboard.server.access import AccessMiddleware, Policy
from dashboard.server.app import app
from dashboard.server.messages import TRY_AGAIN_LATER, MessageRoom
from dashboard.server.open_pages import OpenPages
from dashboard.server.routes.answering import BROKEN
from featurestore.reader import Store
from tests.support.servers.dashboard import serving
from tests.support.stores.served import served_store

pytestmark = pytest.mark.slow

HOSTILE = (
    "..", "../..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2Fetc%2Fpasswd", "a%2Fb", "%00", "1%00", "%0d%0aX:1",
    "\\..\\", "C:", "-1", "1.5", "1e9", "NaN", "null", "true", "[]", "{}", "9" * 18, "9" * 19, "9" * 40,
    "9" * 6000, "-" + "9" * 30, "A" * 20000, quote("٣" * 30), quote("\u202e\ud7ff"), "%ff%fe", "%", "%zz",
    "'%20OR%201=1", "<script>", "${7*7}", " ",
)  # fmt: skip
SECONDS = 5
"""Within which every answer is there, on a machine that is busy."""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("door") / "log"


@pytest.fixture(scope="module")
def server(log):
    with serving(str(served_store()), log) as served:
        yield urlsplit(served.address).netloc


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(server, timeout=SECONDS)
    connection.putrequest(method, path.replace(" ", "%20"), skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    return response, response.read()


def known():
    run = Store(served_store()).current()
    return {
        "store": "digits",
        "other_store": "digits",
        "fingerprint": run,
        "other_fingerprint": run,
        "image_id": "1",
        "method": "pca",
        "side": "here",
        "column": "label",
        "kind": "nearest",
        "layer": "picture",
        "z": "5",
        "x": "0",
        "y": "0",
        "name": "scatter",
        "digest": "0",
        "text": "word",
        "page": "map",
        "pictures": "0",
        "channels": "0,1",
    }


def paths():
    """Every route with every parameter in turn made hostile, the others being right."""
    for route in app._user_routes:
        names = list(route.param_convertors)
        for name, bad in itertools.product(names, HOSTILE):
            if name not in ("text", "rest"):
                filled = known() | {name: bad}
                path = route.path.replace("{rest:path}", "rest").replace(":path}", "}")
                yield path.format_map(filled)


def test_hostile_paths_are_refused_in_a_word(server, log):
    asked = list(paths())
    assert len(asked) > 1000
    for path in asked:
        began = time.monotonic()
        response, content = ask(server, path)
        assert time.monotonic() - began < SECONDS, path[:200]
        if "/frontend/" in path and response.status == 200:
            # A bundle's digest is for the browser's cache alone.
            assert path.endswith("/scatter.js")
            continue
        assert response.status in (400, 404), (path[:200], content[:200])
        assert len(content) < 200 and b"Traceback" not in content and b"/" not in content
        # An address that is no HTTP at all is uvicorn's own 400.
        sniffed = response.getheader("X-Content-Type-Options") != "nosniff"
        assert not sniffed or response.status == 400
    assert "Traceback" not in log.read_text()


def test_only_reading(server):
    changing = ("POST", "PUT", "DELETE", "PATCH")
    for path, method in itertools.product(["/thumbnail/digits/x/1", "/s/digits/x"], changing):
        assert ask(server, path, method)[0].status == 405


def test_every_answer_has_the_headers(server):
    for path in ("/", "/map", "/thumbnail/digits/x/1", "/_stcore/health"):
        response, _ = ask(server, path)
        assert response.getheader("X-Frame-Options") == "SAMEORIGIN"
        assert response.getheader("Referrer-Policy") == "same-origin"
        policy = response.getheader("Content-Security-Policy")
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe-inline" not in scripts and "frame-ancestors 'self'" in policy
        assert response.getheader("Access-Control-Allow-Origin") is None


def test_a_browser_gets_a_name_of_its_own_once(server):
    names = [cookie_of(ask(server, "/map")[0]) for _ in range(2)]
    assert all(map(visitor.is_name, names)) and names[0] != names[1]
    given = ask(server, "/map")[0].getheader("Set-Cookie")
    assert "HttpOnly" in given and "SameSite=Lax" in given
    assert visitor.COOKIE not in (ask(server, "/_stcore/health")[0].getheader("Set-Cookie") or "")
    assert cookie_of(ask(server, "/", Cookie=f"{visitor.COOKIE}={names[0]}")[0]) is None
    assert visitor.is_name(cookie_of(ask(server, "/", Cookie=f"{visitor.COOKIE}=chosen by hand")[0]))


def cookie_of(response):
    found = SimpleCookie(response.getheader("Set-Cookie") or "").get(visitor.COOKIE)
    return found and found.value


def test_another_name_is_refused(server):
    port = server.partition(":")[2]
    assert ask(server, "/", Host="evil.example")[0].status == 403
    assert ask(server, "/", Host="")[0].status == 403
    assert ask(server, "/", Host=f"localhost:{port}")[0].status == 200


@pytest.mark.parametrize(
    "origin", ["", "http://[", "http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"]
)
def test_a_foreign_origin_opens_no_websocket_and_uploads_nothing(server, origin):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{server}/_stcore/stream", origin=origin, open_timeout=SECONDS)
    assert refused.value.response.status_code == 403
    response, content = ask(server, "/_stcore/upload_file/a/b", "PUT", Origin=origin)
    assert response.status == 403 and b"another server" in content


def test_the_servers_own_page_opens_the_websocket_and_uploads_need_its_token(server):
    with connect(f"ws://{server}/_stcore/stream", origin=f"http://{server}", subprotocols=["streamlit"]):
        pass
    response, _ = ask(server, "/_stcore/upload_file/a/b", "PUT", Origin=f"http://{server}")
    assert response.status in (400, 403)


def test_nobody_clears_the_caches_of_all():
    """Streamlit's protocol has a message for that, which any visitor's browser may send."""
    received = []

    async def inner(scope, receive, send):
        received.append((await receive())["bytes"])

    messages = [BackMsg(clear_cache=True), BackMsg(load_git_info=True), BackMsg(stop_script=True)]
    sent = iter({"type": "websocket.receive", "bytes": message.SerializeToString()} for message in messages)

    async def receive():
        return next(sent)

    scope = {"type": "websocket", "headers": [(b"host", b"localhost")], "path": "/"}
    policy, room = Policy.of("127.0.0.1", "", True), MessageRoom(10**6)
    asyncio.run(AccessMiddleware(inner, policy, room, OpenPages())(scope, receive, None))
    assert received == [messages[-1].SerializeToString()]


def test_messages_of_all_browsers_have_room_for_so_many_bytes_at_a_time():
    room, sent, heard = MessageRoom(100), [], []
    scope = {"type": "websocket"}

    async def send(message):
        sent.append(message)

    def browser(*sizes):
        messages = [{"type": "websocket.receive", "bytes": b"\xff" * size} for size in sizes]
        return iter([*messages, {"type": "websocket.disconnect", "code": 1000}])

    async def speak(name, messages, meanwhile=None):
        async def receive():
            return next(messages)

        async def app(scope, receive, send):
            while (message := await receive())["type"] != "websocket.disconnect":
                heard.append((name, len(message["bytes"])))
                if meanwhile is not None:
                    await meanwhile()
            heard.append((name, message["code"]))

        await room.follow(app, scope, receive, send)

    # One that is at work with a long message leaves room for a short one beside it, and not for a long one.
    asyncio.run(speak("a", browser(80, 90), lambda: speak("b", browser(10, 30))))
    short = [("b", 10), ("b", TRY_AGAIN_LATER)]
    assert heard == [("a", 80), *short, ("a", 90), *short, ("a", 1000)]
    assert [each["code"] for each in sent] == [TRY_AGAIN_LATER] * 2 and "no room" in sent[0]["reason"]
    heard.clear()
    asyncio.run(speak("c", browser(100)))
    assert heard == [("c", 100), ("c", 1000)]


def test_an_error_is_a_number_in_the_log(caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("secret")

    answer = TestClient(AccessMiddleware(broken, Policy(), MessageRoom(10**6), OpenPages())).get("/x")
    assert answer.status_code == 500 and "secret" not in answer.text and answer.text != BROKEN
    assert answer.text.rpartition(" ")[2] in caplog.text and "secret" in caplog.text


@pytest.mark.parametrize(
    "public_url, scheme, secure",
    [
        ("https://example.org/featurescope/", "http", True),
        ("", "https", True),
        ("http://example.org/", "http", False),
        ("", "http", False),
    ],
)
def test_a_visitors_cookie_goes_over_https_alone_where_the_page_does(public_url, scheme, secure):
    async def page(scope, receive, send):
        await HTMLResponse("<p>a page</p>")(scope, receive, send)

    app = AccessMiddleware(page, Policy.of("0.0.0.0", public_url, True), MessageRoom(10**6), OpenPages())
    answer = TestClient(app, base_url=f"{scheme}://example.org").get("/")
    assert ("; Secure" in answer.headers["set-cookie"]) == secure and "HttpOnly" in answer.headers[
        "set-cookie"
    ]


def test_behind_a_proxy_its_name_and_origin_are_known():
    policy = Policy.of("127.0.0.1", "https://Example.org/featurescope/", False)

    def said(host, origin="", method="GET"):
        headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
        return policy.refusal({"type": "http", "method": method, "headers": headers})

    assert said("example.org") is None and said("evil.example") is not None
    assert "another server" in said("127.0.0.1:8501", "https://evil.example", "PUT")
    assert "takes nothing" in said("127.0.0.1:8501", "https://example.org", "PUT")
    assert Policy.of("0.0.0.0", "", True).names is None
