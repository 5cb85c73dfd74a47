"""python -m featurestore: what it prints for people and for scripts."""

import json
import subprocess
import sys

import pytest

from featurestore.__main__ import main
from tests.support.stores.full import FINGERPRINT, IMAGES, write_full_store


@pytest.fixture
def store(tmp_path):
    write_full_store(tmp_path)
    return tmp_path


def damage(store):
    (store / "runs" / FINGERPRINT / "filters-00000.parquet").write_bytes(b"PAR1")


def call(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_info(store, capsys):
    code, out, _ = call(capsys, "info", store)
    assert code == 0 and f"run {FINGERPRINT} (current): model tiny, 3 classes, on cpu" in out
    assert any(line.split()[:3] == ["images", str(IMAGES), "rows"] for line in out.splitlines())


def test_info_json(store, capsys):
    code, out, _ = call(capsys, "info", store, "--json")
    report = json.loads(out)
    assert code == 0 and report["current"] == FINGERPRINT and report["errors"] == []
    assert report["runs"][0]["tables"]["images"] | {"bytes": 0} == {"rows": IMAGES, "bytes": 0, "shards": 3}
    assert report["runs"][0]["model"]["name"] == "tiny"


def test_info_of_a_store_with_a_broken_current(store, capsys):
    (store / "CURRENT").write_text("gone")
    (store / "runs" / "half").mkdir()
    code, out, _ = call(capsys, "info", store)
    assert code == 1 and "error: " in out and "'gone'" in out and "unfinished run half" in out


def test_verify(store, capsys):
    assert call(capsys, "verify", store)[:2] == (0, f"0 findings in 1 runs of {store}\n")
    code, out, _ = call(capsys, "verify", store, "--json")
    assert code == 0 and json.loads(out) == {
        "store": str(store),
        "runs": [FINGERPRINT],
        "ok": True,
        "findings": [],
    }


def test_verify_of_a_damaged_store(store, capsys):
    damage(store)
    code, out, _ = call(capsys, "verify", store)
    assert code == 1 and f"runs/{FINGERPRINT}/filters-00000.parquet: " in out
    code, out, _ = call(capsys, "verify", store, "--json")
    report = json.loads(out)
    assert code == 1 and not report["ok"] and "filters" in report["findings"][0]["where"]


@pytest.mark.parametrize("command", ["info", "verify"])
def test_a_folder_that_is_no_store(tmp_path, capsys, command):
    code, out, err = call(capsys, command, tmp_path)
    assert code == 2 and out == "" and err.startswith("error: ") and "is no store" in err
    code, out, _ = call(capsys, command, tmp_path, "--json")
    assert code == 2 and "is no store" in json.loads(out)["error"]


def test_as_a_process(store):
    """No traceback, and an exit code that a shell script can use."""
    damage(store)
    command = [sys.executable, "-m", "featurestore", "verify", store]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "findings" in result.stdout and result.stderr == ""


def test_featurestore_loads_neither_torch_nor_streamlit():
    code = "import sys, featurestore.__main__; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    assert "pyarrow" in loaded and {"torch", "streamlit", "compute", "dashboard", "pandas"}.isdisjoint(loaded)
