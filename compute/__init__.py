"""Everything that runs the network: stages over all images (offline) and methods on one image (live).

What a notebook needs can be imported from here; torch is loaded once one of these names is asked for.
"""

import importlib

from compute.runtime.threads import share_the_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from compute.reports.notebook import (
        METHODS,
        REPORTS,
        ModelSpec,
        describe,
        find_images,
        load_model,
        make_report,
        open_image,
        run_method,
    )

__all__ = [
    "METHODS",
    "REPORTS",
    "ModelSpec",
    "describe",
    "find_images",
    "load_model",
    "make_report",
    "open_image",
    "run_method",
]

share_the_machine()


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("compute.reports.notebook"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
