"""torchvision without its import, which takes longer than torch's: its layers, told by name, and the door to
it for those that import it themselves.
"""

from typing import Any


class _Named(type):
    """A stand-in for the class of the same name in the module `origin`."""

    origin: str

    def __instancecheck__(cls, instance: Any) -> bool:
        """Whether an object is of the class that is stood in for, or of one that extends it."""
        return any(map(cls.stands_for, type(instance).__mro__))

    def stands_for(cls, kind: type) -> bool:
        """Whether `kind` is that class itself."""
        return (kind.__module__, kind.__qualname__) == (cls.origin, cls.__name__)


class FrozenBatchNorm2d(metaclass=_Named):
    """torchvision's batch norm of fixed statistics."""

    origin = "torchvision.ops.misc"


class StochasticDepth(metaclass=_Named):
    """torchvision's layer that leaves a block out now and then, while a network is trained."""

    origin = "torchvision.ops.stochastic_depth"


def is_stochastic_depth(function: Any) -> bool:
    """Whether a function is the one that `StochasticDepth` calls."""
    module, name = (getattr(function, each, None) for each in ("__module__", "__name__"))
    return (module, name) == (StochasticDepth.origin, "stochastic_depth")


def prepare_torchvision() -> None:
    """Make `import torchvision` work in what others wrote, beside any build of torch."""
    import compute.runtime.vision  # noqa: F401
