"""Networks that a function of the user's makes: in a Python file, or in a module that Python can import."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from compute.models.naming import check_file
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision_layers import prepare_torchvision


def from_file(path: Path, function: str, seed: int) -> nn.Module:
    """What `function` in the Python file `path` returns; runs that file.

    The file may import its neighbours, also as the package that it is part of. Raises ValueError where there
    is no such function, it stops, or it returns no network.
    """
    check_file(path, function)
    prepare_torchvision()  # their code may import it
    with seeded(seed), _beside(path):
        code = _executed(path)
        return _called(_function(code, str(path), function), f"{path.name}:{function}")


def from_module(module: str, function: str, seed: int) -> nn.Module:
    """What `function` in a module returns that Python finds by its name; runs that module. Raises as
    `from_file`."""
    prepare_torchvision()  # their code may import it
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


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Lets a file import its neighbours while it runs; another file's neighbours of the same name are
    others."""
    folders, before = _import_folders(path.resolve()), set(sys.modules)
    own = (
        path.resolve().parent
        if len(folders) == 1
        else folders[-1] / _package_name(path.resolve()).split(".")[0]
    )
    sys.path[:0] = map(str, folders)
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if own in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                del sys.modules[name]


def _import_folders(path: Path) -> list[Path]:
    """The file's own folder and, where that is a package, the folder that the outermost package lies in."""
    package = _package_name(path)
    return [path.parent, *([path.parents[package.count(".") + 1]] if package else [])]


def _package_name(path: Path) -> str:
    """Of the package that a file is part of, such as "models.blocks"; "" for none."""
    names: list[str] = []
    for folder in path.parents:
        if not (folder / "__init__.py").is_file() or not folder.name.isidentifier():
            break
        names.insert(0, folder.name)
    return ".".join(names)


def _executed(path: Path) -> ModuleType:
    package = _package_name(path.resolve())
    name = f"{package}.{path.stem}" if package else f"user_network_{path.stem}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{str(path)!r} is not a Python file")
    code = importlib.util.module_from_spec(specification)
    # Dataclasses in the file look their module up by name.
    sys.modules[specification.name] = code
    try:
        specification.loader.exec_module(code)
    except Exception as error:
        raise ValueError(f"{path} stopped with {type(error).__name__}: {error}") from error
    return code


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
