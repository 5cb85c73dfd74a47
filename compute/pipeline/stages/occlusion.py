"""Occlusion maps of many images: each one's predicted class, hidden patch by patch."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch

from compute.models.model import Model
from compute.network.traced import LOGITS
from compute.occlusion.maps import OcclusionMaps, windows
from compute.occlusion.passes import choose_pass, every_logit
from compute.pipeline.stages.activations import batch_size


def default_patch(size: tuple[int, int]) -> int:
    """Return a quarter of the input's shorter side, in pixels."""
    return max(1, min(size) // 4)


def default_stride(size: tuple[int, int]) -> int:
    """Return an eighth of the input's shorter side, in pixels."""
    return max(1, min(size) // 8)


class OcclusionStage:
    """Maps of any images of the model's input size, with one patch and stride (pixels of the crop).

    Windows are run incrementally where that saves work, which is exact up to rounding
    (`compute.occlusion.incremental`), and densely where it doesn't or the network could not be traced."""

    def __init__(self, model: Model, patch: int, stride: int):
        self.model, self.patch, self.stride = model, patch, stride
        self.ys, self.xs = (windows(size, patch, stride) for size in model.input_size)
        self._way = choose_pass(model, model.input_size, (self.ys, self.xs), patch)

    @property
    def images_at_once(self) -> int:
        return max(1, min(8, batch_size(self.model) // 8)) if self._way.takes_several else 1

    def maps(self, crops: Sequence[torch.Tensor], targets: Sequence[str]) -> list[OcclusionMaps]:
        """Of each crop (C, H, W) in [0, 1], for a class by name."""
        if not len(crops):
            return []
        indices = [self.model.class_index(target) for target in targets]
        with torch.inference_mode():
            images = self.model.normalize(torch.stack(tuple(crops)))
            hidden = images.new_zeros(1, images.shape[1], 1, 1)  # the normalisation mean
            scores = every_logit(self._way, images, hidden, (len(self.ys), len(self.xs)))
            clean = self.model.network.run(images, {LOGITS})[LOGITS].float().cpu()
        return [self._of_one(*each) for each in zip(scores, clean, indices, strict=True)]

    def _of_one(self, scores: torch.Tensor, clean: torch.Tensor, index: int) -> OcclusionMaps:
        """scores: (rows, cols, K) logits behind the windows; clean: (K,) without one."""
        output = self.model.output
        return OcclusionMaps(
            patch=self.patch,
            stride=self.stride,
            ys=self.ys,
            xs=self.xs,
            probability=output.probabilities(scores)[:, :, index].numpy(),
            logit=output.score(scores, index).numpy(),
            argmax=output.winning(scores).int().numpy(),
            unoccluded_probability=output.probabilities(clean)[index].item(),
            unoccluded_logit=output.score(clean, index).item(),
            unoccluded_argmax=int(output.winning(clean)),
            exact=np.ones(scores.shape[:2], bool),
        )


def occlusion_table(
    image_ids: Sequence[int], targets: Sequence[str], maps: Sequence[OcclusionMaps]
) -> pa.Table:
    """Return table `occlusion` of images by ascending id."""
    shapes = [each.probability.shape for each in maps]
    return pa.table(
        {
            "image_id": pa.array(image_ids, pa.int64()),
            "target": pa.array(targets, pa.string()),
            "patch": pa.array([each.patch for each in maps], pa.int32()),
            "stride": pa.array([each.stride for each in maps], pa.int32()),
            "rows": pa.array([height for height, _ in shapes], pa.int32()),
            "cols": pa.array([width for _, width in shapes], pa.int32()),
            "probability": _flat([each.probability for each in maps], pa.float32()),
            "logit": _flat([each.logit for each in maps], pa.float32()),
            "argmax": _flat([each.argmax for each in maps], pa.int32()),
            "unoccluded": pa.array([each.unoccluded_probability for each in maps], pa.float32()),
            "unoccluded_logit": pa.array([each.unoccluded_logit for each in maps], pa.float32()),
        }
    )


def _flat(arrays: list[np.ndarray], kind: pa.DataType) -> pa.Array:
    return pa.array([array.reshape(-1) for array in arrays], pa.list_(kind))
