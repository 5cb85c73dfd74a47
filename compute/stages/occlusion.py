"""Occlusion maps of many images: each one's predicted class, hidden patch by patch."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import torch

from compute.model import Model
from compute.occlusion import OcclusionMaps, occlusion_maps


def default_patch(size: tuple[int, int]) -> int:
    """A quarter of the input's shorter side."""
    return max(1, min(size) // 4)


def default_stride(size: tuple[int, int]) -> int:
    """An eighth of the input's shorter side."""
    return max(1, min(size) // 8)


def occlusion_row(model: Model, image_id: int, crop: torch.Tensor, target: str, patch: int, stride: int) -> dict:
    """One row of table `occlusion`. crop: (C, H, W) in [0, 1]. patch, stride: pixels of the crop."""
    maps = occlusion_maps(model, crop, model.class_index(target), patch, stride)
    return {"image_id": image_id, "target": target, "maps": maps}


def occlusion_table(rows: Iterable[dict]) -> pa.Table:
    """Table `occlusion` from rows of `occlusion_row`, by ascending image_id."""
    rows = list(rows)
    maps: list[OcclusionMaps] = [row["maps"] for row in rows]
    shapes = [each.probability.shape for each in maps]
    return pa.table({
        "image_id": pa.array([row["image_id"] for row in rows], pa.int64()),
        "target": pa.array([row["target"] for row in rows], pa.string()),
        "patch": pa.array([each.patch for each in maps], pa.int32()),
        "stride": pa.array([each.stride for each in maps], pa.int32()),
        "rows": pa.array([height for height, _ in shapes], pa.int32()),
        "cols": pa.array([width for _, width in shapes], pa.int32()),
        "probability": _flat([each.probability for each in maps], pa.float32()),
        "logit": _flat([each.logit for each in maps], pa.float32()),
        "argmax": _flat([each.argmax for each in maps], pa.int32()),
        "unoccluded": pa.array([each.unoccluded_probability for each in maps], pa.float32()),
        "unoccluded_logit": pa.array([each.unoccluded_logit for each in maps], pa.float32()),
    })


def _flat(arrays: list[np.ndarray], kind: pa.DataType) -> pa.Array:
    return pa.array([array.reshape(-1) for array in arrays], pa.list_(kind))
