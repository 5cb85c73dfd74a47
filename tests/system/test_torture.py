"""The torture of stores, in a short form; `make torture` runs all of it."""

import pytest

from tests.torture import damage, full_disk, kills, many, order

pytestmark = pytest.mark.slow

SHORT = {
    "order of system calls": order.run,
    "killed at each call": lambda work: kills.at_each_call(work, stride=9),
    "killed at random moments": lambda work: kills.at_random_moments(work, 8),
    "full disk": lambda work: full_disk.run(work, 5),
    "flipped bits": lambda work: damage.flips(work, 30),
    "cut files": lambda work: damage.cuts(work, stride=12),
    "zeroed blocks": lambda work: damage.zeros(work, stride=12),
    "readers beside publishes": lambda work: many.readers(work, 200, 10),
    "two writers": lambda work: many.writers(work, 2),
}


@pytest.mark.parametrize("part", SHORT)
def test_a_store_stands_it(part, tmp_path):
    outcome = SHORT[part](tmp_path)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.tried and outcome.failures == ()


WRITTEN = [
    ("write", ("/s/.tmp-a",)),
    ("fsync", ("/s/.tmp-a",)),
    ("rename", ("/s/.tmp-a", "/s/a")),
    ("fsync", ("/s",)),
]


@pytest.mark.parametrize(
    ("calls", "fault"),
    [
        (WRITTEN[::-1], "before its rename"),
        ([WRITTEN[1], WRITTEN[0], *WRITTEN[2:]], "a: ['fsync', 'write'] before its rename"),
        (WRITTEN[:3], "a: its folder is not synced right after its rename"),
        ([("write", ("/s/a",))], "/s/a is written in place"),
        (WRITTEN, "published in the order ['a']"),
    ],
)
def test_a_wrong_order_is_noticed(calls, fault):
    assert any(fault in said for said in order.faults(calls))
