"""How many pages browsers may have open at a time: each takes memory here for as long as it is open."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection
from starlette.types import Scope

from dashboard.jobs import visitor

MOST = 512
MOST_OF_ADDRESS = 128
"""An address may be that of a whole classroom."""


class OpenPages:
    """Counts the connections of pages, by the visitor's address where that is known, and by browser.

    Used from the event loop alone.
    """

    def __init__(self, most: int = MOST, most_of_address: int = MOST_OF_ADDRESS):
        self._most, self._most_of_address = most, most_of_address
        self._all, self._of_address, self._of_browser = 0, Counter[str](), Counter[str]()

    def refusal(self, scope: Scope) -> str | None:
        """Return why no further page may connect; None where it may."""
        if self._all >= self._most:
            return f"this server has as many pages open as it may, {self._most}; try again in some minutes"
        address = _address(scope)
        if address is not None and self._of_address[address] >= self._most_of_address:
            return f"{self._most_of_address} pages are open at your address, as many as may; close some first"
        return None

    def refusal_of_page(self, scope: Scope) -> str | None:
        """Return why a page is not given; None where it is.

        A browser that has a page open may load it anew: the old one goes.
        """
        return None if self._of_browser[_browser(scope)] else self.refusal(scope)

    @contextmanager
    def counting(self, scope: Scope) -> Iterator[None]:
        """Count a connection for as long as the context lasts."""
        address, browser = _address(scope), _browser(scope)
        self._count(address, browser, 1)
        try:
            yield
        finally:
            self._count(address, browser, -1)

    def _count(self, address: str | None, browser: str, more: int) -> None:
        self._all += more
        for counts, name in ((self._of_address, address), (self._of_browser, browser)):
            if name:
                counts[name] += more
                if not counts[name]:
                    del counts[name]


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None else visitor.network(client[0])


def _browser(scope: Scope) -> str:
    """Return the browser's name by its cookie, "" where it has none."""
    said = HTTPConnection(scope).cookies.get(visitor.COOKIE, "")
    return said if visitor.is_name(said) else ""
