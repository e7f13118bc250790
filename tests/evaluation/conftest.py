"""A small trained run, which several files of tests evaluate."""

import pytest
from easy_runs import run

from parley.training.checkpoint import load_checkpoint


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    run(folder, steps=400, dev_every=400, first_checkpoint=400, learning_rate=3e-3)
    return load_checkpoint(folder / "checkpoints/00000400.pt")
