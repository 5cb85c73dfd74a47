"""The network that a run was made with, loaded again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from compute.models.model import Model
from compute.models.zoo import ModelSpec, load
from featurestore.reader import Run


def network_of_run(
    run: Run, said: Mapping[str, Any], device: str | torch.device, how_to_name: Callable[[str], str]
) -> Model:
    """Load the network that made a run.

    said: fields of `ModelSpec` that a person says in place of the run's; None for what they leave to it.
    how_to_name: what a person writes to have a file of their own run: its code runs only if they name it.
    ValueError where the network is such code and not named, and where its weights are others now.
    """
    spec = ModelSpec.from_dict(run.manifest.model["spec"])
    if said.get("model") is None and spec.runs_user_code:
        asked = how_to_name(spec.model)
        raise ValueError(f"the store's model is code, {spec.model}; to run it, name it: {asked}")
    told = {name: value for name, value in said.items() if value is not None}
    model = load(replace(spec, **told), device, run.class_names)
    check_made(run, model)
    return model


def check_made(run: Run, model: Model) -> None:
    """Raise ValueError where a network is not the one that made a run, by the hash of its weights."""
    if model.weights_hash != run.manifest.model["weights_hash"]:
        store = run.folder.parent.parent
        raise ValueError(f"{model.name} has other weights now than those that {store} was made with")
