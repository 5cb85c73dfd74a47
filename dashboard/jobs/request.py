"""A live result's request: a method with its parameters, what it runs on, the key that names its result."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compute.methods.base import (
    CHANNEL,
    IMAGE,
    LAYER,
    NEURON,
    REFERENCES,
    SECOND,
    TARGET,
    Inputs,
    Method,
    Step,
)
from compute.models.model import Model
from compute.runtime.parameters import command_line
from dashboard.views.state import LiveView


@dataclass(frozen=True)
class Request:
    """All that a result depends on.

    method: with its parameters
    run: fingerprint of the run whose network it is
    weights: SHA-256 of the network's weights
    image, second: (SHA-256 of the image's bytes, how the command line says it), None where the method reads
        none
    target: class name
    layer, channel, y, x: of the units
    whole: pictures as they are, not the network's crop

    Inputs that the method doesn't read are left out, so that they make no second job of the same result.
    """

    method: Method
    run: str
    weights: str
    image: tuple[str, str] | None = None
    second: tuple[str, str] | None = None
    target: str | None = None
    layer: str | None = None
    channel: int | None = None
    y: int | None = None
    x: int | None = None
    whole: bool = False

    @property
    def key(self) -> str:
        """Return the SHA-256 of method and all parameters, run, weights and inputs."""
        said = dataclasses.asdict(self) | {
            "method": self.method.name,
            "parameters": self.method.to_dict(),
            "image": self.image and self.image[0],
            "second": self.second and self.second[0],
        }
        if self.method.version > 1:
            said["version"] = self.method.version
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        channel = "" if self.channel is None else f", channel {self.channel}"
        about = [self.target, self.layer and f"{self.layer}{channel}", self.image and self.image[1]]
        return f"{self.method.title}: {', '.join(filter(None, about))}" if any(about) else self.method.title

    def steps(self, model: Model, read: Callable[[str], object]) -> Iterator[Step]:
        """Run the method.

        read: turns "image" or "second" into its tensor (C, H, W) in [0, 1], and "references" into the store's
            natural images (N, C, H, W) of what is asked for.
        """
        inputs = Inputs(
            image=read(IMAGE) if self.image else None,
            second=read(SECOND) if self.second else None,
            target=None if self.target is None else model.class_index(self.target),
            layer=self.layer,
            channel=self.channel,
            y=self.y,
            x=self.x,
            references=read(REFERENCES) if self.has_references else None,
        )
        return self.method.steps(model, self.method.checked(model, inputs))

    @property
    def has_references(self) -> bool:
        """Whether the method is led by the store's images that answer most to its class or channel."""
        return self.method.wants_references and not (self.channel is None and self.target is None)

    def command(self, store: str, **further: str | None) -> str:
        """Return the command line that makes the same picture; further: more options."""
        inputs = {
            "store": store,
            "run": self.run,
            "image": self.image and self.image[1],
            "second": self.second and self.second[1],
            "whole": self.whole if self.method.any_size else None,
        }
        inputs |= {name: getattr(self, name) for name in ("target", "layer", "channel", "y", "x")}
        name = self.method.name
        return command_line(name, inputs | self.method.options() | further, f"{name}.png")


def request(
    view: LiveView, weights: str, image: tuple[str, str] | None, second: tuple[str, str] | None
) -> Request:
    """Return what the view asks for, with those inputs alone that its method reads.

    image, second: as in `Request`
    """
    method = view.built()
    reads = method.needs | method.takes
    layered = bool(view.layer) and bool(reads & {LAYER, CHANNEL, NEURON})
    channelled = layered and bool(reads & {CHANNEL, NEURON}) and view.channel >= 0
    unit = channelled and NEURON in reads and view.y >= 0 and view.x >= 0
    could_read = Request(
        method,
        view.run,
        weights,
        image=image if IMAGE in reads else None,
        second=second if SECOND in reads else None,
        target=(view.target or None) if TARGET in reads else None,
        layer=view.layer if layered else None,
        channel=view.channel if channelled else None,
        y=view.y if unit else None,
        x=view.x if unit else None,
        whole=view.whole and method.any_size,
    )
    return dataclasses.replace(could_read, **dict.fromkeys(view.unused))
