"""The import rules, read from the source: featurestore <- compute <- dashboard, and who knows whom inside."""

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGES = ("featurestore", "compute", "dashboard")
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "node_modules" not in path.parts
)


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, is_package: bool = False) -> set[str]:
    """Full names of all that a module's source imports, at any depth, relative ones resolved."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                parents = package[: len(package) + 1 - node.level]
                base = ".".join([*parents, *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def forbidden(module: str) -> tuple[str, ...]:
    """What a module may not import."""
    if within(module, "featurestore"):
        return "compute", "dashboard", "torch", "torchvision", "streamlit"
    if within(module, "compute"):
        rules = ["dashboard", "streamlit"]
        if not within(
            module,
            "compute.pipeline.stages",
            "compute.pipeline",
            "compute.cli",
            "compute.reports",
            "compute.__main__",
        ):
            rules.append("featurestore")
        if module != "compute.runtime.vision":
            rules.append("torchvision")
        return tuple(rules)
    writing = (
        "featurestore.writer",
        "featurestore.writers",
        "featurestore.objects.writer",
        "featurestore.objects.changes",
    )
    return "compute.pipeline.stages", "compute.pipeline", *writing, "torchvision"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path):
    module = name_of(path)
    imported = imports(path.read_text(), module, path.name == "__init__.py")
    assert sorted(name for name in imported if within(name, *forbidden(module))) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_are_short_and_named_for_a_subject(path):
    assert len(path.read_text().splitlines()) <= 350
    assert path.stem not in ("utils", "helpers", "common", "manager", "misc")


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
        ("from featurestore import writer", "dashboard.data.runs", False, "featurestore.writer"),
    ],
)
def test_imports_are_found(source, module, is_package, name):
    assert name in imports(source, module, is_package)
