"""The stories on the Findings page: a list, each as a page of live views, the form that makes one."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from dashboard.data import runs
from dashboard.findings.folder import findings
from dashboard.findings.record import Finding
from dashboard.findings.stories.folder import StoryFile, stories_folder
from dashboard.findings.stories.page_html import (
    AS_PINNED,
    MOST_DIFFERENCES,
    first_numbers,
    story_html,
    summary,
    written,
)
from dashboard.findings.stories.record import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    MOST_FINDINGS,
    Quoted,
    Story,
    Text,
    told,
)
from dashboard.findings.stories.scenes import Drawn, Scene, drawn, scenes, version
from dashboard.text import choice_names, counted, plain, reason, sentence
from dashboard.views import binding
from dashboard.views.definitions import FindingsView
from dashboard.views.link_html import linked_picture
from dashboard.views.navigation import PAGES, link
from dashboard.widgets.header import Opened
from dashboard.widgets.image_wall import page_of

MARKS = {
    "holds": ":green-badge[:material/verified: holds]",
    "differs": ":red-badge[:material/difference: differs]",
    "unchecked": ":gray-badge[:material/help: not checked]",
}
PER_PAGE = 24
WIDEST = 860
"""Pixels of a story's column, in which lines can be read."""

SAID = "said of a story"
LAST = " last"
"""Ends the key of the text behind the last finding; no file's name is it."""


def stories(opened: Opened[FindingsView]) -> None:
    """Draw the story of the view, or the list of all where it has none."""
    if (problem := st.session_state.pop(SAID, None)) is not None:
        st.error(sentence(problem), icon=":material/error:")
    if opened.view.story:
        _page(opened)
    else:
        _list(opened)


def _list(opened: Opened[FindingsView]) -> None:
    folder = stories_folder()
    files = folder.all()
    if not runs.settings().read_only:
        with st.container(width=WIDEST):
            _making()
    if not files:
        place = plain(str(folder.path))
        st.info(
            f"There is no story in {place} yet. A story puts findings in order, with text between them, as a "
            "page of live views and as one HTML file; it is a text file, to keep in git.",
            icon=":material/auto_stories:",
        )
        return
    shown = [each for each in files if _has(each, opened.view.find)]
    of = f"{len(files)} {'story' if len(files) == 1 else 'stories'}"
    st.caption(f"{len(shown)} of {of} in {plain(str(folder.path))}.")
    for file in shown[page_of(FindingsView, "findings_page", len(shown), PER_PAGE)]:
        if file.story is None:
            problem = f"the file stories/{file.slug}.toml can't be read: {file.problem}"
            st.error(sentence(problem), icon=":material/error:")
            continue
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container():
                st.markdown(f"**{plain(file.story.title)}**")
                st.caption(f"{counted(len(file.story.slugs), 'finding')}, {plain(file.slug)}.toml")
            link(_view(opened, file.slug), "Open the story", ":material/auto_stories:")


def _has(file: StoryFile, find: str) -> bool:
    story = file.story
    texts = () if story is None else (part.text for part in story.parts if isinstance(part, Text))
    said = "\n".join([file.slug, "" if story is None else story.title, *texts]).casefold()
    return all(word in said for word in find.casefold().split())


def _view(opened: Opened[FindingsView], slug: str) -> FindingsView:
    return replace(opened.view, show="stories", story=slug, find="", findings_page=1, proof="")


def _page(opened: Opened[FindingsView]) -> None:
    """Draw a story: its texts, and its findings as the store has them now."""
    slug = opened.view.story
    file = stories_folder().find(slug)
    with st.container(horizontal=True, vertical_alignment="center", key="story/tools"):
        link(_view(opened, ""), "All stories", ":material/arrow_back:")
        tools = st.container(horizontal=True, width="content")
    if file is None or file.story is None:
        why = "is not there any more" if file is None else f"can't be read: {file.problem}"
        st.error(sentence(f"the story {slug} {why}"), icon=":material/error:")
        return
    story = file.story
    shown = scenes(story, _remembered)
    with tools:
        st.download_button(
            "Download as HTML",
            lambda: story_html(story, shown),
            f"{plain_name(slug)}.html",
            "text/html",
            icon=":material/download:",
            help="One file with pictures, numbers, recipes and proofs, which needs no network",
            key="story/download",
            on_click="ignore",
        )
    with st.container(width=WIDEST, key="story"):
        st.header(plain(story.title), anchor=False)
        st.caption(summary(shown))
        for part in story.parts:
            if isinstance(part, Text):
                _paragraphs(part)
            else:
                with st.container(border=True):
                    _scene(shown[part.slug])
        if not runs.settings().read_only:
            _making(slug, story)


def plain_name(slug: str) -> str:
    """Return a slug as a file's name that a browser saves as it is."""
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in slug)


def _paragraphs(text: Text) -> None:
    for each in text.paragraphs:
        st.markdown("  \n".join(plain(line) for line in each.splitlines()))


def _scene(scene: Scene) -> None:
    finding, now = scene.finding, scene.drawn
    if finding is None or now is None:
        st.error(sentence(scene.problem), icon=":material/error:")
        return
    st.subheader(plain(finding.title), anchor=False)
    _picture(scene, finding, now)
    _paragraphs(Text(finding.note))
    _state(now)
    _numbers(finding)
    if now.view is not None:
        link(now.view, f"Open {PAGES[now.view.page].title}")


def _picture(scene: Scene, finding: Finding, now: Drawn) -> None:
    if scene.picture is None:
        return
    alt = f"picture of {finding.title}"
    if now.view is None:
        st.image(scene.picture, alt=alt)
    else:
        linked_picture(scene.picture, now.view, alt, key=f"story/{scene.slug}", width="content")
    if now.picture is None:
        st.caption(sentence(f"{AS_PINNED}: {now.wanting}"))


def _state(now: Drawn) -> None:
    st.markdown(f"{MARKS[now.check.kind]} {sentence(now.check.sentence)}")
    for each in now.check.differences[1:MOST_DIFFERENCES]:
        st.caption(plain(each))


def _numbers(finding: Finding) -> None:
    first, whole = first_numbers(finding), {name: written(value) for name, value in finding.numbers.items()}
    if first:
        _table(first)
    if first != whole:
        with st.popover(f"All {len(whole)} numbers", icon=":material/numbers:"):
            _table(whole)


def _table(said: Mapping[str, str]) -> None:
    rows = {plain(name): plain(text) for name, text in said.items()}
    st.table({"": rows}, border="horizontal", hide_header=True)


def _remembered(finding: Finding) -> Drawn:
    known = version(finding)
    now = _drawn(finding, known)
    if now.wanting or now.check.kind == "unchecked":
        # What was wanting, such as an image's own file, may be there the next time.
        _drawn.clear(finding, known)
    return now


@st.cache_data(max_entries=128, show_spinner="Drawing …", hash_funcs={Finding: Finding.to_toml})
def _drawn(finding: Finding, version: tuple[str, ...]) -> Drawn:
    """Draw a finding once for what the store has, which is in `version`."""
    return drawn(finding)


def _making(slug: str = "", story: Story | None = None) -> None:
    """Draw the form that makes a story, or changes one."""
    label, icon = (
        ("New story", ":material/add:") if story is None else ("Change the story", ":material/edit:")
    )
    # Of what it was, so that what somebody else has changed meanwhile is not written over.
    key = "story/new" if story is None else f"story/{slug} {hash(story)}"
    panel = st.expander(label, icon=icon, key=f"{key} panel", on_change="rerun")
    if not panel.open:
        return
    kept = {each.slug: each.finding for each in findings().all() if each.finding is not None}
    old = () if story is None else story.slugs
    options = [*kept, *(each for each in old if each not in kept)]
    with panel:
        if not options:
            st.info("A story is told of findings, and there is none yet: **Pin** makes them.")
            return
        st.text_input(
            "Title", "" if story is None else story.title, max_chars=LONGEST_TITLE, key=f"{key} title"
        )
        chosen = st.multiselect(
            "Findings, in the order in which they are chosen",
            options,
            list(old),
            key=f"{key} findings",
            format_func=choice_names(options, lambda each: kept[each].title if each in kept else each),
            max_selections=MOST_FINDINGS,
            placeholder="Choose findings",
        )
        before = _texts_before(story)
        for number, each in enumerate(chosen, 1):
            where = f"Text before {number}. {plain(kept[each].title if each in kept else each)}"
            _text_area(where, before.get(each, ""), f"{key} before {each}")
        if chosen:
            _text_area("Text at the end", before.get(LAST, ""), f"{key} before {LAST}")
        with st.container(horizontal=True):
            st.button(
                "Save the story",
                type="primary",
                icon=":material/save:",
                key=f"{key} save",
                on_click=_save,
                args=(slug, story, key),
            )
            if story is not None:
                st.button(
                    "Remove the story",
                    icon=":material/delete:",
                    key=f"{key} remove",
                    on_click=_remove,
                    args=(slug,),
                )


def _text_area(label: str, text: str, key: str) -> None:
    st.text_area(label, text, max_chars=LONGEST_TEXT, key=key, placeholder="An empty line parts paragraphs")


def _texts_before(story: Story | None) -> dict[str, str]:
    """Return the text before each finding, and behind the last one under LAST."""
    texts, text = {}, ""
    for part in () if story is None else story.parts:
        if isinstance(part, Text):
            text = part.text
        else:
            texts[part.slug], text = text, ""
    return texts | {LAST: text}


def _save(slug: str, story: Story | None, key: str) -> None:
    """Write what the form has, from a callback, and open the story."""
    held = st.session_state
    parts = []
    for each in held[f"{key} findings"]:
        parts += [Text(held.get(f"{key} before {each}", "")), Quoted(each)]
    parts.append(Text(held.get(f"{key} before {LAST}", "")))
    folder = stories_folder()
    try:
        new = told(held[f"{key} title"], parts)
        if story is None:
            slug = folder.add(new)
        else:
            folder.replace(slug, story, new)
    except ValueError as error:
        held[SAID] = str(error)
    except OSError as error:
        held[SAID] = _refused(error)
    else:
        binding.change(FindingsView, story=slug)


def _remove(slug: str) -> None:
    try:
        stories_folder().remove(slug)
    except OSError as error:
        st.session_state[SAID] = _refused(error)
    else:
        binding.change(FindingsView, story="")


def _refused(error: OSError) -> str:
    return f"the folder {stories_folder().path} can't be written: {reason(error)}"
