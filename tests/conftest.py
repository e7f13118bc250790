"""What tests of all kinds share, and which of them a bare `pytest` runs."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from pages import chromium, open_page  # noqa: F401 - fixtures
from small_disks import SmallDisks
from web_servers import WebServer, image_server

# What the tests compute is small: on more threads it takes longer, and sums round by how many there are.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# While tests are collected, garbage collection would visit all imported objects again and again, a third of the time.
gc.disable()

# A machine busy with other work is no failure of what is tested. The same examples are drawn in each run, so that a
# failure is that of a change; `benchmarks/fuzz.py` and PARLEY_LONG=1 draw others.
settings.register_profile("parley", deadline=None, derandomize=not os.environ.get("PARLEY_LONG"))
settings.load_profile("parley")

LEFT_OUT = pytest.StashKey[int]()
"""Number of slow tests that this call does not run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all", action="store_true", help="run the slow tests too; a file of tests that is named runs whole anyhow"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run files that are named here, where a debugger works; of a folder, a file on each core, and at most four."""
    if config.option.collectonly or all(path.is_file() for path in named(config)):
        return 0
    return min(len(os.sched_getaffinity(0)), 4)


def named(config: pytest.Config) -> set[Path]:
    """Return the files and folders that the command line names."""
    return {(config.invocation_params.dir / name.partition("::")[0]).resolve() for name in config.args}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out, unless their file or they themselves are named, or there is --all or -m.

    Files with slow tests run first, those of whole runs before the others: what follows them is small enough for the
    workers of pytest-xdist to end together.
    """
    slow = {item.path: 1 + ("end_to_end" in item.path.parts) for item in items if is_slow(item)}
    items.sort(key=lambda item: -slow.get(item.path, 0))
    if config.option.all or config.option.markexpr:
        return
    whole = named(config)
    left_out = {item for item in items if is_slow(item) and item.path not in whole}
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
        config.stash[LEFT_OUT] = len(left_out)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Enable garbage collection again, and exempt what has been imported."""
    gc.freeze()
    gc.enable()


def is_slow(item: pytest.Item) -> bool:
    """Whether a test is marked slow, or opens a browser."""
    return item.get_closest_marker("slow") is not None or "chromium" in getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the number from a worker of pytest-xdist; each counts all tests."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Say last, after pytest's own summary, how many tests were left out."""
    if of_worker := hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)
    result = yield
    if not of_worker and (left_out := session.config.stash.get(LEFT_OUT, 0)):
        session.config.get_terminal_writer().line(
            f"Slow tests left out: {left_out}. `uv run --extra test pytest --all` runs all."
        )
    return result


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
