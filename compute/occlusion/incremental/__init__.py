"""Exact incremental inference for occlusion (Nakandala et al., SIGMOD 2019).

Only the part of each feature map that the occluded window can change is computed again; the rest comes from
the clean image's activations. `regions` says what a window changes, `program` turns a traced network into
instructions, `plan` and `groups` lay out which block of which map each group of windows recomputes, `gather`
cuts blocks out with their surroundings, `inference` runs it; `folded` is the dense pass over the same
instructions.
"""

from compute.occlusion.incremental.dense import folded_logits
from compute.occlusion.incremental.inference import IncrementalInference

__all__ = ["IncrementalInference", "folded_logits"]
