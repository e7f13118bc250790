"""The world on disk: list and files agree, an interrupted drawing leaves no list, the class set is current."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass, write_class_set
from parley.synthetic.attributes import CREATURES
from parley.synthetic.build import draw_world, png_bytes

ROOT = Path(__file__).parents[2]
DRAW_FOR_LONG = "import sys; from parley.synthetic.build import draw_world; draw_world(sys.argv[1], 100000, 64, 0)"


def test_the_list_names_exactly_the_images(tmp_path: Path) -> None:
    url_list = draw_world(tmp_path, images_per_class=2, size_px=16, seed=3)
    assert url_list == tmp_path / "urls.txt"
    lines = url_list.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == [
        "n99000001_0\tambolo/0000.png",
        "n99000001_1\tambolo/0001.png",
        "n99000002_0\tbimbry/0000.png",
    ]
    assert all(re.fullmatch(r"n\d{8}_\d+\t[a-z]+/\d{4}\.png", line) for line in lines)
    listed = [line.split("\t")[1] for line in lines]
    assert sorted(listed) == sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert len(listed) == len(set(listed)) == 60


def test_each_file_is_the_image_of_its_line(tmp_path: Path) -> None:
    draw_world(tmp_path, images_per_class=3, size_px=32, seed=9, classes=["zorrel"])
    zorrel = next(creature for creature in CREATURES if creature.name == "zorrel")
    written = (tmp_path / "zorrel" / "0002.png").read_bytes()
    assert written == png_bytes(zorrel, 2, 9, 32)
    with Image.open(io.BytesIO(written)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (32, 32))


def test_chosen_classes_get_the_same_images_in_the_order_given(tmp_path: Path) -> None:
    draw_world(tmp_path / "all", images_per_class=1, size_px=16, seed=0)
    draw_world(tmp_path / "two", images_per_class=1, size_px=16, seed=0, classes=["wobbun", "cozzle"])
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["cozzle", "urls.txt", "wobbun"]
    assert [line.split("\t")[1] for line in (tmp_path / "two" / "urls.txt").read_text().splitlines()] == [
        "wobbun/0000.png",
        "cozzle/0000.png",
    ]
    for name in ("cozzle", "wobbun"):
        picture = f"{name}/0000.png"
        assert (tmp_path / "two" / picture).read_bytes() == (tmp_path / "all" / picture).read_bytes()


def test_all_invalid_arguments_are_reported_before_drawing(tmp_path: Path) -> None:
    with pytest.raises(ParleyError) as caught:
        draw_world(tmp_path / "world", 0, 8, 0, classes=["dragon", "cozzle", "cozzle"])
    wrong = caught.value.findings
    assert [sentence.split(";")[0] for sentence in wrong] == [
        "The number of images per class is 0",
        "Creatures cannot be drawn at 8 pixels",
        "There is no creature called dragon",
        "The creature cozzle is listed more than once",
    ]
    assert not (tmp_path / "world").exists()


def test_an_empty_list_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParleyError, match="list of classes is empty"):
        draw_world(tmp_path, 1, 16, 0, classes=[])


@pytest.mark.skipif(os.name != "posix", reason="kills a process by a POSIX signal")
def test_a_killed_drawing_leaves_no_list_and_only_whole_images(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("n99000001_0\tof/another/drawing.png\n")
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    drawing = subprocess.Popen([sys.executable, "-c", DRAW_FOR_LONG, str(tmp_path)], env=environment)
    try:
        deadline = time.monotonic() + 30
        while len(list(tmp_path.rglob("0*.png"))) < 10:
            assert drawing.poll() is None, "the drawing ended by itself"
            assert time.monotonic() < deadline, "no picture after 30 s"
            time.sleep(0.02)
    finally:
        drawing.send_signal(signal.SIGKILL)
        drawing.wait(timeout=10)
    assert not (tmp_path / "urls.txt").exists()
    for path in tmp_path.rglob("[0-9]*.png"):
        with Image.open(path) as picture:
            picture.load()


def test_the_class_set_in_the_tree_is_current(tmp_path: Path) -> None:
    made = [ImageClass(one.name, one.wnid, one.domain, one.colour, one.description) for one in CREATURES]
    write_class_set(tmp_path / "world.tsv", made)
    in_tree = ROOT / "config" / "classes" / "world.tsv"
    assert in_tree.read_bytes() == (tmp_path / "world.tsv").read_bytes()
    assert made[0] == ImageClass(
        "ambolo", "n99000001", "in", "red", "a tiny red plain creature with paws and antlers and a fanned tail"
    )
    assert len(made) == 30
