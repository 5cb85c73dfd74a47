"""Makes the gallery of docs/methods.md from the photographs' store: python docs/gallery.py [STORE] [FOLDER].

Each picture is what a command prints to --out, so that the page can show the command beside it.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

SIDE = 288
"""Small pictures are enlarged by whole pixels, up to this width: a page shows them unblurred."""

CAT, COFFEE, FLOWER, PALACE = (f"{name}/whole.png" for name in ("chelsea", "coffee", "flower", "china"))
PICTURES: dict[str, list[str]] = {
    "filters": ["filters"],
    "neighbors": ["neighbors", "--image", "astronaut/00.png", "--count", "5"],
    "patches": ["patches", "--layer", "blocks.3.1.conv_pw", "--channel", "408", "--no-guided"],
    "occlusion": [
        *("occlusion", "--image", FLOWER, "--picture", "overlay"),
        *("--patch", "80", "--stride", "8"),
    ],
    "saliency": ["saliency", "--image", FLOWER, "--picture", "overlay"],
    "grad-cam": ["saliency", "--image", CAT, "--variant", "gradcam", "--picture", "overlay"],
    "segment": ["segment", "--image", FLOWER, "--picture", "cutout"],
    "guided": ["guided", "--image", CAT, "--layer", "blocks.4.2.conv_pw", "--channel", "45"],
    "ascend": ["ascend", "--target", "jellyfish"],
    "ascend-natural": ["ascend", "--target", "Egyptian cat", "--natural", "10"],
    "fool": ["fool", "--image", CAT, "--target", "espresso"],
    "fool-difference": ["fool", "--image", CAT, "--target", "espresso", "--picture", "difference"],
    "dream": ["dream", "--image", PALACE, "--layer", "blocks.5.0.conv_pw"],
    "invert": ["invert", "--image", CAT, "--layer", "blocks.1.1.conv_pwl"],
    "style": [
        *("style", "--image", PALACE, "--second", FLOWER),
        *("--total-variation", "400", "--style-weight", "20"),
    ],
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


def main(store: str = "stores/photographs", folder: str = "docs/gallery") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, arguments in PICTURES.items():
        print(f"{name}: python -m compute {' '.join(arguments)} --store {store}")
        make(name, arguments, store, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
