"""The command line of stories: `python -m dashboard.findings story` lists them, writes one as HTML."""

import argparse
import sys
from pathlib import Path

from dashboard.findings.stories.folder import StoriesFolder, stories_folder
from dashboard.findings.stories.page_html import story_html, summary
from dashboard.findings.stories.scenes import scenes
from dashboard.text import counted, one_line
from featurestore.files.atomic import publish


def write_story(options: argparse.Namespace) -> int:
    """Do what is asked of stories; return the exit status.

    1 where a story's file or one of its findings is gone or can't be read, 2 for a mistake.
    """
    folder = stories_folder()
    try:
        if options.name is None:
            return _list(folder, options)
        return _write(folder, options)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2


def _list(folder: StoriesFolder, options: argparse.Namespace) -> int:
    if options.out is not None:
        raise ValueError("--out needs the NAME of a story")
    files = folder.all()
    for file in files:
        if file.story is None:
            print(f"can't be read  {one_line(f'{file.slug}: {file.problem}')}")
        else:
            print(one_line(f"{file.slug}: {file.story.title}, {counted(len(file.story.slugs), 'finding')}"))
    if not files:
        print(one_line(f"there is no story in {folder.path} yet; make one on the page Findings"))
    return int(any(file.story is None for file in files))


def _write(folder: StoriesFolder, options: argparse.Namespace) -> int:
    file = folder.find(options.name)
    if file is None:
        known = ", ".join(each.slug for each in folder.all()) or "none"
        raise ValueError(f"there is no story {options.name!r}; choose from {known}")
    if file.story is None:
        raise ValueError(f"the story {file.slug!r} can't be read: {file.problem}")
    shown = scenes(file.story)
    content = story_html(file.story, shown)
    out = Path(options.out or f"{file.slug}.html")
    publish(out, lambda written: written.write(content))
    for each in shown.values():
        if each.problem:
            print(one_line(each.problem), file=sys.stderr)
    print(one_line(f"{out}: {summary(shown)}"))
    return int(any(each.problem for each in shown.values()))
