"""torchvision's layers are told by name just as by their classes."""

from torch import nn

from compute.runtime.vision import models, ops
from compute.runtime.vision_layers import FrozenBatchNorm2d, StochasticDepth, is_stochastic_depth


class Warmer(ops.FrozenBatchNorm2d):
    """A user's own, on torchvision's."""


class Impostor(nn.Module):
    """Of the same name, from elsewhere."""


Impostor.__qualname__ = Impostor.__name__ = "FrozenBatchNorm2d"


def test_instances_are_those_of_the_classes():
    samples = (
        *models.efficientnet_b0().modules(),
        ops.FrozenBatchNorm2d(3),
        ops.StochasticDepth(0.1, "row"),
        Warmer(3),
        Impostor(),
    )
    for named, real in ((FrozenBatchNorm2d, ops.FrozenBatchNorm2d), (StochasticDepth, ops.StochasticDepth)):
        found = [isinstance(each, named) for each in samples]
        assert found == [isinstance(each, real) for each in samples] and True in found and False in found


def test_the_class_itself_is_told_from_one_that_extends_it():
    assert FrozenBatchNorm2d.stands_for(ops.FrozenBatchNorm2d)
    assert not FrozenBatchNorm2d.stands_for(Warmer) and not FrozenBatchNorm2d.stands_for(nn.BatchNorm2d)


def test_the_function_is_told():
    assert is_stochastic_depth(ops.stochastic_depth)
    assert not any(map(is_stochastic_depth, (nn.functional.dropout, "dropout", None)))
