"""The code that all rule scripts share: when garbage is collected, and plug-ins that end the program."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = """
import gc, sys, types
sys.path.insert(0, "workflow/scripts")
frozen = gc.get_freeze_count()  # Python 3.12 begins with some.
import stage
print(gc.isenabled(), gc.get_freeze_count() - frozen)
{imports}
class Job(types.SimpleNamespace):
    rule, threads, input, output, params, wildcards, config, log = "draw", 1, {{}}, {{}}, {{}}, {{}}, {{}}, [{log!r}]
with stage.stage(Job()):
    print(gc.isenabled(), gc.get_freeze_count() - frozen > 1000)
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


STOPPED = """
import sys, types
sys.path.insert(0, "workflow/scripts")
import stage
from parley.plugins.registry import PLUGINS
class Job(types.SimpleNamespace):
    rule, threads, input, output, params, wildcards, log = "draw", 1, {{}}, {{}}, {{}}, {{}}, [{log!r}]
    config = {{"plugin_parts": {{"draw": {{"": {{{plugin!r}: {{}}}}}}}}}}
with stage.stage(Job()):
    {body}
"""


def ended(tmp_path, plugin, body):
    (tmp_path / "own.py").write_text(f"from parley.plugins import metric\nimport sys\n{plugin}\n")
    script, log = tmp_path / "draw.py", tmp_path / "job.log"
    script.write_text(STOPPED.format(log=str(log), plugin=str(tmp_path / "own.py"), body=body))
    done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr, log.read_text()


def test_a_plugin_that_ends_the_program_fails_with_its_file_and_line(tmp_path):
    part = "@metric('m')\ndef m(conversations, generator): sys.exit()"
    code, said, log = ended(tmp_path, part, "PLUGINS['metric']['m'].part(None, None)")
    assert code == 1
    assert said.startswith(
        f"draw: {tmp_path}/own.py, line 4, in m: SystemExit, but a plug-in must not end the program."
    )
    assert said.count("\n") == 1
    assert log.count(" ERROR ") == 1
    assert "Traceback (most recent call last)" in log
    code, said, _ = ended(tmp_path, "raise SystemExit(0)", "pass")
    assert code == 1
    assert said.startswith(f"draw: {tmp_path}/own.py, line 3: SystemExit: 0, but a plug-in must not end the program.")


def test_other_code_may_end_the_program(tmp_path):
    code, said, _ = ended(tmp_path, "", "sys.exit(3)")
    assert (code, said) == (3, "")
