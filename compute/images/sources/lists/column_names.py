"""What further columns of a list of images may be called, and how many there may be."""

MOST_COLUMNS = 64
"""Beside path, label and split: each is a value an image."""

LONGEST_NAME = 60
COLUMN_RULE = (
    f"there may be {MOST_COLUMNS}, named once each by at most {LONGEST_NAME} printable letters "
    "without an equals sign"
)


def is_column_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and "=" not in name
