"""The command line of verdicts: `python -m dashboard.findings verdicts` counts and exports them, says one."""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa

from dashboard.findings.verdicts.cleaned import cleaned_list, csv_of, images_folder, verdict_table
from dashboard.findings.verdicts.log import ERROR, FOLDER, NONE, VERDICTS, VerdictFolder, said_now
from dashboard.text import one_line
from featurestore.files.atomic import publish
from featurestore.reader import Store


def add_verdicts(parsers: argparse._SubParsersAction) -> None:
    """Add the command to a program's."""
    result = parsers.add_parser(
        "verdicts",
        help="count what was said of suspects, export it, or the images without label errors",
        description="Counts the verdicts on a store's images; says one with --image-id and --verdict.",
    )
    result.add_argument("--findings", default="findings", metavar="DIR", help="default: %(default)s")
    result.add_argument("--store", metavar="DIR", required=True, help="the store whose images are judged")
    result.add_argument("--run", metavar="FINGERPRINT", help="one of its runs; else the current one")
    result.add_argument("--image-id", type=int, metavar="N", help="with --verdict: the image judged")
    result.add_argument(
        "--verdict", choices=(*VERDICTS, "none"), help="what is said of it; none takes it back"
    )
    result.add_argument("--out", metavar="FILE.csv", help="write the judged images there")
    result.add_argument("--cleaned", metavar="FILE.csv", help="write the other images there, for --images")
    result.add_argument(
        "--without",
        default=ERROR,
        metavar="VERDICT[,VERDICT…]",
        help="what --cleaned leaves out (default: %(default)s)",
    )


def verdicts(options: argparse.Namespace) -> int:
    """Do what is asked; return the exit status: 1 if a line can't be read, 2 for a mistake."""
    folder = VerdictFolder(Path(options.findings) / FOLDER)
    try:
        run = Store(options.store).open(options.run)
        if (options.image_id is None) != (options.verdict is None):
            raise ValueError("say both --image-id and --verdict, or neither")
        if options.verdict is not None:
            verdict = NONE if options.verdict == "none" else options.verdict
            print(f"written: {folder.add(said_now(run, options.image_id, verdict))}")
        read = folder.read()
        said = read.of_run(run)
        if options.out:
            _write(verdict_table(run, said), Path(options.out))
        if options.cleaned:
            out = Path(options.cleaned)
            table = cleaned_list(run, said, options.without.split(","))
            _write(_from(table, images_folder(run), out), out)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    counted = Counter(said.values())
    print(", ".join(f"{counted[name]} {name}" for name in VERDICTS))
    for each in read.problems:
        print(f"can't be read  {one_line(each)}")
    return int(bool(read.problems))


def _from(table: pa.Table, folder: Path, out: Path) -> pa.Table:
    """Return a list whose paths begin at the folder of the file that it is written to."""
    here = out.resolve().parent
    if here == folder:
        return table
    paths = [os.path.relpath(folder / each, here) for each in table["path"].to_pylist()]
    return table.set_column(0, "path", pa.array(paths, pa.string()))


def _write(table: pa.Table, out: Path) -> None:
    publish(out, lambda file: file.write(csv_of(table)))
    print(f"written: {out}")
