"""Uploads: limited in bytes and pixels, and kept while a session that showed them is open."""

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dashboard.data import uploads
from dashboard.data.uploads import LARGEST_PIXELS, Uploads
from dashboard.server.upload_limit import UploadLimitMiddleware, make_room
from tests.support.pictures import encoded, flat

PICTURE = encoded(flat())


class Visitors:
    """Sessions that open and close, and a clock that is turned by hand."""

    def __init__(self, most_bytes=10**6):
        self.open, self.current, self.seconds = {"anna"}, "anna", 0.0
        self.uploads = Uploads(
            most_bytes, lambda name: name in self.open, lambda: self.current, 600, lambda: self.seconds
        )

    def gone(self, name):
        with pytest.raises(ValueError, match="no longer kept"):
            self.uploads.read(name)
        return True


def test_an_upload_is_kept_while_a_session_that_showed_it_is_open_and_a_while_after():
    visitors = Visitors()
    name = visitors.uploads.add(PICTURE)
    visitors.seconds = 100_000
    assert visitors.uploads.read(name) == PICTURE
    visitors.open.clear()
    visitors.current = None
    visitors.seconds += 599
    assert visitors.uploads.read(name) == PICTURE
    visitors.seconds += 600
    assert visitors.gone(name)


def test_whoever_opens_its_link_keeps_it_too():
    visitors = Visitors()
    name = visitors.uploads.add(PICTURE)
    visitors.open, visitors.current = {"bert"}, "bert"
    visitors.uploads.read(name)
    visitors.seconds, visitors.current = 5000, None
    assert visitors.uploads.read(name) == PICTURE
    visitors.open.clear()
    visitors.seconds += 700
    visitors.uploads.forget()
    assert visitors.gone(name)


def test_it_goes_though_nobody_comes_any_more():
    kept = Uploads(10**6, lambda name: False, lambda: None, grace=0.05)
    name = kept.add(PICTURE)
    for _ in range(100):
        if not kept._kept:
            break
        time.sleep(0.02)
    with pytest.raises(ValueError, match="no longer kept"):
        kept.read(name)


def test_limits(monkeypatch):
    kept = Uploads(10**6, lambda name: True, lambda: "anna")
    with pytest.raises(ValueError, match=f"more than {LARGEST_PIXELS:,}"):
        kept.add(encoded(flat((8000, 5001), "white", "1")))
    with pytest.raises(ValueError, match="not an image"):
        kept.add(b"import os; os.mkdir('harmed')")
    monkeypatch.setattr(uploads, "LARGEST_BYTES", 50)
    with pytest.raises(ValueError, match="more than the 50 of an upload"):
        kept.add(PICTURE)


def names(files):
    return [name for own in files.file_storage.values() for name in own]


def keep(files, session, name, size):
    files.add_file(session, UploadedFileRec(name, "a.png", "image/png", bytes(size)))


def test_what_was_sent_first_goes_when_there_is_no_room():
    files = MemoryUploadedFileManager("")
    for session, name, size in (("anna", "a", 40), ("bert", "b", 40), ("bert", "c", 20)):
        keep(files, session, name, size)
    make_room(files, 100)
    assert names(files) == ["a", "b", "c"]
    make_room(files, 99)
    assert names(files) == ["b", "c"]
    make_room(files, 19)
    assert names(files) == []


def sending(most_bytes, files):
    async def put(request):
        keep(files, request.path_params["session"], request.path_params["name"], 30)
        return Response(status_code=204)

    route = Route("/below/_stcore/upload_file/{session}/{name}", put, methods=["PUT"])
    limit = Middleware(UploadLimitMiddleware, most_bytes=most_bytes, files=lambda: files)
    return TestClient(Starlette(routes=[route], middleware=[limit]))


def test_a_session_that_sends_without_end_does_not_fill_the_memory():
    files = MemoryUploadedFileManager("")
    client = sending(200, files)
    for number in range(10):
        assert client.put(f"/below/_stcore/upload_file/anna/{number}").status_code == 204
    assert names(files) == ["7", "8", "9"]


def test_files_on_their_way_have_room_too_and_one_that_has_none_is_told_so():
    files, answers = MemoryUploadedFileManager(""), []
    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/anna/a"}

    async def send(message):
        answers.append(message)

    def long(size):
        return scope | {"headers": [(b"content-length", str(size).encode())]}

    async def while_one_comes(_scope, _receive, _send):
        await limit(long(60), None, send)

    limit = UploadLimitMiddleware(while_one_comes, most_bytes=200, files=lambda: files)
    asyncio.run(limit(long(50), None, send))
    assert answers[0]["status"] == 503 and b"no room for another file" in answers[1]["body"]
    answers.clear()

    async def nothing(_scope, _receive, _send):
        answers.append("taken")

    asyncio.run(UploadLimitMiddleware(nothing, most_bytes=200, files=lambda: files)(long(500), None, send))
    assert answers == ["taken"]


def picture(number):
    return encoded(flat((40, 30), (number, 0, 0)))


def test_ones_own_oldest_upload_goes_first_and_of_others_none():
    visitors = Visitors(most_bytes=3 * len(picture(0)) + 10)
    visitors.open = {"anna", "bert"}
    theirs = visitors.uploads.add(picture(0))
    visitors.current = "bert"
    mine = [visitors.uploads.add(picture(number)) for number in (1, 2, 3)]
    assert visitors.uploads.read(theirs) == picture(0) and visitors.uploads.read(mine[2]) == picture(3)
    assert visitors.gone(mine[0])
    visitors.current, visitors.open = "carl", {"anna", "bert", "carl"}
    with pytest.raises(ValueError, match="no room for another one"):
        visitors.uploads.add(picture(4))
    visitors.open.remove("bert")
    visitors.seconds += 1000
    assert visitors.uploads.read(visitors.uploads.add(picture(4))) == picture(4)


def test_uploads_are_limited_in_number(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 3)
    visitors = Visitors()
    given = [visitors.uploads.add(picture(number)) for number in range(5)]
    assert [visitors.uploads.read(name) for name in given[2:]] == [picture(number) for number in (2, 3, 4)]
    assert visitors.gone(given[1])
