"""What has a name of what a run has: its network's channels, its classes, regions of its maps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dashboard.data.content_store import name_of_images
from dashboard.findings.names.folder import Kept, NamesFolder, names_folder
from dashboard.findings.names.record import (
    Channel,
    Name,
    NamedClass,
    Region,
    Thing,
    classes_hash,
    titled,
)
from dashboard.findings.names.spans import ids_of, spans_of
from featurestore.reader import Run


def names_of(run: Run) -> "Names":
    """Return what has a name of what a run has; not cached, as git may change the names at any time.

    It costs a look at the folder: ask once a page.
    """
    return names_in(names_folder(), run)


def names_in(folder: NamesFolder, run: Run) -> "Names":
    """Return the names that a folder has for what a run has."""
    manifest = run.manifest
    return Names(
        folder.read(),
        str(manifest.model.get("weights_hash") or ""),
        str(manifest.images.get("hash") or ""),
        manifest.class_names,
        run.image_count,
    )


@dataclass(frozen=True)
class Names:
    """The names of what a run has.

    weights_hash, images, class_names, image_count: what tells its things from those of other runs.
    """

    kept: Kept
    weights_hash: str
    images: str
    class_names: tuple[str, ...]
    image_count: int

    def __bool__(self) -> bool:
        return any(file.name is not None for file in self.kept.files)

    def channels(self, layer: str) -> Mapping[int, str]:
        """Return the names of a layer's channels, by number."""
        return self.kept.channels.get((self.weights_hash, layer), {})

    def channel(self, layer: str, channel: int) -> str | None:
        """Return a channel's name; None where it has none."""
        return self.channels(layer).get(channel)

    def channel_title(self, layer: str, channel: int) -> str:
        """Return what a channel is called on pages: "wheels (conv2, channel 17)", or its place alone."""
        return titled(self.channel(layer, channel), f"{layer}, channel {channel}")

    def channels_called(self, layer: str, text: str) -> frozenset[int]:
        """Return the channels of a layer whose name has all words of a text; case doesn't count."""
        words = text.casefold().split()
        return frozenset(
            number
            for number, name in self.channels(layer).items()
            if words and all(word in name.casefold() for word in words)
        )

    def class_(self, label: str) -> str | None:
        """Return a class's name; None where it has none."""
        return self._classes().get(label)

    def class_title(self, label: str) -> str:
        """Return what a class is called on pages: "tabby (n02123045)", or the class alone."""
        return titled(self.class_(label), label)

    def class_titles(self) -> Mapping[str, str]:
        """Return what each class that has a name is called on pages, by the class."""
        return {label: titled(name, label) for label, name in self._classes().items()}

    def regions(self, map: str) -> tuple[Name, ...]:
        """Return the named regions of a map, by name."""
        return tuple(
            each for each in self._regions() if isinstance(each.thing, Region) and each.thing.map == map
        )

    def region(self, selection: str) -> Name | None:
        """Return the named region that a view's selection is; None for another selection, or none."""
        if not selection:
            return None
        return next((each for each in self._regions() if self.selection(each) == selection), None)

    def selection(self, region: Name) -> str:
        """Return what a view calls the region's images."""
        return _selection(_spans(region), self.image_count)

    def image_ids(self, region: Name) -> np.ndarray:
        """Return the region's images (n,), sorted."""
        return ids_of(_spans(region), self.image_count)

    def has(self, thing: Thing) -> bool:
        """Return whether a thing is one of this run."""
        match thing:
            case Channel(weights_hash):
                return weights_hash == self.weights_hash
            case NamedClass(classes):
                return classes == classes_hash(self.class_names)
            case Region(weights_hash, images):
                return (weights_hash, images) == (self.weights_hash, self.images)

    def all(self) -> Iterator[Name]:
        """Yield all names of what the run has, by name."""
        for file in self.kept.files:
            if file.name is not None and self.has(file.name.thing):
                yield file.name

    def the_channel(self, layer: str, channel: int) -> Channel:
        """Return a channel of the run's network as a thing to name."""
        return Channel(self.weights_hash, layer, channel)

    def the_class(self, label: str) -> NamedClass:
        """Return a class as a thing to name."""
        return NamedClass(classes_hash(self.class_names), label)

    def the_region(self, map: str, image_ids: np.ndarray) -> Region:
        """Return images (n,), sorted, that were chosen on a map, as a thing to name."""
        return Region(self.weights_hash, self.images, map, spans_of(image_ids))

    def _classes(self) -> Mapping[str, str]:
        # Of a thousand classes the hash takes longer than all the rest.
        return self.kept.classes.get(_hash(self.class_names), {}) if self.kept.classes else {}

    def _regions(self) -> list[Name]:
        return self.kept.regions.get((self.weights_hash, self.images), [])


_hash = lru_cache(32)(classes_hash)


@lru_cache(1024)
def _selection(spans: str, count: int) -> str:
    return name_of_images(ids_of(spans, count))


def _spans(region: Name) -> str:
    if not isinstance(region.thing, Region):
        raise ValueError(f"{region.title!r} is no region of a map")
    return region.thing.image_ids
