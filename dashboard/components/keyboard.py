"""The page's keys: to go where the page says, to find things, and to see which keys there are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from dashboard.components.loader import declare

_mount = declare("keyboard")


@dataclass(frozen=True)
class Key:
    """What one or several keys do.

    keys: as a browser names them, such as ("j", "ArrowRight").
    label: what they do, for the list of keys.
    address: where they go, relative to the app.
    """

    keys: tuple[str, ...]
    label: str
    address: str


def keyboard(keys: Sequence[Key], *, find: str, key: str) -> None:
    """Listen to the page's keys, to "/", which finds, and to "?", which lists them.

    find: the address that finds a text, which follows it.
    """
    _mount(key=key, data={"keys": [asdict(each) for each in keys], "find": find})
