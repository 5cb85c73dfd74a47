"""Python files run as they stand: no bytecode, no neighbour from elsewhere, no other bytes than were told."""

import importlib
import importlib.util
import marshal
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from compute.models.source_files import Changed, beside, executed, sha256_of, source_of


def plant(source, name, code, cache=True):
    """Bytecode of other code beside a source, which says of itself that it needs no comparison (PEP 552)."""
    compiled = marshal.dumps(compile(code, str(source), "exec"))
    folder = source / "__pycache__" if cache else source
    folder.mkdir(exist_ok=True)
    name = f"{name}.{sys.implementation.cache_tag}.pyc" if cache else f"{name}.pyc"
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + b"\0" * 8
    (folder / name).write_bytes(header + compiled)


def run(path, sha256=None):
    with beside(path):
        return executed(path, sha256)


@pytest.fixture
def folder(tmp_path):
    return tmp_path.resolve()


def test_bytecode_beside_a_file_and_its_neighbors_is_not_looked_at(folder):
    (folder / "net.py").write_text("import widths, blocks.conv\nWHAT = widths.WHAT, blocks.conv.WHAT\n")
    (folder / "widths.py").write_text("WHAT = 'source'\n")
    (folder / "blocks").mkdir()
    (folder / "blocks" / "conv.py").write_text("WHAT = 'source'\n")
    for place, name in ((folder, "net"), (folder, "widths"), (folder / "blocks", "conv")):
        plant(place, name, "WHAT = 'bytecode'")
    before = sorted(folder.rglob("*"))
    assert run(folder / "net.py").WHAT == ("source", "source")
    assert sorted(folder.rglob("*")) == before  # and none is written
    assert not {"widths", "blocks", "blocks.conv", "user_network_net"} & set(sys.modules)


@pytest.mark.parametrize("package", [True, False])
def test_bytecode_without_a_source_is_no_module(folder, package):
    place = folder / "blocks" if package else folder
    place.mkdir(exist_ok=True)
    plant(place, "conv", "WHAT = 'bytecode'", cache=False)
    (folder / "net.py").write_text("import blocks.conv\n" if package else "import conv\n")
    with pytest.raises(ModuleNotFoundError, match="conv"):
        run(folder / "net.py")


def test_a_package_beside_has_its_neighbors_and_no_folder_more(folder):
    nets = folder / "nets"
    (nets / "inner").mkdir(parents=True)
    for place in (nets, nets / "inner"):
        (place / "__init__.py").write_text("")
    (nets / "shared.py").write_text("WHAT = 1\n")
    (nets / "inner" / "own.py").write_text("WHAT = 2\n")
    (nets / "inner" / "net.py").write_text(
        "from ..shared import WHAT\nfrom . import own\nimport own as same\n"
    )
    assert run(nets / "inner" / "net.py").WHAT == 1
    (folder / "outside.py").write_text("WHAT = 3\n")
    (nets / "inner" / "net.py").write_text("import outside\n")
    with pytest.raises(ModuleNotFoundError, match="outside"):
        run(nets / "inner" / "net.py")


def test_files_of_two_folders_have_neighbors_of_one_name(folder):
    """Also where these are folders without __init__.py, which have no file that says where they lie."""
    for name in ("first", "second"):
        (folder / name / "blocks").mkdir(parents=True)
        (folder / name / "blocks" / "conv.py").write_text(f"WHAT = {name!r}\n")
        (folder / name / "net.py").write_text("from blocks.conv import WHAT\n")
    assert [run(folder / name / "net.py").WHAT for name in ("first", "second")] == ["first", "second"]


def test_installed_packages_below_the_folder_are_no_neighbors(folder, monkeypatch):
    """An environment may lie beside the file; what is imported from it stays imported, whole."""
    installed = folder / ".venv" / "installed_package"
    (installed / "inner").mkdir(parents=True)
    for place in (installed, installed / "inner"):
        (place / "__init__.py").write_text("")
    (installed / "inner" / "net.py").write_text("WHAT = 1\n")
    monkeypatch.syspath_prepend(str(folder / ".venv"))
    (folder / "net.py").write_text("from installed_package.inner.net import WHAT\n")
    assert run(folder / "net.py").WHAT == 1
    names = [name for name in sys.modules if name.startswith("installed_package")]
    assert len(names) == 3
    for name in names:
        monkeypatch.delitem(sys.modules, name)


def test_files_at_once_have_their_own_neighbors(folder):
    for name in ("first", "second"):
        (folder / name).mkdir()
        (folder / name / "slow.py").write_text(f"import time\ntime.sleep(0.2)\nWHAT = {name!r}\n")
        (folder / name / "net.py").write_text("import time\ntime.sleep(0.1)\nfrom slow import WHAT\n")
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: run(folder / name / "net.py").WHAT, ("first", "second"))
    assert list(made) == ["first", "second"]


def test_other_bytes_than_were_told_do_not_run(folder):
    file = folder / "net.py"
    file.write_text(f"import os\nos.mkdir({str(folder / 'ran')!r})\n")
    told = sha256_of(file)
    file.write_text(file.read_text() + "\n")
    with pytest.raises(Changed, match=told):
        run(file, told)
    assert not (folder / "ran").exists()
    run(file, sha256_of(file))
    assert (folder / "ran").exists()


def test_the_source_of_a_module_is_found_without_running_it(folder, monkeypatch):
    (folder / "pack").mkdir()
    for name in ("__init__", "net"):
        (folder / "pack" / f"{name}.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(folder))
    assert source_of("pack.net") == folder / "pack" / "net.py"
    assert source_of("json.decoder").name == "decoder.py" and os.path.isabs(source_of("json"))
    for name in ("pack.none", "no_such_module", "sys", ""):
        with pytest.raises(ValueError, match="finds no source"):
            source_of(name)


def test_a_module_of_another_network_is_not_taken_for_a_neighbor(tmp_path, monkeypatch):
    """One that Python found by its name is loaded already; what is installed stays what it is."""
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    for folder, what in (("elsewhere", 1), ("own", 2)):
        (tmp_path / folder / "namesake").mkdir(parents=True)
        (tmp_path / folder / "namesake" / "__init__.py").write_text("from namesake.part import WHAT\n")
        (tmp_path / folder / "namesake" / "part.py").write_text(f"WHAT = {what}\n")
    loaded = importlib.import_module("namesake")
    (tmp_path / "own" / "numpy.py").write_text("1 / 0\n")
    net = tmp_path / "own" / "net.py"
    net.write_text("import numpy, namesake\nWHAT = namesake.WHAT, numpy.__version__\n")
    with beside(net):
        assert (2, np.__version__) == executed(net).WHAT
    assert sys.modules["namesake"] is loaded and loaded.WHAT == 1 == sys.modules["namesake.part"].WHAT
    for name in ("namesake", "namesake.part"):
        del sys.modules[name]
