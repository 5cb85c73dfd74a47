"""The program itself, asked by the protocol's own client: on its standard input and output, and over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from compute.__main__ import main
from compute.cli.agents.command import MISSING
from tests.support import ROOT
from tests.support.importers import imported
from tests.support.servers.agents import parsed, picture, said, workspace
from tests.support.stores.served import served_store

pytestmark = pytest.mark.slow

LONG = {"layer": "conv2", "channel": 1, "iterations": 4096}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def words(*options: str) -> list[str]:
    return ["-m", "compute", "mcp", "--store", str(served_store()), "--device", "cpu", *options]


@contextmanager
def started(*options: str) -> Iterator[subprocess.Popen]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = subprocess.Popen(
        [sys.executable, *words(*options)], cwd=ROOT, env=environment, text=True, **pipes
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@contextmanager
def served() -> Iterator[tuple[subprocess.Popen, str]]:
    """The program over HTTP, and the address that it says."""
    with started("--http", "0") as program:
        line = program.stderr.readline()
        assert line.startswith("serving agents at http://127.0.0.1:"), line
        yield program, line.split()[-1]


def call(number: int, tool: str, arguments: dict) -> dict:
    params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": number}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def send(program: subprocess.Popen, *messages: dict) -> None:
    for each in messages:
        program.stdin.write(json.dumps(each) + "\n")
    program.stdin.flush()


def test_a_session_on_standard_input_and_output():
    async def session():
        async with Client(StdioServerParameters(command=sys.executable, args=words(), cwd=ROOT)) as client:
            assert len((await client.list_tools()).tools) > 25
            card = said(await client.call_tool("describe", {}))
            result = await client.call_tool("saliency", {"image_id": 3, "variant": "gradient"})
            return card, said(result), picture(result)

    card, numbers, shown = anyio.run(session)
    assert card["run"] == workspace(served_store()).run.fingerprint
    assert numbers["numbers"]["method"] == "saliency" and min(shown.shape[:2]) > 250


def test_nothing_but_the_protocol_is_on_standard_output_and_it_ends_with_its_input():
    with started() as program:
        send(
            program, HELLO, READY, call(2, "saliency", {"image_id": 3}), call(3, "neighbors", {"image_id": 3})
        )
        answered = set()
        while answered != {1, 2, 3}:
            message = json.loads(program.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            answered |= {message["id"]} if "id" in message else set()
        rest, errors = program.communicate(timeout=120)
        assert rest == "" and program.returncode == 0 and "Traceback" not in errors


def test_when_nobody_reads_the_answers_it_ends():
    with started() as program:
        send(program, HELLO, READY)
        assert json.loads(program.stdout.readline())["id"] == 1
        program.stdout.close()
        send(program, call(2, "describe", {}), call(3, "describe", {}))
        assert program.wait(timeout=120) == 0
        assert "Traceback" not in program.stderr.read()


@pytest.mark.parametrize("busy", [False, True])
def test_interrupted_it_ends_at_once(busy):
    with started() as program:
        send(program, HELLO, READY)
        assert json.loads(program.stdout.readline())["id"] == 1
        if busy:
            send(program, call(2, "ascend", LONG))
            while json.loads(program.stdout.readline())["params"]["progress"] < 1:
                pass
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=120) == 0
        assert "Traceback" not in program.stderr.read()


def test_a_request_that_is_cancelled_on_the_wire_is_not_answered():
    with started() as program:
        send(program, HELLO, READY, call(2, "ascend", LONG))
        while json.loads(program.stdout.readline()).get("params", {}).get("progress", 0) < 1:
            pass
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
        started_at = time.monotonic()
        send(program, cancelled, call(3, "saliency", {"image_id": 3, "variant": "gradient"}))
        while (message := json.loads(program.stdout.readline())).get("id") is None:
            pass
        assert time.monotonic() - started_at < 6  # the ascent alone would take longer
        assert message["id"] == 3 and not message["result"].get("isError")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_sessions_over_http_share_one_network(mode):
    async def sessions(address):
        async with Client(address, mode=mode) as one, Client(address, mode=mode) as other:
            first = await one.call_tool("saliency", {"image_id": 3, "variant": "gradient"})
            second = await other.call_tool("saliency", {"image_id": 3, "variant": "gradient"})
            with anyio.move_on_after(2):
                await one.call_tool("ascend", LONG)
            with anyio.fail_after(6):  # the ascent alone would take longer
                third = await other.call_tool("saliency", {"image_id": 4, "variant": "gradient"})
            return said(first), said(second), said(third)

    with served() as (program, address):
        first, second, third = anyio.run(sessions, address)
        assert first == second and third["numbers"]["method"] == "saliency"
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=120) == 0
        assert "Traceback" not in program.stderr.read()


def test_only_this_machine_is_served_and_no_page_of_elsewhere():
    with served() as (_, address):
        port = int(address.split(":")[2].split("/")[0])
        headers = {"accept": "application/json, text/event-stream"}

        def status(**further: str) -> int:
            return httpx2.post(address, json=HELLO, headers={**headers, **further}).status_code

        assert status() == 200 and status(origin=f"http://127.0.0.1:{port}") == 200
        assert status(host=f"localhost:{port}") == 200
        assert status(host="evil.example") == 421 and status(host=f"evil.example:{port}") == 421
        for origin in ("http://evil.example", f"http://evil.example:{port}", "null", "http://localhost:1"):
            assert status(origin=origin) == 403
        with socket.socket() as elsewhere, pytest.raises(OSError):
            elsewhere.settimeout(2)
            elsewhere.connect(("127.0.0.2", port))


def test_a_port_that_is_taken_is_said(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["mcp", "--store", str(served_store()), "--http", str(port)]) == 2
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--http", "99999"), "--http 99999 is no port; choose from 0 to 65535"),
        (("--run", "x"), "run"),
        (("--other-stores", "/nowhere"), "/nowhere is no store"),
        (("--results", "/nowhere/at/all"), "/nowhere/at/all"),
    ],
)
def test_what_is_wrong_with_the_command_is_said(options, message, capsys):
    assert main(["mcp", "--store", str(served_store()), *options]) == 2
    assert message in capsys.readouterr().err


def test_without_the_package_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert main(["mcp", "--store", str(served_store())]) == 2
    assert "pip install mcp==" in capsys.readouterr().err


def test_the_version_that_is_named_is_the_pinned_one():
    (pinned,) = (line for line in (ROOT / "requirements.txt").read_text().splitlines() if "mcp==" in line)
    assert f"`pip install {pinned}`" in MISSING


def test_no_other_command_imports_it():
    found = imported(
        "from compute.__main__ import build_parser\nbuild_parser(['map'])\nbuild_parser(['mcp'])"
    )
    assert not {"mcp", "mcp_types", "pydantic", "starlette"} & set(found)


def test_the_network_is_named_in_every_command_as_the_person_named_it():
    options = (
        "--model",
        "digits",
        "--mean",
        "0.5",
        "--size",
        "28x28",
        "--value-range=-1,1",
        "--crop-fraction",
        "1",
    )
    named = workspace(served_store(), *options).options
    again = [word for name, value in named.items() for word in (f"--{name.replace('_', '-')}={value}",)]
    assert vars(parsed(served_store(), *again)) == vars(parsed(served_store(), *options))
