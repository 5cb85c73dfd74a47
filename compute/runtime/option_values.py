"""What stands behind an option, read: sizes, lists of numbers, switches, names. Nothing here takes long to
import.
"""

import argparse
from fractions import Fraction

Size = int | tuple[int, int]


def size(text: str) -> Size:
    """ "64" or "64x128" (height x width); argparse's error for what is neither."""
    parts = text.lower().replace("x", ",").split(",")
    if not all(part.strip().isdecimal() for part in parts) or len(parts) > 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 64 or 64x128 (height x width)")
    found = tuple(map(int, parts))
    return found[0] if len(found) == 1 else (found[0], found[1])


def numbers(text: str) -> tuple[float, ...]:
    """Numbers and fractions with commas between them."""
    try:
        return tuple(_number(part) for part in text.split(","))
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 0.5,0.5,0.5") from error


def value_range(text: str) -> tuple[float, float]:
    """Two numbers, the lower one first."""
    found = numbers(text)
    if len(found) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers such as -80,0")
    return found[0], found[1]


def on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither on nor off")
    return text == "on"


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(text: str) -> float:
    return float(Fraction(text.strip())) if "/" in text else float(text)
