"""The numerics of occlusion maps."""
