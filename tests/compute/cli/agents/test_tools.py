"""Every report and every method as a tool: declared by itself, and with the command line's numbers."""

import base64
import json
import shlex
from functools import cache

import jsonschema
import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from compute.cli.agents.arguments import schema_of
from compute.cli.agents.server import tools_of
from compute.cli.agents.workspace import Workspace
from compute.methods import METHODS
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET
from compute.reports.base import OTHER_RUN, OTHER_RUNS, STORED_IMAGE
from compute.reports.compare.measures import Compared
from compute.reports.registry import REPORTS
from compute.runtime.parameters import option_name
from featurestore.layout import CURRENT
from featurestore.reader import Store
from tests.support.methods import brief
from tests.support.servers.agents import asked, error, in_session, picture, said, workspace
from tests.support.stores.served import second_store, served_store, write_served_store

pytestmark = pytest.mark.slow

OWN = {"describe", "sql", "find_images", "image"}
LAYER_NAME, CLASS = "conv2", "3"


@cache
def opened() -> Workspace:
    return workspace(served_store(), "--other-stores", str(second_store()))


@cache
def shared() -> int:
    """An image that both stores have."""
    runs = (Store(store()).open() for store in (served_store, second_store))
    return int(Compared(*runs).matched.ids[0])


def report_arguments(name: str) -> dict:
    report = REPORTS[name]
    reads = report.needs | report.takes
    found = {}
    if OTHER_RUN in report.needs:
        found["other_store"] = str(second_store())
    if OTHER_RUNS in reads:
        found["other_stores"] = [str(second_store())]
    if {IMAGE, STORED_IMAGE} & reads:
        found["image_id"] = shared() if OTHER_RUN in report.needs else 5
    if LAYER in reads:
        found["layer"] = LAYER_NAME
    if CHANNEL in reads:
        found["channel"] = 3
    return found | ({"name": "layers"} if name == "table" else {})


def method_arguments(name: str) -> dict:
    method = METHODS[name]
    reads = method.needs | method.takes
    found = {option_name(each): getattr(brief(method), each.name) for each in method.parameters()}
    found |= {"image_id": 5} if IMAGE in reads else {}
    found |= {"second_image_id": 7} if SECOND in reads else {}
    found |= {"target": CLASS} if TARGET in reads else {}
    found |= {"layer": LAYER_NAME} if reads & {LAYER, CHANNEL, NEURON} else {}
    return found | ({"channel": 2} if reads & {CHANNEL, NEURON} else {})


def arguments_of(name: str) -> dict:
    return report_arguments(name) if name in REPORTS else method_arguments(name)


every_command = pytest.mark.parametrize("name", [*REPORTS, *METHODS])


def test_every_report_and_method_is_a_tool_and_no_name_is_taken_twice():
    assert set(tools_of(opened())) == OWN | set(REPORTS) | set(METHODS)
    assert not OWN & set(REPORTS) and not set(REPORTS) & set(METHODS)


@every_command
def test_the_schema_is_the_declaration(name):
    tool = tools_of(opened())[name]
    schema = schema_of(tool.arguments)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(arguments_of(name), schema)
    assert len(schema["properties"]) == len(tool.arguments) and schema["additionalProperties"] is False
    for each in (REPORTS | METHODS)[name].parameters():
        said_of, facts = schema["properties"][option_name(each)], each.metadata
        assert said_of["default"] == each.default and facts["help"] in said_of["description"]
        assert said_of.get("enum") == (list(facts["choices"]) if facts["choices"] else None)
        assert (said_of.get("minimum"), said_of.get("maximum")) == (facts["low"], facts["high"])


@every_command
def test_no_parameter_asks_for_more_than_a_computer_holds(name):
    for each in (REPORTS | METHODS)[name].parameters():
        assert type(each.default) is not int or each.metadata["high"] is not None or each.metadata["choices"]


@every_command
@pytest.mark.parametrize("number", [2**31, 2**64, 1e300])
def test_a_number_that_can_t_be_is_refused_in_words(name, number):
    whole = [each.name for each in tools_of(opened())[name].arguments if each.kind is int]
    for each in set(whole) - {"from_row"}:
        refused = error(asked(opened(), name, **arguments_of(name) | {each: number}))
        assert "unexpected" not in refused and refused


@every_command
def test_a_tool_says_what_the_command_line_says(name, tmp_path, capsys):
    result = asked(opened(), name, **arguments_of(name))
    if name == "attention":  # the digits' network has none
        capsys.readouterr()
        image = ["--image-id", "5", "--target", CLASS]
        assert main([name, "--store", str(served_store()), *image]) == 2
        assert error(result) == capsys.readouterr().err.strip().removeprefix("error: ")
        return
    answer = said(result)
    capsys.readouterr()  # of the stores, which are built when the first test asks for them
    words = shlex.split(answer["command"])
    assert words[:3] == ["python", "-m", "compute"] and words[-2] == "--out"
    suffix = ".png" if "picture" in answer else ".csv"  # of no mistakes there is none
    out = tmp_path / f"x{suffix}"
    capsys.readouterr()
    assert main([*words[3:-1], str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    printed.pop("seconds", None)
    numbers = dict(answer["numbers"])
    numbers.pop("further_pictures", None)
    for key, value in printed.items():
        whole = isinstance(value, list | dict) and len(json.dumps(value)) > 2000
        assert whole or numbers[key] == value, key
    assert set(numbers) == set(printed)
    if "picture" in answer and "scaled_by" not in answer["picture"]:
        assert np.array_equal(picture(result), np.asarray(Image.open(out)))


def test_rows_come_in_pages_and_are_made_once(monkeypatch):
    server, made = workspace(served_store()), []
    make = REPORTS["table"].make
    monkeypatch.setattr(REPORTS["table"], "make", lambda *given: made.append(1) or make(*given))
    first = said(asked(server, "table", name="images", rows=2))["table"]
    rest = said(asked(server, "table", name="images", rows=500, from_row=2))["table"]
    whole = said(asked(server, "table", name="images", rows=500))["table"]
    assert first["rows"] + rest["rows"] == whole["rows"] and first["total"] == whole["total"] > 2
    assert first["next_row"] == 2 and "next_row" not in whole and len(made) == 1
    assert "from_row is 999" in error(asked(server, "table", name="images", from_row=999))


def test_a_store_that_is_made_anew_is_compared_anew_and_named_in_the_command(tmp_path):
    few = "--stages", "activations,neighbors", "--limit"
    other = write_served_store(tmp_path / "other", *few, "12")
    first = Store(other).current()
    server = workspace(served_store(), "--other-stores", str(other))
    for tool, named in (("compare", {"other_store": str(other)}), ("series", {"other_stores": [str(other)]})):
        before = said(asked(server, tool, **named))
        assert first in before["command"]
        write_served_store(other, *few, "14")
        after = said(asked(server, tool, **named))
        assert Store(other).current() != first and Store(other).current() in after["command"]
        assert after["recipe"] != before["recipe"] and after["numbers"] != before["numbers"]
        (other / CURRENT).write_text(f"{first}\n")


def test_an_image_may_be_sent():
    server = opened()
    content = server.read(server.run, 5)
    sent = base64.b64encode(content).decode()
    by_id = said(asked(server, "saliency", image_id=5, variant="gradient"))
    by_bytes = said(asked(server, "saliency", image_base64=sent, variant="gradient"))
    assert by_id["recipe"] == by_bytes["recipe"] and by_id["numbers"] == by_bytes["numbers"]
    assert "--image image " in by_bytes["command"] and "--image-id 5 " in by_id["command"]
    both = error(asked(server, "saliency", image_id=5, image_base64=sent))
    assert both == "image_id and image_base64 both name an image; give one of them"
    assert "is not base64" in error(asked(server, "saliency", image_base64="/etc/passwd!"))
    no_image = base64.b64encode(b"hello").decode()
    assert "image_base64" not in sent and error(asked(server, "saliency", image_base64=no_image))


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "saliency",
            {"image_id": 5, "varient": "x"},
            "saliency has no argument 'varient'; did you mean vari",
        ),
        ("saliency", {}, "saliency needs image_id or image_base64"),
        ("saliency", {"image_id": "5"}, "image_id is '5'; it must be a whole number"),
        ("saliency", {"image_id": True}, "image_id is True; it must be a whole number"),
        ("saliency", {"image_id": -1}, "image_id is -1; it must be at least 0"),
        ("saliency", {"image_id": 99999}, "table 'images' has no image [99999]; images are 0 to 33"),
        ("saliency", {"image_id": 5, "variant": "x"}, "variant is 'x'; choose from usual, gradient, smooth"),
        ("saliency", {"image_id": 5, "samples": 0}, "samples is 0; it must be 1 to 1000"),
        ("saliency", {"image_id": 5, "target": "cat"}, "'cat'"),
        ("saliency", {"image_id": 5, "picture": "x"}, "no picture 'x'; choose from overlay"),
        ("patches", {"channel": 1}, "patches needs layer: a layer's name"),
        ("patches", {"layer": "conv9", "channel": 1}, "conv9"),
        ("patches", {"layer": "conv2", "channel": 9999}, "9999"),
        ("compare", {"other_store": "/etc"}, "other_store is '/etc'; choose from "),
        ("series", {"other_stores": []}, "other_stores is []; it must be a list with at least one entry"),
        ("sql", {"select": "DROP TABLE images"}, "only a SELECT is answered"),
        ("find_images", {"search": "loss:x"}, "'x' is no range of loss"),
        ("describe", {"table": "weather"}, "table is 'weather'; choose from "),
    ],
)
def test_what_is_wrong_is_said_with_the_choices(tool, arguments, message):
    assert message in error(asked(opened(), tool, **arguments))


def test_null_and_whole_floats_are_as_json_has_them():
    answer = said(asked(opened(), "saliency", image_id=5.0, target=None, variant="gradient", noise=0))
    assert answer["numbers"]["parameters"]["noise"] == 0.0


def test_describe_says_what_there_is():
    answer = said(asked(opened(), "describe"))
    run = opened().run
    assert answer["run"] == run.fingerprint and answer["runs"] == [run.fingerprint]
    assert answer["classes"] == [str(each) for each in range(10)] and answer["network"]["name"] == "digits"
    assert set(answer["tables"]) == set(run.tables()) and answer["tables"]["images"]["rows"] == 34
    assert [each["layer"] for each in answer["layers"]] == run.table("layers")["layer"].to_pylist()
    assert "showcase" in answer["not_computed"] and not answer["writes_files"]
    columns = said(asked(opened(), "describe", table="images"))["columns"]
    assert [each["column"] for each in columns] == run.table("images").column_names
    assert {
        "column": "loss",
        "type": "float",
        "description": "cross entropy against the label",
        "unit": "nat",
    } in (columns)


def test_resources_are_the_card_and_the_tables():
    async def talk(client):
        listed = (await client.list_resources()).resources
        texts = [(await client.read_resource(each.uri)).contents[0].text for each in listed]
        return {str(each.uri): json.loads(text) for each, text in zip(listed, texts, strict=True)}

    found = in_session(opened(), talk)
    assert found.pop("featurescope://run") == said(asked(opened(), "describe"))
    assert found.keys() == {f"featurescope://tables/{name}" for name in opened().run.tables()}
    table = found["featurescope://tables/layers"]
    assert table == said(asked(opened(), "describe", table="layers"))


def test_sql_says_when_it_is_cut():
    answer = said(asked(opened(), "sql", select="SELECT image_id, label FROM images ORDER BY 1", rows=3))
    assert [row["image_id"] for row in answer["rows"]] == [0, 1, 2]
    assert answer["cut"] == "the first 3 rows alone" and answer["columns"]["label"] == "string"
    assert said(asked(opened(), "sql", select="SELECT 1 AS one"))["cut"] is None


def test_images_are_found_in_the_words_of_the_search_box():
    result = asked(opened(), "find_images", search="label:=3", rows=2)
    answer, images = said(result), opened().run.table("images", ["image_id", "label"]).to_pylist()
    threes = [row["image_id"] for row in images if row["label"] == "3"]
    assert answer["found"] == answer["total"] == len(threes) > 2 and answer["next_row"] == 2
    assert [row["image_id"] for row in answer["rows"]] == threes[:2] == answer["picture"]["image_ids"]
    assert picture(result).shape[1] > picture(result).shape[0]
    rest = said(asked(opened(), "find_images", search="label:=3", from_row=2, with_picture=False))
    assert [row["image_id"] for row in rest["rows"]] == threes[2:]
    assert said(asked(opened(), "find_images", search="label:nothing"))["rows"] == []


@pytest.mark.parametrize("size", ["original", "crop", "thumbnail"])
def test_an_image_is_shown(size):
    result = asked(opened(), "image", image_id=4, size=size)
    answer = said(result)
    assert answer["label"] == opened().run.image(4)["label"] and answer["path"] and "thumbnail" not in answer
    shown = picture(result)
    assert max(shown.shape) >= 200 and answer["picture"]["shown_width"] == shown.shape[1]
