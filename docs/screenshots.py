"""`python -m docs.screenshots docs/pages`: pictures of every page, light and dark, for README."""

import argparse
import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from dashboard.findings.stories.folder import StoriesFolder
from dashboard.findings.stories.record import Quoted, Story, Text
from tests.support.servers.dashboard import CHROMIUM, FLAGS, PATIENCE, ready, serving

WIDTH, HEIGHT = 1400, 950
COLOURS = 256
MOST_BYTES = 300_000

VIEWS = {
    "overview": "/?store={store}",
    "map": "/map?store={store}&map=tsne&image={image}",
    "grid": "/map?store={store}&map=tsne&show=grid&seams=1&image={image}",
    "neighbors": "/neighbors?store={store}&image={image}",
    "atlas": "/channels?store={store}&show=atlas&sort=selectivity",
    "channels": "/channels?store={store}&layer={layer}&channel={channel}",
    "image": "/image?store={store}&image={image}",
    "saliency": "/image?store={store}&image={image}&tab=live&p.variant=smoothgrad",
    "mistakes": "/mistakes?store={store}",
    "triage": "/triage?store={store}&kind=confident",
    "compare": "/compare?store={store}&other_store={other}&tab=maps&map=tsne&image={image}",
    "explained": "/compare?store={store}&other_store={other}&tab=maps&map=tsne&image={image}&explain=1",
    "ask": "/?store={store}&show=ask&sql={sql}",
    "lab": "/lab?store={store}&method=fool&image={image}&target={target}&live=1",
    "results": "/results?store={store}",
    "findings": "/findings?store={store}",
    "story": "/findings?store={store}&show=stories&story={story}",
}
SHOWN_FROM = {"explained": "Saliency"}
"""The heading that a long page is shown from."""
LOADED = """() => ![...document.querySelectorAll("*")].some(
  each => each.shadowRoot?.querySelector(".picture:not(.loaded)")
)"""
TITLE = "An espresso becomes a volcano"
SQL = "select image_id, label, predicted, loss from images where not correct order by loss desc limit 9"
TOLD = "Any image becomes any class: the network is asked for volcano, and each pixel may move by a little."
NOTE = "The change is hardly visible, and does not survive saving as JPEG."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description=__doc__)
    parser.add_argument("out", type=Path, help="folder that the pictures go to")
    parser.add_argument(
        "--stores", default="stores", help="as for python -m dashboard (default: %(default)s)"
    )
    parser.add_argument("--store", default="photographs", help="the one to show (default: %(default)s)")
    parser.add_argument(
        "--other", default="", help="store to compare it with (default: one over the same images)"
    )
    parser.add_argument("--image", default="251")
    parser.add_argument("--layer", default="blocks.3.1.conv_pw")
    parser.add_argument("--channel", default="408")
    parser.add_argument("--target", default="volcano")
    parser.add_argument("--width", type=int, default=WIDTH)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    # Below the git-ignored stores, by a relative path: the pictures name the folder.
    with (
        TemporaryDirectory(prefix="findings-", dir="stores") as findings,
        serving(options.stores, options=["--findings", os.path.relpath(findings)]) as served,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        pin(browser, served.address + VIEWS["lab"].format(**vars(options)))
        options.sql, options.story = quote(SQL), told(Path(findings))
        for scheme in ("light", "dark"):
            take(browser, served.address, scheme, options)
        browser.close()
    return 0


def pin(browser: Browser, address: str) -> None:
    """A finding, so that there is one to see."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    finished(page)
    page.get_by_role("button", name="Pin").click()
    page.get_by_label("Title").fill(TITLE)
    page.get_by_label("Note").fill(NOTE)
    page.locator("[data-testid=stFormSubmitButton] button").click()
    page.get_by_text("Pinned as").wait_for()
    page.close()


def told(findings: Path) -> str:
    """Tell a story of all findings, and return what its file is called."""
    quoted = [Quoted(file.stem) for file in sorted(findings.glob("*.toml"))]
    return StoriesFolder(findings / "stories").add(Story("What fools the network", (Text(TOLD), *quoted)))


def finished(page: Page) -> None:
    """The page is drawn, and no job of it runs."""
    ready(page)
    page.wait_for_selector("[data-testid=stProgress]", state="detached")


def take(browser: Browser, address: str, scheme: str, options: argparse.Namespace) -> None:
    context = browser.new_context(viewport={"width": options.width, "height": HEIGHT}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    for name, path in VIEWS.items():
        page.goto(address + path.format(**vars(options)))
        finished(page)
        for heading in page.get_by_role("heading", name=SHOWN_FROM.get(name, "no such heading")).all():
            heading.evaluate("each => each.scrollIntoView()")
        page.wait_for_timeout(2500)
        # The atlas's tiles come line by line.
        page.wait_for_function(LOADED)
        target = options.out / f"{name}-{scheme}.png"
        target.write_bytes(small(page.screenshot()))
        print(target, target.stat().st_size // 1000, "kB")
    context.close()


def small(png: bytes) -> bytes:
    """The picture as it is, or in as many colours as keep it below MOST_BYTES."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    candidates = [image, *(image.quantize(COLOURS // part, kmeans=1) for part in (1, 2, 4))]
    for candidate in candidates:
        buffer = io.BytesIO()
        candidate.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
