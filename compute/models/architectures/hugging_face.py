"""Image classifiers of transformers (Wolf et al. 2020), from the Hugging Face hub or from a folder."""

import contextlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from compute.images.preprocessing import CROP, SQUASH, Preprocessing
from compute.models.architectures.architecture import Architecture
from compute.models.architectures.hub import downloads
from compute.models.naming import HUGGING_FACE, RANDOM, check_weights
from compute.runtime.seeding import seeded
from compute.runtime.vision_layers import prepare_torchvision

PROCESSOR = "preprocessor_config.json"
# Pillow's numbers of filters, by which a processor names its interpolation.
INTERPOLATIONS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
LEVELS = 255
# transformers' own code; by any other name it takes code that others put on the hub.
OWN_ATTENTION = ("eager", "sdpa")
# ConvNeXt's processor crops only below this size.
WARPED_FROM = 384


def from_hugging_face(name: str, weights: str | None, seed: int, classes: int | None = None) -> Architecture:
    """An image classifier of transformers; its code is that of the library, never of the model's folder.

    name: "ORG/NAME" on the hub, or a folder with config.json. weights: "DEFAULT" or "none". classes: how
    many, if not as many as its weights have. Raises ValueError where transformers is not installed, it is no
    image classifier, its weights lack something, or they can't be downloaded.
    """
    transformers = _transformers()
    check_weights(HUGGING_FACE + name, weights)
    place = _place(name)
    is_folder = Path(place).is_dir()
    loading = (
        contextlib.nullcontext()
        if is_folder
        else downloads(
            f"the files of {HUGGING_FACE}{name}",
            f"copy its folder here and give --model {HUGGING_FACE}folder",
        )
    )
    with seeded(seed), loading:
        config = _config(transformers, name, place, classes)
        module = _network(transformers, name, place, config, weights == RANDOM)
        facts = _processor(place, is_folder)
    names = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    return Architecture(
        name=Path(place).name if is_folder else name,
        module=module,
        preprocessing=_preprocessing(facts, config),
        classes=names if classes in (None, len(names)) else None,
        head=list(module.state_dict())[-1],
    )


def _transformers() -> ModuleType:
    try:
        prepare_torchvision()  # transformers may import it
        import transformers
    except ImportError as error:
        raise ValueError(
            f"{HUGGING_FACE} needs the package transformers, which is not installed ({error}); "
            "pip install -r requirements-hf.txt -c constraints.txt"
        ) from error
    # It says that weights are missing, and goes on; here that is an error.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _place(name: str) -> str:
    """A folder's whole path, or a name on the hub as it is."""
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path.resolve())
    if name.startswith((".", "/", "~")):
        raise ValueError(f"there is no folder {name!r}")
    return name


def _config(transformers: ModuleType, name: str, place: str, classes: int | None) -> Any:
    options = {} if classes is None else {"num_labels": classes}
    try:
        config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False, **options)
    except ValueError as error:
        raise ValueError(
            f"{HUGGING_FACE}{name} is of a kind that transformers doesn't know: {error}"
        ) from error
    check_attention(f"{HUGGING_FACE}{name}", config)
    if type(config) not in transformers.AutoModelForImageClassification._model_mapping:
        raise ValueError(
            f"{HUGGING_FACE}{name} is a {config.model_type}, which transformers has no image classifier of"
        )
    return config


def check_attention(name: str, config: Any) -> None:
    """Raise ValueError where a model's folder names code of the hub for its attention."""
    named = getattr(config, "_attn_implementation", None)
    if named not in (None, *OWN_ATTENTION):
        raise ValueError(
            f"{name} names an implementation of attention, {named!r}, whose code would be fetched from the "
            f"hub; set it to one of {', '.join(OWN_ATTENTION)} in its config.json"
        )


def _network(transformers: ModuleType, name: str, place: str, config: Any, is_random: bool) -> Any:
    automatic = transformers.AutoModelForImageClassification
    if is_random:
        return automatic.from_config(config, trust_remote_code=False)
    module, report = automatic.from_pretrained(
        place, config=config, trust_remote_code=False, output_loading_info=True
    )
    lacking = [*report["missing_keys"], *(each[0] for each in report["mismatched_keys"])]
    if lacking:
        raise ValueError(
            f"{HUGGING_FACE}{name} has no weights for {', '.join(sorted(lacking)[:10])}: it was not saved as "
            "an image classifier"
        )
    return module


def _processor(place: str, is_folder: bool) -> dict[str, Any]:
    """What the folder says of its inputs; nothing where it says nothing."""
    if is_folder:
        path = Path(place) / PROCESSOR
    else:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            path = Path(hf_hub_download(place, PROCESSOR))
        except EntryNotFoundError:
            return {}
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _preprocessing(facts: dict[str, Any], config: Any) -> Preprocessing | None:
    """As its image processor does it; None where neither it nor the network says the size."""
    cropped = facts.get("do_center_crop") and facts.get("crop_size")
    size = _height_and_width(cropped or facts.get("size") or getattr(config, "image_size", None))
    if size is None:
        return None
    edge = _shortest_edge(facts.get("size"))
    resize: int | tuple[int, int]
    fit, resize = (CROP, edge) if edge is not None else (SQUASH, _height_and_width(facts.get("size")) or size)
    if edge is not None and "crop_pct" in facts and edge < WARPED_FROM:
        resize = int(edge / facts["crop_pct"])
    elif edge is not None and "crop_pct" in facts:
        fit, resize = SQUASH, (edge, edge)
    channels = getattr(config, "num_channels", len(facts.get("image_mean") or "RGB"))
    normal = facts.get("do_normalize", bool(facts))
    mean = tuple(facts.get("image_mean") or ()) if normal else ()
    std = tuple(facts.get("image_std") or ()) if normal else ()
    # Its values go from 0 to `largest` before they are normalised, ours to 1.
    largest = LEVELS * (facts.get("rescale_factor", 1 / LEVELS) if facts.get("do_rescale", True) else 1)
    return Preprocessing(
        size=size,
        resize=resize if facts.get("do_resize", True) else None,
        mean=tuple(each / largest for each in mean or (0.0,) * channels),
        std=tuple(each / largest for each in std or (1.0,) * channels),
        interpolation=INTERPOLATIONS.get(facts.get("resample", 2), "bilinear"),
        fit=fit,
    )


def _height_and_width(size: Any) -> tuple[int, int] | None:
    """Of a processor's size: a number, two of them, or a dictionary of either; None where it says neither."""
    if isinstance(size, dict):
        if edge := size.get("shortest_edge"):
            return edge, edge
        return (size["height"], size["width"]) if {"height", "width"} <= size.keys() else None
    if isinstance(size, list | tuple):
        return size[0], size[1]
    return (size, size) if size else None


def _shortest_edge(size: Any) -> int | None:
    """Where the aspect is kept: the length of the shorter side."""
    if isinstance(size, dict):
        return size.get("shortest_edge")
    return size if isinstance(size, int) else None
