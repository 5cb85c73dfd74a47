"""The only door to torchvision.

torchvision's compiled detection operators are built against CUDA; beside a CPU build of torch they don't
load, and `import torchvision` then stops at the first operator that has no schema. We use none of them, so
their schemas are declared here when, and only when, the import fails for that reason. Calling one still
fails, as it should.
"""

import sys

import torch

MISSING_OPERATOR = "operator torchvision::"
DETECTION_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "DEF")
    for schema in DETECTION_OPERATORS:
        library.define(schema)
    return library


try:
    import torchvision
except RuntimeError as error:
    if MISSING_OPERATOR not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    # Schemas live as long as the library object does.
    _operators = _declare_operators()
    import torchvision

from torchvision import datasets, models, ops, transforms  # noqa: E402

__all__ = ["datasets", "models", "ops", "torchvision", "transforms"]
