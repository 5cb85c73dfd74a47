"""In which arithmetic a network runs: float32 throughout, or mixed (Micikevicius et al. 2018), where products
are of half precision and their sums, norms and softmaxes of float32."""

import torch

PRECISIONS = ("float32", "mixed")


def check_precision(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}; choose from {', '.join(PRECISIONS)}")


def arithmetic(precision: str, device: torch.device) -> torch.autocast:
    """Context in which operations on the device run in that precision."""
    return torch.autocast(device.type, enabled=precision == "mixed")


def dtype_name(precision: str, device: torch.device) -> str:
    """As a manifest says it: "float32", "mixed, float16 products" (GPU), "mixed, bfloat16 products" (CPU)."""
    if precision == "float32":
        return precision
    return f"{precision}, {str(torch.get_autocast_dtype(device.type)).removeprefix('torch.')} products"


def insist_on_float32(device: torch.device) -> None:
    """From now on, products of float32 on a GPU are of float32, and cuDNN adds in one order.

    PyTorch lets convolutions take TF32 there by default, whose products have 10 bits of mantissa, and lets
    cuDNN choose algorithms that add in any order. Operations outside cuDNN may still do so.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
