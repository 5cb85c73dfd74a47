"""Names in a chart as they are: matplotlib takes dollar signs for mathematics, and draws boxes for letters
that its font lacks.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWN_FONT = "DejaVu Sans"
"""matplotlib brings it along."""

FURTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback",
    "Arial Unicode MS", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "MS Gothic", "Malgun Gothic",
    "SimHei", "Noto Sans", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil",
    "Noto Sans Ethiopic", "Noto Color Emoji",
)  # fmt: skip
"""Those that are installed lend the letters that it lacks."""

SAID = "Letters that no font here has stand by their numbers; Noto Sans CJK has many of them."


def as_plain_text(figure: "Figure") -> None:
    """Make every text of a figure plain, before it is drawn.

    A letter that no font has becomes its number, such as \\u72d7, and the figure says so.
    """
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    fonts, replaced = _fonts(), False
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), FuncFormatter):  # of ticks with names
            names = [each.get_text() for each in axis.get_ticklabels()]
            replaced = replaced or any(shown(name) != name for name in names)
            axis.set_ticks(axis.get_ticklocs(), [shown(name) for name in names])
    for text in figure.findobj(Text):
        before = text.get_text()
        text.set_text(shown(before))
        text.set_parse_math(False)
        text.set_fontfamily(list(fonts))
        replaced = replaced or text.get_text() != before
    if replaced:
        figure.supxlabel(SAID, size=9)


def shown(text: str) -> str:
    """Return a text without letters that no font has: their numbers stand for them."""
    known = _letters()
    return "".join(
        letter if ord(letter) in known or letter.isspace() else letter.encode("unicode_escape").decode()
        for letter in text
    )


@cache
def _fonts() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = {each.name for each in fontManager.ttflist}
    return OWN_FONT, *(name for name in FURTHER_FONTS if name in installed)


@cache
def _letters() -> frozenset[int]:
    """The numbers of all letters that the fonts have."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    paths = [findfont(FontProperties(family=[name])) for name in _fonts()]
    return frozenset(letter for path in paths for letter in get_font(path).get_charmap())
