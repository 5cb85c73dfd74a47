"""What a server has open: the run, the runs it may be compared with, the network once somebody needs it."""

import argparse
import base64
import binascii
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from compute.cli.agents.bounded import exact
from compute.cli.inputs import open_run, open_target
from compute.images.decoding import DECODED, decoded_size
from compute.images.reading import check_readable
from compute.models.model import Model
from compute.models.zoo import ModelSpec
from compute.reports.base import originals_of
from compute.reports.drawing.run_images import Originals
from compute.reports.live.network import network_of_run
from featurestore.reader import Run, Store

LARGEST_BYTES = 30 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
"""Of an image that an agent sends, as of one that is uploaded to the dashboard."""

KEPT = 4
"""Results that are kept, so that their next rows, their file or another picture need no second run."""

_step: ContextVar[Callable[[], object]] = ContextVar("step", default=lambda: None)
"""What a call that is worked on in this thread does between its steps. Results are kept for other calls, so
what reads for them finds here the call that it reads for."""


@dataclass
class Workspace:
    """What the tools of one server work on. Its methods may be called from several threads.

    store: as the person named it who started the server.
    stores: all that were named, the first of them `store`; an agent can name no other.
    load: loads the network.
    options: of the command line, those that name network and device.
    results: the folder that files may be written into; None for none.
    """

    run: Run
    store: str
    stores: tuple[str, ...]
    load: Callable[[], Model]
    options: Mapping[str, Any] = field(default_factory=dict)
    results: Path | None = None
    _loading: threading.Lock = field(default_factory=threading.Lock)
    _keeping: threading.Lock = field(default_factory=threading.Lock)
    _kept: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    _model: Model | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Workspace":
        """Open what the command line names; ValueError where it is not there."""
        run = open_run(args)
        args.fingerprint = run.fingerprint  # another run may be the current one when the network is loaded
        for each in args.other_stores:
            Store(each).open()
        stores = tuple(dict.fromkeys([args.store, *args.other_stores]))
        if args.results == "":
            raise ValueError("--results names no folder; give --results DIR")
        results = None if args.results is None else Path(args.results).resolve()
        return cls(run, args.store, stores, lambda: open_target(args).model, _options(args), results)

    @contextmanager
    def watched(self, step: Callable[[], object]) -> Iterator[None]:
        """Within, call `step` in this thread before each file of an image that is read and each network that
        is asked for: it may end the work by an exception."""
        token = _step.set(step)
        try:
            yield
        finally:
            _step.reset(token)

    def model(self) -> Model:
        """Return the network, which is loaded when it is asked for first."""
        _step.get()()
        with self._loading:
            if self._model is None:
                self._model = self.load()
            return self._model

    @cached_property
    def read(self) -> Originals:
        """Read the file of one of the run's images."""
        read = originals_of(self.run)

        def watched_read(run: Run, image_id: int) -> bytes:
            _step.get()()
            return read(run, image_id)

        return watched_read

    def named_run(self, store: str, fingerprint: str | None) -> str:
        """Return the fingerprint of a run of one of `stores`: of its current one where none is given."""
        if store not in self.stores:
            raise ValueError(f"no store {store!r}; choose from {', '.join(self.stores)}")
        if fingerprint is not None:
            return fingerprint
        return self.run.fingerprint if store == self.store else Store(store).current()

    def other_run(self, store: str, fingerprint: str) -> Run:
        """Open a run of one of `stores`."""
        if store == self.store and fingerprint == self.run.fingerprint:
            return self.run
        return Store(store).open(fingerprint)

    def other_model(self, run: Run) -> Model:
        """Load the network of a run of `stores`; ValueError where it is a person's own code."""
        if run.fingerprint == self.run.fingerprint:
            return self.model()
        _step.get()()
        device = self.options.get("device", "auto")
        return network_of_run(run, {}, device, lambda name: f"--store of it, and --model {name}, of a server")

    def class_named(self, shown: str | None) -> str | None:
        """Return the class that an agent names as it was shown to it."""
        return None if shown is None else exact(shown, self.run.class_names)

    def kept(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made under this key, of the latest KEPT ones, or make it."""
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._keeping:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


@dataclass(frozen=True)
class GivenImage:
    """An image that an agent names: one of the run's, or the bytes of a file.

    content: of the file.
    image_id: None for one that was sent.
    name: in messages.
    """

    content: bytes
    image_id: int | None
    name: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def given_image(workspace: Workspace, arguments: Mapping[str, Any], prefix: str = "") -> GivenImage | None:
    """Return the image that the arguments name, by number or by its bytes; None where they name none."""
    by_id, by_bytes = f"{prefix}image_id", f"{prefix}image_base64"
    image_id, sent = arguments[by_id], arguments[by_bytes]
    if image_id is not None and sent is not None:
        raise ValueError(f"{by_id} and {by_bytes} both name an image; give one of them")
    if image_id is not None:
        return GivenImage(workspace.read(workspace.run, image_id), image_id, f"image {image_id}")
    return None if sent is None else GivenImage(_decoded(by_bytes, sent), None, f"the image of {by_bytes}")


def _decoded(name: str, sent: str) -> bytes:
    if len(sent) > LARGEST_BYTES * 4 // 3 + 4:
        raise ValueError(f"{name} has {len(sent):,} characters; an image may have {LARGEST_BYTES:,} bytes")
    try:
        content = base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{name} is not base64: {error}") from error
    with DECODED.taking(decoded_size(content)):
        check_readable(content, LARGEST_PIXELS)
    return content


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """As `command_line` takes them; what was not said is left out."""
    said = {each.name: getattr(args, each.name, None) for each in fields(ModelSpec)}
    spoken = {name: _spoken(name, value) for name, value in said.items() if value is not None}
    return spoken if args.device == "auto" else {**spoken, "device": args.device}


def _spoken(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return ("x" if name in ("size", "resize") else ",").join(map(str, value))
    return str(value)
