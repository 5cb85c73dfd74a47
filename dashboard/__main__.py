"""Serve stores as a dashboard: `python -m dashboard --stores stores` on http://127.0.0.1:8501."""

import argparse
import os
import re
import sys
from urllib.parse import urlsplit

from dashboard.data import trusted_code
from dashboard.server.streamlit_options import streamlit_options
from dashboard.settings import Settings, check_places, find_stores, places_said


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m dashboard", description="Serve stores as a dashboard.")
    result.add_argument(
        "--stores",
        default="stores",
        metavar="DIR[,DIR…]",
        help="stores, or folders of stores, also as s3://bucket/prefix (default: %(default)s)",
    )
    result.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where live methods run (default: %(default)s)",
    )
    result.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    result.add_argument("--port", type=int, default=8501, help="port to listen on (default: %(default)s)")
    result.add_argument(
        "--trust-model",
        action="append",
        default=[],
        metavar="FILE.py[:FUNCTION]",
        help="code of your own network that live methods may run: that function of that file as it is now, "
        "or without one those that you made stores with; may be given several times",
    )
    result.add_argument(
        "--originals",
        action="append",
        default=[],
        metavar="PLACE",
        help="a folder that a list of images may name files in, beside the list's own, or an address in "
        "object storage (s3://bucket/prefix) that images may be read from; may be given several times",
    )
    result.add_argument(
        "--results-mb",
        type=_whole,
        default=1024,
        metavar="MB",
        help="size of the live results kept beside each store, 0 for none (default: %(default)s)",
    )
    result.add_argument(
        "--findings",
        default="findings",
        metavar="DIR",
        help="folder of the findings that are pinned and of names, to keep in git (default: %(default)s)",
    )
    visitors = result.add_argument_group("visitors", "what they may do, and how they get here")
    visitors.add_argument(
        "--read-only",
        action="store_true",
        help="visitors pin no findings, give no names, remove no results and upload no images",
    )
    visitors.add_argument(
        "--no-live", action="store_true", help="no live method runs; results that are kept still open"
    )
    visitors.add_argument(
        "--jobs-per-minute",
        type=_whole,
        default=30,
        metavar="N",
        help="live jobs that a browser, and an address, may start; 0 for no limit (default: %(default)s)",
    )
    visitors.add_argument(
        "--visitors-mb",
        type=_whole,
        default=1024,
        metavar="MB",
        help="memory for all that visitors make the server hold (default: %(default)s)",
    )
    visitors.add_argument(
        "--public-url",
        type=_url,
        default="",
        metavar="URL",
        help="where visitors find the server behind a proxy, such as https://example.org/featurescope/",
    )
    visitors.add_argument(
        "--trust-proxy",
        default="",
        metavar="ADDRESS[,ADDRESS…]",
        help="proxies whose X-Forwarded-For says the visitor's address (default: none)",
    )
    return result


def _url(text: str) -> str:
    """Return the text if it is an address with a host and a path of plain letters, or "" for none."""
    if text and not re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w.~-]+)*/?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not like https://example.org/featurescope/")
    return text


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Start the server as the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    places = places_said(options.stores)
    trusted = tuple(options.trust_model)
    settings = Settings(
        places,
        options.device,
        trusted,
        options.results_mb,
        options.findings,
        options.host,
        options.public_url,
        options.read_only,
        not options.no_live,
        options.jobs_per_minute,
        tuple(options.originals),
        options.visitors_mb,
    )
    try:
        trusted_code.take_no_modules_from_stores(settings)
        settings = trusted_code.pinned(settings)
        check_places(places)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    settings.write()
    names = ", ".join(find_stores(places)) or "none yet, the page says how to make one"
    address = options.public_url or f"http://{options.host}:{options.port}"
    for line in trusted_code.said(settings):
        print(line)
    print(f"Featurescope on {address} (stores: {names})", flush=True)
    # What uvicorn reads; its own default trusts whatever runs on this machine.
    os.environ["FORWARDED_ALLOW_IPS"] = options.trust_proxy
    serve(settings, options.port)
    return 0


def serve(settings: Settings, port: int) -> None:
    """Run the server until it is stopped. The settings must have been written before."""
    # Imported late: the app reads the settings that `main` has just written.
    from dashboard.server.app import app

    where = {"server.address": settings.host, "server.port": port, "server.baseUrlPath": settings.base_path}
    if settings.public_url:
        where["browser.serverAddress"] = urlsplit(settings.public_url).hostname
    app.run(config=streamlit_options() | where)


if __name__ == "__main__":
    sys.exit(main())
