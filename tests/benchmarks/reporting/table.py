"""The tables of docs/benchmarks.md, made from the JSON files in `results/`.

    python -m tests.benchmarks.reporting.table      # writes them between the page's markers

A table stands between `<!-- benchmark NAME -->` and `<!-- end NAME -->` for `results/NAME.json`.
"""

import re

from tests.benchmarks.reporting.report import markdown, read
from tests.support import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
BETWEEN = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(\n<!-- end \2 -->)", re.DOTALL)


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))


def written(readme: str) -> str:
    """The text with every marked table made anew."""
    return BETWEEN.sub(lambda match: f"{match[1]}\n{markdown(read(match[2]))}\n{match[3]}", readme)


def marked(readme: str) -> list[str]:
    """Names of the tables that the text has room for."""
    return sorted(match[2] for match in BETWEEN.finditer(readme))


if __name__ == "__main__":
    main()
