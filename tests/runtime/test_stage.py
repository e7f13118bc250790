"""The code that all rule scripts share: when garbage is collected."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = """
import gc, sys, types
sys.path.insert(0, "workflow/scripts")
import stage
print(gc.isenabled(), gc.get_freeze_count())
{imports}
class Job(types.SimpleNamespace):
    rule, threads, input, output, params, wildcards, config, log = "draw", 1, {{}}, {{}}, {{}}, {{}}, {{}}, [{log!r}]
with stage.stage(Job()):
    print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""


@pytest.mark.parametrize(
    ("imports", "expected"),
    [("", "False 0\nTrue True\n"), ("sys.modules['triton'] = None", "False 0\nTrue False\n")],
    ids=["imports are left out", "Triton would report leaks"],
)
def test_garbage_is_collected_in_the_job_and_not_in_its_imports(tmp_path, imports, expected):
    script = tmp_path / "draw.py"
    script.write_text(JOB.format(imports=imports, log=str(tmp_path / "job.log")))
    done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == expected, done.stderr
