"""All reports on a run: a picture, the numbers behind it, its rows and the recipe of all three.

The command line, the dashboard's downloads, the shown command lines and the contract test are made from
REPORTS.
"""

from compute.reports.base import ReportSpec
from compute.reports.compare.report import CompareSpec
from compute.reports.filters import FiltersSpec
from compute.reports.grid import GridSpec
from compute.reports.map import MapSpec
from compute.reports.mistakes import ClassesSpec, ConfusionSpec, MistakesSpec, OutvotedSpec
from compute.reports.neighbors import NeighborsSpec
from compute.reports.occlusion_map import OcclusionMapSpec
from compute.reports.patches import PatchesSpec
from compute.reports.strongest_channels import StrongestChannelsSpec
from compute.reports.tables import TableSpec

REPORTS: dict[str, type[ReportSpec]] = {
    report.name: report
    for report in (
        FiltersSpec,
        MapSpec,
        GridSpec,
        NeighborsSpec,
        PatchesSpec,
        StrongestChannelsSpec,
        OcclusionMapSpec,
        ConfusionSpec,
        MistakesSpec,
        OutvotedSpec,
        ClassesSpec,
        CompareSpec,
        TableSpec,
    )
}
