"""What every live method promises, whoever wrote it: one contract over METHODS on tiny networks."""

import dataclasses
import json
import threading

import numpy as np
import pytest
import torch

from compute.methods import METHODS
from compute.methods.attribution.saliency import Saliency
from compute.methods.base import CHANNEL, IMAGE, LAYER, NEURON, SECOND, TARGET, Inputs
from compute.methods.synthesis.ascent import Ascent
from compute.methods.synthesis.attack import Attack
from tests.support.methods import (
    assert_untouched,
    available,
    brief,
    home,
    inputs_for,
    model_of,
    same,
    state_of,
    steps_of,
)
from tests.support.networks.tiny import tiny_model

NAMES = sorted(METHODS)
MODELS = ("plain", "reused", "grey", "wide", "untraceable", "tokens")
KINDS = ("image", "heatmap", "gradient", "mask")
each_method = pytest.mark.parametrize("name", NAMES)
each_network = pytest.mark.parametrize("network", MODELS)


@each_method
@each_network
def test_every_step_is_well_formed(name, network):
    model = model_of(network)
    if not available(name, model):
        pytest.skip(f"{name}: {METHODS[name].unavailable_because(model)}")
    steps = steps_of(name, network)
    assert steps
    height, width = model.input_size
    for step in steps:
        assert step.kind in KINDS and step.kind == METHODS[name].output
        assert step.data.dtype == np.float32 and np.isfinite(step.data).all()
        assert step.data.shape[:2] == (height, width)
        assert step.score is None or np.isfinite(step.score)
    indices = [step.index for step in steps]
    assert indices == sorted(set(indices)) and indices[0] >= 1 and indices[-1] <= steps[-1].total


@each_method
@each_network
def test_data_lies_in_the_range_of_its_kind(name, network):
    model = model_of(network)
    if not available(name, model):
        pytest.skip("not available")
    for step in steps_of(name, network):
        if step.kind in ("image", "gradient"):
            assert step.data.ndim == 3 and step.data.shape[2] == model.in_channels
        else:
            assert step.data.ndim == 2
        if step.kind == "image":
            assert step.data.min() >= 0 and step.data.max() <= 1
        if step.kind == "mask":
            assert set(np.unique(step.data)) <= {0.0, 1.0}


@each_method
@each_network
def test_numbers_are_json_and_pictures_are_pictures(name, network):
    if not available(name, model_of(network)):
        pytest.skip("not available")
    for step in steps_of(name, network):
        json.dumps(step.numbers, allow_nan=False)
        for picture in step.pictures.values():
            assert picture.ndim == 2 or picture.shape[2] in (1, 3, 4)
            assert np.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1


@each_method
def test_same_seed_same_bytes(name):
    model, method = model_of(home(name)), brief(METHODS[name])
    again = method.run(model, inputs_for(METHODS[name], model))
    assert same(again, steps_of(name, home(name))[-1])


@each_method
def test_global_random_state_is_neither_read_nor_changed(name):
    model, method = model_of(home(name)), brief(METHODS[name])
    torch.manual_seed(99)
    np.random.seed(99)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = method.run(model, inputs_for(METHODS[name], model))
    assert torch.equal(before[0], torch.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()
    assert same(again, steps_of(name, home(name))[-1])


@each_method
@pytest.mark.parametrize("network", ["reused", "untraceable"])
def test_two_threads_on_one_model_give_what_each_gives_alone(name, network):
    model = model_of(network)
    other = NAMES[(NAMES.index(name) + 1) % len(NAMES)]
    names = [each for each in (name, other) if available(each, model)]
    results, start = {}, threading.Barrier(len(names))

    def work(each: str) -> None:
        method = brief(METHODS[each])
        inputs = inputs_for(METHODS[each], model)
        start.wait()
        results[each] = [method.run(model, inputs) for _ in range(2)]

    threads = [threading.Thread(target=work, args=(each,)) for each in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in names:
        assert all(same(result, steps_of(each, network)[-1]) for result in results[each])


@each_method
@pytest.mark.parametrize("network", ["reused", "untraceable"])
def test_a_run_leaves_the_network_as_it_was(name, network):
    model = tiny_model(network)
    if not available(name, model):
        pytest.skip("not available")
    before = state_of(model)
    brief(METHODS[name]).run(model, inputs_for(METHODS[name], model))
    assert_untouched(before, model)


@each_method
@pytest.mark.parametrize("network", ["reused", "untraceable"])
def test_an_abandoned_run_leaves_the_network_as_it_was(name, network):
    model = tiny_model(network)
    if not available(name, model):
        pytest.skip("not available")
    before = state_of(model)
    steps = brief(METHODS[name]).steps(model, inputs_for(METHODS[name], model))
    next(steps)
    assert_untouched(before, model)
    steps.close()
    assert_untouched(before, model)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@each_method
@pytest.mark.parametrize("network", ["reused", "untraceable"])
def test_an_error_halfway_leaves_the_network_as_it_was(name, network, monkeypatch):
    model = tiny_model(network)
    if not available(name, model):
        pytest.skip("not available")
    before, run, calls = state_of(model), model.network.run, []

    def failing(*args):
        calls.append(args)
        values = run(*args)
        if len(calls) > 1 or name == "guided":
            raise RuntimeError("the device is gone")
        return values

    monkeypatch.setattr(model.network, "run", failing)
    with pytest.raises(RuntimeError, match="the device is gone"):
        brief(METHODS[name]).run(model, inputs_for(METHODS[name], model))
    assert_untouched(before, model)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


@each_method
def test_grad_mode_of_the_caller_does_not_matter(name):
    model, method = model_of(home(name)), brief(METHODS[name])
    with torch.no_grad():
        again = method.run(model, inputs_for(METHODS[name], model))
    assert same(again, steps_of(name, home(name))[-1])


@each_method
def test_inputs_are_not_changed(name):
    model = model_of(home(name))
    inputs = inputs_for(METHODS[name], model)
    copies = [None if each is None else each.clone() for each in (inputs.image, inputs.second)]
    brief(METHODS[name]).run(model, inputs)
    for copy, each in zip(copies, (inputs.image, inputs.second), strict=True):
        assert copy is None or (torch.equal(copy, each) and not each.requires_grad)


@each_method
def test_declarations_are_complete(name):
    method = METHODS[name]
    assert method.name == name and method.title and method.theory.endswith(".") and method.reference
    assert method.output in KINDS
    assert method.needs | method.takes <= {IMAGE, SECOND, TARGET, LAYER, CHANNEL, NEURON}
    for each in method.parameters():
        facts = each.metadata
        assert facts["help"] and facts["source"], each.name
        assert type(each.default) in (bool, int, float, str), each.name
        if facts["choices"] is not None:
            assert each.default in facts["choices"]
        for bound in (facts["low"], facts["high"]):
            assert bound is None or type(each.default) in (int, float)
    assert method() == method(**method().to_dict())
    assert (
        dataclasses.is_dataclass(method) and json.loads(json.dumps(method().to_dict())) == method().to_dict()
    )


@each_method
def test_invalid_parameters_name_value_and_choices(name):
    method = METHODS[name]
    for each in method.parameters():
        with pytest.raises(ValueError, match=each.name):
            method(**{each.name: object()})
        if each.metadata["choices"] is not None:
            with pytest.raises(ValueError, match="nonsense") as error:
                method(**{each.name: "nonsense" if type(each.default) is str else -987})
            assert all(str(choice) in str(error.value) for choice in each.metadata["choices"])
        for bound, beyond in ((each.metadata["low"], -1), (each.metadata["high"], 1)):
            if bound is not None:
                with pytest.raises(ValueError, match=each.name):
                    method(**{each.name: type(each.default)(bound + beyond)})


@each_method
def test_missing_inputs_are_named(name):
    method = METHODS[name]
    if not method.needs:
        pytest.skip("needs nothing")
    with pytest.raises(ValueError, match=f"{name} needs"):
        method().run(model_of(home(name)), Inputs())


@each_method
@pytest.mark.parametrize(
    "wrong", [{"layer": "nowhere"}, {"channel": 9999}, {"y": 999, "x": 0}, {"target": 77}]
)
def test_inputs_out_of_range_are_errors(name, wrong):
    method, model = METHODS[name], model_of(home(name))
    reads = method.needs | method.takes
    field = next(iter(wrong))
    relevant = {
        "layer": {LAYER, NEURON, CHANNEL},
        "channel": {NEURON, CHANNEL},
        "y": {NEURON},
        "target": {TARGET},
    }
    if not reads & relevant[field]:
        pytest.skip("is not read")
    with pytest.raises(ValueError, match=str(wrong[field])):
        method().run(model, dataclasses.replace(inputs_for(method, model), **wrong))


@each_method
def test_where_unavailable_the_reason_is_given(name):
    model = model_of("gelu")
    reason = METHODS[name].unavailable_because(model)
    if reason is None:
        brief(METHODS[name]).run(model, inputs_for(METHODS[name], model))
        return
    with pytest.raises(ValueError, match="not available") as error:
        METHODS[name]().run(model, inputs_for(METHODS[name], model))
    assert reason in str(error.value)


def test_guided_backprop_is_unavailable_with_gelu():
    assert "GELU" in METHODS["guided"].unavailable_because(model_of("gelu"))
    assert METHODS["guided"].unavailable_because(model_of("reused")) is None


IMAGE_OF_ZEROS = torch.zeros(3, 2, 2)


@pytest.mark.parametrize(
    "method, inputs, unused",
    [
        (Saliency(), Inputs(image=IMAGE_OF_ZEROS, layer="conv1"), ("layer",)),
        (Saliency(variant="gradcam"), Inputs(image=IMAGE_OF_ZEROS, layer="conv1"), ()),
        (Ascent(), Inputs(target=0, layer="conv1", channel=2), ("target",)),
        (Ascent(), Inputs(layer="conv1", channel=2), ()),
        (Ascent(objective="logit"), Inputs(target=0, layer="conv1", channel=2), ("layer", "channel")),
        (Ascent(), Inputs(image=IMAGE_OF_ZEROS, layer="conv1", y=1, x=1), ()),
        (
            Attack(attack="gradient", minimum=True, random_start=True),
            Inputs(image=IMAGE_OF_ZEROS),
            ("minimum", "random_start"),
        ),
        (Attack(attack="fgsm", random_start=True), Inputs(image=IMAGE_OF_ZEROS), ("random_start",)),
        (Attack(minimum=True, random_start=True), Inputs(image=IMAGE_OF_ZEROS), ()),
    ],
)
def test_inputs_and_parameters_that_play_no_role_are_named(method, inputs, unused):
    assert method.unused(inputs) == unused
