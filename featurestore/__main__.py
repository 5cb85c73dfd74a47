"""python -m featurestore {info, verify} STORE [--json]"""

import argparse
import json
import sys
from dataclasses import asdict

from .layout import RUNS
from .manifest import read_manifest
from .reader import Store
from .verify import verify


def main(arguments=None) -> int:
    """0: all is well, 1: findings, 2: no answer (not a store, an unreadable folder)."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(json.dumps({"error": str(error)}) if options.json else f"error: {error}",
              file=sys.stdout if options.json else sys.stderr)
        return 2


def _parser():
    parser = argparse.ArgumentParser(prog="python -m featurestore", description="Looks into a store.")
    commands = parser.add_subparsers(required=True, metavar="{info,verify}")
    for name, run, text in (("info", _info, "what is in a store: runs, tables, rows, bytes"),
                            ("verify", _verify, "check every checksum and every cross-reference")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("store", help="folder of the store")
        command.add_argument("--json", action="store_true", help="machine-readable output")
        command.set_defaults(run=run)
    return parser


def _info(options):
    store = Store(options.store)
    report = {"store": str(store.path), "current": None, "runs": [], "unfinished": store.unfinished(),
              "errors": []}
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


def _describe_run(folder):
    manifest = read_manifest(folder)
    tables = {}
    for table in manifest.tables:
        entries = [manifest.files[name] for name in manifest.table_files(table)]
        tables[table] = {"rows": sum(e.rows for e in entries), "bytes": sum(e.bytes for e in entries),
                         "shards": len(entries)}
    record = {name: getattr(manifest, name) for name in
              ("fingerprint", "schema_version", "model", "images", "parameters", "versions", "device",
               "dtype", "threads")}
    return record | {"classes": len(manifest.class_names), "tables": tables}


def _info_text(report):
    lines = [f"store {report['store']}"]
    for run in report["runs"]:
        shown = " (current)" if run["fingerprint"] == report["current"] else ""
        lines.append(f"run {run['fingerprint']}{shown}: model {run['model'].get('name', '?')}, "
                     f"{run['classes']} classes, on {run['device']}")
        lines += [f"  {name:<12}{table['rows']:>12,} rows{table['bytes']:>16,} bytes"
                  f"{table['shards']:>6,} shards" for name, table in run["tables"].items()]
    lines += [f"unfinished run {name}" for name in report["unfinished"]]
    lines += [f"error: {error}" for error in report["errors"]]
    return "\n".join(lines)


def _verify(options):
    findings = verify(options.store)
    runs = Store(options.store).runs()
    if options.json:
        print(json.dumps({"store": options.store, "runs": runs, "ok": not findings,
                          "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        for finding in findings:
            print(f"{finding.where}: {finding.what}")
        print(f"{len(findings)} findings in {len(runs)} runs of {options.store}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
