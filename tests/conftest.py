"""What tests of all kinds share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pages import chromium, open_page  # noqa: F401 - fixtures
from small_disks import SmallDisks
from web_servers import WebServer, image_server

# What the tests compute is small: on more threads it takes longer, and sums round by how many there are.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A machine busy with other work is no failure of what is tested.
settings.register_profile("parley", deadline=None)
settings.load_profile("parley")


@pytest.fixture(scope="package")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    with image_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def web(server_process: tuple[int, Path]) -> WebServer:
    return WebServer(*server_process)


@pytest.fixture
def small_disk() -> Iterator[SmallDisks]:
    disks = SmallDisks()
    yield disks
    disks.unmount()
