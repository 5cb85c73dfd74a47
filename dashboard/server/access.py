"""Who may ask the server: by which host name, from which origin, with which messages; headers of all answers.

Streamlit's own protection (XSRF tokens for uploads, an origin check of the websocket) stays on behind this.
It lets pages of any other server on the same machine open the websocket, and asks a service on the internet
for this machine's address before it refuses a stranger's; here a foreign origin is refused by its name alone.
"""

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.jobs import visitor
from dashboard.server import front_end
from dashboard.server.first_click import keeping_clicks
from dashboard.server.messages import MessageRoom
from dashboard.server.open_pages import OpenPages
from dashboard.text import logged

INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def content_policy(page: bytes) -> str:
    """Return the Content-Security-Policy under which Streamlit's page runs.

    It allows scripts of this server alone, and those that stand in the page itself, by their hash. The page's
    styles are made in the browser, and the map's drawing commands are compiled there (regl), which needs
    "unsafe-inline" for styles and "unsafe-eval".
    """
    digests = (b64encode(sha256(script).digest()).decode() for script in INLINE.findall(page))
    inline = " ".join(f"'sha256-{digest}'" for digest in digests)
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' blob: {inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


HEADERS = {
    "Content-Security-Policy": content_policy(front_end.PAGE.encode()),
    "Cross-Origin-Resource-Policy": "same-origin",
    # An address says what somebody looks at, and may carry a proof.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METRICS = "/_stcore/metrics"
"""Measures every cached object, which takes seconds and the interpreter from all others."""

REFUSED_NAME = "this server is not known by this name: start it with --public-url naming it"
REFUSED_ORIGIN = "refused: sent by a page of another server"
REFUSED_METRICS = "refused: measuring all that is cached is not for visitors"
REFUSED_METHOD = "refused: this server takes nothing from visitors"


@dataclass(frozen=True)
class Policy:
    """What requests are taken.

    names: host names by which the server may be asked, None for any
    origin: of the public address, "" where it has none
    takes_uploads: whether requests may change anything

    Starlette's TrustedHostMiddleware compares host names too, but answers "Invalid host header" where this
    says which option names the server, and refuses a name that ends in a dot ("localhost.").
    """

    names: frozenset[str] | None = None
    origin: str = ""
    takes_uploads: bool = True

    @classmethod
    def of(cls, host: str, public_url: str, takes_uploads: bool) -> "Policy":
        """Return the policy of a server that listens on `host`.

        A server on loopback is known by loopback's names alone: by another one, a page of a stranger's would
        ask it (DNS rebinding).
        """
        public = urlsplit(public_url)
        names = None
        if public.hostname or is_loopback(host):
            names = frozenset(filter(None, ("localhost", "127.0.0.1", "::1", host.lower(), public.hostname)))
        origin = f"{public.scheme}://{public.netloc}".lower() if public_url else ""
        return cls(names, origin, takes_uploads)

    def is_https(self, scope: Scope) -> bool:
        """Return whether a visitor's browser asks by https: here, or in front of a proxy."""
        return self.origin.startswith("https://") or scope.get("scheme") == "https"

    def refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused; None where it is not."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if self.names is not None and _hostname(host) not in self.names:
            return REFUSED_NAME
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and origin is not None and not self._is_own(origin.lower(), host):
            return REFUSED_ORIGIN
        if scope["type"] == "http" and scope["method"] not in SAFE and not self.takes_uploads:
            return REFUSED_METHOD
        if scope["type"] == "http" and scope.get("path", "").rstrip("/").endswith(METRICS):
            return REFUSED_METRICS
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is this server's: an empty one, which no browser sends, is nobody's."""
        try:
            return bool(origin) and (origin == self.origin or urlsplit(origin).netloc == host)
        except ValueError:
            return False


class AccessMiddleware:
    """ASGI middleware that refuses what the policy does not allow and sets the headers of all answers."""

    def __init__(self, app: ASGIApp, policy: Policy, messages: MessageRoom, pages: OpenPages):
        self._app, self._policy, self._messages, self._pages = app, policy, messages, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif (refusal := self._policy.refusal(scope)) is not None:
            await _refuse(scope, receive, send, refusal)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (full := self._pages.refusal(scope)) is not None:
            await _refuse(scope, receive, send, full)
            return
        with self._pages.counting(scope):
            await self._messages.follow(keeping_clicks(self._app), scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                _name_visitor(scope, headers, self._policy.is_https(scope))
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception:
            said = logged("request")
            if not started:
                await PlainTextResponse(said, status_code=500)(scope, receive, with_headers)


def _name_visitor(scope: Scope, headers: MutableHeaders, https: bool) -> None:
    """Set a cookie with a page for a browser that has none, by which its tabs are one visitor in the queue.

    It goes over https alone where the page came by it. It is SameSite=Lax, since a link from elsewhere would
    start a new visitor otherwise.
    """
    is_page = headers.get("content-type", "").startswith("text/html")
    if is_page and not visitor.is_name(HTTPConnection(scope).cookies.get(visitor.COOKIE, "")):
        secure = "; Secure" if https else ""
        cookie = f"{visitor.COOKIE}={visitor.new_name()}; Path=/; HttpOnly; SameSite=Lax{secure}"
        headers.append("Set-Cookie", cookie)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
    else:
        await PlainTextResponse(why, status_code=403, headers=HEADERS)(scope, receive, send)
