"""What can be wrong with a store. All but a full disk are ValueErrors: a caller may catch just that."""


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
