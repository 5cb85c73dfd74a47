"""What reads other people's bytes, as functions of bytes that let nothing but an unexpected error out."""

import json
from collections.abc import Callable

from compute.images.decoding import decode
from compute.images.raster import COLORS, Raster
from compute.images.reading import Form, read
from dashboard.findings.record import Finding
from dashboard.sharing.proof import Proof
from dashboard.views.navigation import PAGES
from dashboard.views.state import Choices
from featurestore.errors import Damaged
from featurestore.manifest import Manifest

CHOICES = Choices(100, {"conv1": 8, "conv2": 16}, ("cat", "dog"), ("pca",), {"pca": ("unique", "nearest")})

FORMS = (
    Form(1, value_max=4095),
    Form(3, value_max=65535),
    Form(4),
    Form(4, "RGBA"),
    Form(13, value_range=(-1, 1)),
)
KINDS = ("uint8", "float32")
MAX_PIXELS = 1_000_000


def decoding(data: bytes) -> None:
    """A picture of 8 bits or a ValueError."""
    try:
        image = decode(data)
    except ValueError:
        return
    if image.mode not in ("L", "RGB") or min(image.size) < 1:
        raise AssertionError(f"{image.mode} {image.size} is no 8-bit picture")


def reading(data: bytes) -> None:
    """What a network of 1, 3, 4 or 5 channels takes, with a declared range and without, or a ValueError."""
    for form in FORMS:
        try:
            image = read(data, form, MAX_PIXELS)
        except ValueError:
            continue
        if isinstance(image, Raster) and (image.channels != form.channels or image.pixels.dtype not in KINDS):
            raise AssertionError(f"{image.pixels.dtype} of {image.channels} channels, not {form.channels}")
        if not isinstance(image, Raster) and image.mode not in COLORS:
            raise AssertionError(f"{image.mode} is none of {', '.join(COLORS)}")


def manifest(data: bytes) -> None:
    """A manifest whose own text is read back, or Damaged, or ValueError. Its checksum is made right first, so
    that what lies behind it is read too."""
    for each in (data, _with_checksum(data)):
        try:
            found = Manifest.from_bytes(each, "manifest.json")
        except (Damaged, ValueError):
            continue
        if Manifest.from_bytes(found.to_bytes(), "manifest.json") != found:
            raise AssertionError("a manifest changed on the way through its own text")


def link(data: bytes) -> None:
    """A view that its own address opens again, whatever a query says."""
    page, _, query = data.decode("utf-8", "replace").partition("?")
    fields = dict(each.partition("=")[::2] for each in query.split("&"))
    cls = PAGES.get(page, next(iter(PAGES.values()))).view
    view = cls.from_query(fields)[0].fitted(CHOICES)[0]
    again = cls.from_query(view.to_query())[0].fitted(CHOICES)[0]
    if again.to_query() != view.to_query():
        raise AssertionError(f"{view} is {again} once its link is opened")
    try:
        proof = Proof.from_text(fields.get("proof", ""))
    except ValueError:
        return
    if Proof.from_text(proof.to_text()) != proof:
        raise AssertionError("a proof changed on the way through its own text")


def finding(data: bytes) -> None:
    """A finding that its own text gives again, or a ValueError."""
    try:
        found = Finding.from_toml(data.decode("utf-8"))
    except ValueError:
        return
    if Finding.from_toml(found.to_toml()).query != found.query:
        raise AssertionError("a finding changed on the way through its own text")


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (decoding, reading, manifest, link, finding)
}


def _with_checksum(data: bytes) -> bytes:
    from featurestore.manifest import _checksum

    try:
        record = json.loads(data)
        record.pop("checksum", None)
        record["checksum"] = _checksum(record)
        return json.dumps(record, sort_keys=True, indent=1, ensure_ascii=False).encode(errors="replace")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return data
