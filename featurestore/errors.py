"""What can be wrong with a store. All are ValueErrors, so that a caller may catch just that."""


class NotComputed(ValueError):
    """A table that this run does not have."""


class Damaged(ValueError):
    """Bytes on disk that are not the bytes that were committed."""
