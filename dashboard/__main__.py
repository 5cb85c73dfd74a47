"""`python -m dashboard --stores stores`: serves the stores on http://127.0.0.1:8501."""

import argparse
import sys

from dashboard.settings import Settings, find_stores


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m dashboard", description="Serve stores as a dashboard.")
    result.add_argument(
        "--stores",
        default="stores",
        metavar="DIR[,DIR…]",
        help="stores, or folders of stores (default: %(default)s)",
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
        metavar="FILE",
        help="a Python file of your own network that live methods may run; may be given several times",
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
        help="folder of the findings that are pinned, to keep in git (default: %(default)s)",
    )
    return result


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    places = tuple(place for place in options.stores.split(",") if place)
    trusted = tuple(options.trust_model)
    Settings(places, options.device, trusted, options.results_mb, options.findings).write()
    names = ", ".join(find_stores(places)) or "none yet, the page says how to make one"
    print(f"Featurescope on http://{options.host}:{options.port} (stores: {names})", flush=True)
    serve(options.host, options.port)
    return 0


def serve(host: str, port: int) -> None:
    # Imported late: the app reads the settings that `main` has just written.
    from dashboard.app import app

    app.run(config={"server.address": host, "server.port": port, "server.headless": True})


if __name__ == "__main__":
    sys.exit(main())
