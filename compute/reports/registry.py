"""All reports, by their names."""

from compute.reports.base import ReportSpec
from compute.reports.channels.atlas import AtlasSpec
from compute.reports.channels.filters import FiltersSpec
from compute.reports.channels.patches import PatchesSpec
from compute.reports.channels.strongest_channels import StrongestChannelsSpec
from compute.reports.compare.explained import ExplainSpec
from compute.reports.compare.report import CompareSpec
from compute.reports.compare.series_report import SeriesSpec
from compute.reports.maps.clusters import ClustersSpec
from compute.reports.maps.grid import GridSpec
from compute.reports.maps.map import MapSpec
from compute.reports.mistakes import ClassesSpec, ConfusionSpec, MistakesSpec, OutvotedSpec
from compute.reports.neighbors import NeighborsSpec
from compute.reports.occlusion_map import OcclusionMapSpec
from compute.reports.suspects import SuspectsSpec
from compute.reports.tables import TableSpec

REPORTS: dict[str, type[ReportSpec]] = {
    report.name: report
    for report in (
        FiltersSpec,
        MapSpec,
        ClustersSpec,
        GridSpec,
        NeighborsSpec,
        AtlasSpec,
        PatchesSpec,
        StrongestChannelsSpec,
        OcclusionMapSpec,
        ConfusionSpec,
        MistakesSpec,
        OutvotedSpec,
        ClassesSpec,
        SuspectsSpec,
        CompareSpec,
        SeriesSpec,
        ExplainSpec,
        TableSpec,
    )
}
"""All reports. The command line, the documentation and the contract test are made from this."""
