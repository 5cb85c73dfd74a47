"""What a store names runs only as the command line named it: that function of that file, and those bytes."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from compute.cli import own_functions
from dashboard.__main__ import main
from dashboard.data import runs
from dashboard.data.trusted_code import pinned, said, take_no_modules_from_stores, trusted
from dashboard.settings import Settings
from featurestore.objects.parts import FOLDER
from featurestore.reader import Store
from tests.compute.models.test_source_files import plant
from tests.support.stores.served import write_served_store
from tests.support.stores.small import write_store

NETS = """
import os
from pathlib import Path
from torch import nn

def net():
    Path({marks!r}).joinpath("net").touch()
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)

def train():
    Path({marks!r}).joinpath("train").touch()
"""


@pytest.fixture(autouse=True)
def nothing_noted(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept"))


@pytest.fixture
def marks(tmp_path):
    """A folder with a file for each function that ran."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture
def file(tmp_path, marks):
    (tmp_path / "nets").mkdir()
    path = tmp_path.resolve() / "nets" / "mine.py"
    path.write_text(NETS.format(marks=str(marks)))
    return path


@pytest.fixture
def naming(tmp_path):
    """`naming(model)`: the run of a store that says it was made by this code."""

    def named(model):
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        run = write_store(tmp_path / "store").open()
        spec = {"model": model, "size": 8, "mean": [0.0] * 3, "std": [1.0] * 3}
        manifest = dataclasses.replace(run.manifest, model={"spec": spec, "weights_hash": "0"})
        (run.folder / "manifest.json").write_bytes(manifest.to_bytes())
        return Store(tmp_path / "store").open()

    return named


def ran(run, marks, *named, settings=None):
    """The functions that ran, and what was said."""
    settings = settings or pinned(Settings(device="cpu", trusted=named))
    with pytest.raises(ValueError) as caught:
        runs.load_model(run, settings)
    return {each.name for each in marks.iterdir()}, str(caught.value)


def test_the_function_that_is_named_runs_and_no_other(file, naming, marks):
    done, words = ran(naming(f"{file}:train"), marks, f"{file}:net")
    assert not done and "would run train" in words and "trust net" in words
    done, words = ran(naming(f"{file}:net"), marks, f"{file}:net")
    assert done == {"net"} and "weights" in words


def test_a_file_alone_is_what_the_operator_made_stores_with(file, naming, marks):
    run = naming(f"{file}:train")
    assert ran(run, marks, str(file))[0] == set()
    own_functions.note(f"{file}:net")
    assert ran(run, marks, str(file))[0] == set()
    assert ran(naming(f"{file}:net"), marks, str(file))[0] == {"net"}
    assert own_functions.noted_of(file) == ("net",) and own_functions.noted_of(file.parent) == ()


def test_bytecode_beside_a_stores_link_does_not_run(file, naming, marks, tmp_path):
    """The link leads to the trusted file; the bytecode and neighbours beside the link are the store's."""
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "net.py").symlink_to(file)
    (evil / "os.py").write_text("1 / 0\n")
    (evil / "widths.py").write_text(f"open({str(marks / 'neighbor')!r}, 'w')\n")
    plant(evil, "net", f"open({str(marks / 'bytecode')!r}, 'w')\ndef net(): pass\n")
    run = naming(f"{evil}/net.py:net")
    assert ran(run, marks, f"{file}:net")[0] == {"net"}
    file.write_text("import widths\n" + file.read_text())
    done, words = ran(run, marks, f"{file}:net")
    assert done == {"net"} and "No module named 'widths'" in words


def test_a_file_that_has_changed_since_the_start_does_not_run(file, naming, marks):
    settings = pinned(Settings(device="cpu", trusted=(f"{file}:net",)))
    file.write_text(file.read_text() + "\n")
    done, words = ran(naming(f"{file}:net"), marks, settings=settings)
    assert not done and "has changed" in words and settings.trusted_sha256[0] in words


def test_what_was_trusted_is_where_a_link_led_at_the_start(file, naming, marks, tmp_path):
    (tmp_path / "current.py").symlink_to(file)
    settings = pinned(Settings(device="cpu", trusted=(f"{tmp_path}/current.py:net",)))
    assert settings.trusted == (f"{file}:net",)
    (tmp_path / "current.py").unlink()
    (tmp_path / "current.py").write_text("1 / 0\n")
    done, words = ran(naming(f"{tmp_path}/current.py:net"), marks, settings=settings)
    assert not done and "code of your own" in words
    assert ran(naming(f"{file}:net"), marks, settings=settings)[0] == {"net"}


def test_a_module_is_trusted_with_its_function(file, naming, marks, monkeypatch):
    monkeypatch.syspath_prepend(str(file.parent))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    settings = pinned(Settings(device="cpu", trusted=("mine:net",)))
    assert ran(naming("mine:train"), marks, settings=settings)[0] == set()
    assert ran(naming("os:getcwd"), marks, settings=settings)[0] == set()
    assert ran(naming("mine:net"), marks, settings=settings)[0] == {"net"}
    file.write_text(file.read_text() + "\n")
    assert "has changed" in ran(naming("mine:net"), marks, settings=settings)[1]
    sys.modules.pop("mine", None)


def test_a_stores_network_is_not_downloaded(naming, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: 1 / 0)
    for model in ("torchvision:squeezenet1_1", "timm:resnet18"):
        with pytest.raises(ValueError, match=r"could not be downloaded.*a dashboard downloads nothing"):
            runs.load_model(naming(model), Settings(device="cpu"))


def test_a_store_shows_no_other_file_as_class_names(tmp_path):
    """The file of class names lies where the store says, and is read by the server's user."""
    run = Store(write_served_store(tmp_path / "digits", "--limit", "4", "--stages", "activations")).open()
    secret = tmp_path / "secret.txt"
    for lines, words in ((run.class_names, ""), (("user:password",) * 10, "are not those of this run")):
        secret.write_text("\n".join(lines))
        spec = {**run.manifest.model["spec"], "classes": str(secret)}
        changed = dataclasses.replace(run.manifest, model={**run.manifest.model, "spec": spec})
        (run.folder / "manifest.json").write_bytes(changed.to_bytes())
        again = Store(tmp_path / "digits").open()
        if not words:
            assert runs.load_model(again, Settings(device="cpu")).classes == run.class_names
            continue
        with pytest.raises(ValueError, match=words) as caught:
            runs.load_model(again, Settings(device="cpu"))
        assert "password" not in str(caught.value)


def test_the_command_that_is_advised_is_quoted_for_the_shell_and_for_make():
    with pytest.raises(ValueError) as caught:
        trusted("my nets/$(shell id).py:net", Settings())
    words = str(caught.value)
    assert "--trust-model 'my nets/$(shell id).py:net'" in words
    assert "make dashboard 'TRUST=my nets/$$(shell id).py:net'" in words


def test_a_link_that_leads_to_itself_is_no_trusted_file(file, naming, marks, tmp_path):
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    assert "code of your own" in ran(naming(f"{tmp_path}/loop.py:net"), marks, f"{file}:net")[1]


@pytest.mark.parametrize("named", ["net", "nets/mine.py:", ":net", "", "no_such_module:net"])
def test_what_names_no_code_is_said_at_the_start(named):
    with pytest.raises(ValueError, match=r"--trust-model|finds no source"):
        pinned(Settings(trusted=(named,)))


def test_the_server_says_what_it_trusts_and_does_not_start_without_it(file, capsys, monkeypatch, tmp_path):
    settings = pinned(Settings(trusted=(str(file), f"{file}:net")))
    lines = said(settings)
    assert "none yet" in lines[0] and f"{file}, net (SHA-256 {settings.trusted_sha256[1]})" in lines[1]
    started = []
    monkeypatch.setattr("dashboard.__main__.serve", lambda *known: started.append(known))
    monkeypatch.setenv("FEATURESCOPE_SETTINGS", "{}")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["--stores", str(tmp_path), "--trust-model", str(tmp_path / "none.py")]) == 2
    assert "there is no file" in capsys.readouterr().err and not started
    assert main(["--stores", str(tmp_path), "--trust-model", f"{file}:net"]) == 0
    assert settings.trusted_sha256[0] in capsys.readouterr().out and started


def test_no_module_is_taken_from_where_stores_lie(tmp_path, monkeypatch):
    """Started in a folder of stores, `python -m` would look for every module there first."""
    write_store(tmp_path / "stores" / "transformers")
    (tmp_path / "stores" / "transformers" / "__init__.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path / "stores")
    for asked in (".", "transformers"):
        monkeypatch.setattr(
            sys, "path", ["", str(Path.cwd()), str(Path.cwd() / "transformers"), "/elsewhere"]
        )
        take_no_modules_from_stores(Settings(stores=(asked,)))
        assert sys.path == ["/elsewhere"]
