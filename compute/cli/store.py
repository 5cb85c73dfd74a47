"""python -m compute store: runs a model over all images and writes what a dashboard shows into a store."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from compute.runtime.option_values import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compute.pipeline.job import Job
    from compute.pipeline.sharded_stages import Part
    from compute.runtime.progress import Progress
    from featurestore.manifest import Manifest

DESCRIPTION = (
    "Runs a model over all images and writes predictions, features, channels' strongest patches, neighbours, "
    "maps, grids and occlusion maps into a store. An interrupted run goes on where it was; a finished one "
    "ends at once."
)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    from compute.cli.config import add_config_argument
    from compute.models.zoo import add_model_arguments
    from compute.pipeline.choices import ADDED, NEEDS
    from compute.runtime.precision import PRECISIONS

    parser = subparsers.add_parser(
        "store", help="build a store: a model over a folder of images", description=DESCRIPTION
    )
    add_config_argument(parser)
    add_model_arguments(parser)
    parser.set_defaults(run=run, model="demo")
    parser.add_argument(
        "--images",
        default="demo",
        metavar="I",
        help="a folder (a sub-folder a class, or flat), a list of files (list.csv: path, label, split, …), "
        "tar archives (photos.tar, train-{000..999}.tar), a Parquet file or data set with a column of "
        "images, hf:ORG/NAME, s3://bucket/prefix, photographs, demo, digits or torchvision:NAME such as "
        "torchvision:CIFAR10 (default: %(default)s)",
    )
    parser.add_argument(
        "--store",
        required=True,
        metavar="S",
        help="folder of the store, or s3://bucket/prefix (in a bucket that is there); made where missing",
    )
    parser.add_argument(
        "--stages",
        type=names,
        metavar="A,B",
        help=f"of {', '.join(NEEDS)}, and what they need (default: all but {', '.join(ADDED)}, which, named "
        "alone, is added to all others)",
    )
    parser.add_argument(
        "--showcase-layers",
        type=names,
        metavar="A,B",
        help="the layers of whose channels stage showcase makes pictures by gradient ascent: names, in which "
        "* stands for anything, or all (default: those that --layers names, else the last one); what the run "
        "has of other layers stays",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", help="at most so many images: a seeded sample of each class"
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, cuda or mps (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the sample, the maps and random weights (default: %(default)s)",
    )
    parser.add_argument(
        "--occlusion-patch",
        type=int,
        metavar="P",
        help="side of the patch in pixels of the network's input (default: a quarter of it)",
    )
    parser.add_argument(
        "--occlusion-stride",
        type=int,
        metavar="S",
        help="pixels between patches (default: an eighth of the network's input)",
    )
    parser.add_argument(
        "--precision",
        default=PRECISIONS[0],
        choices=PRECISIONS,
        metavar="P",
        help="of the pass over all images: float32, or mixed, which is quicker on devices made for it and "
        "says how far it is off; occlusion stays in float32 (default: %(default)s)",
    )
    parser.add_argument(
        "--neighbors",
        default="auto",
        metavar="W",
        help="how they are found: exact, approximate, of which the store says how many it found, or auto, "
        "exact up to some 140,000 images of 512 features on a CPU (default: %(default)s)",
    )
    _add_engine_arguments(parser)


def _add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the shards are computed. Of these only --threads has a say in the result."""
    group = parser.add_argument_group("where it is computed")
    group.add_argument(
        "--engine",
        default="local",
        metavar="E",
        help="local: this process; processes: workers on this machine; ray: workers on a Ray cluster, which "
        "needs requirements-ray.txt (default: %(default)s)",
    )
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="how many (default: as many as GPUs or cores / threads allow)",
    )
    group.add_argument("--address", metavar="A", help="of the running Ray cluster: host:port, or auto")
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="of each worker, and of this process; the bytes may depend on it (default: this machine's "
        "cores, or OMP_NUM_THREADS)",
    )
    group.add_argument(
        "--readers",
        type=int,
        metavar="N",
        help="threads of each worker that read and decode images ahead of the network (default: this "
        "machine's cores, at least 4 and at most 32)",
    )
    group.add_argument(
        "--shards",
        metavar="I/N",
        help="compute only the I-th of N parts of the shards and commit nothing; the same command without it "
        "does the rest and commits (needs --threads)",
    )


def run(args: argparse.Namespace) -> int:
    from compute.pipeline import build
    from compute.pipeline.engines.choice import open_engine
    from compute.runtime.progress import Progress

    progress = Progress()
    engine, part = open_engine(args.engine, args.workers, args.address), _part(args)
    job = _job(args, progress)
    manifest = build.finished(job, args.store)
    if manifest is not None:
        print(f"run {manifest.fingerprint} is complete already: nothing to compute")
    elif part is not None:
        build.build_part(job, args.store, progress, part, engine)
        print(
            f"part {args.shards} of run {job.fingerprint} is there; the same command without --shards commits"
        )
        return 0
    else:
        manifest = build.build(job, args.store, progress, engine)
    _map_features(args.store, manifest.fingerprint)
    for line in _summary(manifest, args.store):
        print(line)
    return 0


def _map_features(store: str, fingerprint: str) -> None:
    """Lay the features out for the dashboard, whose first visitor would wait for that.

    Of a store on this machine: a bucket's are laid out where a dashboard reads them.
    """
    from featurestore.files import vector_cache
    from featurestore.places import place
    from featurestore.reader import Store

    if isinstance(place(store), Path):
        vector_cache.features(Store(store).open(fingerprint))


def _part(args: argparse.Namespace) -> "Part | None":
    """The part that --shards names; None without it."""
    from compute.pipeline.sharded_stages import Part

    if args.shards is None:
        return None
    if args.threads is None:
        raise ValueError(
            "--shards needs --threads N, the same for all parts and the last command: the run follows from it"
        )
    return Part.parse(args.shards)


def _job(args: argparse.Namespace, progress: "Progress") -> "Job":
    from compute.cli import own_functions
    from compute.images import sources as images
    from compute.images.sources.labels import said_of_labels
    from compute.images.survey import looking_at
    from compute.models import zoo
    from compute.models.architectures.wordnet_numbers import are_wordnet_numbers, named_by_wordnet
    from compute.models.layers import ALL, are_named
    from compute.pipeline.choices import (
        check_neighbors,
        check_seed,
        check_showcase_layers,
        complete_stages,
    )
    from compute.pipeline.job import READERS, Job, image_digests, parameters
    from compute.pipeline.stages.showcase import layers_asked_for

    complete_stages(args.stages)  # a wrong name is said before a model is loaded
    check_showcase_layers(args.stages, args.showcase_layers)
    check_seed(args.seed)
    check_neighbors(args.neighbors)
    readers = READERS if args.readers is None else args.readers
    if readers < 1:
        raise ValueError(f"readers is {readers}; it must be at least 1")
    _check_place(args.store)
    source = images.open_source(args.images)
    items = images.sample(source.items, args.limit, args.seed)
    spec = zoo.ModelSpec.from_args(args).with_whole_paths()
    found: list[str] = []
    look = looking_at(source.read, [item.path for item in items], found.append)
    model = zoo.load(spec, args.device, source.classes, look, further_names=source.further_classes)
    if spec.runs_user_code:
        own_functions.note(spec.model)
    if source.numbered:
        items = images.named(items, model.classes)
        found.append(_said_of_numbers(model.classes))
    elif are_wordnet_numbers(items):
        items = named_by_wordnet(items, model.classes)
    if source.not_numbered:
        found.append(source.not_numbered)
    found += said_of_labels(items, model.classes)
    chosen = parameters(
        model,
        args.stages,
        args.seed,
        args.limit,
        args.occlusion_patch,
        args.occlusion_stride,
        args.threads,
        args.precision,
        args.neighbors,
    )
    named = (ALL,) if are_named(args.layers) else None
    showcase = layers_asked_for(model, args.stages, args.showcase_layers or named)
    progress.note(f"{model.name} on {model.device.type}, {_counted(len(items))} of {source.spec}")
    for note in found:
        progress.note(note)
    with progress.stage("reading", len(items)) as stage:
        digests = image_digests(source, items, stage, readers)
    whole = zoo.as_loaded(spec, model).to_dict()
    return Job(model, whole, source, items, digests, chosen, source.columns, readers, showcase)


def _said_of_numbers(classes: tuple[str, ...]) -> str:
    """How numbers were taken that the images have for labels."""
    if not classes:
        return "labels are numbers, and the network has no classes that they may be of"
    return f"labels are numbers, taken for those of the network's classes: 0 is {classes[0]}"


def _check_place(store: str) -> None:
    """Raises ValueError, before anything is computed, for a store that could not be made."""
    from featurestore.places import place
    from featurestore.writing.opening import check_writable

    path = place(store)
    if not isinstance(path, Path):
        check_writable(path)
    elif path.exists() and not path.is_dir():
        raise ValueError(f"--store {store!r} is a file, not a folder")


def _summary(manifest: "Manifest", store: str) -> list[str]:
    """The last lines: how it went, what could not be read, where the store is and how to open it."""
    from featurestore.errors import make_argument

    images, accuracy = manifest.images, manifest.model["accuracy"]
    lines = [f"{_counted(images['count'])}, {images['problems']:,} unreadable (table problems)"]
    if accuracy:
        lines.append("accuracy: " + ", ".join(f"{split} {share:.3f}" for split, share in accuracy.items()))
    if shown := sum(manifest.files[name].rows for name in manifest.table_files("showcase")):
        lines.append(f"{shown:,} channels have a picture of what they look for (table showcase)")
    if error := manifest.notes.get("precision_error"):
        lines.append(_precision_line(error))
    lines += [f"note: {remark}" for remark in manifest.remarks]
    command = f"make dashboard {make_argument('STORES', store)}"
    return [*lines, f"store {store}, run {manifest.fingerprint}; open it with: {command}"]


def _counted(images: int) -> str:
    return "1 image" if images == 1 else f"{images:,} images"


def _precision_line(error: "Mapping[str, float]") -> str:
    features = f"features are off by at most {error['features']:.2g} of their standard deviation"
    line = f"mixed precision, on {error['images']} images: {features}"
    if "logits" not in error:
        return line
    kept = f"{error['predictions']:.1%} of the predictions are float32's"
    return f"{line}, logits by {error['logits']:.2g}; {kept}"
