"""The one pass over all images against the bare forward of the same network, and that against plain PyTorch.

    plain   the network as torchvision makes it, eager
    bare    our program of it, batch norms folded, channels last, without reading anything but the scores
    pass    the same with all that the stage does: normalising, features, every channel's maximum, position,
    mean and active share, histograms, the running top 9, pixel vectors, and the shard's rows written as
    Parquet
    mixed   the pass with --precision mixed; its error is of the features, against the pass

The same decoded batches for all, random weights, 224x224. Predictions, features and top 9 are checked against
plain PyTorch's before time is taken; runs alternate in one process. Decoding, which overlaps, is timed on its
own.

    python -m tests.benchmarks.one_pass [NETWORK ...] [--images 128] [--rounds 5] [--threads N] [--clock cpu]
    [--write]
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import nn

from compute.images.loading import Picture, read_picture, thumbnail
from compute.images.preprocessing import Preprocessing
from compute.images.sources import Item
from compute.models.model import Model
from compute.network.folded import channels_last
from compute.network.layers.streamed import reading_program
from compute.network.traced import LOGITS
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.job import Job, parameters
from compute.pipeline.open_run import OpenRun
from compute.pipeline.shards import ActivationsShard, activations_shard
from compute.pipeline.stages.feature_map_statistics import map_statistics
from compute.runtime.vision import models
from tests.benchmarks.reporting import report

NETWORKS = ("resnet18", "resnet50", "squeezenet1_1")
SIZE, PHOTO = (224, 224), (500, 375)
PREPROCESSING = Preprocessing(SIZE, 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLASSES = tuple(f"class {index}" for index in range(1000))
CPU = torch.device("cpu")
TOLERANCES = {"cpu": 1e-4}
OTHER_TOLERANCE = 1e-3
"""Of a device whose convolutions may go by Winograd's transforms or by Fourier's."""
COLUMNS = (
    "network",
    "plain ms an image",
    "bare ms",
    "pass ms",
    "plain / bare",
    "pass / bare",
    "error / std",
    "mixed pass ms",
    "pass / mixed",
    "mixed error / std",
)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
GOALS = "goals: pass / bare at most 1.10 (SqueezeNet 1.35), plain / bare at least 1.15 (SqueezeNet 2)."


class Photos:
    """An image source of `number` photographs that are all of camera size, and not all the same."""

    spec, root = "benchmark", None

    def __init__(self, number: int):
        self.items = tuple(Item(f"{index:05}.jpg", CLASSES[index % 10], None) for index in range(number))

    def read(self, path: str) -> bytes:
        rng = np.random.default_rng(int(path.split(".")[0]))
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(PHOTO)
        noisy = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (*PHOTO[::-1], 3))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()


def a_model(name: str, module: nn.Module, device: torch.device = CPU) -> Model:
    return Model(module, PREPROCESSING, CLASSES, name, device)


def a_module(name: str) -> nn.Module:
    """Random weights, batch norms that do something."""
    torch.manual_seed(0)
    module = models.get_model(name, weights=None).eval().requires_grad_(False)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.normal_(each.running_mean, std=0.1)
            nn.init.uniform_(each.running_var, 0.8, 1.2)
    return module


def tolerance(device: torch.device) -> float:
    """Return by how many standard deviations values may differ from plain PyTorch's on the same device."""
    return TOLERANCES.get(device.type, OTHER_TOLERANCE)


def compared(
    name: str,
    photos: Photos,
    pictures: list[Picture],
    rounds: int,
    clock: Callable[[], float],
    device: torch.device = CPU,
) -> tuple[list, dict]:
    """One network's row of the table, and its raw times. clock: see `report.waiting_for`."""
    module = a_module(name)
    model = a_model(name, module, device)
    wanted, digests = parameters(model, ("activations",)), (None,) * len(pictures)
    job = Job(model, {"model": name}, photos, photos.items, digests, wanted)
    batches = torch.stack([picture.crop for picture in pictures]).to(device).split(job.one_pass.batch)
    half = replace(job, parameters=replace(wanted, precision="mixed"))
    bare = reading_program(model.network, (), map_statistics)
    error, half_error = checked(job, module, pictures, batches), distance(job, half, pictures)

    def plain() -> None:
        with torch.inference_mode():
            for batch in batches:
                module(PREPROCESSING.normalize(batch))

    def folded() -> None:
        with torch.inference_mode():
            for batch in batches:
                bare(channels_last(PREPROCESSING.normalize(batch)))[LOGITS]

    with tempfile.TemporaryDirectory() as folder:

        def ours(each: Job) -> Callable[[], None]:
            run = OpenRun(each, folder)
            return lambda: write(run, the_pass(each, pictures))

        ways = {"plain": plain, "bare": folded, "pass": ours(job), "mixed": ours(half)}
        taken = report.alternately(ways, rounds, clock)
    ms = {way: 1000 * statistics.median(times) / len(pictures) for way, times in taken.items()}
    over = {
        pair: statistics.median(ratio(taken[pair[0]], taken[pair[1]]))
        for pair in (("plain", "bare"), ("pass", "bare"), ("pass", "mixed"))
    }
    gained, cost, halved = over.values()
    row = [name, ms["plain"], ms["bare"], ms["pass"], gained, cost, error, ms["mixed"], halved, half_error]
    return row, {"seconds": taken, "batch": job.one_pass.batch}


def the_pass(job: Job, pictures: list[Picture]) -> ActivationsShard:
    return activations_shard(job, range(len(pictures)), iter(pictures), lambda number: None)


def write(run: OpenRun, made: ActivationsShard) -> None:
    run.write_partial(0, made)
    run.write("features", made.features, 0)
    run.write("images", made.images, 0)


def distance(job: Job, half: Job, pictures: list[Picture]) -> float:
    """The largest difference of the two passes' features, in standard deviations."""
    made = (the_pass(each, pictures).features["feature"].to_pylist() for each in (job, half))
    exact, found = map(np.stack, made)
    return float(np.abs(found - exact).max() / exact.std())


def checked(job: Job, module: nn.Module, pictures: list[Picture], batches) -> float:
    """The largest error of the features in standard deviations. ValueError where a prediction that
    isn't a tie or a channel's strongest image differs from plain PyTorch's."""
    made, layer = the_pass(job, pictures), next(iter(job.model.layers))
    maxima, logits, features = plain_values(module, layer, batches)
    found = np.stack(made.features["feature"].to_pylist())
    error = float(np.abs(found - features).max() / features.std())
    top = made.summary.top_value[:, : maxima.shape[1]]
    expected = -np.sort(-maxima, axis=0)[: len(top)]
    most = tolerance(job.model.device)
    if error > most or not np.allclose(top, expected, rtol=most, atol=most * expected.std()):
        raise ValueError(f"{job.model.name}: the pass and plain PyTorch differ ({error:.1e})")
    predicted = [CLASSES[index] for index in logits.argmax(1)]
    best = -np.sort(-logits, axis=1)
    clear = best[:, 0] - best[:, 1] > most * logits.std()
    ours = made.images["predicted"].to_pylist()
    if any(a != b for a, b, sure in zip(predicted, ours, clear, strict=True) if sure):
        raise ValueError(f"{job.model.name}: predictions differ from plain PyTorch's")
    return error


def plain_values(module: nn.Module, layer: str, batches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By forward hooks: the first layer's channel maxima (after norm and ReLU), logits, and the features."""
    seen: dict[str, list] = {"maxima": [], "features": [], "logits": []}
    norm = getattr(module, "bn1", None) or module.get_submodule(layer)
    handles = [norm.register_forward_hook(lambda _, __, out: seen["maxima"].append(out.relu().amax((2, 3))))]
    classifier = getattr(module, "fc", None) or module.classifier[1]
    handles.append(
        classifier.register_forward_pre_hook(
            lambda _, given: seen["features"].append(given[0].reshape(*given[0].shape[:2], -1).mean(2))
        )
    )
    with torch.inference_mode():
        for batch in batches:
            seen["logits"].append(module(PREPROCESSING.normalize(batch)))
    for handle in handles:
        handle.remove()
    return tuple(torch.cat(seen[name]).cpu().numpy() for name in ("maxima", "logits", "features"))


def ratio(one: list[float], other: list[float]) -> list[float]:
    """Round by round: what ran right after each other saw the same machine."""
    return [a / b for a, b in zip(one, other, strict=True)]


def decoding_ms(photos: Photos, number: int = 24) -> float:
    """Milliseconds of one core for one photograph: decoding, hashing, cropping, and its thumbnail."""
    stored = Stored({item.path: photos.read(item.path) for item in photos.items[:number]})

    def work() -> None:
        for item in photos.items[:number]:
            read_picture(stored, item, PREPROCESSING)

    with fixed_threads(1):  # a second one would count while it waits
        return 1000 * min(report.seconds(work, time.process_time) for _ in range(5)) / number


class Stored:
    """An image source in memory."""

    def __init__(self, data: dict[str, bytes]):
        self.read = data.__getitem__


def random_pictures(photos: Photos) -> list[Picture]:
    """Decoded pictures as the readers hand them on."""
    generator = torch.Generator().manual_seed(0)
    small = thumbnail(Image.effect_noise(PHOTO, 40).convert("RGB"))
    coarse = torch.rand(len(photos.items), 3, 14, 14, generator=generator)
    crops = nn.functional.interpolate(coarse, SIZE, mode="bilinear")
    levels = (crops * 255).round() / 255
    blank = Picture("0" * 64, *PHOTO, small)
    return [replace(blank, crop=crop) for crop in levels]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: where others share the machine")
    parser.add_argument("--write", action="store_true", help="keep the result in results/one_pass.json")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    photos = Photos(chosen.images)
    pictures, decoding = random_pictures(photos), decoding_ms(photos)
    rows, details = [], {"decoding ms an image and core": decoding}
    for name in chosen.networks:
        row, details[name] = compared(name, photos, pictures, chosen.rounds, CLOCKS[chosen.clock])
        rows.append(row)
        print(*(f"{cell:.3g}" if isinstance(cell, float) else cell for cell in row), sep="  ", flush=True)
    note = (
        f"Medians of {chosen.rounds} alternating rounds over {chosen.images} decoded images; ratios within a "
        f"round; {chosen.clock} time; {GOALS} Decoding a {PHOTO[0]}x{PHOTO[1]} JPEG with hash, crop and "
        f"thumbnail: {decoding:.1f} ms of one core, so a device that passes f images a second wants "
        f"f * {decoding / 1000:.4f} decoding cores."
    )
    print(note)
    if chosen.write:
        report.write("one_pass", "The one pass", COLUMNS, rows, [note], details)


if __name__ == "__main__":
    main()
