"""The tables of docs/benchmarks.md, made from the JSON files in `results/`; `make docs` writes them.

A table stands between `<!-- benchmark NAME -->` and `<!-- end NAME -->` for `results/NAME.json`.
"""

import re

from tests.benchmarks.reporting.report import markdown, read

BETWEEN = re.compile(r"(<!-- benchmark ([\w/]+) -->\n).*?(\n<!-- end \2 -->)", re.DOTALL)


def written(page: str) -> str:
    """Return the page with every marked table made anew."""
    return BETWEEN.sub(lambda match: f"{match[1]}\n{markdown(read(match[2]))}\n{match[3]}", page)


def marked(page: str) -> list[str]:
    """Return the names of the tables that the page has room for, sorted."""
    return sorted(match[2] for match in BETWEEN.finditer(page))
