"""The rules of the rooms, read from the source: who imports whom, how full a folder is, what names say."""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

from tests.support import ROOT

PACKAGES = ("featurestore", "compute", "dashboard")
LAYERS = {
    "compute": (
        "runtime analysis demo",
        "images neighbors",
        "network",
        "models",
        "occlusion",
        "methods",
        "reports pipeline",
        "cli",
        "__main__",
    ),
    "dashboard": (
        "settings text",
        "views",
        "components",
        "data",
        "jobs",
        "sharing",
        "findings",
        "widgets",
        "sections",
        "app_pages",
        "server",
        "__main__",
    ),
}
"""The rooms of a package, a line each layer: a room imports itself and the lines above it, none beside it."""
READERS_OF_STORES = ("compute.reports", "compute.pipeline", "compute.cli", "compute.images.sources.bucket")
FORBIDDEN = {
    "featurestore": ("compute", "dashboard", "torch", "torchvision", "streamlit"),
    "compute": ("dashboard", "streamlit"),
    "compute.analysis": ("torch",),
    "dashboard": (
        "torch",
        "torchvision",
        "compute.pipeline",
        "featurestore.writing",
        "featurestore.objects.writer",
        "featurestore.objects.changes",
    ),
}
"""What a package, and all inside it, may not import."""
LATE = {
    "compute.cli.agents.command": {
        "compute.cli.agents.server",
        "compute.cli.agents.transports",
        "compute.cli.agents.workspace",
    },  # the protocol's package, for this command alone; `--help` needs no torch
    "compute.cli.store": {"compute", "featurestore"},  # `--help` and `--version` need no torch
    "compute.demo.images": {"sklearn"},  # the digits alone
    "compute.images.pictures": {"matplotlib"},  # a number needs no colour map
    "compute.images.preprocessing": {"torch"},  # what is wrong with a size or a mean is told without
    "compute.images.sources.embedded": {"compute.demo.images", "compute.demo.photographs"},  # one source each
    "compute.images.sources.opening": {
        "compute.images.sources.bucket",
        "compute.images.sources.lists.list_source",
        "compute.images.sources.tables",
    },  # pyarrow, of some sources alone
    "compute.images.sources.tables.hub": {"datasets"},  # optional
    "compute.images.sources.torchvision_sets": {"compute.runtime.vision", "torch"},  # one source each
    "compute.models.architectures.hub": {"huggingface_hub"},  # weights from the network alone
    "compute.models.architectures.hugging_face": {"huggingface_hub", "transformers"},  # optional
    "compute.models.architectures.timm_networks": {"timm"},  # seconds to import, its networks alone
    "compute.models.architectures.efficientnet_lite0": {"timm"},  # the same
    "compute.models.architectures.torchvision_networks": {"compute.runtime.vision"},  # the same
    "compute.methods.attribution.saliency": {"scipy"},  # a second to import, for one number
    "compute.occlusion.coarse_to_fine": {"scipy"},  # the same
    "compute.occlusion.drawing": {"matplotlib"},  # as in pictures
    "compute.neighbors.descent": {"pynndescent", "sklearn"},  # seconds to import, for large stores alone
    "compute.pipeline.engines.choice": {"compute.pipeline.engines"},  # Ray is optional
    "compute.pipeline.stages.embeddings": {
        "sklearn",
        "openTSNE",
        "umap",
    },  # seconds to import, one stage each
    "compute.reports.drawing.charts": {"matplotlib"},  # a second to import, for files alone
    "compute.reports.drawing.plain_text": {"matplotlib"},  # the same
    "compute.reports.occlusion_map": {"matplotlib"},  # the same
    "compute.runtime.vision_layers": {"compute.runtime.vision"},  # longer to import than torch
    "dashboard.__main__": {"dashboard.server.app"},  # reads the settings that the command line has just set
    "dashboard.findings.__main__": {"dashboard.findings"},  # `--help` needs no torch
    "featurestore.objects.bucket": {"pyarrow"},  # object storage alone
    "featurestore.objects.changes": {"botocore"},  # optional
    "featurestore.query.engine": {"duckdb"},  # questions in SQL alone
}
"""Imports inside a function: those that start a program fast, or that are of optional packages. No others."""
MOST_ENTRIES = 14
NAMES_OF_NOTHING = {"utils", "helpers", "common", "manager", "misc"}


class Import(NamedTuple):
    """A module, or a name of one, in full; whether imported in a function, and for annotations alone."""

    name: str
    late: bool
    for_types: bool


def _files(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [path for package in PACKAGES for path in _files(package)]
PACKAGE_NAMES = {name_of(path) for path in MODULES if path.name == "__init__.py"}
SUBMODULES = {
    package: {name_of(path) for path in MODULES if name_of(path).startswith(f"{package}.")}
    for package in PACKAGE_NAMES
}


def imports(source: str, module: str, is_package: bool = False) -> Iterator[Import]:
    """All that a module's source imports, at any depth; relative imports in full."""
    tree = ast.parse(source)
    late = {id(node) for function in functions_of(tree) for node in ast.walk(function)}
    guards = [each for each in ast.walk(tree) if isinstance(each, ast.If) and _is_for_types(each.test)]
    types = {id(node) for guard in guards for node in ast.walk(guard)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, id(node) in late, id(node) in types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                parents = package[: len(package) + 1 - node.level]
                base = ".".join([*parents, *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
            yield from (Import(name, id(node) in late, id(node) in types) for name in names)


def _is_for_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@cache
def imports_of(path: Path) -> frozenset[Import]:
    return frozenset(imports(path.read_text(), name_of(path), path.name == "__init__.py"))


def where(wrong: Callable[[str, Import], bool]) -> dict[str, list[str]]:
    """Modules with imports that are wrong, and what they import."""
    found = {
        name_of(path): sorted(each.name for each in imports_of(path) if wrong(name_of(path), each))
        for path in MODULES
    }
    return {module: names for module, names in found.items() if names}


def within(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def forbidden(module: str) -> tuple[str, ...]:
    """What a module may not import, rooms aside."""
    rules = [each for package, names in FORBIDDEN.items() if within(module, package) for each in names]
    if within(module, "compute") and not within(module, *READERS_OF_STORES, "compute.__main__"):
        rules.append("featurestore")
    if module != "compute.runtime.vision":
        rules.append("torchvision")
    return tuple(rules)


def layer_of(module: str) -> int | None:
    """The number of the layer of a module's room, 0 the lowest; None outside of the rooms."""
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    return next((n for n, rooms in enumerate(LAYERS.get(package, ())) if room in rooms.split()), None)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def wrong_way(module: str, imported: str) -> bool:
    """Whether a module imports a room beside or above its own."""
    if module.split(".")[0] != imported.split(".")[0] or room_of(module) == room_of(imported):
        return False
    own, other = layer_of(module), layer_of(imported)
    return own is not None and other is not None and other >= own


def test_nothing_forbidden_is_imported():
    assert where(lambda module, each: within(each.name, *forbidden(module))) == {}


def test_rooms_import_one_way():
    assert where(lambda module, each: wrong_way(module, each.name)) == {}


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_its_layer(package):
    rooms = {path.relative_to(ROOT / package).parts[0].removesuffix(".py") for path in _files(package)}
    assert rooms - {"__init__"} == {room for rooms in LAYERS[package] for room in rooms.split()}


def test_imports_inside_functions_have_a_reason():
    assert where(lambda module, each: each.late and not within(each.name, *LATE.get(module, ()))) == {}


def test_every_reason_is_of_an_import():
    late = {(name_of(path), each.name) for path in MODULES for each in imports_of(path) if each.late}
    assert [
        (module, name)
        for module, names in LATE.items()
        for name in names
        if not any(module == importer and within(imported, name) for importer, imported in late)
    ] == []


def test_no_modules_import_each_other_in_a_circle():
    names = {name_of(path) for path in MODULES}
    edges = {name_of(path): _imported_modules(path) & names - {name_of(path)} for path in MODULES}
    while leaves := {module for module, imported in edges.items() if not imported & edges.keys()}:
        edges = {module: imported for module, imported in edges.items() if module not in leaves}
    assert sorted(edges) == []


def _imported_modules(path: Path) -> set[str]:
    """What `from package import module` names is the module, not the package."""
    names = {each.name for each in imports_of(path) if not each.for_types}
    return {name for name in names if name not in PACKAGE_NAMES or not names & SUBMODULES[name]}


def _entries(package: str) -> dict[str, set[str]]:
    """The entries of every folder of a package that git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", package], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = defaultdict(set)
    for line in listed.stdout.splitlines():
        path = PurePosixPath(line)
        for parent in list(path.parents)[:-1]:
            found[str(parent)].add(path.relative_to(parent).parts[0])
    return found


@pytest.mark.parametrize("package", [*PACKAGES, "tests"])
def test_folders_have_at_most_14_entries(package):
    full = {
        folder: len(entries) for folder, entries in _entries(package).items() if len(entries) > MOST_ENTRIES
    }
    assert full == {}


def test_names_say_a_subject():
    stems = {path.stem for path in MODULES} | {part for path in MODULES for part in path.parent.parts}
    assert stems & NAMES_OF_NOTHING == set()


def test_a_model_is_annotated():
    assert [
        f"{name_of(path)}.{function.name}"
        for path in MODULES
        for function in functions_of(ast.parse(path.read_text()))
        for argument in [*function.args.args, *function.args.kwonlyargs]
        if argument.arg == "model" and argument.annotation is None
    ] == []


def test_all_packages_are_looked_at():
    assert {name_of(path).split(".")[0] for path in MODULES} == set(PACKAGES)


@pytest.mark.parametrize(
    ("source", "module", "is_package", "name"),
    [
        ("import torch.nn as nn", "featurestore.reader", False, "torch.nn"),
        ("def f():\n    from torchvision import models", "compute.models.zoo", False, "torchvision"),
        ("from . import stages", "compute.pipeline", True, "compute.pipeline.stages"),
        ("from .stages import occlusion", "compute.pipeline.job", False, "compute.pipeline.stages"),
        ("from .. import pipeline", "compute.methods.fool", False, "compute.pipeline"),
        ("from ..stages.grid import x", "compute.pipeline.engines", True, "compute.pipeline.stages.grid"),
        ("from featurestore import writing", "dashboard.data.runs", False, "featurestore.writing"),
    ],
)
def test_imports_are_found(source, module, is_package, name):
    assert name in {each.name for each in imports(source, module, is_package)}


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("compute.methods.base", "compute.network.traced", False),
        ("compute.network.traced", "compute.methods.base", True),
        ("compute.network.traced", "compute.network.onednn.weights", False),
        ("compute.reports.maps.map", "compute.pipeline.job", True),
        ("compute.runtime.seeding", "compute.demo", True),
        ("compute.runtime.environment", "compute", False),
        ("dashboard.server.app", "dashboard.app_pages.shell", False),
        ("dashboard.__main__", "dashboard.server.app", False),
        ("dashboard.data.runs", "dashboard.jobs.queue.jobs", True),
    ],
)
def test_the_wrong_way_is_told(module, imported, wrong):
    assert wrong_way(module, imported) is wrong
