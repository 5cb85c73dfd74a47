"""Makes the gallery of docs/methods.md from the demo store: python docs/gallery.py [STORE] [FOLDER].

Each picture is what a command prints to --out, so that the page can show the command beside it.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

SIDE = 288
"""Pictures are enlarged by whole pixels to about this width, so that a page shows them at one size."""

CAT, FLOWER, PETALS, ROCKET, TEMPLE, MOTORCYCLE = (
    f"train/{name}.png"
    for name in ("cat/0013", "flower/0008", "flower/0012", "rocket/0013", "temple/0008", "motorcycle/0006")
)
PICTURES: dict[str, list[str]] = {
    "filters": ["filters"],
    "neighbors": ["neighbors", "--image", MOTORCYCLE],
    "patches": ["patches", "--layer", "conv4", "--channel", "5"],
    "occlusion": ["occlusion", "--image", ROCKET, "--picture", "overlay"],
    "saliency": ["saliency", "--image", FLOWER, "--variant", "smoothgrad"],
    "grad-cam": ["saliency", "--image", CAT, "--variant", "gradcam", "--picture", "overlay"],
    "segment": ["segment", "--image", FLOWER, "--picture", "cutout"],
    "guided": ["guided", "--image", CAT, "--layer", "conv5", "--channel", "7"],
    "ascend": ["ascend", "--target", "coins"],
    "fool": ["fool", "--image", CAT, "--target", "rocket"],
    "fool-difference": ["fool", "--image", CAT, "--target", "rocket", "--picture", "difference"],
    "dream": ["dream", "--image", TEMPLE, "--layer", "conv4", "--side", "384"],
    "invert": ["invert", "--image", FLOWER, "--layer", "conv3"],
    "style": ["style", "--image", TEMPLE, "--second", PETALS, "--side", "256"],
}


def make(name: str, arguments: list[str], store: str, folder: Path) -> Path:
    """Runs one command; raises CalledProcessError where it fails."""
    path = folder / f"{name}.png"
    command = [sys.executable, "-m", "compute", *arguments, "--store", store, "--out", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    enlarge(path)
    return path


def enlarge(path: Path) -> None:
    picture = Image.open(path)
    factor = max(1, SIDE // picture.width)
    picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST).save(
        path, optimize=True
    )


def main(store: str = "stores/demo", folder: str = "docs/gallery") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, arguments in PICTURES.items():
        print(f"{name}: python -m compute {' '.join(arguments)} --store {store}")
        make(name, arguments, store, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
