"""A script behaves in a fork as if Python itself had started it."""

import os
import signal
import subprocess
import sys

import pytest
from fork_server import preloaded_python

pytestmark = pytest.mark.slow

ABOUT = """
import __main__, os, sys, tempfile
print(sys.argv[1:], os.getcwd(), __name__, __main__.__file__, sys.stdin.read())
print(os.environ.get("GIVEN"), tempfile.gettempdir())
print(sys.path[:2], [name for name in sys.modules if name.startswith("parley")], file=sys.stderr)
"""
SCRIPTS = {
    "about": ABOUT,
    "status": "import sys; sys.exit(3)",
    "sentence": "import sys; sys.exit('what is wrong')",
    "nothing": "raise SystemExit",
    "killed": "import os, signal; print('before', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "at exit": "import atexit; atexit.register(print, 'last'); print('first')",
    "thread": "import threading, time; threading.Timer(0.2, print, ['late']).start()",
}


def ended(python, script, folder):
    environment = {**os.environ, "GIVEN": "é", "PYTHONPATH": str(folder / "added"), "TMPDIR": str(folder)}
    done = subprocess.run(
        [python, script, "a b", "$c"], cwd=folder, env=environment, input="asked", capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_gives_the_same_output_and_status(tmp_path, name):
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[name])
    assert ended(preloaded_python(), script, tmp_path) == ended(sys.executable, script, tmp_path)


def test_an_exception_is_a_traceback_and_status_1(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("1 / 0")
    status, out, told = ended(preloaded_python(), script, tmp_path)
    assert (status, out) == (1, "")
    assert told.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    "arguments", [["-c", "import sys; print(sys.modules.keys() & {'torch'})"], ["-m", "this"], ["--version"]]
)
def test_options_of_python_start_a_process_of_its_own(arguments):
    found, expected = (
        subprocess.run([python, *arguments], capture_output=True) for python in (preloaded_python(), sys.executable)
    )
    assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout)


WAITS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL], ids=lambda sent: sent.name)
def test_signals_reach_the_script(tmp_path, sent):
    script = tmp_path / "script.py"
    script.write_text(WAITS)
    with subprocess.Popen([preloaded_python(), script], stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        process.send_signal(sent)
        assert process.stdout.read() == ""  # Nobody has it open any longer.
    assert process.returncode == (7 if sent == signal.SIGTERM else -sent)
    # The next script finds it ended, as if the process itself had been killed.
    gone = f"import os\ntry: os.kill({pid}, 0)\nexcept ProcessLookupError: print('gone')"
    script.write_text(gone)
    assert subprocess.run([preloaded_python(), script], capture_output=True, text=True).stdout == "gone\n"
