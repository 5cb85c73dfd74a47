"""A job with several shards that takes a second or two: 1,300 tiny images and a network of the user's own."""

import io
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from compute.__main__ import main
from compute.images.sources import open_source
from compute.models import zoo
from compute.pipeline.job import Job, image_digests, parameters
from compute.runtime.progress import Progress
from tests.support import ROOT

NETWORK = """
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
"""
OPTIONS = (
    "--size 12 --occlusion-patch 6 --occlusion-stride 6 --stages occlusion --device cpu --threads 1".split()
)
IMAGES = 1300


def make_job(folder: Path) -> None:
    """Writes images and network."""
    (folder / "network.py").write_text(NETWORK)
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 12, 12, 3), dtype=np.uint8)
    for number, each in enumerate(pixels):
        path = folder / "images" / ("moth", "wasp")[number % 2] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(path)
    (folder / "images" / "moth" / "0006.png").write_bytes(b"broken")


def job(folder: Path) -> Job:
    """The same job, made here."""
    spec = zoo.ModelSpec(f"{folder / 'network.py'}:net", size=12)
    source = open_source(str(folder / "images"))
    model = zoo.load(spec, "cpu", ("moth", "wasp"))
    with Progress(io.StringIO()).stage("reading", IMAGES) as stage:
        digests = image_digests(source, source.items, stage)
    chosen = parameters(model, ("occlusion",), occlusion_patch=6, occlusion_stride=6, threads=1)
    return Job(model, spec.to_dict(), source, source.items, digests, chosen)


def arguments(folder: Path, store: Path, *more: str) -> list[str]:
    """Of `python -m compute`."""
    chosen = ["--model", f"{folder / 'network.py'}:net", "--images", str(folder / "images")]
    return ["store", *chosen, "--store", str(store), *OPTIONS, *more]


def make_store(folder: Path, store: Path, *more: str) -> int:
    return main(arguments(folder, store, *more))


def command(folder: Path, store: Path, *more: str) -> dict:
    """What `subprocess.Popen` takes to do the same in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return {"args": [sys.executable, "-m", "compute", *arguments(folder, store, *more)], "env": environment}


def shards(store: Path, table: str = "*") -> dict[str, bytes]:
    """The files of the store's only run."""
    return {path.name: path.read_bytes() for path in store.glob(f"runs/*/{table}-*.parquet")}
