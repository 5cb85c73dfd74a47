"""torchvision is imported beside a CPU build of torch, and no other fault of it is hidden."""

import subprocess
import sys

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.slow


def python(code: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-B", "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_torchvision_works_behind_it():
    run = python(
        "from compute.runtime.vision import models, transforms, ops\n"
        "import torch, torchvision\n"
        "assert models.list_models() and ops.StochasticDepth and transforms.Compose\n"
        "import compute.runtime.vision; assert compute.runtime.vision.torchvision is torchvision\n"
        "print(models.squeezenet1_1().eval()(torch.zeros(1, 3, 64, 64)).shape)\n"
    )
    assert run.stdout == "torch.Size([1, 1000])\n", run.stderr


IMPORT_EACH = """
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
for fault in sys.argv[2:]:
    (folder / "torchvision.py").write_text(fault)
    for name in [name for name in sys.modules if name.startswith(("torchvision", "compute.runtime.vision"))]:
        del sys.modules[name]
    try:
        import compute.runtime.vision
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_no_other_fault_is_swallowed(tmp_path):
    """Each fault stops the import of a `torchvision` that stands before the real one."""
    faults = {
        "raise RuntimeError('the disk is on fire')": "RuntimeError the disk is on fire",
        "import no_such_module": "ModuleNotFoundError No module named 'no_such_module'",
        "raise RuntimeError('operator torchvision::unheard_of does not exist')": "RuntimeError operator "
        "torchvision::unheard_of does not exist",
    }
    run = python(IMPORT_EACH, str(tmp_path), *faults)
    assert run.stdout.splitlines() == list(faults.values()), run.stderr
