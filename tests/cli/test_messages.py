"""`parley messages`: the tables of the 2017 code, and dialogues on the terminal."""

import re

import numpy as np
import pytest
from original_files import write_part

from parley.cli.checkpoints import spread
from parley.cli.main import main
from parley.dataset.listing import image_key
from parley.interaction.transcript import bits_of
from parley.metrics.conversations import read_conversations


@pytest.fixture
def arguments(trained, tmp_path):
    return [
        "messages",
        trained.best,
        "--features",
        trained.part("test"),
        *trained.text,
        "--out",
        str(tmp_path / "messages.hdf5"),
    ]


def test_the_file_is_read_by_the_analysis(arguments, tmp_path):
    assert main(arguments) == 0
    said = read_conversations(tmp_path / "messages.hdf5")
    assert (said.run, said.seed, said.part) == ("tiny", 6, "test")
    assert said.labels == ("ant", "bee", "cat", "dog")
    # The 2017 layout has no keys: they follow from the locations.
    assert said.keys[3] == image_key("test/3.jpg")


def test_nothing_is_shown_unasked(arguments, capsys):
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""


def test_so_many_dialogues_are_shown_with_the_messages_of_the_file(arguments, tmp_path, capsys):
    assert main([*arguments, "--show", "2"]) == 0
    shown = capsys.readouterr().out
    said = read_conversations(tmp_path / "messages.hdf5")
    dialogues = shown.strip().split("\n\n")
    assert len(dialogues) == 2
    for row, text in zip((0, 24), dialogues, strict=True):
        assert text.startswith(said.keys[row])
        told = re.findall(r"[SR] \S{6}  ([01]{6})", text)
        expected = [said.sender_messages[row], said.receiver_messages[row]]
        assert told == ["".join(map(str, expected[turn % 2][turn // 2])) for turn in range(2 * said.lengths[row])]


def test_letters_alone_show_three_dialogues_in_letters(arguments, tmp_path, capsys):
    assert main([*arguments, "--letters"]) == 0
    dialogues = capsys.readouterr().out.strip().split("\n\n")
    assert len(dialogues) == 3
    said = read_conversations(tmp_path / "messages.hdf5")
    first = re.search(r"S \S{6}  (\S \S)  ", dialogues[0]).group(1)
    assert bits_of(first, 6) == said.sender_messages[0, 0].tolist()


def test_rows_are_spread_over_the_file():
    assert spread(3, 48) == [0, 16, 32]
    assert spread(9, 4) == [0, 1, 2, 3]
    assert spread(0, 4) == []


def test_missing_file_error(trained, tmp_path, refused):
    (told,) = refused(
        "messages", trained.best, "--features", tmp_path / "no.hdf5", *trained.text, "--out", tmp_path / "m.hdf5"
    )
    assert told == f"{tmp_path / 'no.hdf5'} does not exist; check the path."


def test_features_of_another_width_are_reported(trained, tmp_path, refused):
    write_part(tmp_path / "wide.hdf5", np.ones((3, 17)), [0, 1, 2])
    out = tmp_path / "m.hdf5"
    (told,) = refused("messages", trained.best, "--features", tmp_path / "wide.hdf5", *trained.text, "--out", out)
    assert "features of 17 numbers" in told
    assert not out.exists()


def test_a_folder_that_cannot_be_written_to_is_reported(trained, tmp_path, refused):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file/m.hdf5"
    (told,) = refused("messages", trained.best, "--features", trained.part("test"), *trained.text, "--out", out)
    assert "file is a file, not a folder; choose another path" in told
