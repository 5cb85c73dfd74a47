"""Python files that run as they stand: read as source and compiled here, never as bytecode.

Python runs the bytecode that lies beside a file (`__pycache__`) in the file's place, and may be told by the
bytecode itself not to compare the two (PEP 552). So it is not looked at, and none is written.
"""

import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType

STAYING = (*map(sysconfig.get_path, ("purelib", "platlib", "stdlib")), str(Path(__file__).parents[2]))
"""Folders whose modules are no network's: what is installed, and this program."""


class Changed(ValueError):
    """A file's bytes are not those that were told."""


class SourceLoader(SourceFileLoader):
    """Loads a module from its source alone.

    sha256: of the bytes that the file must have; None for any. `Changed` is raised before anything runs.
    """

    def __init__(self, name: str, path: str, sha256: str | None = None):
        super().__init__(name, path)
        self.sha256 = sha256

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the bytes that were compared."""
        source = self.get_data(self.path)
        if self.sha256 is not None:
            _compare(self.path, source, self.sha256)
        return self.source_to_code(source, self.path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_unchanged(path: Path, sha256: str) -> None:
    """Raise Changed where a file has another SHA-256 than this one."""
    _compare(str(path), path.read_bytes(), sha256)


def _compare(path: str, source: bytes, sha256: str) -> None:
    found = hashlib.sha256(source).hexdigest()
    if found != sha256:
        raise Changed(
            f"{path} has changed since it was trusted: its SHA-256 was {sha256} and is {found} now; look at "
            "what has changed, and start the dashboard again if you still trust it"
        )


def package_of(path: Path) -> str:
    """Return the package that a file is part of, such as "models.blocks"; "" for none."""
    names: list[str] = []
    for folder in path.parents:
        if not (folder / "__init__.py").is_file() or not folder.name.isidentifier():
            break
        names.insert(0, folder.name)
    return ".".join(names)


def source_of(module: str) -> Path:
    """Return the file of a module that Python finds by its name, without running anything of it.

    ValueError where there is none, or where it is not of Python source.
    """
    parts, found, within = module.split("."), None, None
    for count in range(1, len(parts) + 1) if all(map(str.isidentifier, parts)) else ():
        name = ".".join(parts[:count])
        found = next(filter(None, (each.find_spec(name, within) for each in sys.meta_path)), None)
        within = found.submodule_search_locations if found else []
    if found is None or not found.origin or not found.origin.endswith(tuple(SOURCE_SUFFIXES)):
        raise ValueError(f"Python finds no source of a module {module!r}")
    return Path(found.origin).resolve()


@contextmanager
def beside(path: Path) -> Iterator[None]:
    """Let a file run and import its neighbours: from its own folder, and from the package that it is part
    of, as source.

    path: with no link in it. Another file's neighbours of the same name are others.
    """
    with _one_at_a_time:
        before, found = dict(sys.modules), {_name_of(path), *_namesakes(path.parent)}
        for name in found:
            sys.modules.pop(name, None)
        regular, namespaces = _Neighbors(path, found), _Neighbors(path, found, namespaces=True)
        sys.meta_path.insert(0, regular)
        # A folder without __init__.py is a package only where nothing else has its name.
        sys.meta_path.append(namespaces)
        try:
            yield
        finally:
            sys.meta_path.remove(regular)
            sys.meta_path.remove(namespaces)
            for name in found:
                sys.modules.pop(name, None)
                if name in before:
                    sys.modules[name] = before[name]


def _namesakes(folder: Path) -> set[str]:
    """Modules from elsewhere that Python would take for those in a folder, since they are loaded already: of
    another network's, say. What is installed, Python's own and this program's stays."""
    tops = {name for name in sys.modules if "." not in name} - sys.stdlib_module_names - {"__main__"}
    in_folder = {name for name in tops if (folder / name).is_dir() or (folder / f"{name}.py").is_file()}
    hidden = {name for name in in_folder if not _stays(sys.modules[name], folder)}
    return {name for name in sys.modules if name.partition(".")[0] in hidden}


def _stays(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is None or any(Path(file).is_relative_to(each) for each in (*STAYING, str(folder)))


_one_at_a_time = RLock()
"""Two files at once would find each other's neighbours."""


def executed(path: Path, sha256: str | None = None) -> ModuleType:
    """Return the module of a file, within `beside`. Raises what the file does, and Changed.

    path: with no link in it. sha256: as in `SourceLoader`.
    """
    loader = SourceLoader(_name_of(path), str(path), sha256)
    specification = ModuleSpec(loader.name, loader, origin=str(path))
    specification.has_location = True
    code = importlib.util.module_from_spec(specification)
    # Dataclasses in the file look their module up by name.
    sys.modules[loader.name] = code
    loader.exec_module(code)
    return code


def _name_of(path: Path) -> str:
    package = package_of(path)
    return f"{package}.{path.stem}" if package else f"user_network_{path.stem}"


class _Neighbors(MetaPathFinder):
    """Finds what lies beside a file.

    found: names of modules that were found, here or by others.
    namespaces: whether it finds the folders that are packages without a file, or all other modules.
    """

    def __init__(self, path: Path, found: set[str], namespaces: bool = False):
        package = package_of(path)
        self.own = path.parent
        self.package = package.partition(".")[0]
        self.around = path.parents[package.count(".") + 1] if package else path.parent
        self.namespaces, self.found = namespaces, found

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module lies; None where it is none of these. path: its package's folders, if any."""
        if path is None:
            tops = [self.own, *([self.around] if name == self.package else [])]
            return self._found(name, tops, self.namespaces)
        if name.partition(".")[0] not in {self.package, *self.found}:
            return None  # of another package, even if that lies below this folder, as an environment may
        top = self.around / self.package if self.package else self.own
        folders = [Path(each) for each in path if Path(each).is_relative_to(top)]
        if not folders:
            return None
        found = self._found(name, folders, False) or self._found(name, folders, True)
        if found is None:  # nobody else is asked: Python would take bytecode that lies there alone
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found

    def _found(self, name: str, folders: Iterable[Path], namespace: bool) -> ModuleSpec | None:
        for folder in folders:
            loaders = (SourceLoader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES)
            found = FileFinder(str(folder), *loaders).find_spec(name)
            if found is not None and (found.loader is None) == namespace:
                self.found.add(name)
                return found
        return None
