"""The folder `stories` in that of the findings: a text file for each story.

The folder is shared in git, which may change it at any time, and its files may come from anybody.
"""

from dataclasses import dataclass
from pathlib import Path

from dashboard.findings.folder import LONGEST_SLUG, claim
from dashboard.findings.stories.record import Story
from dashboard.settings import Settings
from dashboard.text import slug
from featurestore.files.atomic import make_folder, publish

FOLDER, TOML = "stories", ".toml"
LARGEST = 1024 * 1024
"""Bytes of a story's file; larger ones are not read."""

MOST = 200
"""Stories that are listed at most."""


@dataclass(frozen=True)
class StoryFile:
    """A file of the folder.

    slug: its name without the suffix.
    story: None where the file can't be read.
    problem: why it can't be read, else "".
    """

    slug: str
    story: Story | None
    problem: str = ""


def stories_folder() -> "StoriesFolder":
    """Return the folder of stories in that of the findings."""
    return StoriesFolder(Path(Settings.read().findings) / FOLDER)


class StoriesFolder:
    def __init__(self, path: Path):
        self.path = path

    def all(self) -> list[StoryFile]:
        """By title, then what can't be read, by name."""
        kept = [_read(file) for file in self._files()]
        return sorted(kept, key=lambda each: (each.story is None, _spoken(each), each.slug))

    def find(self, asked: str) -> StoryFile | None:
        """Return the listed file of this name; None where there is none."""
        return next((_read(file) for file in self._files() if file.stem == asked), None)

    def add(self, story: Story) -> str:
        """Write a new story and return the slug that it got; one that is taken is never written over.

        ValueError for one that could not be read again. OSError where it can't be written, or MOST are there.
        """
        text = _checked(story)
        make_folder(self.path)
        if len(self._files()) >= MOST:
            raise OSError(f"it has {MOST} stories, as many as are listed; remove some")
        return claim(self.path, slug(story.title, LONGEST_SLUG) or "story", text)

    def replace(self, slug: str, before: Story, story: Story) -> None:
        """Write a story in the place of a listed one.

        before: what it was when the change was begun. ValueError where it is something else by now.
        """
        file = self.find(slug)
        if file is None or file.story != before:
            raise ValueError(f"the story {slug!r} was changed or removed meanwhile; open it again")
        text = _checked(story)
        publish(self.path / f"{slug}{TOML}", lambda content: content.write(text.encode()))

    def remove(self, slug: str) -> None:
        """Remove a listed story; nothing where it is gone. OSError where it can't be removed."""
        for file in self._files():
            if file.stem == slug:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = sorted(self.path.glob(f"*{TOML}")) if self.path.is_dir() else []
        return [file for file in found if not file.name.startswith(".")][:MOST]


def _checked(story: Story) -> str:
    text = story.to_toml()
    if len(text.encode()) > LARGEST:
        raise ValueError(f"the story has more than {LARGEST // 1024:,} KB")
    if Story.from_toml(text) != story:
        raise ValueError("the story has characters that a text file can't keep")
    return text


def _read(file: Path) -> StoryFile:
    try:
        if not file.is_file():  # A pipe would be waited for, and a device has no end.
            raise ValueError("it is no file")
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 1024:,} KB")
        return StoryFile(file.stem, Story.from_toml(file.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        return StoryFile(file.stem, None, "it is not UTF-8 text")
    except (OSError, ValueError) as error:
        return StoryFile(file.stem, None, str(error))


def _spoken(file: StoryFile) -> str:
    return "" if file.story is None else file.story.title.casefold()
