"""Networks that a function of the user's makes: in a Python file, or in a module that Python can import."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from torch import nn

from compute.models.naming import check_file
from compute.models.source_files import Changed, beside, check_unchanged, executed, source_of
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision_layers import prepare_torchvision


def from_file(path: Path, function: str, seed: int, sha256: str | None = None) -> nn.Module:
    """What `function` in the Python file `path` returns; runs that file, as source (`source_files`).

    The file may import its neighbours, also as the package that it is part of; of a link, those of the file
    that it leads to. sha256: of the bytes that the file must have, None for any. Raises ValueError where it
    has others, there is no such function, it stops, or it returns no network.
    """
    check_file(path, function)
    prepare_torchvision()  # their code may import it
    resolved = path.resolve()
    with seeded(seed), beside(resolved):
        try:
            code = executed(resolved, sha256)
        except Changed:
            raise
        except Exception as error:
            raise ValueError(f"{path} stopped with {type(error).__name__}: {error}") from error
        return _called(_function(code, str(path), function), f"{path.name}:{function}")


def from_module(module: str, function: str, seed: int, sha256: str | None = None) -> nn.Module:
    """What `function` in a module returns that Python finds by its name; runs that module, as Python imports
    it. sha256: of its source, None for any. Raises as `from_file`."""
    prepare_torchvision()  # their code may import it
    if sha256 is not None:
        check_unchanged(source_of(module), sha256)
    with seeded(seed):
        try:
            code = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise ValueError(f"{module} stopped with {type(error).__name__}: {error}") from error
            raise ValueError(
                f"Python finds no module {error.name!r}; install its package, start from the folder that it "
                f"lies in, or name its file: path/to/file.py:{function}"
            ) from error
        except Exception as error:
            raise ValueError(f"{module} stopped with {type(error).__name__}: {error}") from error
        return _called(_function(code, module, function), f"{module}:{function}")


def _function(code: ModuleType, place: str, name: str) -> Callable[[], nn.Module]:
    """Raises ValueError where `place` has none of that name, or it needs arguments."""
    found = getattr(code, name, None)
    if not callable(found):
        own = tuple(key for key, value in vars(code).items() if callable(value) and not key.startswith("_"))
        raise ValueError(f"{place} has no function {name!r}{did_you_mean(name, own) if own else ''}")
    parameters = inspect.signature(found).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [each.name for each in parameters if each.default is each.empty and each.kind not in variadic]
    if required:
        raise ValueError(
            f"{Path(place).name}:{name} needs {', '.join(required)}; name a function that takes no arguments"
        )
    return found


def _called(function: Callable[[], nn.Module], name: str) -> nn.Module:
    try:
        module = function()
    except Exception as error:
        raise ValueError(f"{name}() stopped with {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name}() returns {type(module).__name__}, not a torch.nn.Module")
    return module
