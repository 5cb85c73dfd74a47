"""A limit of what browsers send that is kept in memory.

Streamlit keeps every file of a session for as long as it lasts, however many there are, and a page needs it
only until it has read it (`dashboard.data.uploads` keeps that, with limits of its own).
"""

import re
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

MOST_BYTES = 8 * 30 * 1024 * 1024
"""Of all sessions' files together."""

UPLOAD = re.compile(r"/_stcore/upload_file/[^/]+/[^/]+")


class UploadLimitMiddleware:
    """ASGI middleware: once a file has come, the oldest ones go until the rest has room."""

    def __init__(self, app: ASGIApp, files: Callable[[], MemoryUploadedFileManager] | None = None):
        self._app, self._files = app, files or (lambda: Runtime.instance().uploaded_file_mgr)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "PUT" and UPLOAD.search(scope["path"]):
            make_room(self._files(), MOST_BYTES)


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
