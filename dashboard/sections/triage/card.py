"""One suspect: the image, what is suspicious about it, and the buttons that say what it is."""

import streamlit as st

from compute.analysis.suspicions import COPIES, KINDS
from dashboard.data import photographs, runs
from dashboard.data.predictions import prediction
from dashboard.findings.names.of_run import names_of
from dashboard.findings.verdicts.log import AMBIGUOUS, ERROR, FINE, NONE, said_now, verdict_folder
from dashboard.sections.triage.listed import Listed, copy_of
from dashboard.text import percent, plain, reason, sentence
from dashboard.views import binding
from dashboard.views.definitions import TriageView
from dashboard.widgets import image_links
from dashboard.widgets.header import Opened
from dashboard.widgets.image_picker import of_store

SAID = "said of a verdict"
KEYS = (
    (ERROR, "1", ":material/label_off:"),
    (AMBIGUOUS, "2", ":material/help:"),
    (FINE, "3", ":material/check:"),
)
WIDTH = 380


def draw(opened: Opened[TriageView], shown: Listed, image_id: int) -> None:
    """Draw a suspect; its copy beside it where that is what is suspicious."""
    row = opened.run.image(image_id)
    copy = _copy(shown, opened.view.kind, image_id)
    with st.container(border=True):
        _pictures(opened, image_id, copy)
        names = names_of(opened.run)
        label = names.class_title(row["label"]) if row["label"] else "no label"
        st.markdown(f"Labelled **{plain(label)}**, {prediction(opened.run, row, names.class_title)}")
        st.markdown("\n".join(f"- {each}" for each in _reasons(opened, shown, image_id)))
        _buttons(opened, shown, image_id)
        image_links.links(opened, of_store(opened, image_id))


def _pictures(opened: Opened[TriageView], image_id: int, copy: int) -> None:
    ids = [image_id] + ([copy] if copy >= 0 else [])
    for column, each in zip(st.columns(len(ids)), ids, strict=True):
        with column:
            path = opened.run.image(each)["path"]
            st.image(
                photographs.whole_or_thumbnail(opened.run, each),
                width=WIDTH if len(ids) == 1 else "stretch",
                caption=plain(path),
                alt=f"photograph {path}",
            )


def _copy(shown: Listed, kind: str, image_id: int) -> int:
    """Return the copy to show beside the image, of the chosen suspicion or of any; -1 for none."""
    kinds = [kind] if kind in COPIES else [] if kind else [*reversed(COPIES)]
    copies = [copy_of(shown.found, each, image_id) for each in kinds]
    return next((each for each in copies if each >= 0), -1)


def _reasons(opened: Opened[TriageView], shown: Listed, image_id: int) -> list[str]:
    """Return each suspicion of the image in words, as Markdown."""
    said = []
    for kind, scores in shown.found.scores.items():
        score = scores[image_id]
        if not score >= opened.view.least:
            continue
        text = f"{KINDS[kind]}: **{percent(float(score))}**"
        if (copy := copy_of(shown.found, kind, image_id)) >= 0:
            other = opened.run.image(copy)
            about = [f"image {copy}", other["split"] or "", other["label"] or "no label"]
            text += f" ({plain(', '.join(filter(None, about)))})"
        if kind == "disputed":
            text += f" (the other network: {plain(str(shown.found.other_predicted[image_id]))})"
        said.append(text)
    return said


def _buttons(opened: Opened[TriageView], shown: Listed, image_id: int) -> None:
    now = shown.said.get(image_id, "")
    if runs.settings().read_only:
        st.caption("Visitors of this dashboard may look, and judge nothing (`--read-only`).")
        return
    onward = shown.after(image_id)
    with st.container(horizontal=True):
        for verdict, key, icon in KEYS:
            st.button(
                verdict.capitalize(),
                icon=icon,
                shortcut=key,
                type="primary" if verdict == now else "secondary",
                # Of the image, so that a key pressed before the next one is there is none of the next one's.
                key=f"triage/{image_id} {verdict}",
                on_click=_say,
                args=(opened, image_id, verdict, onward),
            )
        if now:
            st.button(
                "Take back",
                icon=":material/undo:",
                key=f"triage/{image_id} take back",
                on_click=_say,
                args=(opened, image_id, NONE, image_id),
            )
    if problem := st.session_state.pop(SAID, None):
        st.error(problem, icon=":material/error:")


def _say(opened: Opened[TriageView], image_id: int, verdict: str, onward: int) -> None:
    """Write a verdict and go on to the next image, from a callback."""
    folder = verdict_folder()
    try:
        folder.add(said_now(opened.run, image_id, verdict))
    except ValueError as error:
        st.session_state[SAID] = sentence(error)
        return
    except OSError as error:
        why = f"the folder {folder.path} can't be written ({reason(error)}), so nothing was kept"
        st.session_state[SAID] = sentence(f"{why}; start the dashboard with --findings naming another one")
        return
    binding.change(TriageView, image=onward)
