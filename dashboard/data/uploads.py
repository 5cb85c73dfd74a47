"""Uploaded images, in memory: while a session that showed one is open, and some minutes longer."""

import threading
import time
from collections.abc import Callable

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from compute.images.reading import check_readable
from dashboard.data.content_store import ContentStore

LARGEST_BYTES = 30 * 1024 * 1024
"""Greatest size of an uploaded file; the same as `server.maxUploadSize`, which browsers are told."""

LONGEST_FILE_NAME = 80
"""In characters."""

LARGEST_PIXELS = 40_000_000
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
    return Uploads()


class Uploads:
    """By their hash; thread-safe. A job decodes its images before it is queued, so needs none kept."""

    def __init__(
        self,
        is_open: Callable[[str], bool] = open_session,
        session: Callable[[], str | None] = this_session,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._is_open, self._session, self._grace, self._clock = is_open, session, grace, clock
        self._contents = ContentStore("the uploaded image")
        self._lock = threading.Lock()
        self._used: dict[str, tuple[set[str], float]] = {}
        self._names: dict[str, str] = {}
        self._timer: threading.Timer | None = None

    def add(self, content: bytes, file_name: str = "") -> str:
        """Keep an image file and return the name under which links carry it.

        file_name: what its owner calls it, for people; of equal files, that of the last one.
        ValueError for a file that is too large, or no image.
        """
        if len(content) > LARGEST_BYTES:
            raise ValueError(f"{len(content):,} bytes are more than the {LARGEST_BYTES:,} of an upload")
        check_readable(content, LARGEST_PIXELS)
        name = self._contents.add(content)
        if file_name:
            self._names[name] = file_name[:LONGEST_FILE_NAME]
        self._use(name)
        return name

    def name_of(self, name: str) -> str:
        """Return what the owner of an upload calls it."""
        return self._names.get(name, "uploaded image")

    def read(self, name: str) -> bytes:
        """Return the file of this name; ValueError where it is not kept any more."""
        self.forget()
        content = self._contents.read(name)
        self._use(name)
        return content

    def forget(self) -> None:
        """Remove what no open session has shown, nor one that was closed lately."""
        with self._lock:
            now = self._clock()
            for name, (sessions, _) in self._used.items():
                if any(map(self._is_open, sessions)):
                    self._used[name] = sessions, now
            gone = [name for name, (_, last) in self._used.items() if now - last >= self._grace]
            for name in gone:
                del self._used[name]
                self._names.pop(name, None)
                self._contents.remove(name)
            self._wake()

    def _use(self, name: str) -> None:
        with self._lock:
            sessions = self._used.get(name, (set(), 0.0))[0] | {each for each in [self._session()] if each}
            self._used[name] = sessions, self._clock()
            self._wake()

    def _wake(self) -> None:
        """Have `forget` called after a while, also where nobody comes any more."""
        waits = self._timer is not None and self._timer.is_alive()
        if self._used and (not waits or self._timer is threading.current_thread()):
            self._timer = threading.Timer(self._grace, self.forget)
            self._timer.daemon = True
            self._timer.start()
