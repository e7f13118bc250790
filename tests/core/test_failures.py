"""A run that failed leaves markers, which are told from what they stand for."""

import pytest

from parley.core.failures import (
    FailedRunError,
    failure_in,
    propagate_failure,
    raise_if_failed,
    successful,
    write_marker,
)
from parley.core.files import read_json, write_json
from parley.metrics.records import read_analysis, read_chosen_step, read_evaluation, reasons_of_failure


def test_a_marker_says_why_and_is_refused(tmp_path):
    path = tmp_path / "best.pt"
    write_marker(path, "Ä loss, 2 ≠ 2.")
    assert failure_in(path) == "Ä loss, 2 ≠ 2."
    assert read_json(path) == {"failed": "Ä loss, 2 ≠ 2."}
    with pytest.raises(FailedRunError, match="failed in training: Ä loss"):
        raise_if_failed(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n", b"{", b'{\n  "rule": "failed"\n}\n'])
def test_other_files_are_not_markers(tmp_path, content):
    path = tmp_path / "file"
    assert failure_in(path) is None
    path.write_bytes(content)
    assert failure_in(path) is None
    raise_if_failed(path)


def test_markers_are_distinguished_from_results(tmp_path):
    paths = [tmp_path / f"a/{seed}/evaluation.json" for seed in (1, 2)]
    paths[0].parent.mkdir(parents=True)
    write_json(paths[0], {"run": "a"})
    paths[1].parent.mkdir()
    write_marker(paths[1], "Why.")
    assert successful(map(str, paths)) == [str(paths[0])]
    assert reasons_of_failure(paths) == {("a", 2): "Why."}


def test_a_failure_is_handed_on_to_every_output_and_other_errors_are_not(tmp_path):
    outputs = [tmp_path / "messages.hdf5", tmp_path / "messages.ood.hdf5"]
    with propagate_failure(outputs):
        pass
    with pytest.raises(ValueError, match="other"), propagate_failure(outputs):
        raise ValueError("other")
    assert not any(path.exists() for path in outputs)
    with propagate_failure(outputs):
        raise FailedRunError("Why.")
    assert [failure_in(path) for path in outputs] == ["Why."] * 2


@pytest.mark.parametrize("read", [read_analysis, read_chosen_step, read_evaluation])
def test_readers_of_run_files_report_a_marker(tmp_path, read):
    write_marker(tmp_path / "file.json", "Why.")
    with pytest.raises(FailedRunError, match=r"Why\."):
        read(tmp_path / "file.json")
