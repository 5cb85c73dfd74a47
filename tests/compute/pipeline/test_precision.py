"""The arithmetic of the one pass: mixed precision is near float32, says how near, and is another run."""

import numpy as np
import pytest
import torch

from compute.__main__ import main
from compute.pipeline.stages.activations import OnePass
from compute.runtime import precision
from featurestore.reader import Store
from tests.support.networks.tiny import NETWORKS, crops, tiny_model

HALF = 2.0**-7
"""Of a value: bfloat16 has 8 bits of mantissa, and a few layers add up."""


@pytest.mark.parametrize("name", NETWORKS)
def test_mixed_precision_is_near_float32_and_not_it(name):
    model = tiny_model(name)
    images = crops(model)
    exact, mixed = (OnePass(model, 8, each).values(images) for each in precision.PRECISIONS)
    for found, expected in ((mixed.logits, exact.logits), (mixed.features, exact.features)):
        assert found.dtype == np.float32
        off = np.abs(found - expected).max()
        assert 0 < off <= 4 * HALF * np.abs(expected).max()
    maxima = exact.channels.maximum
    assert np.abs(mixed.channels.maximum - maxima).max() <= 4 * HALF * maxima.max()


def test_a_store_states_the_error(tmp_path, capsys):
    path = str(tmp_path / "store")
    options = ["--model", "digits", "--images", "digits", "--limit", "40", "--stages", "activations"]
    assert main(["store", *options, "--store", path]) == 0
    plain = Store(path).open()
    assert main(["store", *options, "--store", path, "--precision", "mixed"]) == 0
    said, mixed = capsys.readouterr().out, Store(path).open()
    error = mixed.manifest.notes["precision_error"]
    assert mixed.fingerprint != plain.fingerprint and "precision_error" not in plain.manifest.notes
    assert (plain.manifest.dtype, mixed.manifest.dtype) == ("float32", "mixed, bfloat16 products")
    features = [np.stack(run.table("features")["feature"].to_pylist()) for run in (plain, mixed)]
    off = np.abs(features[0] - features[1]).max() / features[0].std()
    assert error["images"] == 40 and error["features"] == pytest.approx(off, rel=0.01)
    assert f"features are off by at most {error['features']:.2g} of" in said


def test_an_unknown_precision_is_named_before_anything_is_loaded(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["store", "--store", str(tmp_path / "s"), "--precision", "half"])
    assert "invalid choice: 'half' (choose from 'float32', 'mixed')" in capsys.readouterr().err


def test_float32_on_a_gpu_is_float32(monkeypatch):
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    try:
        cudnn.allow_tf32, cudnn.benchmark = True, True
        precision.insist_on_float32(torch.device("cpu"))
        assert cudnn.allow_tf32 and cudnn.benchmark
        precision.insist_on_float32(torch.device("cuda", 0))
        assert (matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (
            False,
            False,
            True,
            False,
        )
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
