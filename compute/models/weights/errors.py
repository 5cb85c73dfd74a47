"""Why a file of weights is not read."""


class Refused(ValueError):
    """The file is whole, but nothing is read from it. Its text goes on after the file's name: "holds …", "is
    …"."""
