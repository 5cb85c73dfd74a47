"""What browsers say over the websocket: which messages are taken, and how many bytes of them at a time."""

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

NOT_FOR_VISITORS = frozenset({"clear_cache", "set_run_on_save", "load_git_info"})
"""Messages that a browser may send to Streamlit and that concern all visitors, or the server's own files."""

TRY_AGAIN_LATER = 1013
"""The websocket's code for a server that is full; Streamlit's page then connects again by itself."""

FULL = "the server has no room for this message at the moment"


class MessageRoom:
    """Room for the messages of all browsers: each takes its bytes until the next one is asked for.

    A connection whose message has no room is closed; its page says that it connects again.
    """

    def __init__(self, most_bytes: int):
        self._most, self._taken = most_bytes, 0

    async def follow(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an application speak with one browser."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            self._taken += size - held
            held = size

        async def next_message() -> Message:
            hold(0)
            while True:
                message = await receive()
                content = message.get("bytes") or b""
                if message["type"] != "websocket.receive" or not _is_refused(content):
                    break
            if content and self._taken + len(content) > self._most:
                await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": FULL})
                return {"type": "websocket.disconnect", "code": TRY_AGAIN_LATER, "reason": FULL}
            hold(len(content))
            return message

        try:
            await app(scope, next_message, send)
        finally:
            hold(0)


def _is_refused(content: bytes) -> bool:
    """Return whether a message is one that no visitor may send."""
    if not content:
        return False
    message = BackMsg()
    try:
        message.ParseFromString(content)
    except DecodeError:
        # Streamlit closes the connection for it.
        return False
    return message.WhichOneof("type") in NOT_FOR_VISITORS
