"""What can be wrong with a store, and how a command that makes it right is written.

All but a full disk are ValueErrors: a caller may catch just that.
"""

import shlex


class NotComputed(ValueError):
    """A table that this run does not have."""


class Damaged(ValueError):
    """Bytes on disk that are not the bytes that were committed."""


class NoRoom(OSError):
    """The disk is full, or the user's share of it. What was there before is as it was."""

    def __str__(self) -> str:
        return str(self.strerror)


class Unavailable(ValueError):
    """An object store that can't be reached, or that refuses. Nothing is known to be wrong with what it
    holds.
    """


def make_argument(name: str, value: object) -> str:
    """Return NAME=value for a command line of make, as the shell and then make leave the value as it is."""
    return shlex.quote(f"{name}={str(value).replace('$', '$$')}")
