"""Commands that pages show to be pasted: what a store says in them stays text, for the shell and for make."""

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from compute.runtime.parameters import command_line
from dashboard.sections.compare import other_run
from dashboard.sharing.downloads.download import own_code
from dashboard.views.definitions import CompareView
from featurestore.reader import Store
from tests.support import ROOT
from tests.support.stores.small import write_store

PRINTING = "import json, sys; print(json.dumps(sys.argv[1:]))"
PLACES = (
    "photos$(shell touch {mark})",
    "photos$(touch {mark})",
    "photos`touch {mark}`",
    "${{shell touch {mark}}}$$(touch {mark})",
    'it\'s "two"  words; touch {mark} # \\',
    "'; touch {mark}; '",
    "$(eval X:=$(shell touch {mark}))$@%*~",
)


@pytest.fixture
def shown(serve, tmp_path):
    """`shown(images, parameters)`: the command that Compare shows of a store that says this of itself."""
    run = write_store(tmp_path / "small").open()
    serve(tmp_path / "small")

    def command(images, **parameters):
        manifest = dataclasses.replace(
            run.manifest,
            images={**run.manifest.images, "spec": images},
            parameters={**run.manifest.parameters, **parameters},
        )
        (run.folder / "manifest.json").write_bytes(manifest.to_bytes())
        return other_run.command(CompareView("small"), Store(tmp_path / "small").open())

    return command


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on the PATH")
@pytest.mark.parametrize("place", PLACES)
def test_a_folders_name_runs_nothing(place, shown, tmp_path):
    named = place.format(mark=tmp_path / "mark")
    given = pasted(shown(named), tmp_path)
    assert f"--images={named}" in given and not (tmp_path / "mark").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on the PATH")
def test_what_should_be_a_number_runs_nothing(shown, tmp_path):
    evil = f"1; touch {tmp_path / 'mark'}"
    for parameters in (
        {"limit": evil, "seed": 1},
        {"limit": 5, "seed": evil},
        {"limit": [evil], "seed": [1]},
    ):
        given = pasted(shown("photos", **parameters), tmp_path)
        assert "--images=photos" in given and "--seed" not in given
    assert not (tmp_path / "mark").exists()
    assert {"--limit=5", "--seed", "3"} <= set(pasted(shown("photos", limit=5, seed=3), tmp_path))


@pytest.mark.parametrize("place", ["photos\ntouch mark", "photos\x1b[201~\rtouch mark", 7, None, ["photos"]])
def test_what_can_not_be_quoted_is_left_out(place, shown):
    assert "IMAGES=…" in shlex.split(shown(place))


def test_a_value_that_looks_like_an_option_is_none():
    line = command_line("saliency", {"layer": "--model=evil.py:net", "seed": -1, "k": 3}, "out.png")
    assert shlex.split(line)[4:-2] == ["--layer=--model=evil.py:net", "--seed=-1", "--k", "3"]


def test_no_command_names_code_that_is_not_trusted(serve, tmp_path):
    run = write_store(tmp_path / "small").open()
    model = {**run.manifest.model, "spec": {"model": f"{tmp_path}/net.py:net"}}
    (run.folder / "manifest.json").write_bytes(dataclasses.replace(run.manifest, model=model).to_bytes())
    run = Store(tmp_path / "small").open()
    serve(tmp_path / "small")
    assert own_code(run) is None
    (tmp_path / "net.py").touch()
    serve(tmp_path / "small", trusted=(f"{tmp_path}/net.py:net",))
    assert own_code(run) == f"{tmp_path.resolve()}/net.py:net"


def pasted(command, folder):
    """What `make store` gives to Python, where a shell is given the command."""
    (folder / "python").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{PRINTING}' \"$@\"\n")
    (folder / "python").chmod(0o755)
    (folder / ".installed").touch()
    ending = shlex.join([f"PY={folder}/python", f"VENV={folder}"])
    # The tests may themselves run under make, which would then say in which folder it is.
    environment = os.environ | {"MAKEFLAGS": "--no-print-directory"}
    done = subprocess.run(
        f"{command} {ending}",
        shell=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
