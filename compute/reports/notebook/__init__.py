"""What a notebook imports from `compute`: networks, methods and reports by name, with results that show
themselves.
"""

from compute.methods import METHODS
from compute.models.zoo import ModelSpec
from compute.reports.notebook.described import describe
from compute.reports.notebook.given import open_image
from compute.reports.notebook.loading import load_model
from compute.reports.notebook.method_runs import run_method
from compute.reports.notebook.report_runs import find_images, make_report
from compute.reports.registry import REPORTS

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
