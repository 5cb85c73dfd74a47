"""python -m tests.fuzz.parsers decoding|reading|manifest|link|finding [--runs N]: atheris on one parser.

It ends with status 0 after N runs; an input that breaks the parser is left in the folder --out.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["compute.images", "dashboard", "featurestore", "PIL", "tomllib", "json"]
):
    from tests.fuzz.seeds import IMAGES
    from tests.fuzz.targets import TARGETS

from tests.fuzz.texts import TEXTS

SECONDS, MEGABYTES = 30, 4096
"""Of one run."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parsers", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument(
        "--out", default=".", metavar="DIR", help="where a breaking input is put (default: here)"
    )
    options = parser.parse_args()
    seeds = IMAGES[options.target]() if options.target in IMAGES else TEXTS[options.target]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        limits = [
            f"-runs={options.runs}",
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}",
            "-max_len=4096",
        ]
        out = f"-artifact_prefix={Path(options.out) / options.target}-"
        atheris.Setup(
            [sys.argv[0], *limits, out, "-seed=1", "-print_final_stats=1", "-close_fd_mask=2", corpus],
            TARGETS[options.target],
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
