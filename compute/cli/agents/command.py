"""python -m compute mcp: a server of a store for agents, over standard input and output or localhost HTTP."""

import argparse
import importlib.util
import sys
from pathlib import Path

from compute.cli.config import add_config_argument
from compute.cli.inputs import add_device_argument, add_run_arguments
from compute.models.zoo import add_model_arguments

MISSING = "the package mcp is not installed; `pip install mcp==2.3.0` in the environment of this program"
PORTS = range(65536)
"""0 is any that is free."""

PORT = 8765
"""Where --http is given without a port."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    description = (
        "Offers the tables, reports and methods of one store to an agent, as a server of the Model Context "
        "Protocol. It speaks on standard input and output, or with --http on this machine's address alone. "
        "Without --results it writes nothing; the agent can name no file, network or store but these."
    )
    parser = subparsers.add_parser(
        "mcp", help="a store as a server for agents (Model Context Protocol)", description=description
    )
    add_config_argument(parser)
    add_run_arguments(parser, "the store that is offered", required=True)
    add_model_arguments(parser)
    add_device_argument(parser)
    parser.add_argument(
        "--other-stores", metavar="S", nargs="+", default=[], help="stores that this one may be compared with"
    )
    parser.add_argument(
        "--http",
        metavar="PORT",
        type=int,
        nargs="?",
        const=PORT,
        help=f"speak HTTP on 127.0.0.1, at this port (default: {PORT}), not standard input and output",
    )
    parser.add_argument(
        "--results", metavar="DIR", help="a folder that the agent may write new files of results into"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("mcp") is None:
        raise ValueError(MISSING)
    from compute.cli.agents.server import server_of
    from compute.cli.agents.transports import serve_http, serve_stdio
    from compute.cli.agents.workspace import Workspace

    if args.http is not None and args.http not in PORTS:
        raise ValueError(f"--http {args.http} is no port; choose from {PORTS.start} to {PORTS.stop - 1}")
    if args.results is not None:
        Path(args.results).mkdir(exist_ok=True)
    server = server_of(Workspace.of(args))
    if args.http is None:
        print(f"{args.store}: serving an agent on standard input and output", file=sys.stderr)
        serve_stdio(server)
    else:
        serve_http(server, args.http)
    return 0
