"""What may be given in a notebook, in every form, and what is said of the rest."""

import io
import signal
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image

from compute import find_images, load_model, make_report, open_image, run_method
from compute.models.model import Model
from compute.models.zoo import ModelSpec
from compute.reports.drawing.report import Report
from compute.reports.notebook.result import Result, displayed
from compute.runtime.progress import Progress
from featurestore.reader import Run, Store
from tests.support import ROOT
from tests.support.methods import assert_untouched, state_of
from tests.support.stores.served import copied_store, served_store, write_own_store

pytestmark = pytest.mark.slow

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
HOSTILE = "<script>alert(1)</script>\u202egnp.exe\udcff"


@pytest.fixture(scope="module")
def run() -> Run:
    return Store(served_store()).open()


@pytest.fixture(scope="module")
def model(run) -> Model:
    return load_model(run, device="cpu")


def untrained() -> Model:
    """The run's network with weights that did not make the run."""
    return load_model("digits", weights="none", device="cpu")


def file_of(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_compute_stays_cheap_to_import():
    code = "import sys, compute; assert not {'torch', 'numpy', 'PIL'} & sys.modules.keys(); dir(compute)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(ImportError, match="nothing"):
        exec("from compute import nothing")


@pytest.mark.parametrize("form", ["path", "bytes", "pillow", "array", "tensor", "decimal", "one of a batch"])
def test_an_image_in_every_form_is_the_same(form, model, tmp_path):
    grey = PIXELS[..., :1]
    data, decimal = file_of(grey[..., 0]), grey.astype(np.float32) / 255
    (tmp_path / "x.png").write_bytes(data)
    tensor = torch.from_numpy(decimal).permute(2, 0, 1)
    given = {
        "path": tmp_path / "x.png",
        "bytes": data,
        "pillow": Image.open(io.BytesIO(data)),
        "array": grey,
        "tensor": torch.from_numpy(grey).permute(2, 0, 1),
        "decimal": decimal,
        "one of a batch": tensor[None],
    }[form]
    np.save(tmp_path / "x.npy", decimal)
    is_decimal = form in ("decimal", "one of a batch")
    file = tmp_path / ("x.npy" if is_decimal else "x.png")
    result = run_method("saliency", model, given, target=3)
    assert np.array_equal(result.array, run_method("saliency", model, file, target=3).array)
    if form in ("path", "bytes", "decimal"):
        assert result.recipe["image"] == sha256(file.read_bytes()).hexdigest()
    assert (result.command is not None) == (form == "path")
    assert "no command line" in result._repr_html_() or form == "path"


@pytest.mark.parametrize("form", ["array", "float64", "tensor"])
def test_decimal_colors_are_turned_grey_for_one_channel_as_those_of_8_bits_are(form, model):
    decimal = PIXELS.astype(np.float32) / 255
    given = {
        "array": decimal,
        "float64": PIXELS / 255,
        "tensor": torch.from_numpy(decimal).permute(2, 0, 1),
    }[form]
    grey = (decimal.astype(np.float64) @ [0.299, 0.587, 0.114]).astype(np.float32)
    ours = run_method("saliency", model, given, target=3)
    assert np.allclose(ours.array, run_method("saliency", model, grey, target=3).array, atol=1e-6)
    eight_bits = run_method("saliency", model, PIXELS, target=3).array
    assert np.corrcoef(ours.array.ravel(), eight_bits.ravel())[0, 1] > 0.99
    white = run_method("saliency", model, np.ones((40, 30, 3), np.float32), target=3)
    assert np.array_equal(white.array, run_method("saliency", model, np.ones((40, 30)), target=3).array)


def test_a_photograph_that_lies_on_its_side_is_set_upright(model, tmp_path):
    turned = Image.fromarray(PIXELS)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "x.jpg", exif=exif, quality=100, subsampling=0)
    opened = run_method("saliency", model, Image.open(tmp_path / "x.jpg"), target=3)
    assert np.array_equal(opened.array, run_method("saliency", model, tmp_path / "x.jpg", target=3).array)


def test_a_target_by_name_or_index(model):
    by_name, by_index = (run_method("saliency", model, PIXELS, target=each) for each in ("3", np.int64(3)))
    assert by_name.save.__self__ is by_name and by_name.recipe == by_index.recipe
    assert np.array_equal(by_name.array, by_index.array)


def test_numbers_of_numpy_are_as_good_as_pythons(run, model):
    def made(number):
        channel, count = number(3), number(2)
        report = make_report("patches", run, model=model, layer="conv2", channel=channel, count=count)
        ascent = run_method("ascend", model, layer="conv2", channel=channel, iterations=count, progress=False)
        return report, ascent

    for ours, theirs in zip(made(int), made(np.int64), strict=True):
        assert ours.recipe == theirs.recipe and ours.command == theirs.command and ours.command
        assert ours.numbers == theirs.numbers and "Recipe" in theirs._repr_html_()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, r: run_method("salience", m, PIXELS), "no method 'salience'; did you mean saliency"),
        (
            lambda m, r: run_method("saliency", m, PIXELS, sample=3),
            "no parameter 'sample'; did you mean samples",
        ),
        (
            lambda m, r: run_method("saliency", m, PIXELS, variant="smooth"),
            "variant is 'smooth'; choose from",
        ),
        (lambda m, r: run_method("saliency", m, PIXELS, second=PIXELS), "saliency reads no 'second'"),
        (lambda m, r: run_method("saliency", m, PIXELS, whole=True), "saliency reads no 'whole'"),
        (lambda m, r: run_method("saliency", m), "saliency needs an image"),
        (lambda m, r: run_method("saliency", m, PIXELS, target="four"), "unknown class 'four'"),
        (lambda m, r: run_method("saliency", m, PIXELS, target=10), "class 10 is not one of the 10"),
        (lambda m, r: run_method("saliency", m, PIXELS, target=-1), "class -1 is not one of the 10"),
        (lambda m, r: run_method("saliency", m, PIXELS, target=True), "class True is not one"),
        (lambda m, r: run_method("saliency", m, PIXELS, target=1.5), "by name or index, not 1.5"),
        (
            lambda m, r: run_method("saliency", "digits", PIXELS),
            "one that load_model gives, or a run, not str",
        ),
        (lambda m, r: run_method("saliency", m, PIXELS * 1.0), "lie in .0, 1., and these go from 0 to 255"),
        (lambda m, r: run_method("saliency", m, "gone.png"), "no such file: 'gone.png'"),
        (lambda m, r: run_method("saliency", m, 5), "an image is an image of a run.*not int"),
        (lambda m, r: run_method("saliency", m, torch.zeros(4, 4)), r"is \(C, H, W\), not \(4, 4\)"),
        (lambda m, r: run_method("ascend", m, layer="conv9", channel=0), "unknown layer 'conv9'"),
        (lambda m, r: run_method("ascend", m, layer=5, channel=0), "unknown layer 5; choose from conv1"),
        (
            lambda m, r: run_method("ascend", m, layer="conv1", channel="2"),
            "channel is '2'; it must be a whole",
        ),
        (
            lambda m, r: run_method("ascend", m, layer="conv1", channel=2.0),
            "channel is 2.0; it must be a whole",
        ),
        (lambda m, r: run_method("ascend", m, layer="conv1", channel=True), "channel is True"),
        (lambda m, r: run_method(5, m), "no method 5; choose from"),
        (lambda m, r: make_report("strongest", r, model=untrained(), image_id=3), "has other weights"),
        (
            lambda m, r: make_report("explain", r, other_run=r, other_model=untrained(), image_id=3),
            "has other weights",
        ),
        (lambda m, r: make_report("series", r, other_runs=r), "list of runs or stores, not Run"),
        (lambda m, r: make_report("series", r, other_runs="store"), "list of runs or stores, not str"),
        (lambda m, r: find_images(r, 5), "words of a search, not int"),
        (lambda m, r: make_report("patch", r), "no report 'patch'; did you mean patches"),
        (lambda m, r: make_report("patches", r, layer="conv2", chanel=1), "no parameter 'chanel'"),
        (lambda m, r: make_report("patches", r, layer="conv2", guided=False), "patches needs a channel"),
        (lambda m, r: make_report("map", r, image_id=3), "map reads no 'image_id'"),
        (lambda m, r: make_report("occlusion-map", r, image=PIXELS), "one of the run's own images"),
        (lambda m, r: make_report("map", 5), "a run is one that Store"),
        (lambda m, r: make_report("map", m), "map needs a store"),
        (lambda m, r: load_model("digits", weight="none"), "no option 'weight'; did you mean weights"),
        (lambda m, r: load_model("digit"), "unknown model 'digit'"),
        (lambda m, r: load_model("digits", device="gpu"), "unknown device 'gpu'"),
        (lambda m, r: load_model(5), "a run or a name such as 'demo', not int"),
        (lambda m, r: load_model(r, weights="none", seed=4), "other weights now"),
        (lambda m, r: find_images(r, "loss:x"), "'x' is no range of loss"),
    ],
)
def test_what_is_wrong_is_said_with_the_choices(call, said, run, model):
    with pytest.raises(ValueError, match=said):
        call(model, run)


def test_a_file_of_ones_own_runs_only_if_it_is_named(tmp_path):
    store = write_own_store(tmp_path / "store", tmp_path / "own.py")
    own = Store(store).open()
    with pytest.raises(ValueError, match=r"code.*name it: load_model\(run, model='.*own.py:net'\)"):
        load_model(own)
    named = own.manifest.model["spec"]["model"]
    model = load_model(own, model=named)
    assert f"--model {named}" in run_method("saliency", model, own.image(0)).command


def test_networks_by_name(run):
    model = load_model("digits", size=32, device="cpu")
    result = run_method("saliency", model, run.image(5), target="3")
    assert model.input_size == (32, 32) and result.recipe["run"] is None
    by_spec = load_model(ModelSpec("digits", size=32), device="cpu")
    assert np.array_equal(run_method("saliency", by_spec, run.image(5), target="3").array, result.array)


def test_a_run_stands_for_its_network_and_a_path_for_its_store(run, model):
    result = run_method("saliency", run, run.image(5), target="3")
    assert np.array_equal(result.array, run_method("saliency", model, run.image(5), target="3").array)
    assert make_report("classes", served_store()).numbers == make_report("classes", run).numbers


def test_an_image_that_has_changed_is_not_used(tmp_path):
    store = copied_store(tmp_path / "store")
    run = Store(store).open()
    image = run.image(3)
    assert open_image(image).size == (image["width"], image["height"])
    image["image_id"] = 4
    run.image = lambda image_id: {**image, "sha256": "0" * 64}
    with pytest.raises(ValueError, match="no longer the one that made the store"):
        open_image(image)


def test_images_are_found_by_words(run):
    found = find_images(run, "label:=3")
    assert len(found) and {each["label"] for each in found} == {"3"}


def test_ctrl_c_ends_a_method_and_leaves_the_network(model):
    before = state_of(model)
    whole = run_method("saliency", model, PIXELS, target=3, variant="smoothgrad", samples=5)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for seconds in (0.05, 0.11, 0.23):
            for name, many in (("saliency", {"variant": "smoothgrad", "samples": 1000}), ("occlusion", {})):
                signal.setitimer(signal.ITIMER_REAL, seconds)
                with pytest.raises(KeyboardInterrupt):
                    while True:
                        run_method(name, model, PIXELS, **many)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert_untouched(before, model)
    again = run_method("saliency", model, PIXELS, target=3, variant="smoothgrad", samples=5)
    assert np.array_equal(again.array, whole.array)


def test_quick_work_says_nothing_and_long_work_one_line():
    for seconds, said in ((0.1, ""), (0.6, "\r\x1b[2Ksaliency     1/4 steps  0.6/s  0:05 left")):
        now, stream = [0.0], Notebook()
        with Progress(stream, lambda now=now: now[0], patience=1.0).stage("saliency", 4, "steps") as stage:
            for _ in range(3):
                now[0] += seconds * 3
                stage.advance()
        assert stream.getvalue().startswith(said) and bool(stream.getvalue()) == bool(said)


class Notebook(io.StringIO):
    """As ipykernel's stream: no terminal, and its lines can be written over."""

    def isatty(self) -> bool:
        return False


Notebook.__module__ = "ipykernel.iostream"


def test_hostile_text_in_a_result_is_text():
    report = Report({"class": HOSTILE}, {HOSTILE: HOSTILE, "rows": [HOSTILE]}, None, None)
    card = Result(HOSTILE, report, f"echo '{HOSTILE}'")._repr_html_()
    assert "<script" not in card and "\u202e" not in card and "\udcff" not in card and "alert(1)" in card


def test_a_large_picture_is_scaled_down_and_says_so():
    noise = np.random.default_rng(0).integers(0, 256, (1500, 3000, 3), dtype=np.uint8)
    card = displayed(file_of(noise), "noise")
    assert "shown at 860 × 430 pixels; the picture has 3000 × 1500" in card and len(card) < 300_000


def test_a_picture_of_noise_is_shown_too():
    noise = np.random.default_rng(0).integers(0, 256, (858, 858, 3), dtype=np.uint8)
    shown = displayed(file_of(noise), "noise")
    assert "data:image/jpeg" in shown and "the picture has 858 × 858" in shown and len(shown) < 300_000


def test_what_can_t_be_drawn_is_said():
    def gone() -> np.ndarray:
        raise ValueError("image 3 is gone")

    card = Result("Patches", Report({}, {"layer": "conv2"}, gone), "python -m compute patches")._repr_html_()
    assert "not shown" in card and "image 3 is gone" in card and "conv2" in card
