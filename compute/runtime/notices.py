"""What a person should know of how something was read, though it worked: a line, not an error."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Notice(UserWarning):
    """Said once in plain words; commands print it as `note: …`."""


def notice(text: str) -> None:
    warnings.warn(text, Notice, stacklevel=2)


@contextmanager
def printed() -> Iterator[None]:
    """Notices become lines on standard error, each text once; other warnings stay as Python prints them."""
    said: set[str] = set()
    show = warnings.showwarning

    def print_notice(message: Any, category: type[Warning], *rest: Any, **options: Any) -> None:
        if not issubclass(category, Notice):
            show(message, category, *rest, **options)
        elif str(message) not in said:
            said.add(str(message))
            print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        warnings.showwarning = print_notice
        yield
