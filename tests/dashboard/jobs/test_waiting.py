"""A job that waits holds the names of its images: they are decoded when it runs."""

import gc

import pytest
from PIL import Image

from dashboard.data import photographs
from dashboard.data.photographs import ChosenImage
from dashboard.data.uploads import uploads
from dashboard.jobs.method_task import method_task
from dashboard.jobs.one_step import strongest_units
from dashboard.views.definitions import LabView
from dashboard.views.state import read_parameters
from tests.support.pictures import encoded, flat

pytestmark = pytest.mark.slow

SIDE = 3000


@pytest.fixture
def upload(store, serve):
    serve(store)
    return uploads().add(encoded(flat((SIDE, SIDE))))


def view_of(run, upload):
    parameters = read_parameters("saliency", {})[0]
    return LabView("digits", run.fingerprint, method="saliency", parameters=parameters, upload=upload)


def pictures_held():
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Image.Image) and each.width == SIDE]


def test_works_that_wait_hold_no_picture(run, upload):
    before = len(pictures_held())
    view = view_of(run, upload)
    works = [method_task(view, run).prepare() for _ in range(3)]
    works += [strongest_units(run, ChosenImage(None, upload, "x", "y"), view).prepare()]
    assert len(pictures_held()) == before
    for work in works:
        last = list(work())[-1]
        assert last.index == last.total
    assert len(pictures_held()) == before


def test_an_image_that_is_gone_is_said_at_once_and_when_the_job_runs(run, upload):
    with pytest.raises(ValueError, match="no longer kept"):
        method_task(view_of(run, "0123456789abcdef"), run).prepare()
    work = method_task(view_of(run, upload), run).prepare()
    uploads()._kept.clear()
    with pytest.raises(ValueError, match="no longer kept"):
        list(work())


def test_a_picture_is_let_go_before_the_next_one_is_decoded(run, upload, monkeypatch):
    sizes = []
    monkeypatch.setattr(photographs, "decoded_size", lambda content: sizes.append(len(content)) or 2**40)
    # As large as all of the room: a second one beside it would wait for ever.
    for number in range(2):
        photographs.whole(run, number, upload)
    assert len(sizes) == 2
