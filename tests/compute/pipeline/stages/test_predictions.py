"""What a store says of images whose network has independent labels, one score for two classes, or no
classes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from compute.images.loading import Picture
from compute.images.sources import Item, are_lists, names_of_label
from compute.models import zoo
from compute.network.outputs import SIGMOID, Output
from compute.pipeline.job import Job, parameters
from compute.pipeline.stages.activations import image_rows
from featurestore.reader import Store
from featurestore.upkeep.verify import verify
from tests.support.networks import scored
from tests.support.networks.odd import CLASSES, PREPROCESSING, seeded
from tests.support.stores.scored import EACH, LISTS, network_file, scored_store

LABELS = Output(count=5, meaning=SIGMOID)
PICTURES = [Picture(each * 64, 20, 10, b"png") for each in "abc"]


def rows(logits: list[list[float]], labels: list[str | None], lists: bool) -> list[dict]:
    items = [Item(f"{index}.png", label) for index, label in enumerate(labels)]
    pictures = [Picture(str(index) * 64, 20, 10, b"png") for index in range(len(labels))]
    values = np.array(logits, np.float32)
    return image_rows(0, items, pictures, values, CLASSES, LABELS, lists).to_pylist()


def test_labels_are_ranked_by_their_own_probabilities():
    (row,) = rows([[40.0, 30.0, -1.0, -2.0, 0.5]], [None], False)
    assert [each["class"] for each in row["top5"]] == ["ant", "bee", "eel", "cow", "dog"]
    expected = torch.tensor([40.0, 30.0, 0.5, -1.0, -2.0]).sigmoid().tolist()
    assert [each["probability"] for each in row["top5"]] == pytest.approx(expected)
    assert row["predicted"] == "ant" and row["correct"] is None and row["loss"] is None


def test_all_labels_above_a_half_are_kept():
    output, classes = Output(count=9, meaning=SIGMOID), tuple("abcdefghi")
    logits = np.array([[1.0] * 7 + [-1.0] * 2, [-1.0] * 9], np.float32)
    items = [Item("0.png"), Item("1.png")]
    first, second = image_rows(0, items, PICTURES[:2], logits, classes, output).to_pylist()
    assert [each["class"] for each in first["top5"]] == list("abcdefg")
    assert len(second["top5"]) == 5


def test_lists_are_right_where_exactly_their_labels_are_above_a_half():
    exact, lacking, more, alone, unknown = rows(
        [
            [3.0, 2.0, -1.0, -2.0, -3.0],
            [3.0, -2.0, -1.0, -2.0, -3.0],
            [3.0, 2.0, 1.0, -2.0, -3.0],
            [-3.0, 2.0, -1.0, -2.0, -3.0],
            [3.0, 2.0, -1.0, -2.0, -3.0],
        ],
        ["ant|bee", "ant|bee", "bee | ant", "bee", "ant|fox"],
        True,
    )
    found = [row["correct"] for row in (exact, lacking, more, alone, unknown)]
    assert found == [True, False, False, True, None]
    logits, targets = torch.tensor([3.0, -2.0, -1.0, -2.0, -3.0]), torch.tensor([1.0, 1, 0, 0, 0])
    assert lacking["loss"] == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, targets)))
    assert unknown["loss"] is None


def test_of_single_labels_the_most_probable_one_counts():
    right, wrong = rows([[3.0, 2.0, -1, -1, -1], [3.0, 2.0, -1, -1, -1]], ["ant", "bee"], False)
    assert right["correct"] is True and wrong["correct"] is False


def test_a_list_names_classes_and_a_class_may_have_the_sign_in_its_name():
    assert names_of_label("ant|bee", CLASSES) == ("ant", "bee")
    assert names_of_label("ant|bee", ("ant|bee", "cow")) == ("ant|bee",)
    assert names_of_label("fox", CLASSES) is None
    assert are_lists([Item("a", "ant|bee")], CLASSES) and not are_lists([Item("a", "ant")], CLASSES)


def test_a_network_without_classes_says_nothing_of_an_image():
    items = [Item("0.png", "ant"), Item("1.png")]
    table = image_rows(0, items, PICTURES[:2], np.zeros((2, 0), np.float32), ())
    for name in ("predicted", "probability", "top5", "loss", "correct"):
        assert table[name].null_count == 2


def job(kind, classes: int, spec: dict | None = None, **told: str) -> Job:
    model = zoo.Model(seeded(kind), PREPROCESSING, CLASSES[:classes], "net", **told)
    return Job(model, spec or {}, None, (), (), parameters(model, threads=1))


def test_what_is_told_of_the_scores_makes_another_run_and_plain_logits_the_same():
    plain, told = job(scored.Logits, 5), job(scored.Logits, 5, scores="logits")
    assert plain.fingerprint == told.fingerprint
    others = [
        job(scored.Logits, 5, scores="sigmoid"),
        job(scored.Logits, 5, feature="conv1"),
        job(scored.Labels, 5),
        job(scored.Labels, 5, scores="logits"),
    ]
    assert len({each.fingerprint for each in (plain, *others)}) == 5


def test_a_network_without_classes_has_no_occlusion_stage():
    assert "occlusion" not in job(scored.Pyramid, 0).parameters.stages
    model = job(scored.Pyramid, 0).model
    with pytest.raises(ValueError, match="no class scores"):
        parameters(model, ("occlusion",))


def test_a_store_of_independent_labels():
    store = scored_store("Labels", 5)
    run = Store(store).open()
    assert verify(store) == []
    assert run.manifest.independent_labels and run.manifest.labels_are_lists
    spec = zoo.ModelSpec.from_dict(run.manifest.model["spec"])
    model = zoo.load(spec, "cpu", run.class_names)
    for row in run.table("images").to_pylist():
        content = network_file("Labels").parent / "images" / row["path"]
        with torch.no_grad():
            own = model.module(model.normalize(model.prepare(Image.open(content))[None]))[0]
        assert row["predicted"] == CLASSES[int(own.argmax())]
        assert row["probability"] == pytest.approx(float(own.max()), abs=1e-5)
        above = {CLASSES[index] for index in (own > 0.5).nonzero().reshape(-1).tolist()}
        assert {each["class"] for each in row["top5"] if each["probability"] > 0.5} == above
        assert row["correct"] is (above == set(row["label"].split("|")))
        maps = run.occlusion(row["image_id"])
        assert maps["unoccluded"] == pytest.approx(float(own.max()), abs=1e-5)


@pytest.mark.slow
def test_a_store_of_a_network_without_classes():
    store = scored_store("Pyramid", 0)
    run = Store(store).open()
    assert verify(store) == []
    tables = {
        "images",
        "features",
        "layers",
        "channels",
        "top_patches",
        "embeddings",
        "maps",
        "neighbors",
        "grids",
    }
    assert tables <= set(run.tables()) and "occlusion" not in run.tables()
    assert run.image_count == EACH * len(LISTS) and run.class_names == ()
    assert run.table("images", ["predicted"])["predicted"].null_count == run.image_count
    assert np.isfinite(run.features()).all()
    assert run.manifest.model["capabilities"]["occlusion"] == "the network gives no class scores"
    assert run.manifest.notes["left_out"] == {"occlusion": "the network gives no class scores"}
