"""Whole manifests, links and findings: what mutations start from."""

from datetime import UTC, datetime

from dashboard.findings.record import Finding
from dashboard.views.navigation import PAGES
from featurestore.manifest import FileEntry, Manifest, RowGroup

GROUP = RowGroup(2, (0,), (1,), ("00000000", "ffffffff"))
MANIFEST = Manifest(
    "run-1",
    {"name": "demo", "spec": {"model": "demo"}},
    {"spec": "demo", "count": 2},
    {"seed": 0},
    {"torch": "2"},
    "cpu",
    "float32",
    1,
    ("cat", "dög"),
    {"created": 1.5},
    {"images-00000.parquet": FileEntry(10, "0" * 64, 4, "12345678", (GROUP,))},
)
FINDING = Finding(
    "Eyes, not ears",
    "Two lines,\nquoted.",
    datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
    "map",
    {"map": "pca"},
    "digits",
    "abc",
    {"name": "digits"},
    {"hash": "1"},
    {"device": "cpu"},
    {"images": 34, "share": 0.1, "right": True, "ids": [1, 2], "best": ["a"]},
)
SHORT = ("1", "AAAA", "run-1", "A" * 16, "A" * 16)
LINKS = (
    "map?store=demo&run=abc&map=pca&show=grid&color=label&bounds=0.1,0.2,0.3,0.4&image=3",
    "image?image=5&method=saliency&p.variant=smoothgrad&p.samples=20&tab=occlusion&live=1&target=cat",
    "lab?method=ascend&layer=conv2&channel=7&p.rate=0.5&p.correlated=0&live=1",
    "channels?layer=conv1&channel=3&sort=mean&only=dead&least=0.25&most=1e-3&guided=1",
    f"compare?other_store=b&tab=predictions&kind=fixed&label=%C3%A4&proof={'~'.join(SHORT)}",
    *(
        f"{page}?{'&'.join(f'{name}={text}' for name, text in each.view().to_query().items())}"
        for page, each in PAGES.items()
    ),
)

TEXTS = {
    "manifest": (MANIFEST.to_bytes(),),
    "link": tuple(each.encode() for each in LINKS),
    "finding": (FINDING.to_toml().encode(),),
}
