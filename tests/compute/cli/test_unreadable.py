"""What the command line and an agent are told of an image that could not be read when the store was made."""

import pytest

from compute.__main__ import main
from compute.cli import inputs
from featurestore.reader import Store
from tests.support.servers.agents import asked, error, workspace
from tests.support.stores.full import UNREADABLE, write_full_store

IMAGE = UNREADABLE[0]
AS_BROKEN_AS_IT_WAS = b"broken"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    write_full_store(folder)
    return folder


@pytest.fixture(scope="module")
def because(store):
    (row,) = (each for each in Store(store).open().table("problems").to_pylist() if each["image_id"] == IMAGE)
    said = "could not be read when the store was made, so it has no neighbours"
    return f"image {IMAGE} ({row['path']}) {said}: {row['reason']}"


def test_the_command_says_which_image_and_why(store, because, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "read_original", lambda run, image_id: AS_BROKEN_AS_IT_WAS)
    command = ["neighbors", "--store", str(store), "--image-id", str(IMAGE), "--out", str(tmp_path / "n.csv")]
    assert main(command) == 2
    assert capsys.readouterr().err == f"error: {because}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_agent_is_told_which_image_and_why(store, because):
    opened = workspace(store)
    vars(opened)["read"] = lambda run, image_id: AS_BROKEN_AS_IT_WAS
    assert error(asked(opened, "neighbors", image_id=IMAGE)) == because
