"""Misplaced settings and targets on Snakemake's command line are explained."""

import os
import subprocess
import sys

import pytest
from snakemake.exceptions import WorkflowError

import snakemake_logger_plugin_parley as plugin
from parley.runtime.code_digest import ROOT


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("words", "words has no value; write key=value. If it is a target, write it before --config."),
        ("training.steps=3", "write --config 'training={steps: 3}' instead of training.steps=3."),
        ("1a=3", "1a is not a key; write key=value, such as seeds=[1,2]."),
        ("=3", "(nothing) is not a key"),
        ("a b=3", "a b is not a key"),
        ("../x.y=3", "../x.y is not a key"),
    ],
)
def test_explains_a_wrong_config_option(entry, told):
    with pytest.raises(WorkflowError) as caught:
        plugin._parse_checked(["seeds=[1]", entry])
    assert str(caught.value).startswith(f"--config: {told}")


def test_a_long_target_after_configfile_is_explained():
    with pytest.raises(WorkflowError, match=r"x cannot be read \(File name too long\); check the path"):
        plugin._load_checked("x" * 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "seeds=[1]", "words"], "--config: words has no value"),
        (["--config", "training.steps=3"], "--config: write --config 'training={steps: 3}'"),
        (["--configfile", "words"], "words does not exist; check the path. If it is a target, write it before"),
        (["--configfile", "mine.yaml"], "mine.yaml does not exist; check the path.\n"),
    ],
)
def test_wrong_options_end_without_a_traceback(tmp_path, arguments, told):
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT.parents[1] / "Snakefile", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert told in printed
    assert "Traceback" not in printed
