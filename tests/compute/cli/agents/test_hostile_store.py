"""A store whose names are written to do something: to an agent they are data, and still names."""

from functools import cache
from pathlib import Path

import pytest

from compute.cli.agents.bounded import text
from compute.cli.agents.server import tools_of
from compute.cli.agents.workspace import Workspace
from compute.reports.registry import REPORTS
from tests.support.servers.agents import asked, said, workspace
from tests.support.stores.hostile import hostile_store

pytestmark = pytest.mark.slow

TURNED = "\u202egnp.exe"


@cache
def opened() -> Workspace:
    network = Path(hostile_store()).parents[1] / "network.py"
    return workspace(hostile_store(), "--model", f"{network}:net")


def arguments_of(name: str) -> dict:
    needed = {each.name for each in tools_of(opened())[name].arguments if each.needed}
    layer = opened().run.table("layers")["layer"][0].as_py()
    given = {"other_store": opened().store, "other_stores": [opened().store], "layer": layer, "channel": 1}
    given |= {"image_id": 1, "select": "SELECT * FROM images", "search": "image:8"}
    found = {key: value for key, value in given.items() if key in needed}
    further = {"neighbors": {"image_id": 1}, "strongest": {"image_id": 1}, "table": {"name": "images"}}
    return found | further.get(name, {})


@pytest.mark.parametrize("name", ["describe", "sql", "find_images", "image", *REPORTS])
def test_every_answer_is_plain_text_in_one_line(name):
    result = asked(opened(), name, **arguments_of(name))
    for content in result.content:
        if content.type == "text":
            assert content.text.isprintable() and len(content.text.encode()) < 200_000
    assert result.is_error or said(result)


def test_a_class_is_named_as_it_was_shown():
    run = opened().run
    assert TURNED in run.class_names
    classes = said(asked(opened(), "describe"))["classes"]
    assert "\\u202egnp.exe" in classes and TURNED not in classes
    answer = said(asked(opened(), "saliency", image_id=1, target=text(TURNED), variant="gradient"))
    assert answer["numbers"]["class"] == text(TURNED)
    exact = said(asked(opened(), "saliency", image_id=1, target=TURNED, variant="gradient"))
    assert exact["numbers"] == answer["numbers"]
