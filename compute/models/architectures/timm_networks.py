"""Networks of timm (Wightman 2019), with the preprocessing and class names that its weights were trained
with."""

import contextlib
import math
from types import ModuleType
from typing import Any

from compute.images.preprocessing import CROP, INTERPOLATIONS, LETTERBOX, SQUASH, Preprocessing
from compute.models.architectures.architecture import Architecture
from compute.models.architectures.hub import downloads
from compute.models.architectures.torchvision_networks import imagenet_names
from compute.models.naming import DEFAULT, RANDOM, TIMM
from compute.runtime.seeding import seeded
from compute.runtime.suggestions import did_you_mean
from compute.runtime.vision_layers import prepare_torchvision

FITS = {"center": CROP, "squash": SQUASH, "border": LETTERBOX}


def from_timm(
    name: str,
    weights: str | None,
    seed: int,
    classes: int | None = None,
    channels: int | None = None,
    size: int | tuple[int, int] | None = None,
) -> Architecture:
    """A classification network of timm.

    name: such as "resnet18" or, with the tag of weights, "resnet18.a1_in1k". weights: "DEFAULT", a tag, or
    "none". classes, channels: how many, if not as many as those weights have. size: in pixels, if not theirs.
    Raises ValueError for an unknown name or tag, with near ones, and for weights that can't be downloaded.
    """
    timm = _timm()
    full = _full_name(timm, name, weights or DEFAULT)
    facts = timm.get_pretrained_cfg(full)
    is_random = (weights or DEFAULT).lower() == RANDOM
    options: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
    if facts.fixed_input_size and size is not None:
        options["img_size"] = size
    options = {option: value for option, value in options.items() if value is not None}
    loading = (
        contextlib.nullcontext()
        if is_random
        else downloads(f"the weights of {TIMM}{full}", f"give a --checkpoint, or use --weights {RANDOM}")
    )
    with seeded(seed), loading:
        module = timm.create_model(full, pretrained=not is_random, **options)
    names = _class_names(timm, facts)
    head = facts.classifier if isinstance(facts.classifier, str) else next(iter(facts.classifier or ()), None)
    return Architecture(
        name=name,
        module=module,
        preprocessing=_preprocessing(facts),
        classes=names if names and classes in (None, len(names)) else None,
        head=f"{head}.weight" if head else None,
    )


def _timm() -> ModuleType:
    try:
        prepare_torchvision()  # timm imports it
        import timm
    except ImportError as error:
        raise ValueError(
            f"{TIMM} needs the package timm, which is not installed ({error}); "
            "pip install -r requirements.txt -c constraints.txt"
        ) from error
    return timm


def _full_name(timm: ModuleType, name: str, weights: str) -> str:
    """The name with the tag of the weights."""
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        raise ValueError(f"timm has no network {base!r}{did_you_mean(base, timm.list_models())}")
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{base}.*")]
    wanted: str | None
    if weights.lower() == RANDOM or (weights == DEFAULT and tag):
        wanted = tag
    elif weights == DEFAULT:
        wanted = timm.get_pretrained_cfg(base).tag if tags else None
    elif tag and tag != weights:
        raise ValueError(
            f"{TIMM}{name} names the weights {tag!r}, but --weights {weights!r}; give one of them"
        )
    else:
        wanted = weights
    if wanted is None:
        raise ValueError(f"timm has no weights for {base}; give a --checkpoint, or use --weights {RANDOM}")
    if wanted and wanted not in tags:
        raise ValueError(
            f"unknown weights {wanted!r} for {TIMM}{base}{did_you_mean(wanted, (DEFAULT, *tags, RANDOM))}"
        )
    return f"{base}.{wanted}" if wanted else base


def _preprocessing(facts: Any) -> Preprocessing:
    """timm's evaluation transform: scaled to size / crop_pct as `crop_mode` says, then the centre."""
    _, height, width = facts.input_size
    box = math.floor(height / facts.crop_pct), math.floor(width / facts.crop_pct)
    fit = FITS[facts.crop_mode]
    return Preprocessing(
        size=(height, width),
        resize=box[0] if fit == CROP and height == width else box,
        mean=tuple(facts.mean),
        std=tuple(facts.std),
        interpolation=facts.interpolation if facts.interpolation in INTERPOLATIONS else "bilinear",
        fit=fit,
    )


def _class_names(timm: ModuleType, facts: Any) -> tuple[str, ...] | None:
    """In words: torchvision's for ImageNet's 1,000 classes, so that both say the same; timm's for its other
    subsets."""
    if facts.label_names:
        return tuple(map(str, facts.label_names))
    subset = timm.data.infer_imagenet_subset(facts)
    if subset == "imagenet-1k":
        return imagenet_names()
    if subset is None:
        return None
    info = timm.data.ImageNetInfo(subset)
    return tuple(info.index_to_description(index) for index in range(info.num_classes()))
