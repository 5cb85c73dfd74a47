"""What a page of the documentation says: its code, its links, its headings."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""All pages, by their path in the project."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page that are in this language."""
    return [code for named, code in _FENCED.findall(page) if named == language]


def prose(page: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^    .*$", "", _FENCED.sub("", page), flags=re.M)


def commands(page: str) -> Iterator[str]:
    """Yield each line of a page's code, in blocks and between backticks; continued lines are one."""
    indented = re.findall(r"^    (.+)$", _FENCED.sub("", page).replace("\\\n", " "), re.M)
    fenced = [
        line for named, code in _FENCED.findall(page) if named != "mermaid" for line in code.splitlines()
    ]
    yield from (line.split("  #")[0].strip() for line in (*indented, *fenced))
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page)))


def links(page: str) -> list[str]:
    """Return where the links and pictures of a page lead, but for those to other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in found if "://" not in target]


def anchors(page: str) -> set[str]:
    """Return what links can name of a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: str, first_cell: str) -> dict[str, str]:
    """Return the table whose header begins with `first_cell`: name in its first cell -> rest of the row."""
    lines = page.partition(f"| {first_cell} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = (line.strip("| ").split(" | ", 1) for line in lines)
    return {name.strip("`"): rest for name, rest in cells}


def read(path: Path | str) -> str:
    """Return the text of a page, by its path in the project."""
    return (ROOT / path).read_text()
