"""The network inside what training code wraps around it."""

import functools
import types
from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

# Wrappers that run what they hold on other devices or as other code; by name, as torch has no public class
# for some.
KNOWN = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "OptimizedModule": "_orig_mod",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
SCALES = (1.0, 100.0)
"""Of the inputs on which two networks are compared; what one of them clamps shows at the larger."""


def unwrapped(module: nn.Module, example: Tensor) -> nn.Module:
    """The innermost network that computes what `module` computes, put into eval mode.

    A wrapper goes where it only hands its input on to the one module that it holds and hands back what that
    gives, bit for bit; anything else stays. Wrappers of torch's around parts of the network go as well. A
    forward that was set on an object becomes the forward of the object's class, where tracing finds it.
    example: an input of the network (N, C, H, W).
    """
    if isinstance(module, torch.jit.ScriptModule):
        return module.eval()
    module = _without_known(module).eval()
    for each in module.modules():
        _settle_forward(each, example if each is module else None)
    inner = _handed_on_to(module, example)
    return module if inner is None else unwrapped(inner, example)


def _without_known(module: nn.Module) -> nn.Module:
    """The module, or what it wraps, and the same of all that it holds."""
    while (inner := _inside(module)) is not None:
        module = inner
    for parent in list(module.modules()):
        if isinstance(parent, torch.jit.ScriptModule):
            continue
        for name, child in list(parent.named_children()):
            bare = child
            while (inner := _inside(bare)) is not None:
                bare = inner
            if bare is not child:
                setattr(parent, name, bare)
        # What net.compile() leaves on the module itself.
        parent._compiled_call_impl = None
    return module


def _inside(module: nn.Module) -> nn.Module | None:
    if not type(module).__module__.startswith("torch."):
        return None
    held = getattr(module, KNOWN.get(type(module).__name__, ""), None)
    return held if isinstance(held, nn.Module) else None


def _handed_on_to(module: nn.Module, example: Tensor) -> nn.Module | None:
    """The child that is called once, with the module's own input, and whose output is the module's, both the
    very same objects; and that gives the same when it is asked alone."""
    calls: list[tuple[nn.Module, tuple, dict, Any]] = []

    def note(child: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        calls.append((child, args, kwargs, output))

    handles = [child.register_forward_hook(note, with_kwargs=True) for child in _python_children(module)]
    try:
        whole = _run(module, example)
    except Exception:  # whatever the network's own code raises is said where it is run in earnest
        return None
    finally:
        for handle in handles:
            handle.remove()
    for child, args, kwargs, output in calls:
        given = (*args, *kwargs.values())
        alone = sum(each[0] is child for each in calls) == 1
        if alone and len(given) == 1 and given[0] is example and output is whole:
            return child if _agree(module, child, example) else None
    return None


def _python_children(module: nn.Module) -> list[nn.Module]:
    return [child for child in module.children() if not isinstance(child, torch.jit.ScriptModule)]


def _agree(one: Callable[[Tensor], Any], other: Callable[[Tensor], Any], example: Tensor) -> bool:
    """Whether both give the same, bit for bit."""
    try:
        return all(_same(_run(one, example * scale), _run(other, example * scale)) for scale in SCALES)
    except Exception:  # as above
        return False


def _run(network: Callable[[Tensor], Any], example: Tensor) -> Any:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        return network(example)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and bool(((one == other) | one.isnan()).all())
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other


def _settle_forward(module: nn.Module, example: Tensor | None) -> None:
    """Takes a forward off the object `module`: where it is the class's own in another guise, for good;
    otherwise into a class of the object's own.

    example: an input, to see whether both give the same; None where none is known.
    """
    if "forward" not in vars(module) or isinstance(module, torch.jit.ScriptModule):
        return
    patched = vars(module)["forward"]
    own = type(module).forward
    if _innermost(patched) is own and (example is None or _agrees_without(module, example)):
        del module.forward
        return
    del module.forward
    module.__class__ = _class_with(module, patched, example is not None)


def _agrees_without(module: nn.Module, example: Tensor) -> bool:
    own = types.MethodType(type(module).forward, module)
    return _agree(module.forward, own, example)


def _innermost(function: Any) -> Any:
    """The plain function below decorators, partial applications and methods."""
    for _ in range(100):
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    return function


def _class_with(module: nn.Module, patched: Any, is_network: bool) -> type[nn.Module]:
    """The module's class with `patched` as its forward."""
    kind = type(module)
    names: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    if isinstance(patched, types.MethodType) and patched.__self__ is module:
        names["forward"] = patched.__func__
    elif isinstance(patched, functools.partial) and len(patched.args) == 1 and patched.args[0] is module:
        rest = functools.partial(patched.func, **patched.keywords)
        names["forward"] = _method(lambda self, *args, **kwargs: rest(self, *args, **kwargs), is_network)
    else:
        names["forward"] = _method(lambda self, *args, **kwargs: patched(*args, **kwargs), is_network)
        names["__deepcopy__"] = _refuse_copy
    return type(kind.__name__, (kind,), names)


def _method(function: Callable[..., Any], is_network: bool) -> Callable[..., Any]:
    """As a method; a network's takes one argument, since tracing can't follow one of any number."""
    return (lambda self, x: function(self, x)) if is_network else function


def _refuse_copy(self: nn.Module, _: dict) -> NoReturn:
    raise ValueError(
        f"{type(self).__name__} can't be copied: its forward was set on the object and refers to that very "
        "object; make it a method of a class"
    )
