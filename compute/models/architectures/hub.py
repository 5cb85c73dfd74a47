"""The Hugging Face hub, from which timm and transformers download weights, and whether anything may be
downloaded at all."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PROBE_SECONDS = 5

_allowed: ContextVar[bool] = ContextVar("downloads are allowed", default=True)


@contextmanager
def without_downloads() -> Iterator[None]:
    """Inside, in this thread, no network is downloaded: what isn't on this machine is a ValueError."""
    before = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(before)


def are_allowed() -> bool:
    """Return whether networks may be downloaded."""
    return _allowed.get()


@contextmanager
def downloads(what: str, otherwise: str) -> Iterator[None]:
    """Inside, libraries may download from the hub, or take what they have downloaded before.

    Where the hub can't be reached they are told so, since they would try for a minute. what: for the message,
    such as "the weights of timm:resnet18". otherwise: what else a person can do.
    Raises ValueError where it can't be downloaded.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not are_allowed() or not is_reachable(constants.ENDPOINT)
    try:
        yield
    except OSError as error:
        reason = f"{constants.ENDPOINT} can't be reached" if constants.HF_HUB_OFFLINE else str(error)
        reason = reason if are_allowed() else "a dashboard downloads nothing"
        raise ValueError(
            f"{what} could not be downloaded, and were not downloaded before ({reason}); {otherwise}"
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def is_reachable(endpoint: str) -> bool:
    """Whether a web server answers there, whatever it says; through a proxy where one is set.

    ValueError for an address that is none of the web.
    """
    if not endpoint.startswith(("https://", "http://")):
        raise ValueError(f"HF_ENDPOINT is {endpoint!r}; it must begin with https:// or http://")
    request = urllib.request.Request(endpoint, method="HEAD")
    try:
        # bandit warns of schemes such as file:, which are refused above.
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # nosec B310
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, http.client.HTTPException):
        return False
