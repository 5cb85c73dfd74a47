"""How a server speaks: on standard input and output, or in HTTP on this machine's own address."""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from compute.cli.agents.workspace import LARGEST_BYTES

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
"""What a request may call this machine: a page elsewhere that a browser is led here by can't."""

PATH = "/mcp"
LARGEST_REQUEST = LARGEST_BYTES * 4 // 3 + (1 << 20)
"""Bytes: one image in base64, and what is around it."""

GRACE_SECONDS = 2
CHUNK = 1 << 16


def serve_stdio(server: Server[Any]) -> None:
    """Serve one client until its input ends, or Ctrl-C; or until nobody reads the answers any more."""
    try:
        anyio.run(_serve_stdio, server)
    except* BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _serve_stdio(server: Server[Any]) -> None:
    lines = _Lines(sys.stdin.fileno())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_interrupt, lines)
        async with stdio_server(stdin=anyio.wrap_file(lines.file)) as (messages, answers):
            try:
                await server.run(messages, answers, server.create_initialization_options())
            finally:  # where the answers can't be written, nobody else ends the wait for the next line
                lines.end()
        tasks.cancel_scope.cancel()


class _Lines:
    """Lines of a file that can be ended while somebody waits for one, as those of a terminal can't.

    A thread that nobody waits for hands on what comes.
    """

    def __init__(self, source: int):
        read_end, self._write_end = os.pipe()
        self.file: TextIO = os.fdopen(read_end, encoding="utf-8", errors="replace")
        self._lock = threading.Lock()
        threading.Thread(target=self._hand_on, args=(os.dup(source),), daemon=True).start()

    def end(self) -> None:
        """Let the lines end here."""
        with self._lock, suppress(OSError):
            os.close(self._write_end)
            self._write_end = -1

    def _hand_on(self, source: int) -> None:
        with suppress(OSError):
            while chunk := os.read(source, CHUNK):
                while chunk:
                    chunk = chunk[os.write(self._write_end, chunk) :]
        self.end()


async def _end_on_interrupt(lines: _Lines) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            lines.end()


def serve_http(server: Server[Any], port: int) -> None:
    """Serve any number of clients on this machine until Ctrl-C.

    port: 0 for any that is free; the address is said on standard error. OSError for one that is taken.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen()  # so that whoever reads the address can connect
        port = listening.getsockname()[1]
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            max_request_body_size=LARGEST_REQUEST,
            transport_security=TransportSecuritySettings(
                allowed_hosts=[f"{name}:{port}" for name in NAMES],
                allowed_origins=[f"http://{name}:{port}" for name in NAMES],
            ),
        )
        print(f"serving agents at http://{ADDRESS}:{port}{PATH}", file=sys.stderr, flush=True)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
