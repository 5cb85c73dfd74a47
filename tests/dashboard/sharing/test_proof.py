"""What a link proves: the same run and result, one within tolerance from elsewhere, or what differs."""

import dataclasses
import random
from dataclasses import replace
from urllib.parse import urlencode

import numpy as np
import pytest

from compute.analysis.deviation import SUMS, Sketch, deviation, estimated_deviation, sketch
from compute.methods import METHODS
from compute.methods.base import Step
from dashboard.jobs.result import Result
from dashboard.jobs.result_store import ResultCache
from dashboard.sharing.proof import TABLE, TOLERANCE, Proof, compare, prove, spoken
from dashboard.views.definitions import AboutView, ImageView, LabView, OverviewView
from dashboard.views.query_text import abbreviated
from dashboard.views.state import Choices, fields_of, read_parameters, view_field
from featurestore.layout import table_of
from featurestore.manifest import MANIFEST, Manifest
from featurestore.reader import Store
from featurestore.schemas import ADDED_TABLES
from tests.support.stores.altered import altered
from tests.support.stores.full import write_full_store
from tests.support.views import VIEWS, any_view

HERE = {"torch": "2.13.0+cpu", "device": "cpu x86_64", "threads": "2", "code": "0a1b2c3d"}
THERE = {**HERE, "device": "NVIDIA H100 80GB HBM3", "torch": "2.13.0+cu130"}
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.standard_normal((40, 40, 3)).astype(np.float32)
NOISE = RANDOM.standard_normal((40, 40, 3)).astype(np.float32)


def result(share=0.0, environment=HERE):
    """Differs by `share` of its root mean square."""
    return Result.of(Step(1, 1, "gradient", VALUES + np.float32(share) * NOISE), 1.0, environment)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("proof") / "store"
    write_full_store(path)
    return Store(path).open()


@pytest.fixture
def view(run):
    return ImageView("full", run.fingerprint, image=3)


def verdict(before, after, cache=None):
    """Of (view, run, result) when the link was made, and when it is opened."""
    made = Proof.from_text(prove(*before).to_text())
    return compare(made, prove(*after), cache, after[2])


def test_the_same_run_is_reproduced(view, run):
    assert verdict((view, run, None), (view, run, None)).kind == "reproduced"


def test_the_same_run_made_again_is_reproduced(view, run):
    again = altered(run, notes={"created": "another day", "timings": {"reading": 5}})
    assert verdict((view, run, None), (view, again, None)).kind == "reproduced"


def test_the_same_result_is_reproduced_wherever_it_was_made(view, run):
    for where in (HERE, THERE):
        found = verdict((view, run, result()), (view, run, result(environment=where)))
        assert found.kind == "reproduced" and "same bytes" in found.sentence


@pytest.mark.parametrize("share", [1e-6, 1e-3, 5e-3])
def test_a_result_from_elsewhere_within_the_tolerance_is_close(view, run, share):
    found = verdict((view, run, result()), (view, run, result(share, THERE)))
    assert found.kind == "close"
    assert (
        "within 1 %" in found.sentence and "NVIDIA H100" in found.sentence and "cpu x86 64" in found.sentence
    )


@pytest.mark.parametrize("share", [0.03, 0.3, 10.0])
def test_a_result_beyond_the_tolerance_differs_by_so_much(view, run, share):
    found = verdict((view, run, result()), (view, run, result(share)))
    assert found.kind == "differs" and "in the same environment" in found.sentence
    said = float(found.sentence.split("about ")[1].split(" %")[0])
    assert said / 100 == pytest.approx(share, rel=0.5)


def test_a_kept_original_gives_the_exact_deviation(view, run, tmp_path):
    cache = ResultCache(tmp_path, 2**20)
    cache.put("ab" * 32, "", result())
    found = verdict((view, run, result()), (view, run, result(0.25)), cache)
    assert "about" not in found.sentence
    exact = deviation(result().data, result(0.25).data)
    assert f"{100 * exact:.2g} %" in found.sentence


def test_another_size_differs(view, run):
    other = Result.of(Step(1, 1, "gradient", VALUES[:20]), 1.0, HERE)
    found = verdict((view, run, result()), (view, run, other))
    assert found.kind == "differs" and "another size" in found.sentence


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", {"name": "tiny", "weights_hash": "1" * 64}, "the model"),
        ("images", {"count": 60, "hash": "changed"}, "the images"),
        ("parameters", {"seed": 1}, "the store's parameters"),
        ("versions", {"numpy": "0.1"}, "the versions"),
        ("device", "cuda", "the versions or device"),
        ("class_names", ("a", "b", "c"), "the run's description"),
    ],
)
def test_what_of_the_run_changed_is_named(view, run, field, value, said):
    found = verdict((view, run, None), (view, altered(run, **{field: value}), None))
    assert found.kind == "differs" and said in found.sentence and "table" not in found.sentence


def test_changed_and_missing_tables_are_named(view, run):
    files = dict(run.manifest.files)
    del files["maps-00000.parquet"]
    files["filters-00000.parquet"] = replace(files["filters-00000.parquet"], sha256="0" * 64)
    found = verdict((view, run, None), (view, altered(run, files=files), None))
    assert found.sentence == "Differs by the tables maps, filters"


def without_added(run):
    files = {name: each for name, each in run.manifest.files.items() if table_of(name) not in ADDED_TABLES}
    return altered(run, files=files)


def test_a_proof_of_before_a_table_was_known_still_holds(view, run):
    run = without_added(run)
    fields = prove(view, run, None).to_text().split("~")
    assert fields[-1].endswith("-" * TABLE * len(ADDED_TABLES))
    fields[-1] = fields[-1][: -TABLE * len(ADDED_TABLES)]
    assert compare(Proof.from_text("~".join(fields)), prove(view, run, None)).kind == "reproduced"


def test_what_a_run_gains_later_changes_no_link_but_another_content_does(view, run):
    run = without_added(run)

    def with_pictures(sha256):
        entry = replace(next(iter(run.manifest.files.values())), sha256=sha256)
        files = {**run.manifest.files, f"{ADDED_TABLES[0]}-00000.parquet": entry}
        return altered(run, files=files)

    (first, other), plain = (with_pictures(each * 64) for each in "ab"), (view, run, None)
    assert verdict(plain, (view, first, None)).kind == "reproduced"
    assert verdict((view, first, None), (view, first, None)).kind == "reproduced"
    assert ADDED_TABLES[0] in verdict((view, first, None), (view, other, None)).sentence
    assert ADDED_TABLES[0] in verdict((view, first, None), plain).sentence


def test_a_changed_run_with_the_same_result_says_both(view, run):
    found = verdict((view, run, result()), (view, altered(run, parameters={"seed": 1}), result()))
    assert found.kind == "differs" and "parameters" in found.sentence and "same bytes" in found.sentence


def test_of_runs_that_were_never_read_nothing_is_proved(view, run):
    made = Proof.from_text(prove(view, run, None, series=[run, None]).to_text())
    assert compare(made, prove(view, run, None, series=[run, run])).kind == "differs"
    unread = compare(made, prove(view, run, None, series=[run, None]))
    assert unread.kind == "differs" and "run 2 of the series, which can't be read" in unread.sentence


def test_every_bit_of_a_manifest_counts(view, run):
    """A manifest changed anywhere outside of its notes is another one."""
    content = (run.folder / MANIFEST).read_bytes().decode()
    one = Manifest.from_bytes(content.encode(), "test")
    for name in ("model", "images", "parameters", "versions"):
        changed = replace(one, **{name: {**getattr(one, name), "more": 1}})
        assert (
            prove(view, altered(run, **{name: getattr(changed, name)}), None).manifest
            != prove(view, run, None).manifest
        )


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_a_proof_is_of_one_view_in_any_store_and_run(cls, run):
    rng = random.Random(cls.page)
    view = any_view(cls, rng)
    proof = prove(view, run, None)
    assert proof.is_for(replace(view, store="other", run="other", proof=proof.to_text()))
    for _ in range(20):
        other = any_view(cls, rng)
        same = replace(other, store=view.store, run=view.run, proof=view.proof) == view
        assert proof.is_for(other) == same


def test_a_link_holds_when_a_later_version_has_more_to_choose(run):
    """The same page with one control more, which the link does not know and which is at its default."""

    @dataclasses.dataclass(frozen=True)
    class Later(ImageView):
        more: int = view_field(1)

    earlier = ImageView("digits", image=4, tab="saliency", parameters=read_parameters("saliency", {})[0])
    proof = prove(earlier, run, None)
    later, _ = Later.from_query(earlier.to_query())
    assert later.more == 1 and proof.is_for(later)
    assert not proof.is_for(replace(later, more=2))
    assert not proof.is_for(replace(later, image=5))


def test_a_link_holds_when_a_parameter_has_another_default_since(run):
    """Before `variant` was "usual" and `noise` 0.05, a proof did not say what was then their defaults."""
    link = {"image": "4", "tab": "saliency", "p.variant": "gradient", "p.noise": "0.15", "whole": "0"}
    view, _ = ImageView.from_query(link)
    assert view.chosen() == {"image": "4", "tab": "saliency"}
    assert not prove(view, run, None).is_for(ImageView.from_query(link | {"p.variant": "usual"})[0])


def test_a_proof_of_a_page_as_it_opens_is_of_that_page_alone(run):
    proof = prove(OverviewView(), run, None)
    assert proof.is_for(OverviewView()) and not proof.is_for(AboutView())


def test_a_proof_survives_its_text_and_damage_is_said(view, run):
    for proof in (prove(view, run, None), prove(view, run, result())):
        text = proof.to_text()
        assert Proof.from_text(text) == proof and len(text) < 300
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
        for cut in (text[:-1], text[: len(text) // 2], "", "1" + text[1:], text + "é"):
            with pytest.raises(ValueError, match="can't be read"):
                Proof.from_text(cut)


def test_the_sketch_estimates_the_deviation():
    for share in (0.002, 0.01, 0.1, 1.0):
        exact = deviation(result().data, result(share).data)
        assert exact == pytest.approx(share, rel=0.05)
        estimated = estimated_deviation(sketch(result().data), sketch(result(share).data))
        assert estimated == pytest.approx(exact, rel=0.5)
    assert estimated_deviation(sketch(VALUES), sketch(VALUES.copy())) == 0
    assert estimated_deviation(sketch(VALUES), sketch(VALUES.reshape(40, 120))) == np.inf


@pytest.mark.parametrize(
    "values", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones((0, 3)), np.full((2, 2), 1e-30)]
)
def test_odd_arrays_have_a_sketch(values):
    made = sketch(values.astype(np.float32))
    assert len(made.sums) == SUMS
    again = Sketch.from_bytes(made.to_bytes())
    assert again.to_bytes() == made.to_bytes()
    assert estimated_deviation(made, again) == (np.inf if np.isnan(values).any() else 0)


def test_the_tolerance_is_stated_in_the_sentence():
    assert TOLERANCE == 0.01


def test_an_environment_is_spoken():
    assert spoken("") == "an unknown environment"
    assert spoken("2.1_cpu-x86-64_4_abc") == "cpu x86 64 (4 threads, torch 2.1, code abc)"


def longest(each, cls):
    """The longest value that a field can have."""
    facts = each.metadata
    if facts.get("choices"):
        return max(facts["choices"], key=lambda choice: len(str(choice)))
    if isinstance(each.default, bool):
        return True
    if isinstance(each.default, str):
        return "鯨 &" * 300
    return -(10**18) if isinstance(each.default, int) else -1.2345678901234567e-300


def full_of_others(view):
    """The view after a visit to all other methods, each of which had a layer and all its parameters set."""
    shown = view
    for name in METHODS:
        fields = METHODS[name].parameters()
        view = replace(view.turned_to(name), layer=shown.layer)
        view = replace(view, parameters=tuple((each.name, longest(each, type(view))) for each in fields))
    return replace(view.turned_to(shown.method), parameters=shown.parameters)


@pytest.mark.parametrize("cls", VIEWS, ids=lambda cls: cls.page)
def test_a_link_with_its_proof_is_short_whatever_the_names_are(cls, run):
    values = {each.name: longest(each, cls) for each in fields_of(cls)} | {"proof": ""}
    for name in METHODS if hasattr(cls, "method") and "parameters" in cls.__dataclass_fields__ else [""]:
        more = {}
        if name:
            fields = METHODS[name].parameters()
            more = {"method": name, "parameters": tuple((each.name, longest(each, cls)) for each in fields)}
        view = cls(**values | more)
        view = view if not name else full_of_others(view)
        linked = replace(view, proof=prove(view, run, result(environment=THERE)).to_text())
        assert len(urlencode(linked.to_query(), errors="replace")) < 1900
        again, _ = cls.from_query(linked.to_query())
        assert again.proof == linked.proof


def test_long_names_are_found_again():
    names = ("鯨" * 100, "鯨" * 101, "x" * 200 + "a", "x" * 200 + "b")
    choices = Choices(images=5, classes=names, layers={"l" * 300: 4})
    for name in names:
        view = LabView("s", "r", method="fool", image=0, target=name)
        read, notes = LabView.from_query(view.to_query())
        fitted, more = read.fitted(choices)
        assert fitted.target == name and notes + more == ()
        assert abbreviated(abbreviated(name)) == abbreviated(name)
