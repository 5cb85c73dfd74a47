"""torchvision's door: opens beside a CPU build of torch, and hides no other fault."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_torchvision_works_behind_it():
    run = python(
        "from compute.vision import models, transforms, ops\n"
        "import torch, torchvision\n"
        "assert models.list_models() and ops.StochasticDepth and transforms.Compose\n"
        "import compute.vision; assert compute.vision.torchvision is torchvision\n"
        "print(models.squeezenet1_1().eval()(torch.zeros(1, 3, 64, 64)).shape)\n"
    )
    assert run.stdout == "torch.Size([1, 1000])\n", run.stderr


def with_broken_torchvision(folder: Path, fault: str) -> subprocess.CompletedProcess:
    """Imports the door beside a `torchvision` whose import stops with `fault`."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(fault)
    return python(f"import sys; sys.path.insert(0, {str(folder)!r}); import compute.vision")


def test_another_fault_is_not_swallowed(tmp_path):
    run = with_broken_torchvision(tmp_path, "raise RuntimeError('the disk is on fire')")
    assert run.returncode == 1
    assert run.stderr.rstrip().endswith("RuntimeError: the disk is on fire")


def test_a_missing_module_is_not_swallowed(tmp_path):
    run = with_broken_torchvision(tmp_path, "import no_such_module")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in run.stderr


def test_an_operator_that_is_still_missing_is_not_swallowed(tmp_path):
    run = with_broken_torchvision(tmp_path, "raise RuntimeError('operator torchvision::unheard_of does not exist')")
    assert "operator torchvision::unheard_of does not exist" in run.stderr
