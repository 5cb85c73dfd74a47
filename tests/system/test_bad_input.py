"""Damaged bytes: images in processes with little memory, and mutated texts for every parser."""

import pytest

from tests.fuzz import pool
from tests.fuzz.images import SECONDS, make_case
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import IMAGES
from tests.fuzz.targets import TARGETS
from tests.fuzz.texts import TEXTS
from tests.fuzz.unruly import make_unruly

pytestmark = pytest.mark.slow


def test_damaged_images_are_pictures_or_problems_in_processes_with_little_memory():
    outcome = pool.run(make_case, 0, 500, workers=1, megabytes=1024, seconds=SECONDS)
    assert (outcome.deaths, outcome.hangs, outcome.answered) == ([], [], 500)
    assert set(outcome.rows) <= {"picture", "problem", "no memory"} and min(outcome.rows.values()) > 0


def test_the_pool_names_who_dies_who_hangs_and_what_has_no_memory():
    outcome = pool.run(make_unruly, 0, 9, workers=1, megabytes=256, seconds=1)
    assert outcome.deaths == [(3, 7)] and outcome.hangs == [5]
    assert outcome.rows == {"fine": 6, "no memory": 1}


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", TARGETS)
def test_parsers_take_every_mutation(name):
    seeds = IMAGES[name]() if name in IMAGES else TEXTS[name]
    for seed in seeds:
        TARGETS[name](seed)
    for number in range(400):
        TARGETS[name](mutated(seeds, number))
