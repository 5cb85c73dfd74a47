"""The first click in a page whose server was started anew, or has let its session go: it is kept.

Such a page stays as it is, and says the click alone. Its new session knows none of the page's callbacks
before the script has run once; so that is asked for first, as the address has it, and then the click.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime import Runtime

CLICKS = frozenset({"trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value"})
"""Kinds of a widget's value that are there for one run of the script."""

LONGEST = 60
"""Seconds that a click waits for the page to be drawn."""

LARGEST_END = 256
"""Bytes of a message that says that the script has ended, at most; longer ones needn't be read for it."""


def keeping_clicks(app: ASGIApp, is_known: Callable[[str], bool] | None = None) -> ASGIApp:
    """Return an application that speaks with browsers as `app` does, and misses no first click.

    is_known: whether a session is one of this server's
    """
    known = is_known or (lambda session: Runtime.instance().is_active_session(session))

    async def follow(scope: Scope, receive: Receive, send: Send) -> None:
        session = _session_before(scope)
        if not session:
            await app(scope, receive, send)
            return
        drawn, asked, waiting = asyncio.Event(), False, deque[Message]()

        async def next_message() -> Message:
            nonlocal asked
            if waiting:
                await _until(drawn)
                return waiting.popleft()
            message = await receive()
            if drawn.is_set() or known(session) or (said := _rerun(message)) is None:
                return message
            clicks = _taken_out(said)
            if not asked:
                asked = True
                said.rerun_script.ClearField("fragment_id")
                if clicks:
                    waiting.append(_with(message, clicks))
                return message | {"bytes": said.SerializeToString()}
            if clicks:
                await _until(drawn)
            return message

        async def noting(message: Message) -> None:
            if not drawn.is_set() and _says_the_end(message):
                drawn.set()
            await send(message)

        await app(scope, next_message, noting)

    return follow


def _session_before(scope: Scope) -> str:
    """Return the session that a browser had before its connection was cut, as it says; "" for none."""
    said = Headers(scope=scope).get("sec-websocket-protocol", "").split(",")
    return said[2].strip() if len(said) > 2 else ""


def _rerun(message: Message) -> BackMsg | None:
    """Return what a message says if it asks for a run of the script, else None."""
    found = BackMsg()
    try:
        found.ParseFromString(message.get("bytes") or b"")
    except DecodeError:
        return None
    return found if found.WhichOneof("type") == "rerun_script" else None


def _taken_out(said: BackMsg) -> list[WidgetState]:
    """Take the clicks out of a message that asks for a run, and return them."""
    widgets = said.rerun_script.widget_states.widgets
    clicks = [each for each in widgets if each.WhichOneof("value") in CLICKS]
    others = [each for each in widgets if each.WhichOneof("value") not in CLICKS]
    del widgets[:]
    widgets.extend(others)
    return clicks


def _with(message: Message, clicks: list[WidgetState]) -> Message:
    """Return the same message with the clicks alone: all else is as the first run has it."""
    said = BackMsg.FromString(message["bytes"])
    del said.rerun_script.widget_states.widgets[:]
    said.rerun_script.widget_states.widgets.extend(clicks)
    return message | {"bytes": said.SerializeToString()}


async def _until(drawn: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(drawn.wait(), LONGEST)


def _says_the_end(message: Message) -> bool:
    """Return whether the browser is told that the page is drawn to its end."""
    content = message.get("bytes") or b""
    if not 0 < len(content) <= LARGEST_END:
        return False
    said = ForwardMsg.FromString(content)
    ended = said.WhichOneof("type") == "script_finished"
    return ended and said.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
