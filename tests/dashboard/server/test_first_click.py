"""A click in a page whose server was started anew meanwhile does what it says."""

import asyncio
from urllib.parse import parse_qs, urlencode

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from dashboard.server.first_click import keeping_clicks
from tests.support.servers.dashboard import serving
from tests.support.stores.served import served_store

BEFORE = "5b1e0c1e-0000-4000-8000-000000000000"
"""A session that no server knows."""


def asking(*clicks, fragment="", **values):
    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.fragment_id = "image=3", fragment
    for name, value in values.items():
        message.rerun_script.widget_states.widgets.add(id=name, int_value=value)
    for name in clicks:
        message.rerun_script.widget_states.widgets.add(id=name, trigger_value=True)
    return message


def heard(*sent, ends=(ForwardMsg.FINISHED_SUCCESSFULLY,), protocols=f"streamlit, x, {BEFORE}", known=False):
    """What an application hears of what a browser sends: the clicks of each run, its values, its fragment.

    Once it has heard all that comes by itself, it says of a run that it has ended, in each of these ways.
    """
    runs, said = [], iter(ends)
    messages = iter([{"type": "websocket.receive", "bytes": each.SerializeToString()} for each in sent])

    async def receive():
        return next(messages, {"type": "websocket.disconnect"})

    async def send(message):
        pass

    async def app(scope, receive, send):
        while True:
            coming = asyncio.ensure_future(receive())
            while not (await asyncio.wait([coming], timeout=0.02))[0]:
                end = ForwardMsg(script_finished=next(said)).SerializeToString()
                await send({"type": "websocket.send", "bytes": end})
                runs.append("ended")
            if (message := coming.result())["type"] == "websocket.disconnect":
                return
            run = BackMsg.FromString(message["bytes"]).rerun_script
            widgets = run.widget_states.widgets
            clicks = [each.id for each in widgets if each.WhichOneof("value") == "trigger_value"]
            values = {each.id: each.int_value for each in widgets if each.id not in clicks}
            runs.append((clicks, values, run.fragment_id, run.query_string))

    scope = {"type": "websocket", "headers": [(b"sec-websocket-protocol", protocols.encode())]}
    asyncio.run(keeping_clicks(app, lambda session: known)(scope, receive, send))
    return runs


def test_the_page_is_drawn_first_and_then_the_click_is_said():
    first, click = ([], {"n": 2}, "", "image=3"), (["go"], {}, "part", "image=3")
    assert heard(asking("go", n=2, fragment="part")) == [first, "ended", click]
    # What comes after it goes its way.
    later = (["on"], {"n": 3}, "", "image=3")
    assert heard(asking("go", n=2, fragment="part"), asking("on", n=3)) == [first, "ended", click, later]


def test_a_run_that_begins_anew_is_not_the_end():
    ends = (ForwardMsg.FINISHED_EARLY_FOR_RERUN, ForwardMsg.FINISHED_SUCCESSFULLY)
    assert heard(asking("go"), ends=ends)[1:] == ["ended", "ended", (["go"], {}, "", "image=3")]


def test_a_click_waits_for_the_run_that_the_page_asked_for_itself():
    drawn, click = ([], {"n": 2}, "", "image=3"), (["go"], {"n": 2}, "", "image=3")
    assert heard(asking(n=2), asking("go", n=2)) == [drawn, "ended", click]


@pytest.mark.parametrize("how", [{"known": True}, {"protocols": "streamlit"}, {"protocols": "streamlit, x"}])
def test_a_session_that_goes_on_hears_what_is_said(how):
    assert heard(asking("go", n=2, fragment="part"), **how) == [(["go"], {"n": 2}, "part", "image=3")]


def test_what_is_no_message_of_streamlits_goes_on_to_be_refused():
    class Broken:
        def SerializeToString(self):
            return b"\xff\xff"

    with pytest.raises(Exception, match="Error parsing"):
        heard(Broken())


@pytest.mark.slow
def test_the_button_of_a_page_from_before_a_restart_works():
    query = urlencode({"store": "digits", "channel": 0})
    with serving(str(served_store())) as served:
        stream = f"{served.address.replace('http', 'ws')}/_stcore/stream"
        with connect(stream, subprotocols=["streamlit"], max_size=None) as page:
            buttons, query = drawn(page, query)
        with connect(stream, subprotocols=["streamlit", "x", BEFORE], max_size=None) as page:
            for _ in range(2):
                _, query = drawn(page, query, buttons.pop("Next", None))
    assert parse_qs(query)["channel"] == ["1"]


def drawn(page, query, click=None):
    """Ask for the page of channels, and return its buttons' ids by their labels, and its query once drawn.

    click: id of the button that is clicked; without one, nothing is sent but what was is waited for
    """
    if click or "layer" not in query:
        message = BackMsg()
        message.rerun_script.page_name, message.rerun_script.query_string = "channels", query
        if click:
            message.rerun_script.widget_states.widgets.add(id=click, trigger_value=True)
        page.send(message.SerializeToString())
    buttons = {}
    while True:
        said = ForwardMsg.FromString(page.recv(timeout=120))
        kind = said.WhichOneof("type")
        if kind == "page_info_changed":
            query = said.page_info_changed.query_string
        elif kind == "delta" and said.delta.new_element.WhichOneof("type") == "button":
            buttons[said.delta.new_element.button.label] = said.delta.new_element.button.id
        elif kind == "script_finished" and said.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return buttons, query
