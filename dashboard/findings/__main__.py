"""Say which findings still hold and by how much the others differ: `python -m dashboard.findings`.

Exit status: 0 where every finding that could be checked holds, 1 where one differs or can't be read, or a
name, verdict or story can't. `python -m dashboard.findings names` lists the names and gives them, `…
verdicts` counts and exports what was said of suspects, `… story` writes a story as one HTML file.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from streamlit.logger import set_log_level

from dashboard.data import trusted_code
from dashboard.findings.names.command import add_names, names
from dashboard.findings.verdicts.command import add_verdicts, verdicts
from dashboard.settings import Settings, places_said
from dashboard.text import one_line

MOST_DIFFERENCES = 8


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m dashboard.findings", description=__doc__)
    result.add_argument(
        "--stores", default="stores", metavar="DIR[,DIR…]", help="stores, or folders of stores"
    )
    result.add_argument("--findings", default="findings", metavar="DIR", help="default: %(default)s")
    result.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where live methods run"
    )
    result.add_argument(
        "--trust-model",
        action="append",
        default=[],
        metavar="FILE.py[:FUNCTION]",
        help="code of your own network that may be run: that function of that file, or without one those "
        "that you made stores with; may be given several times",
    )
    result.add_argument(
        "--current", action="store_true", help="against each store's current run, not the pinned one"
    )
    others = result.add_subparsers(dest="asked", metavar="names | verdicts | story")
    add_names(others)
    add_verdicts(others)
    _add_story(others)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Check all findings, or do what is asked of names, verdicts or stories; return the exit status."""
    options = parser().parse_args(arguments)
    if options.asked == "names":
        return names(options)
    if options.asked == "verdicts":
        return verdicts(options)
    places = places_said(options.stores)
    settings = Settings(places, options.device, tuple(options.trust_model), findings=options.findings)
    try:
        trusted_code.take_no_modules_from_stores(settings)
        settings = trusted_code.pinned(settings)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    settings.write()
    for line in trusted_code.said(settings):
        print(line, file=sys.stderr)
    # Streamlit's caches work without a page, and say so at every use.
    set_log_level("ERROR")
    return _story(options) if options.asked == "story" else _report(options)


def _add_story(parsers: argparse._SubParsersAction) -> None:
    result = parsers.add_parser(
        "story",
        help="list the stories; write one as an HTML file that needs nothing else",
        description="Without NAME, lists the stories. With one, writes it as an HTML file: its texts, "
        "and each finding's picture drawn anew, its numbers, recipe and proof. Starts no live method.",
    )
    result.add_argument("name", nargs="?", metavar="NAME", help="of its file, without .toml")
    result.add_argument("--out", metavar="FILE.html", help="default: NAME.html")
    for each in ("--stores", "--findings"):
        # As before the command; without a default, which would be taken in the place of that.
        result.add_argument(each, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def _story(options: argparse.Namespace) -> int:
    # Imported late, as below; and `--help` needs no torch.
    from dashboard.findings.stories.command import write_story

    return write_story(options)


def _report(options: argparse.Namespace) -> int:
    # Imported late: the caches read the settings that `main` has just written.
    from dashboard.findings.folder import findings
    from dashboard.findings.recheck import recheck
    from dashboard.findings.recompute import computed

    counted: Counter[str] = Counter()
    for kept in findings().all():
        if kept.finding is None:
            counted["unreadable"] += 1
            print(f"can't be read  {one_line(f'{kept.slug}: {kept.problem}')}")
            continue
        check = recheck(kept.finding, computed, options.current)
        counted[check.kind] += 1
        print(f"{WORDS[check.kind]:13}  {one_line(f'{kept.slug}: {check.sentence}')}")
        for each in check.differences[1:MOST_DIFFERENCES]:
            print(f"{'':15}{one_line(each)}")
    for problem in _unreadable():
        counted["unreadable"] += 1
        print(f"can't be read  {one_line(problem)}")
    print(_summary(counted, options.findings))
    return int(bool(counted["differs"] or counted["unreadable"]))


def _unreadable() -> Iterator[str]:
    """Yield what of names, verdicts and stories can't be read, and which of a story's findings are gone."""
    from dashboard.findings.folder import findings
    from dashboard.findings.names.folder import names_folder
    from dashboard.findings.stories.folder import stories_folder
    from dashboard.findings.verdicts.log import verdict_folder

    for named in names_folder().read().files:
        if named.name is None:
            yield f"names/{named.stem}: {named.problem}"
    yield from (f"verdicts/{problem}" for problem in verdict_folder().read().problems)
    known = {kept.slug for kept in findings().all()}
    for file in stories_folder().all():
        if file.story is None:
            yield f"stories/{file.slug}: {file.problem}"
            continue
        gone = [each for each in file.story.slugs if each not in known]
        if gone:
            yield f"stories/{file.slug}: there is no finding {', '.join(map(repr, gone))}"


WORDS = {"holds": "holds", "differs": "differs", "unchecked": "not checked"}


def _summary(counted: Counter, folder: str) -> str:
    if not counted:
        return f"there is no finding in {folder}; pin one on a page of the dashboard"
    said = WORDS | {"unreadable": "can't be read"}
    return ", ".join(f"{counted[kind]} {word}" for kind, word in said.items() if counted[kind])


if __name__ == "__main__":
    sys.exit(main())
