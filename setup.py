"""Bundles the dashboard's front end into what is installed; the rest stands in pyproject.toml."""

import runpy

from setuptools import setup
from setuptools.command.build_py import build_py


class WithFrontEnd(build_py):
    """Copies the packages, once the bundles are built: they are among the data of `dashboard.components`."""

    def run(self) -> None:
        build = runpy.run_path("dashboard/components/build.py")
        if code := build["main"]():
            raise SystemExit(f"the dashboard's front end can't be bundled (exit code {code})")
        super().run()


setup(cmdclass={"build_py": WithFrontEnd})
