"""The command line of methods and queries: made from the declarations, and its files are what the methods
give."""

import argparse
import io
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from compute.__main__ import main
from compute.cli import inputs, methods, reports
from compute.cli.inputs import read_file
from compute.images.pictures import picture, pixels, to_8_bit
from compute.images.pixel_vectors import pixel_vectors
from compute.images.sources import open_source
from compute.methods import METHODS
from compute.methods.attribution.guided import Guided
from compute.methods.attribution.saliency import Saliency
from compute.methods.base import Inputs
from compute.methods.recipe import finite
from compute.methods.synthesis.ascent import Ascent
from compute.reports import base as reports_base
from compute.reports import neighbors as neighbors_sheet
from compute.reports.channels import patches as patches_sheet
from compute.reports.live import network
from compute.reports.registry import REPORTS
from compute.runtime.parameters import option
from featurestore.reader import Store
from featurestore.schemas import TABLES
from featurestore.writing.run_writer import RunWriter
from tests.support.networks.tiny import CLASSES, tiny_image, tiny_model

SIDE = 24
COUNT = 12


@pytest.fixture(scope="module")
def model():
    return tiny_model("plain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """COUNT pictures of the network's input size in two folders, the last one a copy of the first."""
    root = tmp_path_factory.mktemp("pictures")
    for index in range(COUNT):
        path = root / "ab"[index % 2] / f"{index:02}.png"
        path.parent.mkdir(exist_ok=True)
        values = to_8_bit(pixels(tiny_image(model, 0 if index == COUNT - 1 else index)))
        Image.fromarray(values).save(path)
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory, folder, model):
    """A store of that folder with what the queries read."""
    path = tmp_path_factory.mktemp("store")
    writer, source = RunWriter(path, "tiny-run"), open_source(str(folder))
    data = [source.read(item.path) for item in source.items]
    crops = torch.stack([model.prepare(Image.open(io.BytesIO(each))) for each in data])
    for table, rows in _tables(model, source, data, crops).items():
        writer.write_shard(table, 0, _arrow(table, rows))
    writer.commit(
        {
            "model": {
                "name": model.name,
                "weights_hash": model.weights_hash,
                "spec": {"model": "tiny.py:plain"},
                "preprocessing": model.preprocessing.to_dict(),
            },
            "images": {"spec": str(folder), "count": COUNT},
            "parameters": {},
            "versions": {},
            "device": "cpu",
            "dtype": "float32",
            "threads": 1,
            "class_names": model.classes,
        }
    )
    return path


def _arrow(table: str, rows: list[dict]) -> pa.Table:
    if table == "features":
        vectors = pa.array([row["feature"] for row in rows], pa.list_(pa.float32(), len(rows[0]["feature"])))
        return pa.table({"image_id": [row["image_id"] for row in rows], "feature": vectors})
    return pa.Table.from_pylist(rows, TABLES[table])


def _tables(model, source, data, crops) -> dict[str, list[dict]]:
    import hashlib

    with torch.inference_mode():
        probabilities, winners = model.probabilities(crops).max(1)
    images = [
        {
            "image_id": i,
            "path": item.path,
            "sha256": hashlib.sha256(each).hexdigest(),
            "label": item.label,
            "predicted": model.classes[winners[i]],
            "probability": float(probabilities[i]),
            "thumbnail": {"bytes": each, "path": None},
        }
        for i, (item, each) in enumerate(zip(source.items, data, strict=True))
    ]
    features = model.features(crops).detach().numpy()
    return {
        "images": images,
        "features": [{"image_id": i, "feature": row} for i, row in enumerate(features)],
        "neighbors": [
            {"space": space, "image_id": i, "rank": rank, "neighbor_id": j, "distance": rank / 10}
            for space in ("feature", "pixel")
            for i in range(COUNT)
            for rank, j in enumerate(k for k in range(COUNT) if images[k]["sha256"] != images[i]["sha256"])
        ],
        "top_patches": _top_patches(model, crops),
    }


def _top_patches(model, crops) -> list[dict]:
    maps = model.activations(crops, {"3"})["3"][:, 2]
    order = maps.amax((1, 2)).argsort(descending=True, stable=True)[:9].tolist()
    rows = []
    for rank, image_id in enumerate(order):
        y, x = divmod(int(maps[image_id].argmax()), maps.shape[2])
        left, top, right, bottom = model.layer("3").receptive_field.box(y, x)
        rows.append(
            {
                "layer": "3",
                "channel": 2,
                "rank": rank,
                "image_id": image_id,
                "value": float(maps[image_id].max()),
                "y": y,
                "x": x,
                "left": left,
                "top": top,
                "right": right,
                "bottom": bottom,
            }
        )
    return rows


@pytest.fixture
def compute(monkeypatch, model, capsys, tmp_path_factory):
    """Runs `python -m compute …` on the tiny network: (exit code, standard output, standard error).

    It runs where the file lies that the store's model is named after.
    """
    here = tmp_path_factory.mktemp("here")
    (here / "tiny.py").touch()
    monkeypatch.chdir(here)
    for module in (inputs, network):
        monkeypatch.setattr(module, "load", lambda spec, device, class_names=None, look=None: model)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capsys.readouterr()

    return run


def help_of(module, name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    return parser._subparsers._group_actions[0].choices[name]


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_parameter_is_an_option_with_unit_default_and_source(name):
    parser = help_of(methods, name)
    said = " ".join(parser.format_help().replace("-\n", "-").split())
    options = {text for action in parser._actions for text in action.option_strings}
    for each in METHODS[name].parameters():
        assert option(each.name) in options
        wanted = [each.metadata["unit"], each.metadata["source"], *map(str, each.metadata["choices"] or ())]
        for word in " ".join(wanted).split():
            assert word.rstrip("-") in said, (each.name, word)
        if isinstance(each.default, bool):
            assert f"--no-{option(each.name)[2:]}" in options
    defaults = vars(parser.parse_args([]))
    assert (
        METHODS[name](**{each.name: defaults[each.name] for each in METHODS[name].parameters()})
        == METHODS[name]()
    )
    assert {"--store", "--model", "--seed", "--out", "--json", "--device"} <= options


OF_A_MODEL = ["store", *sorted(METHODS), "filters", "neighbors", "patches", "strongest"]
OF_A_STORE = [
    "map",
    "grid",
    "atlas",
    "clusters",
    "occlusion-map",
    "confusion",
    "mistakes",
    "suspects",
    "outvoted",
    "classes",
    "table",
]


@pytest.mark.parametrize("name", [*OF_A_MODEL, *OF_A_STORE])
def test_help_is_printed(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "--store" in out and ("--model" in out) == (name in OF_A_MODEL)


def test_array_and_picture_are_what_the_method_gives(compute, model, folder, tmp_path):
    image = folder / "a" / "00.png"
    code, out, _ = compute(
        "saliency", "--model", "demo", "--image", image, "--out", tmp_path / "x.npy", "--json"
    )
    expected = Saliency().run(model, Inputs(image=tiny_image(model, 0)))
    array = np.load(tmp_path / "x.npy")
    assert code == 0 and array.dtype == np.float32 and np.array_equal(array, expected.data)
    numbers = json.loads(out)
    assert numbers["class"] == expected.numbers["class"] and numbers["score"] == expected.score
    assert numbers["parameters"] == Saliency().to_dict() and numbers["seconds"] > 0
    compute("saliency", "--model", "demo", "--image", image, "--out", tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as opened:
        assert np.array_equal(np.asarray(opened), picture(expected))
        assert json.loads(opened.text["featurescope"])["parameters"] == Saliency().to_dict()


def test_options_reach_the_method(compute, model, folder, tmp_path):
    image = folder / "a" / "00.png"
    options = "--variant smoothgrad --samples 3 --noise 0.1 --seed 4 --target dog".split()
    compute("saliency", "--model", "demo", "--image", image, *options, "--out", tmp_path / "x.npy")
    method = Saliency(variant="smoothgrad", samples=3, noise=0.1, seed=4)
    expected = method.run(model, Inputs(image=tiny_image(model, 0), target=3))
    assert np.array_equal(np.load(tmp_path / "x.npy"), expected.data)
    unit = "--layer 3 --channel 5 --y 2 --x 3".split()
    compute("guided", "--model", "demo", "--image", image, *unit, "--out", tmp_path / "g.npy")
    expected = Guided().run(model, Inputs(image=tiny_image(model, 0), layer="3", channel=5, y=2, x=3))
    assert np.array_equal(np.load(tmp_path / "g.npy"), expected.data)


def test_switches_have_an_off_form(compute, folder):
    base = ("saliency", "--model", "demo", "--image", folder / "a" / "00.png", "--json")
    _, on, _ = compute(*base, "--sanity", "--curves", "--curve-steps", 2)
    _, off, _ = compute(*base, "--no-sanity", "--no-curves")
    assert {"deletion_area", "rank_correlation_with_random_weights"} <= json.loads(on).keys()
    assert not {"deletion_area", "rank_correlation_with_random_weights"} & json.loads(off).keys()


def test_further_pictures_by_name(compute, folder, tmp_path):
    base = ("saliency", "--model", "demo", "--image", folder / "a" / "00.png", "--out", tmp_path / "x.png")
    assert compute(*base, "--picture", "overlay")[0] == 0
    code, _, error = compute(*base, "--picture", "nothing")
    assert code == 2 and "overlay" in error


def test_progress_goes_to_the_standard_error(compute, folder):
    _, out, error = compute("occlusion", "--model", "demo", "--image", folder / "a" / "00.png", "--json")
    assert "occlusion" in error and json.loads(out)["rows"] > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("saliency", "--image", "nowhere.png"), "no such file: 'nowhere.png'"),
        (("style", "--image", "{image}", "--second", "nowhere.png"), "no such file: 'nowhere.png'"),
        (("saliency",), "--image"),
        (("saliency", "--image", "{image}", "--target", "unicorn"), "unknown class 'unicorn'"),
        (("saliency", "--image", "{image}", "--variant", "best"), "smoothgrad, integrated, gradcam"),
        (("saliency", "--image", "{image}", "--samples", "0"), "samples is 0"),
        (("saliency", "--image", "{image}", "--out", "x.jpg"), ".csv or .parquet"),
        (("saliency", "--image", "{image}", "--out", "nowhere/x.png"), "nowhere"),
        (("saliency", "--image", "{text}"), "can't be read"),
        (("saliency", "--image", "{image}", "--image-id", "3"), "one of them"),
        (("saliency", "--image-id", "3"), "--store"),
        (("saliency", "--image", "{image}", "--store", "{text}"), "no store"),
        (("guided", "--image", "{image}", "--channel", "1"), "--layer"),
        (("guided", "--image", "{image}", "--layer", "3"), "--channel"),
        (("guided", "--image", "{image}", "--layer", "99", "--channel", "1"), "unknown layer '99'"),
        (("guided", "--image", "{image}", "--layer", "3", "--channel", "1", "--y", "1"), "both y and x"),
        (("occlusion", "--image", "{image}", "--patch", "99"), "larger than the image"),
        (("neighbors", "--image", "{image}"), "--store"),
        (("saliency", "--image", "{image}", "--run", "abc"), "--store"),
        (("patches", "--layer", "3", "--channel", "2"), "--store"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(compute, folder, tmp_path, arguments, said):
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    names = {"image": folder / "a" / "00.png", "text": text}
    code, out, error = compute(*(each.format(**names) for each in arguments), "--model", "demo")
    assert code == 2 and said in error and not out
    assert error.startswith("error: ") and error.count("\n") == 1


def test_a_stores_image_by_id_and_by_path(compute, model, store, folder, tmp_path):
    options = ("--store", store, "--model", "tiny.py:plain")
    for which in (("--image-id", 3), ("--image", open_source(str(folder)).items[3].path)):
        code, *_ = compute("saliency", *options, *which, "--out", tmp_path / "x.npy")
        image = model.prepare(Image.open(folder / open_source(str(folder)).items[3].path))
        assert code == 0
        assert np.array_equal(np.load(tmp_path / "x.npy"), Saliency().run(model, Inputs(image=image)).data)


def test_code_that_only_a_store_names_is_not_run(compute, store):
    code, _, error = compute("saliency", "--store", store, "--image-id", 0)
    assert code == 2 and "--model tiny.py:plain" in error


def test_other_weights_than_the_stores_are_refused(compute, store, monkeypatch):
    monkeypatch.setattr(network, "load", lambda *_: tiny_model("reused"))
    code, _, error = compute("saliency", "--store", store, "--model", "tiny.py:plain", "--image-id", 0)
    assert code == 2 and "other weights" in error


def test_an_image_that_has_changed_is_refused(compute, store, folder):
    path = folder / open_source(str(folder)).items[5].path
    before = path.read_bytes()
    try:
        path.write_bytes((folder / open_source(str(folder)).items[4].path).read_bytes())
        code, _, error = compute("saliency", "--store", store, "--model", "tiny.py:plain", "--image-id", 5)
    finally:
        path.write_bytes(before)
    assert code == 2 and "no longer the one" in error


def test_filters(compute, model, tmp_path):
    code, out, _ = compute("filters", "--model", "demo", "--out", tmp_path / "f.npy", "--json")
    weights = model.module[0].weight.numpy()
    assert code == 0 and json.loads(out)["filters"] == 8
    assert np.allclose(np.load(tmp_path / "f.npy"), weights / np.array((0.2, 0.25, 0.3)).reshape(1, 3, 1, 1))
    compute("filters", "--model", "demo", "--no-pixel-space", "--out", tmp_path / "f.npy")
    assert np.array_equal(np.load(tmp_path / "f.npy"), weights)
    pictures = []
    for scaling in ("filter", "all"):
        compute("filters", "--model", "demo", "--scaling", scaling, "--side", 10, "--out", tmp_path / "f.png")
        pictures.append(np.asarray(Image.open(tmp_path / "f.png")))
    assert pictures[0].shape == (34, 34, 3) and not np.array_equal(*pictures)


def test_patches_with_their_guided_pictures(compute, model, store, tmp_path):
    options = ("--store", store, "--model", "tiny.py:plain", "--layer", "3", "--channel", 2, "--side", 20)
    code, out, _ = compute("patches", *options, "--out", tmp_path / "p.png", "--json")
    numbers = json.loads(out)
    assert code == 0 and len(numbers["patches"]) == 9 and numbers["guided"] == "beside each"
    assert [row["value"] for row in numbers["patches"]] == sorted(
        (r["value"] for r in numbers["patches"]), reverse=True
    )
    block = 3 * 20 + 2 * 2
    assert Image.open(tmp_path / "p.png").size == (2 * block + patches_sheet.MARGIN, block)
    for row in numbers["patches"]:
        left, top, right, bottom = row["gradient_energy_box"]
        assert row["left"] <= left < right <= row["right"] and row["top"] <= top < bottom <= row["bottom"]


def test_patches_of_an_unknown_channel(compute, store):
    code, _, error = compute(
        "patches", "--store", store, "--model", "tiny.py:plain", "--layer", "3", "--channel", 99
    )
    assert code == 2 and "99" in error


def test_neighbors_of_a_stores_image_are_the_stores(compute, store, tmp_path):
    options = ("--store", store, "--model", "tiny.py:plain", "--image-id", 2, "--count", 4, "--side", 16)
    code, out, _ = compute("neighbors", *options, "--out", tmp_path / "n.png", "--json")
    numbers = json.loads(out)
    assert code == 0 and [row["image_id"] for row in numbers["feature"]] == [0, 1, 3, 4]
    assert numbers["label"] == "a" and numbers["feature_label_agreement"] == 1.0
    assert 0 <= numbers["pixel_label_agreement_of_the_store"] <= 1
    assert Image.open(tmp_path / "n.png").size == (5 * 18 - 2, 2 * 16 + neighbors_sheet.MARGIN)


def test_neighbors_of_another_image_are_searched(compute, model, store, folder, tmp_path):
    image = tiny_image(model, 77)
    Image.fromarray(to_8_bit(pixels(image))).save(tmp_path / "new.png")
    code, out, _ = compute(
        "neighbors", "--store", store, "--model", "tiny.py:plain", "--image", tmp_path / "new.png", "--json"
    )
    numbers = json.loads(out)
    source = open_source(str(folder))
    crops = torch.stack([model.prepare(Image.open(folder / item.path)) for item in source.items])
    distances = (pixel_vectors(crops) - pixel_vectors(image[None])).norm(dim=1)
    assert code == 0 and numbers["copies_in_the_store"] == []
    assert numbers["pixel"][0]["image_id"] == distances.argmin()
    assert numbers["pixel"][0]["distance"] == pytest.approx(distances.min().item(), rel=1e-5)
    ours, others = model.features(image[None]), model.features(crops)
    cosine = 1 - torch.nn.functional.cosine_similarity(ours, others)
    assert numbers["feature"][0]["image_id"] == cosine.argmin()
    assert numbers["feature"][0]["distance"] == pytest.approx(cosine.min().item(), abs=1e-5)


def test_copies_of_the_query_are_left_out(compute, model, store, folder, tmp_path):
    path = tmp_path / "copy.png"
    path.write_bytes((folder / "a" / "00.png").read_bytes())
    _, out, _ = compute("neighbors", "--store", store, "--model", "tiny.py:plain", "--image", path, "--json")
    numbers = json.loads(out)
    assert len(numbers["copies_in_the_store"]) == 2
    assert not {row["image_id"] for row in numbers["feature"]} & set(numbers["copies_in_the_store"])


def test_json_has_no_nan():
    assert finite({"a": float("nan"), "b": [1.0, float("inf")], "c": {"d": "x"}}) == {
        "a": None,
        "b": [1.0, None],
        "c": {"d": "x"},
    }


def test_every_report_is_a_command():
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    reports.add_parser(subparsers)
    assert (
        set(subparsers.choices)
        == set(REPORTS)
        == {"filters", "neighbors", "patches", "strongest", "compare", "explain", "series", *OF_A_STORE}
    )


@pytest.mark.parametrize("name", ["map", "grid", "confusion", "table"])
def test_a_run_that_is_not_there_is_said(name, store, compute):
    more = ("--name", "images") if name == "table" else ()
    code, out, error = compute(name, "--store", store, "--run", "other", *more)
    assert code == 2 and "'other'" in error and "tiny-run" in error and not out


def test_a_pinned_run_is_the_one_that_is_read(compute, store, tmp_path):
    out = tmp_path / "images.parquet"
    code, *_ = compute("table", "--name", "images", "--store", store, "--run", "tiny-run", "--out", out)
    assert code == 0 and pa.parquet.read_table(out).num_rows == COUNT


@pytest.mark.slow
def test_an_ascent_is_led_by_the_stores_images_that_answer_most(
    compute, model, store, folder, tmp_path, monkeypatch
):
    run, files = Store(store).open(), open_source(str(folder)).items
    named = ("ascend", "--store", store, "--model", "tiny.py:plain", "--natural", "5", "--iterations", "3")

    def prepared(image_ids: list[int]) -> torch.Tensor:
        return torch.stack([model.prepare(Image.open(folder / files[each].path)) for each in image_ids])

    opened = []
    monkeypatch.setattr(reports_base, "open_source", lambda spec: opened.append(spec) or open_source(spec))
    code, *_ = compute(*named, "--layer", "3", "--channel", "2", "--out", tmp_path / "x.npy")
    assert len(opened) == 1  # for all nine references
    ranked = [row["image_id"] for row in run.top_patches("3", 2).to_pylist()][:9]
    expected = Ascent(natural=5.0, iterations=3).run(
        model, Inputs(layer="3", channel=2, references=prepared(ranked))
    )
    assert code == 0 and np.array_equal(np.load(tmp_path / "x.npy"), expected.data)

    rows = run.table("images", ["image_id", "predicted", "probability"]).to_pylist()
    target = rows[0]["predicted"]
    sure = sorted((row for row in rows if row["predicted"] == target), key=lambda row: -row["probability"])
    inputs = Inputs(
        target=model.class_index(target), references=prepared([row["image_id"] for row in sure[:9]])
    )
    code, *_ = compute(*named, "--target", target, "--out", tmp_path / "x.npy")
    assert np.array_equal(
        np.load(tmp_path / "x.npy"), Ascent(natural=5.0, iterations=3).run(model, inputs).data
    )


def test_an_ascent_without_natural_images_says_so(compute, store):
    code, _, error = compute("ascend", "--model", "demo", "--natural", "5", "--layer", "3", "--channel", "5")
    assert code == 2 and "natural=5 needs natural images" in error
    predicted = set(Store(store).open().table("images", ["predicted"])["predicted"].to_pylist())
    never = next(name for name in CLASSES if name not in predicted)
    code, _, error = compute(
        "ascend", "--store", store, "--model", "tiny.py:plain", "--natural", "5", "--target", never
    )
    assert code == 2 and f"no image of the store is predicted as {never!r}" in error


@pytest.mark.slow
@pytest.mark.parametrize("images", ["digits", "photographs"])
def test_a_file_that_does_not_exist_is_said_to_be_none_of_embedded_images_too(images):
    target = SimpleNamespace(run=object(), images=open_source(images))
    with pytest.raises(ValueError, match=r"^no such file: 'nowhere\.png'; of the store's images: no image"):
        read_file("nowhere.png", target)
