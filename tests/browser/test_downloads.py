"""In Chromium: what is downloaded is what the command line beside it writes; what is pinned is listed."""

import shlex

import pytest

from compute.__main__ import main


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
