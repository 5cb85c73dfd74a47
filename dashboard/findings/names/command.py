"""The command line of names: `python -m dashboard.findings names` lists them, gives one, takes one away."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from dashboard.findings.names.folder import FOLDER, NamesFolder
from dashboard.findings.names.of_run import Names, names_in
from dashboard.findings.names.record import Name, Thing, stem_of
from dashboard.findings.names.spans import check_spans, ids_of
from dashboard.text import one_line
from featurestore.reader import Run, Store


def add_names(parsers: argparse._SubParsersAction) -> None:
    """Add the command to a program's."""
    result = parsers.add_parser(
        "names",
        help="list the names that channels, classes and regions of maps have; give one or take it away",
        description="Lists all names. With --store and one of its things, gives it a name or takes it away.",
    )
    result.add_argument("--findings", default="findings", metavar="DIR", help="default: %(default)s")
    result.add_argument("--store", metavar="DIR", help="the store whose thing is named")
    result.add_argument("--run", metavar="FINGERPRINT", help="one of its runs; else the current one")
    result.add_argument("--layer", help="with --channel: a channel of the network")
    result.add_argument("--channel", type=int, metavar="NUMBER")
    result.add_argument(
        "--class", dest="label", metavar="CLASS", help="a class, as the network or the labels say it"
    )
    result.add_argument("--map", metavar="METHOD", help="with --images: a region of this map, such as tsne")
    result.add_argument("--images", metavar="IDS", help='the numbers of its images, such as "3, 7-12"')
    result.add_argument("--name", help="what it is to be called")
    result.add_argument("--by", default="", metavar="WHO", help="who gives the name")
    result.add_argument("--remove", action="store_true", help="take its name away")


def names(options: argparse.Namespace) -> int:
    """Do what is asked of the names; return the exit status: 1 if one can't be read, 2 for a mistake."""
    folder = NamesFolder(Path(options.findings) / FOLDER)
    try:
        if options.store is None:
            return _list(folder, options)
        store = Store(options.store)
        run = store.open(options.run)
        thing = thing_asked(options, run, names_in(folder, run))
        return _change(folder, thing, options, run)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2


def thing_asked(options: argparse.Namespace, run: Run, names: Names) -> Thing:
    """Return the thing that a command line means; ValueError for none, several, or one not there."""
    channel = options.layer is not None or options.channel is not None
    region = options.map is not None or options.images is not None
    if channel + region + (options.label is not None) != 1:
        raise ValueError("say one of --layer and --channel, --class, or --map and --images")
    if options.label is not None:
        return names.the_class(_one_of("class", options.label, _classes(run)))
    if channel:
        return _channel(options, run, names)
    if options.map is None or options.images is None:
        raise ValueError("a region needs both --map and --images")
    maps = run.table("maps", ["method"])["method"].to_pylist() if "maps" in run.tables() else []
    asked, ids = check_spans(options.images), ids_of(check_spans(options.images), run.image_count)
    if not len(ids):
        raise ValueError(f"--images {asked}: the run has images 0 to {run.image_count - 1}")
    return names.the_region(_one_of("map", options.map, maps), ids)


def _channel(options: argparse.Namespace, run: Run, names: Names) -> Thing:
    if options.layer is None or options.channel is None:
        raise ValueError("a channel needs both --layer and --channel")
    table = run.table("layers", ["layer", "channels"]).to_pydict()
    layers = dict(zip(table["layer"], table["channels"], strict=True))
    layer = _one_of("layer", options.layer, list(layers))
    if not 0 <= options.channel < layers[layer]:
        raise ValueError(f"{layer} has channels 0 to {layers[layer] - 1}, and no {options.channel}")
    return names.the_channel(layer, options.channel)


def _classes(run: Run) -> list[str]:
    """Return the network's classes, and the labels that it doesn't know."""
    labels = run.table("images", ["label"])["label"].unique().drop_null() if "images" in run.tables() else []
    known = np.array(labels, object).tolist() if len(labels) else []
    return list(dict.fromkeys([*run.class_names, *known]))


def _one_of(kind: str, asked: str, known: list[str]) -> str:
    if asked not in known:
        shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
        raise ValueError(f"there is no {kind} {asked!r}; choose from {shown or 'none'}")
    return asked


def _change(folder: NamesFolder, thing: Thing, options: argparse.Namespace, run: Run) -> int:
    if options.remove == (options.name is not None):
        raise ValueError("say either --name or --remove")
    if options.remove:
        folder.remove(stem_of(thing))
        print(one_line(f"{thing.where} has no name any more"))
        return 0
    now = datetime.now(UTC).replace(microsecond=0)
    network, place = str(run.manifest.model.get("name", "")), Path(options.store).resolve().name
    name = Name(options.name, thing, now, options.by, network, place, run.fingerprint)
    print(one_line(f"{folder.give(name)}: {name.title}"))
    return 0


def _list(folder: NamesFolder, options: argparse.Namespace) -> int:
    if options.name is not None or options.remove:
        raise ValueError("--name and --remove need a --store, and what of it they are of")
    files = folder.read().files
    for file in files:
        if file.name is None:
            print(f"can't be read  {one_line(f'{file.stem}: {file.problem}')}")
            continue
        name = file.name
        by = f" by {name.by}" if name.by else ""
        of = f"network {name.network}, {name.named:%Y-%m-%d %H:%M}{by}, {file.stem}.toml"
        print(f"{name.thing.kind:7} {one_line(f'{name.title}; {of}')}")
    if not files:
        place = one_line(str(folder.path))
        print(f"nothing has a name in {place} yet; pin one on a page, or give it with --name")
    return int(any(file.name is None for file in files))
