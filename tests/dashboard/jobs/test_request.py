"""What names a live result: all it depends on and nothing else; and the command line that makes the same."""

import dataclasses
import shlex

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from compute.images.pictures import picture
from compute.methods import METHODS
from compute.reports.drawing.run_images import read_original
from dashboard.data.runs import load_model
from dashboard.jobs.request import request
from dashboard.settings import Settings
from dashboard.views.definitions import LabView
from dashboard.views.state import read_parameters
from featurestore.reader import Store
from tests.support.stores.served import served_store

IMAGE, SECOND = ("a" * 64, "some/image.png"), ("b" * 64, "other/image.png")


def view(method, **fields):
    return LabView("s", "r", method, read_parameters(method, {})[0], **fields)


def asked(method, image=IMAGE, second=SECOND, weights="w", **fields):
    numbers = {"image": -1 if image is None else 0, "second": -1 if second is None else 1}
    return request(view(method, **numbers, **fields), weights, image, second)


def test_the_key_changes_with_all_that_counts():
    base = asked("saliency", target="3")
    others = [
        asked("saliency", target="4"),
        asked("saliency"),
        asked("saliency", target="3", image=SECOND),
        asked("guided", layer="conv1", channel=0),
        asked("guided", layer="conv2", channel=0),
        asked("saliency", target="3", weights="v"),
        asked("fool", target="3"),
        dataclasses.replace(base, run="q"),
        dataclasses.replace(base, method=dataclasses.replace(base.method, seed=1)),
    ]
    keys = {each.key for each in [base, *others]}
    assert len(keys) == len(others) + 1
    assert asked("saliency", target="3").key == base.key


def test_a_method_that_makes_another_result_than_before_finds_no_kept_one(monkeypatch):
    before = asked("saliency")
    key = before.key
    monkeypatch.setattr(type(before.method), "version", before.method.version + 1)
    assert before.key != key


def test_what_a_method_does_not_read_makes_no_other_job():
    assert asked("saliency").key == asked("saliency", second=None, channel=4, y=1, x=1, whole=False).key
    assert asked("fool").key == asked("fool", layer="conv1").key
    assert asked("dream", layer="conv1", whole=False).key != asked("dream", layer="conv1").key
    assert asked("guided", layer="conv1", channel=2, y=3).y is None
    assert asked("saliency").key == asked("saliency", layer="conv1").key
    assert asked("segment").key == asked("segment", layer="conv1").key
    gradcam = {"method": "saliency", "p.variant": "gradcam"}
    last, first = (LabView.from_query(gradcam | layer)[0] for layer in ({}, {"layer": "conv1"}))
    assert request(last, "w", IMAGE, None).key != request(first, "w", IMAGE, None).key


def test_ascent_depends_on_what_it_climbs_alone():
    of_class = asked("ascend", target="5", image=None)
    assert of_class.key == asked("ascend", target="5", image=IMAGE).key
    assert of_class.image is None and of_class.key != asked("ascend", target="6", image=None).key
    of_channel = {"layer": "conv1", "channel": 2}
    assert asked("ascend", target="5", **of_channel).key == asked("ascend", **of_channel).key
    direction = asked("ascend", target="5", layer="conv1")
    assert direction.image == IMAGE and direction.target is None


@pytest.mark.parametrize("method", METHODS)
def test_the_command_line_is_one_that_compute_understands(method):
    from compute.__main__ import build_parser

    words = shlex.split(
        asked(method, layer="conv1", channel=1, y=0, x=0, target="5").command("stores/digits")
    )
    assert words[:3] == ["python", "-m", "compute"]
    args = vars(build_parser(words[3:]).parse_args(words[3:]))
    assert {name: args[name] for name in dict(view(method).parameters)} == dict(view(method).parameters)
    assert args["store"] == "stores/digits" and args["out"].endswith(".png")


@pytest.mark.slow
def test_the_command_line_makes_the_same_picture(tmp_path):
    store = served_store()
    run = Store(store).open()
    model = load_model(run, Settings(device="cpu"))
    row = run.image(5)
    wanted = dataclasses.replace(
        asked("saliency", image=(row["sha256"], row["path"]), target="8"), run=run.fingerprint
    )
    from compute.images.decoding import decode

    *_, step = wanted.steps(model, lambda _: model.prepare(decode(read_original(run, 5))))
    words = shlex.split(wanted.command(str(store)))[3:]
    words[-1] = str(tmp_path / "out.png")
    assert main([*words, "--device", "cpu"]) == 0
    assert np.array_equal(np.asarray(Image.open(words[-1])), picture(step))
