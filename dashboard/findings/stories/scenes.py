"""A finding as a story shows it now: its picture drawn anew, whether it holds, what makes the same.

No job is started for it, so the page and the command line show the same.
"""

from dataclasses import dataclass

from dashboard.data import runs
from dashboard.data.partners import beside
from dashboard.findings.folder import FindingFile, findings
from dashboard.findings.names.things import with_region
from dashboard.findings.recheck import Check, recheck, run_of, view_of
from dashboard.findings.record import Finding
from dashboard.findings.stories.record import Story
from dashboard.jobs.lookup import result_of
from dashboard.sharing.downloads import main_download
from dashboard.sharing.downloads.download import Download, path_said
from dashboard.sharing.preview import of_the_store
from dashboard.sharing.proof import prove
from dashboard.views.definitions import ChannelsView, ImageView
from dashboard.views.image_tabs import CHANNELS
from dashboard.views.state import ViewState
from featurestore.reader import Run

NETWORK = "the network would be run for it; `make findings` does that"


@dataclass(frozen=True)
class Drawn:
    """What the store gives of a finding now.

    check: whether the finding holds.
    picture: PNG of its view; None where it has none, or it can't be drawn.
    wanting: why it can't be drawn, "" where it can, or has none.
    view: what a click opens; None where that is gone.
    recipe: JSON of what the picture is made from, "" for none.
    command: the command line that makes the same; None where none does.
    """

    check: Check
    picture: bytes | None = None
    wanting: str = ""
    view: ViewState | None = None
    recipe: str = ""
    command: str | None = None


@dataclass(frozen=True)
class Scene:
    """A finding in its place.

    finding: None where its file is gone or can't be read; `problem` then says so.
    drawn: None then.
    pinned: its small picture of when it was pinned; None for none.
    """

    slug: str
    finding: Finding | None
    problem: str = ""
    drawn: Drawn | None = None
    pinned: bytes | None = None

    @property
    def picture(self) -> bytes | None:
        """The picture as it is now; where that can't be drawn, as it was pinned."""
        return self.drawn and (self.drawn.picture or (self.pinned if self.drawn.wanting else None))


def scenes(story: Story, draw=None) -> dict[str, Scene]:
    """Return the findings of a story as they are now, by slug.

    draw: makes `Drawn` of a finding in the place of `drawn`, such as one that remembers.
    """
    folder = findings()
    kept = {each.slug: each for each in folder.all()} if story.slugs else {}
    made = {}
    for slug in story.slugs:
        file = kept.get(slug) or FindingFile(slug, None, "")
        if file.finding is None:
            problem = f"it can't be read: {file.problem}" if file.problem else "it is not there any more"
            made[slug] = Scene(slug, None, f"the finding {slug}: {problem}")
        else:
            made[slug] = Scene(
                slug, file.finding, drawn=(draw or drawn)(file.finding), pinned=folder.thumbnail(slug)
            )
    return made


def drawn(finding: Finding) -> Drawn:
    """Return what the store gives of a finding now, without running the network."""
    try:
        run, _ = run_of(finding)
        view, notes = view_of(finding, run)
        opens = view_of(finding)[0]
        if notes:
            why = f"its view is not there any more: {'; '.join(notes)}"
            return Drawn(Check("unchecked", why), wanting=why, view=opens)
        view = with_region(view, run)
        if _runs_network(view):
            return Drawn(Check("unchecked", NETWORK), wanting=NETWORK, view=opens)
    except (ValueError, OSError) as error:
        return Drawn(Check("unchecked", str(error)), wanting=str(error))
    return _pictured(recheck(finding, result_of), view, run, opens)


def version(finding: Finding) -> tuple[str, ...]:
    """Return what `drawn` depends on beside the finding: the stores' runs, and the proof of what it shows.

    Of all stores that are served, since a view of two runs reads another one.
    """
    listed = runs.stores()
    known = [f"{name} {each}" for name in listed for each in runs.run_names(name)]
    if finding.store not in listed:
        return tuple(known)
    try:
        run, _ = run_of(finding)
        view, _ = view_of(finding, run)
        return (*known, prove(view, run, result_of(view, run), *beside(view, run)).to_text())
    except (ValueError, OSError):
        return tuple(known)


def _pictured(check: Check, view: ViewState, run: Run, opens: ViewState) -> Drawn:
    try:
        download = _download(view, run)
        if download is None:
            return Drawn(check, wanting="its picture is not at hand", view=opens)
        picture, recipe = download.picture, download.report.recipe_text()
    except (ValueError, OSError) as error:
        return Drawn(check, wanting=str(error), view=opens)
    return Drawn(check, picture, "", opens, recipe, download.command)


def _download(view: ViewState, run: Run) -> Download | None:
    shown, store = of_the_store(view), path_said(runs.stores()[view.store])
    return None if shown is None else main_download(shown, run, store, result_of(shown, run))


def _runs_network(view: ViewState) -> bool:
    """Return whether what the view is about is computed by the network whenever it is shown."""
    by_picture = isinstance(view, ChannelsView) and view.picture
    return by_picture or (isinstance(view, ImageView) and view.tab == CHANNELS)
