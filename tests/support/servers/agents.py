"""A server for agents in this very process, and a client of the protocol's own package that asks it."""

import argparse
import base64
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from mcp import Client
from mcp.types import CallToolResult
from PIL import Image

from compute.__main__ import build_parser
from compute.cli.agents.server import server_of
from compute.cli.agents.workspace import Workspace


def parsed(store: Path, *options: str) -> argparse.Namespace:
    words = ["mcp", "--store", str(store), "--device", "cpu", *options]
    return build_parser(words).parse_args(words)


def workspace(store: Path, *options: str) -> Workspace:
    return Workspace.of(parsed(store, *options))


def in_session(opened: Workspace, talk: Callable[[Client], Awaitable[Any]], mode: str = "legacy") -> Any:
    """What a talk with a server of the workspace returns; "legacy" speaks JSON-RPC, as over a pipe."""

    async def session() -> Any:
        async with Client(server_of(opened), mode=mode) as client:
            return await talk(client)

    return anyio.run(session)


def asked(opened: Workspace, tool: str, mode: str = "legacy", **arguments: Any) -> CallToolResult:
    """The answer to one call."""
    return in_session(opened, lambda client: client.call_tool(tool, arguments), mode)


def said(result: CallToolResult) -> dict[str, Any]:
    """What an answer says, which its text says too."""
    assert not result.is_error, result.content
    (text,) = (each.text for each in result.content if each.type == "text")
    assert json.loads(text) == result.structured_content
    return result.structured_content


def error(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    return content.text


def picture(result: CallToolResult) -> np.ndarray | None:
    """(H, W) or (H, W, C) uint8; None where there is none."""
    images = [each for each in result.content if each.type == "image"]
    if not images:
        return None
    assert images[0].mime_type == "image/png"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(images[0].data)), formats=["PNG"]))


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and when it was written."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
