"""Runs the benchmarks that need no data of yours, one after the other, each in a process of its own.

    python -m tests.benchmarks [NAME ...]

Each writes a file of `results`, from which `make docs` makes the tables of docs/benchmarks.md. Others are
run by hand: `building.growth` (needs a folder of images and a model), `vectors.graphs` (a file of features),
`dashboard` (a store), `zoo` (takes a quarter of an hour; its table is in docs/networks.md).
"""

import argparse
import subprocess
import sys

WITHOUT_DATA: dict[str, tuple[str, ...]] = {
    "occlusion": (),
    "one_pass": ("--write",),
    "live": ("--write",),
    "vectors.search": (),
    "vectors.features": (),
    "building.grid": (),
    "building.readers": ("--write",),
}
"""Each benchmark's name and its options."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WITHOUT_DATA)}; all of them")
    names = parser.parse_args().names or tuple(WITHOUT_DATA)
    if unknown := sorted(set(names) - set(WITHOUT_DATA)):
        parser.error(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(WITHOUT_DATA)}")
    failed = [name for name in names if _run(name) != 0]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _run(name: str) -> int:
    print(f"== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *WITHOUT_DATA[name]]).returncode


if __name__ == "__main__":
    sys.exit(main())
