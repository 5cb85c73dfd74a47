"""Short links: `/s/{store}/{name}` leads to the view that `<store>/links/{name}.json` holds."""

import base64
import hashlib
import json
import re
from pathlib import Path

import streamlit as st

from dashboard.data import runs
from dashboard.views.navigation import PAGES
from dashboard.views.state import ViewState
from featurestore.files.disk_cache import DiskCache

FOLDER, SUFFIX = "links", ".json"
LIMIT_BYTES, MOST_LINKS, SLACK = 64 * 1024 * 1024, 10_000, 0.1
"""Of a store; those opened longest ago go first. They are counted once in a thousand new ones."""
LETTERS = 10

_NAME = re.compile(f"[a-z2-7]{{{LETTERS}}}")


def short_links(store: str) -> "ShortLinks":
    """Return the short links that are kept beside the store of this listed name."""
    return _short_links(str(runs.folder_beside(store)))


@st.cache_resource(show_spinner=False)
def _short_links(folder: str) -> "ShortLinks":
    return ShortLinks(Path(folder))


class ShortLinks:
    """The short links of a store. The same view always has the same name."""

    def __init__(self, store: Path):
        self._files = DiskCache(store / FOLDER, LIMIT_BYTES, slack=SLACK, most_files=MOST_LINKS, beside=True)

    def add(self, view: ViewState) -> str:
        """Keep a view and return its name. OSError where it can't be written."""
        content = json.dumps({"page": view.page, "query": view.to_query()}, sort_keys=True).encode()
        name = name_of(content)
        if self._files.read(name + SUFFIX) != content:
            self._files.put(name + SUFFIX, content)
        return name

    def find(self, name: str) -> ViewState | None:
        """Return the view of this name; what follows it after a dash is for people, and passed over.

        None for a name that is not there, whatever its text is, or whose file is not as it was written.
        """
        name = name.partition("-")[0]
        if not _NAME.fullmatch(name):
            return None
        content = self._files.get(name + SUFFIX, lambda found: name_of(found) == name)
        if content is None:
            return None
        try:
            said = json.loads(content)
            return PAGES[said["page"]].view.from_query(said["query"])[0]
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def name_of(content: bytes) -> str:
    """Return the name under which this text is kept; a file that is damaged has another one."""
    return base64.b32encode(hashlib.sha256(content).digest()).decode().lower()[:LETTERS]
