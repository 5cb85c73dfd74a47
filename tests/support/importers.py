"""What a start imports: each package, with the chain of modules that imported it."""

import json
import subprocess
import sys

from tests.support import ROOT

MARK = "imported packages: "
PARTS = ("matplotlib.figure", "torch._dynamo")
"""Parts of packages that take long to import and are listed by themselves."""

PROGRAM = f"""
import json, sys
chains = {{}}

class Recorder:
    def find_spec(self, name, path=None, target=None):
        package = name if name in {PARTS!r} else name.partition(".")[0]
        if package in chains or package in sys.stdlib_module_names:
            return None
        frame, chain = sys._getframe(1), []
        while frame is not None:
            module = frame.f_globals.get("__name__", "?")
            if not module.startswith(("importlib", "_frozen_importlib")) and chain[-1:] != [module]:
                chain.append(module)
            frame = frame.f_back
        chains[package] = chain

sys.meta_path.insert(0, Recorder())
code = sys.argv.pop(1)
try:
    exec(code)
except SystemExit:
    pass
found = {{package: chain for package, chain in chains.items() if package in sys.modules}}
print({MARK!r} + json.dumps(found))
"""


def imported(code: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Run code in a Python process of its own, and return the packages that it imported.

    arguments: sys.argv[1:] of the code.
    Returns, by package (the first part of its name; none of the standard library's), the modules that
    imported it: "who imported it first, imported by, …".
    """
    run = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith(MARK)]
    assert lines, run.stderr
    return {
        package: ", imported by ".join(chain)
        for package, chain in json.loads(lines[-1].removeprefix(MARK)).items()
    }
