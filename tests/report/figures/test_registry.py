"""What a figure of the registry needs elsewhere: the test names what a new row still lacks."""

from pathlib import Path

import pytest

from parley.report.figures.draw import DRAW
from parley.report.figures.registry import OVERVIEW, RUN_FIGURES, figure_names
from parley.report.page.findings import WORDS

ROOT = Path(__file__).parents[3]
NAMES = [figure.name for figure in RUN_FIGURES]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_and_put_into_words(name):
    assert name in DRAW, f"{name} has no function in DRAW of src/parley/report/figures/draw.py"
    assert name in WORDS, f"{name} has no sentences in WORDS of src/parley/report/page/findings.py"


@pytest.mark.parametrize("name", [OVERVIEW.name, *NAMES])
def test_a_figure_has_a_caption_and_a_line_of_documentation(name):
    caption = ROOT / f"workflow/report/{name}.rst"
    assert caption.is_file(), f"{name} has no caption for Snakemake's report: write {caption.relative_to(ROOT)}"
    assert caption.read_text(encoding="utf-8").strip()
    assert f"`{name}" in (ROOT / "docs/outputs.md").read_text(encoding="utf-8"), f"{name} is not in docs/outputs.md"


def test_nothing_is_registered_elsewhere_alone():
    assert set(DRAW) == set(WORDS) == set(NAMES)
    captions = {path.stem for path in (ROOT / "workflow/report").glob("*.rst")} - {"report", "summary", "plugin-figure"}
    assert captions == {OVERVIEW.name, *NAMES}


def test_names_are_files_of_their_own():
    names = figure_names(["a", "b"])
    assert len(set(names)) == len(names) == 1 + 2 * len(NAMES)
