"""Every parser of texts and bytes that others make: a value or a ValueError, and its own text read back."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from compute.analysis import image_search
from compute.images.decoding import decode
from compute.images.preprocessing import Preprocessing
from compute.models.checkpoints import read_checkpoint
from compute.models.zoo import ModelSpec
from dashboard.findings.record import Finding
from dashboard.sharing.proof import Proof
from dashboard.sharing.short_links import ShortLinks, name_of
from dashboard.views.navigation import PAGES
from featurestore.layout import check_fingerprint
from featurestore.manifest import Manifest
from tests.fuzz.targets import CHOICES, finding, link, manifest
from tests.fuzz.texts import FINDING, MANIFEST

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
TEXT = some.text(max_size=60)
PLAIN = some.none() | some.booleans() | some.integers() | some.floats() | TEXT
JSON = some.recursive(
    PLAIN,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
IMAGES = pa.table(
    {
        "image_id": [0, 1],
        "path": ["a/1.png", "ä"],
        "label": ["cat", None],
        "predicted": ["dog", "cat"],
        "split": ["test", None],
    },
)


def value_or_error(parse, *said):
    try:
        return parse(*said)
    except ValueError:
        return None


@QUICK
@given(some.binary(max_size=300))
@example(b"GIF89a" + b"\xff" * 60)
def test_image_files(data):
    image = value_or_error(decode, data)
    assert image is None or image.mode in ("L", "RGB")


@QUICK
@given(some.binary(max_size=200), some.sampled_from((".pt", ".pth", ".safetensors")))
@example(b"\x80\x02c__builtin__\neval\nq\x00X\x03\x00\x00\x001+1q\x01\x85q\x02Rq\x03.", ".pt")
def test_checkpoints(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"weights{suffix}"
    path.write_bytes(data)
    state = value_or_error(read_checkpoint, path)
    assert state is None or isinstance(state, dict)


FIELDS = sorted(json.loads(MANIFEST.to_bytes()))


@pytest.mark.slow
@QUICK
@given(some.sampled_from(FIELDS), JSON)
def test_manifests_with_any_value_in_a_field(field, value):
    record = json.loads(MANIFEST.to_bytes())
    manifest(json.dumps({**record, field: value}).encode())


@QUICK
@given(
    some.dictionaries(TEXT, JSON, max_size=3),
    some.lists(some.text(some.characters(codec="utf-8")), max_size=3),
)
def test_manifests_survive_their_own_text(said, classes):
    numbers = json.loads(json.dumps(said, allow_nan=False)) if _finite(said) else {}
    made = Manifest("run", numbers, {}, numbers, {}, "cpu", "float32", 1, tuple(classes))
    assert Manifest.from_bytes(made.to_bytes(), "manifest.json") == made


@QUICK
@given(some.sampled_from(list(PAGES)), some.dictionaries(TEXT, TEXT, max_size=6), some.data())
def test_links_with_any_values(page, further, data):
    cls = PAGES[page].view
    names = list(cls().to_query()) or ["store"]
    query = further | data.draw(some.dictionaries(some.sampled_from(names), TEXT, max_size=6))
    view = cls.from_query(query)[0].fitted(CHOICES)[0]
    assert cls.from_query(view.to_query())[0].fitted(CHOICES)[0].to_query() == view.to_query()


@QUICK
@given(some.binary(max_size=200))
def test_links_of_any_bytes(data):
    link(data)


@QUICK
@given(some.text(max_size=400) | some.from_regex(r"2~[A-Za-z0-9_~-]{0,200}", fullmatch=True))
def test_proofs(text):
    proof = value_or_error(Proof.from_text, text)
    assert proof is None or proof.to_text() == text


@QUICK
@given(JSON | some.fixed_dictionaries({"page": some.sampled_from(list(PAGES)) | PLAIN, "query": JSON}))
def test_short_links(tmp_path_factory, said):
    store = tmp_path_factory.getbasetemp() / "short"
    (store / "links").mkdir(parents=True, exist_ok=True)
    content = json.dumps(said).encode()
    (store / "links" / f"{name_of(content)}.json").write_bytes(content)
    view = ShortLinks(store).find(name_of(content))
    assert view is None or view.page in PAGES


@QUICK
@given(some.text(max_size=40))
@example("../../etc/passwd")
@example("aaaaaaaaaa\n")
def test_names_of_short_links_are_looked_up(tmp_path_factory, name):
    assert ShortLinks(tmp_path_factory.getbasetemp() / "none").find(name) is None


@QUICK
@given(some.text(max_size=40))
@example("..")
@example("a/b")
@example("run\n")
def test_fingerprints_are_no_paths(text):
    found = value_or_error(check_fingerprint, text)
    assert found is None or not set(found) & set("/.\\\n\0")


@QUICK
@given(some.binary(max_size=200) | some.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_findings_of_any_bytes(data):
    finding(data)


@QUICK
@given(
    TEXT.filter(bool), some.text(some.characters(codec="utf-8"), max_size=200), some.dictionaries(TEXT, TEXT)
)
def test_findings_survive_their_own_text(title, note, query):
    import dataclasses

    made = dataclasses.replace(FINDING, title=title, note=note, query=query)
    try:
        said = made.to_toml().encode().decode()
    except UnicodeEncodeError:
        return
    assert Finding.from_toml(said) == made


@QUICK
@given(some.text(max_size=40))
@example('"')
@example("image:99999999999999999999")
def test_searches(text):
    found = value_or_error(image_search.search, IMAGES, text)
    assert found is None or set(np.asarray(found).tolist()) <= {0, 1}


@QUICK
@given(some.dictionaries(some.sampled_from(["model", "weights", "mean", "std", "size", "x"]), JSON))
def test_a_stores_word_on_its_model(said):
    spec = value_or_error(ModelSpec.from_dict, said)
    assert spec is None or spec.runs_user_code in (True, False)


@QUICK
@given(some.dictionaries(some.sampled_from(["size", "resize", "mean", "std", "interpolation", "x"]), JSON))
def test_a_stores_word_on_its_preprocessing(said):
    made = value_or_error(Preprocessing.from_dict, said)
    assert made is None or made.channels >= 0


def _finite(value):
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", ["", "2~", "nonsense"])
def test_a_proof_that_was_cut_short_is_said(text):
    with pytest.raises(ValueError, match="cut short"):
        Proof.from_text(text)
