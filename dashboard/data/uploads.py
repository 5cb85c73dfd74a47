"""Uploaded images, in memory: while a session that showed one is open, and some minutes longer."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compute.images.decoding import DECODED, decoded_size
from compute.images.reading import check_readable
from dashboard.data import runs
from dashboard.data.content_store import name_of

LARGEST_BYTES = 30 * 1024 * 1024
"""Greatest size of an uploaded file; the same as `server.maxUploadSize`, which browsers are told."""

LONGEST_FILE_NAME = 80
"""In characters."""

LARGEST_PIXELS = 40_000_000
MOST_UPLOADS = 500
GRACE_SECONDS = 600
"""How long an image is kept after its last session: that may come back, as when a page is reloaded."""


def open_session(session: str) -> bool:
    """Return whether a session of this id is open in a browser."""
    return Runtime.exists() and Runtime.instance().is_active_session(session)


def this_session() -> str | None:
    """Return the id of the session whose page runs; None in another thread, such as a job's."""
    context = get_script_run_ctx(suppress_warning=True)
    return None if context is None else context.session_id


@st.cache_resource(show_spinner=False)
def uploads() -> "Uploads":
    """Return the uploads of this server; all sessions share them."""
    return Uploads(runs.settings().share("uploads"))


@dataclass
class _Upload:
    """sessions: those that have shown it, as far as they are open. used: when one was seen open last."""

    content: bytes
    file_name: str
    sessions: set[str]
    used: float


class Uploads:
    """By their hash; thread-safe. A job that waits holds the name of its image, not the image."""

    def __init__(
        self,
        most_bytes: int,
        is_open: Callable[[str], bool] = open_session,
        session: Callable[[], str | None] = this_session,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._most_bytes = most_bytes
        self._is_open, self._session, self._grace, self._clock = is_open, session, grace, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Upload] = OrderedDict()
        self._timer: threading.Timer | None = None

    def add(self, content: bytes, file_name: str = "") -> str:
        """Keep an image file and return the name under which links carry it.

        file_name: what its owner calls it, for people; of equal files, that of the last one.
        ValueError for a file that is too large, or no image, or where others' files leave no room for it.
        """
        if len(content) > LARGEST_BYTES:
            raise ValueError(f"{len(content):,} bytes are more than the {LARGEST_BYTES:,} of an upload")
        with DECODED.taking(decoded_size(content)):
            check_readable(content, LARGEST_PIXELS)
        self.forget()
        name = name_of(content)
        with self._lock:
            known = self._kept.pop(name, None)
            self._make_room(len(content))
            file_name = file_name[:LONGEST_FILE_NAME] or (known.file_name if known else "")
            sessions = known.sessions if known else set()
            self._kept[name] = _Upload(content, file_name, sessions, self._clock())
            self._use(name)
        return name

    def name_of(self, name: str) -> str:
        """Return what the owner of an upload calls it."""
        known = self._kept.get(name)
        return (known and known.file_name) or "uploaded image"

    def read(self, name: str) -> bytes:
        """Return the file of this name; ValueError where it is not kept any more."""
        self.forget()
        with self._lock:
            if name not in self._kept:
                raise ValueError(
                    "the uploaded image of this link is no longer kept by the server; make it again"
                )
            self._use(name)
            return self._kept[name].content

    def forget(self) -> None:
        """Remove what no open session has shown, nor one that was closed lately."""
        with self._lock:
            now = self._clock()
            for name, each in list(self._kept.items()):
                each.sessions = set(filter(self._is_open, each.sessions))
                if each.sessions:
                    each.used = now
                elif now - each.used >= self._grace:
                    del self._kept[name]
            self._wake()

    def _use(self, name: str) -> None:
        """Note that this session shows an upload. The lock is held."""
        each = self._kept[name]
        each.sessions |= {session for session in [self._session()] if session}
        each.used = self._clock()
        self._kept.move_to_end(name)
        self._wake()

    def _make_room(self, size: int) -> None:
        """Let go of what nobody but this session shows, oldest first, until there is room. The lock is held.

        ValueError where others show so much that there is none.
        """
        mine = {self._session()}
        taken = sum(len(each.content) for each in self._kept.values())
        for name, each in list(self._kept.items()):
            if taken + size <= self._most_bytes and len(self._kept) < MOST_UPLOADS:
                break
            if each.sessions <= mine:
                taken -= len(self._kept.pop(name).content)
        if taken + size > self._most_bytes or len(self._kept) >= MOST_UPLOADS:
            raise ValueError(
                f"the server keeps {len(self._kept)} images that its visitors have uploaded, "
                f"{taken / 2**20:.0f} MB, and may keep {MOST_UPLOADS} and {self._most_bytes / 2**20:.0f} MB: "
                "there is no room for another one; try again in some minutes"
            )

    def _wake(self) -> None:
        """Have `forget` called after a while, also where nobody comes any more."""
        waits = self._timer is not None and self._timer.is_alive()
        if self._kept and (not waits or self._timer is threading.current_thread()):
            self._timer = threading.Timer(self._grace, self.forget)
            self._timer.daemon = True
            self._timer.start()
