"""Who asks: a browser, and the address behind it where it is known."""

import ipaddress
import re
import uuid

import streamlit as st

NETWORK_BITS = 64
"""Bits of an IPv6 address that a subscriber is given; the others are theirs to choose."""

COOKIE = "featurescope_visitor"
"""Given with the page (`dashboard.server.access`); the random name that it holds says nothing of anybody."""

Asker = tuple[str, str | None]
"""Whose job it is: `owner()` and `address()`, asked while the page runs."""

_NAME = re.compile(r"[0-9a-f]{32}")


def new_name() -> str:
    """Return a random name for a visitor: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def is_name(text: str) -> bool:
    """Return whether a text may be a visitor's name."""
    return _NAME.fullmatch(text) is not None


def owner() -> str:
    """Return this visitor's name in the queue.

    It is one for a browser, however many tabs it has; one for a tab where the browser keeps no cookies.
    """
    # As text: without a browser, as in AppTest, there is something else.
    said = str(st.context.cookies.get(COOKIE, ""))
    return said if is_name(said) else st.session_state.setdefault("owner", new_name())


def address() -> str | None:
    """Return the visitor's address, as a trusted proxy forwards it or the connection has it.

    None on this machine, where all have the same.
    """
    said = st.context.ip_address
    return None if said is None else network(said)


def network(said: str) -> str | None:
    """Return the part of an address that a visitor can't choose freely; None for what is no address."""
    try:
        found = ipaddress.ip_address(said)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return None
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found.packed, NETWORK_BITS), strict=False))
