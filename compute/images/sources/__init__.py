"""Image sources: each lists its images and reads their bytes, whatever they lie in.

`items` says what a source is, `opening` which one a name asks for; each of the others is one kind of source.
"""

from compute.images.sources.embedded import EMBEDDED
from compute.images.sources.items import (
    LARGEST_BYTES,
    ImageSource,
    Item,
    Unreachable,
    Unread,
    class_names,
    reason_of,
)
from compute.images.sources.labels import are_lists, named, names_apart, names_in_lists, names_of_label
from compute.images.sources.opening import SOURCES, check_source, is_own_name, open_source
from compute.images.sources.reach import ANYWHERE, NotAllowed, Reach
from compute.images.sources.sampling import sample

__all__ = [
    "ANYWHERE",
    "EMBEDDED",
    "LARGEST_BYTES",
    "SOURCES",
    "ImageSource",
    "Item",
    "NotAllowed",
    "Reach",
    "Unreachable",
    "Unread",
    "are_lists",
    "check_source",
    "class_names",
    "is_own_name",
    "named",
    "names_apart",
    "names_in_lists",
    "names_of_label",
    "open_source",
    "reason_of",
    "sample",
]
