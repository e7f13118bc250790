"""Snakemake looks for jobs to start when one is done, and is idle meanwhile."""

import re

import pytest
from tiny_runs import TINY, write_classes

pytestmark = pytest.mark.slow


def test_jobs_that_wait_are_looked_at_once_for_each_job_that_is_done(project):
    write_classes(project.folder)
    one_by_one = {**TINY, "fetch": {**TINY["fetch"], "classes_per_job": 1}}
    config = project.write_config("waiting", **one_by_one)
    told = project.snakemake("--verbose", "--cores", "1", "images", config=config)
    looks = len(re.findall(r"^Ready jobs: \d+$", told, re.MULTILINE))
    done = len(re.findall(r"^Finished jobid: ", told, re.MULTILINE))
    assert done >= 9
    assert looks <= done + 1
