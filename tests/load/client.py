"""A visitor without a browser: Streamlit's own messages over a websocket, so that dozens fit on two cores."""

import asyncio
import json
import time
import urllib.request
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from featurestore.reader import Run
from tests.load.asked import ROUND, address, pages, shown_picture
from tests.load.seen import Seen, digest

LARGEST = 64 * 2**20
"""Bytes of one message."""
PATIENCE, LONGEST_JOB, PAUSE = 180, 600, 1.0
"""Seconds that an answer may take, and a job with its wait behind everybody else's; and between two looks at
it, each of which draws the whole page (a browser asks twice as often, for the job's part of it alone)."""


async def visit(server: str, run: Run, store: str, number: int, end: float) -> Seen:
    """Until the time `end` (of time.monotonic), at least one turn, each on a connection of its own."""
    seen, turn = Seen(), 0
    while turn == 0 or (time.monotonic() < end and turn < ROUND):
        try:
            stream = f"{server.replace('http', 'ws')}/_stcore/stream"
            async with connect(stream, subprotocols=["streamlit"], max_size=LARGEST) as connection:
                await _turn(connection, server, address(run, store, number, turn), seen)
                query = urlencode({"store": store, "image": turn % run.image_count})
                for _, path in pages(number, turn):
                    await _show(connection, path.strip("/"), query)
                    seen.walked += 1
        except Exception as error:
            seen.errors.append(f"client {number}, turn {turn}: {type(error).__name__}: {error}")
        turn += 1
    return seen


class Shown(NamedTuple):
    """A picture on a page: what it shows in words, and its address."""

    alt: str
    url: str


async def _turn(connection: ClientConnection, server: str, asked: str, seen: Seen) -> None:
    started, query = time.monotonic(), urlsplit(asked).query
    while True:
        images, query = await _show(connection, "lab", query)
        results = [image.url for image in images if image.alt.startswith("Result of")]
        if results:
            break
        if time.monotonic() > started + LONGEST_JOB:
            raise ValueError(f"{asked} has no result after {LONGEST_JOB} seconds")
        await asyncio.sleep(PAUSE)
    seen.waits.append(time.monotonic() - started)
    # The picture of a slider between before and after is in its own address.
    where = results[0] if results[0].startswith("data:") else server + results[0]
    content = await asyncio.to_thread(lambda: urllib.request.urlopen(where).read())
    seen.results[f"/lab?{query}"] = digest(shown_picture(content))


async def _show(connection: ClientConnection, page: str, query: str) -> tuple[list[Shown], str]:
    """The images that a page draws, and its query once it is drawn. ValueError where it shows an error."""
    message = BackMsg()
    message.rerun_script.page_name, message.rerun_script.query_string = page, query
    await connection.send(message.SerializeToString())
    images = []
    while True:
        async with asyncio.timeout(PATIENCE):
            answer = ForwardMsg.FromString(await connection.recv())
        kind = answer.WhichOneof("type")
        if kind == "new_session":
            images = []
        elif kind == "page_info_changed":
            query = answer.page_info_changed.query_string
        elif kind == "delta":
            images += _drawn(answer.delta.new_element)
        elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return images, query


def _drawn(element) -> list[Shown]:
    """Its images; what is an error is raised."""
    kind = element.WhichOneof("type")
    if kind == "exception":
        raise ValueError(f"the page shows an exception: {element.exception.message}")
    if kind == "alert" and element.alert.format == element.alert.ERROR:
        raise ValueError(f"the page says: {element.alert.body}")
    if kind == "bidi_component" and '"after"' in element.bidi_component.json:
        data = json.loads(element.bidi_component.json)
        return [Shown(data["alt"][1], data["after"])]
    return [Shown(each.alt, each.url) for each in element.imgs.imgs] if kind == "imgs" else []
