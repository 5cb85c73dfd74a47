"""A limit of what browsers send that is kept in memory.

Streamlit keeps every file of a session for as long as it lasts, however many there are, and a page needs it
only until it has read it (`dashboard.data.uploads` keeps that, with limits of its own).
"""

import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

LARGEST = 31 * 1024 * 1024
"""Bytes of a request that says of itself no length: a file of the greatest size, with what is around it."""

FULL = "the server has no room for another file at the moment; try again in some minutes"

UPLOAD = re.compile(r"/_stcore/upload_file/[^/]+/[^/]+")


class UploadLimitMiddleware:
    """ASGI middleware: once a file has come, the oldest ones go until the rest has room.

    Those that are on their way have room of the same size; one that has none is refused.
    """

    def __init__(
        self, app: ASGIApp, most_bytes: int, files: Callable[[], MemoryUploadedFileManager] | None = None
    ):
        """most_bytes: of all sessions' files together, half of it for those on their way."""
        self._app, self._files = app, files or (lambda: Runtime.instance().uploaded_file_mgr)
        self._half, self._coming = most_bytes // 2, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (scope["type"] == "http" and scope["method"] == "PUT" and UPLOAD.search(scope["path"])):
            await self._app(scope, receive, send)
            return
        size = _said_size(scope)
        if self._coming and self._coming + size > self._half:
            await PlainTextResponse(FULL, status_code=503)(scope, receive, send)
            return
        self._coming += size
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming -= size
        make_room(self._files(), self._half)


def _said_size(scope: Scope) -> int:
    """Return the bytes that a request may send."""
    said = Headers(scope=scope).get("content-length", "")
    return min(int(said), LARGEST) if said.isascii() and said.isdigit() and len(said) < 20 else LARGEST


def make_room(files: MemoryUploadedFileManager, most_bytes: int) -> None:
    """Remove the files that came first, of the sessions that sent first, until all have `most_bytes`."""
    there = [
        (session, file.file_id, len(file.data))
        for session, own in list(files.file_storage.items())
        for file in list(own.values())
    ]
    total = sum(size for *_, size in there)
    for session, name, size in there:
        if total <= most_bytes:
            return
        files.remove_file(session, name)
        total -= size
