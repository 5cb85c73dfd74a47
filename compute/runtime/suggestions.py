"""What an error message says of a name that isn't there."""

import difflib
from collections.abc import Sequence


def did_you_mean(name: object, choices: Sequence[str], shown: int = 20) -> str:
    """The end of the message: the choices near to `name`, or the first of them where none is near."""
    near = difflib.get_close_matches(str(name), choices, n=5, cutoff=0.6)
    if near:
        return f"; did you mean {', '.join(near)}?"
    return f"; choose from {', '.join(choices[:shown])}{', …' if len(choices) > shown else ''}"
