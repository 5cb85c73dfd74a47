"""In Chromium: what is downloaded is what the command line writes; a story's file needs nothing else."""

import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from compute.__main__ import main
from dashboard.findings.folder import Folder
from dashboard.findings.record import Finding
from dashboard.findings.stories.folder import FOLDER, StoriesFolder
from dashboard.findings.stories.record import Quoted, Text, told
from featurestore.reader import Store
from tests.support.servers.dashboard import serving


@pytest.mark.parametrize("view", ["mistakes", "map?map=pca&color=probability", "image?image=3&tab=occlusion"])
def test_a_download_has_the_bytes_of_its_command(visit, view, tmp_path):
    page = visit(f"/{view}")
    page.get_by_role("button", name="Download", exact=True).click()
    command = page.get_by_test_id("stCode").first
    command.wait_for()
    words = shlex.split(command.inner_text())
    assert words[:3] == ["python", "-m", "compute"]
    for label, suffix in (("PNG", ".png"), ("CSV", ".csv"), ("Parquet", ".parquet")):
        with page.expect_download() as download:
            page.get_by_role("button", name=label, exact=True).first.click()
        download.value.save_as(tmp_path / f"page{suffix}")
        words[-1] = str(tmp_path / f"command{suffix}")
        assert main(words[3:]) == 0
        assert (tmp_path / f"page{suffix}").read_bytes() == (tmp_path / f"command{suffix}").read_bytes()


def test_a_storys_file_has_the_bytes_of_its_command_and_shows_its_pictures_alone(
    visit, stores, browser, tmp_path
):
    run, folder = Store(stores / "digits").open().fingerprint, tmp_path / "findings"
    pages = {"mistakes": {}, "map": {"map": "pca"}}
    slugs = [
        Folder(folder).add(
            Finding(f"The {page}", "", datetime(2026, 11, 26, tzinfo=UTC), page, query, "digits", run), None
        )
        for page, query in pages.items()
    ]
    slug = StoriesFolder(folder / FOLDER).add(told("Digits", [Text("<b>First</b>"), *map(Quoted, slugs)]))
    file, made = tmp_path / "page.html", tmp_path / "command.html"
    with serving(str(stores), options=["--findings", str(folder)]) as served:
        page = visit(f"{served.address}/findings?store=digits&show=stories")
        page.get_by_role("link", name="Open the story").click()
        page.get_by_text("<b>First</b>").wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download as HTML").click()
        download.value.save_as(file)
        page.close()
    asked = ["--stores", str(stores), "--findings", str(folder), "story", slug, "--out", str(made)]
    subprocess.run([sys.executable, "-m", "dashboard.findings", *asked], check=True)
    assert file.read_bytes() == made.read_bytes()
    context = browser.new_context(offline=True)
    alone, requests, wrong = context.new_page(), [], []
    alone.on("request", lambda request: requests.append(request.url))
    alone.on("console", lambda message: wrong.append(message.text))
    alone.goto(file.as_uri())
    alone.locator("summary", has_text="Proof").first.click()
    alone.locator("td", has_text=run).first.wait_for()
    widths = alone.evaluate("[...document.images].map(each => each.complete && each.naturalWidth)")
    assert len(widths) == 2 and all(width > 100 for width in widths)
    assert alone.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    assert {url for url in requests if not url.startswith("data:")} == {file.as_uri()} and wrong == []
    context.close()
