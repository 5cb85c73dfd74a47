"""`make gpu-check` on the CPU, in short; and it can fail."""

import numpy as np
import pytest
import torch

from compute.models.zoo import ModelSpec
from compute.neighbors.blocks import BlockSearch
from compute.neighbors.graph import Graph
from tests.gpu_check import __main__ as gpu_check
from tests.gpu_check import methods, neighbors, stores
from tests.gpu_check.check import NOT_MEASURED, Check, apart, different
from tests.gpu_check.size import SHORT
from tests.support.pretended_device import pretended_device

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["methods", "neighbors", "pass", "live"])
def test_another_device_of_the_same_values_is_like_the_cpu(part, capsys):
    """One that has its tensors elsewhere, so that nothing of the CPU can be mixed in."""
    with pretended_device() as device:
        assert gpu_check.main([part, "--device", str(device), "--short"]) == 0, capsys.readouterr().out
    assert f" checks on {device.type} " in capsys.readouterr().out


def test_a_pretended_device_takes_no_tensors_of_the_cpu():
    with pretended_device() as device:
        there, here = torch.ones(2, 3).to(device), torch.ones(3)
        assert (there.device, (there * 2).cpu().sum()) == (device, 12)
        for mixing in (lambda: there + here, lambda: torch.cat([there, torch.ones(2, 3)]), there.numpy):
            with pytest.raises((RuntimeError, TypeError)):
                mixing()


@pytest.mark.slow
@pytest.mark.parametrize("part", gpu_check.PARTS)
def test_the_cpu_is_like_itself(part, capsys):
    assert gpu_check.main([part, "--device", "cpu", "--short"]) == 0
    said = capsys.readouterr().out
    assert "holds " in said and "FAILED" not in said and ", 0 failed" in said
    assert "<!-- benchmark gpu/checks -->" in said and "| check | found | at most |" in said
    assert (f"<!-- benchmark gpu/{part} -->" in said) is (part != "methods")


def test_every_deviation_of_a_check_is_told(monkeypatch, capsys):
    checks = [
        Check("near", 1.0, 1.0, ""),
        Check("far", 1.5, 1.0, "std"),
        Check("none", NOT_MEASURED, 1.0, ""),
    ]
    monkeypatch.setattr(gpu_check, "PARTS", {"some": lambda *_: iter(checks)})
    assert gpu_check.main(["--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "holds  near: 1 , at most 1" in said and "FAILED far: 1.5 std, at most 1" in said
    assert said.rstrip().endswith("2 failed: far; none")


def test_a_part_that_breaks_off_or_compares_nothing_fails(monkeypatch, capsys):
    def breaking(*_):
        yield Check("before", 0, 0, "")
        raise RuntimeError("CUDA error: no kernel image")

    monkeypatch.setattr(gpu_check, "PARTS", {"breaking": breaking, "empty": lambda *_: iter(())})
    assert gpu_check.main(["--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "FAILED breaking: to its end" in said and "RuntimeError: CUDA error: no kernel image" in said
    assert "FAILED empty: to its end" in said and "it compared nothing" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["", "--device cuda", "--device cuda:1"])
def test_without_the_device_it_says_so_and_takes_no_other(device, capsys):
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(["--short", *device.split()])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert "this machine has no 'cuda' device" in said.err and "--device cpu" in said.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ("--device auto", "name it: cuda"),
        ("--device gpu", "unknown device 'gpu'"),
        ("--device cpu --short --write", "--short measures nothing for them"),
        ("maps --device cpu", "unknown part 'maps'; choose from stores, methods"),
    ],
)
def test_what_is_asked_wrongly_is_named(arguments, what, capsys):
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(arguments.split())
    assert ended.value.code == 2 and what in capsys.readouterr().err


def test_values_are_compared_one_by_one():
    values = np.array([1.0, np.nan, 3.0], np.float32)
    assert apart(values, values) == 0 and different(values, values) == 0
    assert apart(values + 1, values, 2.0) == 0.5
    assert np.isnan(apart(np.array([1.0, 2.0, 3.0]), values))
    assert (
        different(values, np.array([1.0, np.nan, np.nextafter(np.float32(3), np.float32(4))], np.float32))
        == 1
    )
    assert different(np.array([0.0]), np.array([-0.0])) == 1
    for one, other in ((values[:2], values), (values[:0], values[:0])):
        with pytest.raises(ValueError, match="can't be compared"):
            apart(one, other)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The demo's store, and one of the same architecture with other weights."""
    folder = tmp_path_factory.mktemp("gpu_check")
    right = stores.built("digits", CPU, SHORT, folder / "right", stores.COMPARED)
    wrong = stores.built("digits", CPU, SHORT, folder / "wrong", stores.COMPARED, "--weights", "none")
    return right, wrong


@pytest.mark.slow
def test_another_network_is_told_in_every_table(runs):
    right, wrong = runs
    assert all(each.holds for each in stores.compared("digits", right, right))
    failed = {
        each.name.removeprefix("digits: ")
        for each in stores.compared("digits", wrong, right)
        if not each.holds
    }
    assert failed >= {
        "predictions that are no ties",
        "probabilities",
        "features",
        "channels, max",
        "channels, mean",
        "channels, active_share",
        "strongest images' values",
        "feature neighbours' distances",
        "table filters",
    }
    assert not stores.repeated("digits", right, wrong).holds


@pytest.mark.parametrize(
    "faulty",
    [
        lambda graph: Graph(np.roll(graph.indices, 1, 1), graph.distances),
        lambda graph: Graph(graph.indices, graph.distances * np.float32(1 + 1e-5)),
        lambda graph: Graph(graph.indices[:, ::-1], graph.distances[:, ::-1]),
    ],
)
def test_a_wrong_graph_is_told(faulty):
    points = np.random.default_rng(0).random((200, 16), np.float32)
    expected = BlockSearch(points, "euclidean").nearest(np.arange(50), 9)
    assert all(each.holds for each in neighbors.checks("euclidean", expected, expected))
    assert not all(each.holds for each in neighbors.checks("euclidean", faulty(expected), expected))


@pytest.mark.slow
def test_another_network_is_told_by_every_method(monkeypatch, tmp_path):
    right, wrong = (methods.load(ModelSpec("demo")) for _ in range(2))
    models = iter((right, wrong.with_random_weights(0)))
    monkeypatch.setattr(methods, "load", lambda *_: next(models))
    failed = {each.name for each in methods.found(CPU, SHORT, tmp_path, "cpu") if not each.holds}
    assert failed >= set(methods.COMPARISONS)
