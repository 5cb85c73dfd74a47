"""python -m featurestore {info, verify, config, sql, prune} STORE [--json]"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from featurestore.files.atomic import publish
from featurestore.layout import RUNS
from featurestore.manifest import options_of, read_manifest
from featurestore.places import Place
from featurestore.query.answers import Limits
from featurestore.query.asking import ask
from featurestore.query.files import FORMATS, cut_said, file_of, json_rows, plain_table
from featurestore.reader import Store
from featurestore.upkeep.prune import prune
from featurestore.upkeep.verify import verify

MOST_SECONDS = 86_400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all is well, 1: findings, 2: no answer (not a store, an unreadable folder)."""
    options = build_parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads it, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(
            json.dumps({"error": str(error)}) if options.json else f"error: {error}",
            file=sys.stdout if options.json else sys.stderr,
        )
        return 2


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m featurestore", description="Looks into a store.")
    commands = parser.add_subparsers(required=True, metavar="{info,verify,config,sql,prune}")
    for name, run, text in (
        ("info", _info, "what is in a store: runs, tables, rows, bytes"),
        ("verify", _verify, "check every checksum and every cross-reference"),
        ("config", _config, "print the options that its current run was made with, as a file for --config"),
        ("sql", _sql, "answer one SELECT over its tables"),
        ("prune", _prune, "remove old runs, and what killed processes left"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("store", help="folder of the store, or s3://bucket/prefix")
        command.add_argument("--json", action="store_true", help="machine-readable output")
        command.set_defaults(run=run)
    _add_sql_options(commands.choices["sql"])
    _add_prune_options(commands.choices["prune"])
    return parser


def _add_sql_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Answers one SELECT in DuckDB's SQL over the tables of a run, each by its name. It reads nothing "
        "else, writes nothing, and what it reads is compared with the store's checksums."
    )
    command.add_argument("sql", metavar="SELECT", help="such as 'SELECT path FROM images WHERE NOT correct'")
    command.add_argument(
        "--run", dest="asked", metavar="FINGERPRINT", help="a run of the store (default: its current one)"
    )
    command.add_argument(
        "--out", type=Path, metavar="FILE", help=f"write the rows to a file: {', '.join(FORMATS)}"
    )
    command.add_argument(
        "--rows",
        type=_count,
        default=Limits.rows,
        metavar="N",
        help="the first rows of the answer, so many at most (default: %(default)s)",
    )
    command.add_argument(
        "--seconds",
        type=_seconds,
        default=Limits.seconds,
        metavar="S",
        help="time after which it is given up (default: %(default)s)",
    )


def _add_prune_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Removes runs of a store, never one that is current, open in a dashboard, being "
        "written, or named by a finding or a short link. In object storage, where it "
        "can't be seen who has a run open, those that were written to of late stay."
    )
    command.add_argument("--dry-run", action="store_true", help="only say what would go, and how many bytes")
    command.add_argument(
        "--keep",
        type=_count,
        default=1,
        metavar="N",
        help="the newest runs stay, so many at least (default: %(default)s)",
    )
    command.add_argument(
        "--findings",
        type=Path,
        metavar="DIR",
        help="runs that its *.toml name stay (default: findings, where there is one)",
    )
    command.add_argument("--linked-too", action="store_true", help="also runs that only short links name")
    command.add_argument(
        "--older-than",
        type=float,
        default=24,
        metavar="HOURS",
        help="age at which unfinished runs and temporary files go (default: %(default)s)",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of them: 0, 1, 2, ...")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to {MOST_SECONDS:g}")
    return seconds


def _info(options: argparse.Namespace) -> int:
    store = Store(options.store)
    report: dict[str, Any] = {
        "store": str(store.path),
        "current": None,
        "runs": [],
        "unfinished": store.unfinished(),
        "errors": [],
    }
    try:
        report["current"] = store.current()
    except ValueError as error:
        report["errors"].append(str(error))
    for fingerprint in store.runs():
        try:
            report["runs"].append(_describe_run(store.path / RUNS / fingerprint))
        except ValueError as error:
            report["errors"].append(str(error))
    print(json.dumps(report, indent=1) if options.json else _info_text(report))
    return 1 if report["errors"] else 0


def _describe_run(folder: Place) -> dict[str, Any]:
    manifest = read_manifest(folder)
    tables = {}
    for table in manifest.tables:
        entries = [manifest.files[name] for name in manifest.table_files(table)]
        tables[table] = {
            "rows": sum(e.rows for e in entries),
            "bytes": sum(e.bytes for e in entries),
            "shards": len(entries),
        }
    record = {
        name: getattr(manifest, name)
        for name in (
            "fingerprint",
            "schema_version",
            "model",
            "images",
            "parameters",
            "versions",
            "device",
            "dtype",
            "threads",
        )
    }
    return record | {
        "classes": len(manifest.class_names),
        "remarks": manifest.remarks,
        "tables": tables,
    }


def _info_text(report: dict[str, Any]) -> str:
    lines = [f"store {report['store']}"]
    for run in report["runs"]:
        shown = " (current)" if run["fingerprint"] == report["current"] else ""
        lines.append(
            f"run {run['fingerprint']}{shown}: model {run['model'].get('name', '?')}, "
            f"{run['classes']} classes, on {run['device']}"
        )
        if said := (run["model"].get("scores") or {}).get("said"):
            lines.append(f"  scores are {said}")
        lines += [f"  note: {remark}" for remark in run["remarks"] if not remark.startswith("scores: ")]
        lines += [
            f"  {name:<12}{table['rows']:>12,} rows{table['bytes']:>16,} bytes{table['shards']:>6,} shards"
            for name, table in run["tables"].items()
        ]
    lines += [f"unfinished run {name}" for name in report["unfinished"]]
    lines += [f"error: {error}" for error in report["errors"]]
    return "\n".join(lines)


def _verify(options: argparse.Namespace) -> int:
    findings = verify(options.store)
    runs = Store(options.store).runs()
    if options.json:
        print(
            json.dumps(
                {
                    "store": options.store,
                    "runs": runs,
                    "ok": not findings,
                    "findings": [asdict(finding) for finding in findings],
                },
                indent=1,
            )
        )
    else:
        for finding in findings:
            print(f"{finding.where}: {finding.what}")
        print(f"{len(findings)} findings in {len(runs)} runs of {options.store}")
    return 1 if findings else 0


def _config(options: argparse.Namespace) -> int:
    manifest = Store(options.store).open().manifest
    found = options_of(manifest)
    print(json.dumps(found, indent=1) if options.json else tomli_w.dumps(found), end="\n" * options.json)
    return 0


def _sql(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix not in FORMATS:
        raise ValueError(f"{str(options.out)!r} must end in one of {', '.join(FORMATS)}")
    limits = Limits(rows=options.rows, seconds=options.seconds)
    found = ask(options.store, options.sql, options.asked, limits)
    if options.out is not None:
        publish(options.out, lambda file: file.write(file_of(found.table, options.out.suffix)))
        print(f"{options.out}: {found.table.num_rows:,} rows")
    elif options.json:
        print(json.dumps({"rows": json_rows(found.table), "cut": found.cut}, indent=1))
    else:
        print(plain_table(found.table))
        if said := cut_said(found.table):
            print(f"note: {said}; --json and --out leave them whole", file=sys.stderr)
    if found.cut and not options.json:
        print(f"note: {found.cut}", file=sys.stderr)
    return 0


def _prune(options: argparse.Namespace) -> int:
    if options.findings is not None and not options.findings.is_dir():
        raise ValueError(f"there is no folder of findings {str(options.findings)!r}")
    done = prune(
        options.store,
        options.keep,
        options.findings or Path("findings"),
        not options.linked_too,
        options.older_than * 3600,
        options.dry_run,
    )
    if options.json:
        print(
            json.dumps(
                {
                    "store": options.store,
                    "dry_run": options.dry_run,
                    "bytes": done.bytes,
                    "removed": [asdict(each) for each in done.removed],
                    "kept": done.kept,
                    "left": done.left,
                },
                indent=1,
            )
        )
        return 0
    for name, why in sorted(done.kept.items()):
        print(f"keeps runs/{name}: {why}")
    for place, why in sorted(done.left.items()):
        print(f"keeps {place}: {why}")
    verb = "would remove" if options.dry_run else "removed"
    for each in done.removed:
        print(f"{verb} {each.where}: {each.why}, {each.bytes:,} bytes")
    print(f"{verb} {done.bytes:,} bytes in {len(done.removed)} places of {options.store}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
