import hashlib
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_runs import make_experiment

from parley.analysis.summary import failed_seeds, summarise, write_summary
from parley.core.errors import ParleyError
from parley.core.files import write_json
from parley.metrics.analysis import analyse_run
from parley.metrics.pooling import Flips
from parley.metrics.records import Curve, read_evaluation
from parley.report.figures.classes import (
    MARK_PT,
    confusion_figure,
    length_by_class,
    likeness_order,
    messages_pca,
    place_labels,
    row_shares,
)
from parley.report.figures.curves import accuracy_by_flips, at_common_steps, by_exchange, learning_curves
from parley.report.figures.draw import draw_run
from parley.report.figures.overview import draw_overview
from parley.report.figures.registry import MOST_NAMED, RUN_FIGURES, figure_names
from parley.report.figures.results import RunFiles
from parley.report.figures.style import ROLES, empty_figure, save_figure, shown

pytestmark = pytest.mark.slow


def draw(folder, **how):
    made = make_experiment(folder, **how)
    for run, seed in made.owners:
        own = folder / "runs" / run / str(seed)
        write_json(own / "analysis.json", analyse_run(own))
    evaluations = [read_evaluation(path) for path in made.files("evaluation.json")]
    rows = summarise(evaluations, made.owners)
    failed = failed_seeds(evaluations, made.owners)
    write_summary(rows, failed, folder / "summary.csv", folder / "summary.json")
    kinds = ("analysis.json", "metrics.jsonl", "selection.json", "flips.json")
    files = draw_overview(folder / "summary.json", folder / "figures")
    for run in dict.fromkeys(run for run, _ in made.owners):
        files += draw_run(run, RunFiles(*map(made.files, kinds)), folder / "figures")
    return files


def texts(svg):
    return [element.text for element in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    return folder, draw(folder, unseen=("emu", "gnu"))


def test_every_figure_is_there_as_svg_and_pdf(one_run):
    folder, files = one_run
    names = figure_names(["adaptive"])
    assert len(figure_names(["adaptive", "fixed"])) == 1 + 2 * (len(names) - 1)
    assert sorted(path.name for path in files) == sorted(f"{name}.{end}" for name in names for end in ("svg", "pdf"))
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(path.name for path in files)
    for path in files:
        assert path.read_bytes()[:5] in (b"<?xml", b"%PDF-")


@pytest.mark.parametrize(
    "how",
    [
        {"seeds": (0,), "skill": -30, "images": 2},
        {"labels": ("one",), "k": 1, "images": 2},
        {"labels": ("one", "two"), "steps": 1, "bits": 1, "images": 1},
    ],
    ids=["one seed, all wrong", "one class", "one exchange of one bit"],
)
def test_figures_with_minimal_inputs(tmp_path, how):
    assert len(draw(tmp_path, **how)) == 2 * len(figure_names(["adaptive"]))


def test_a_run_without_finite_numbers_gets_figures_that_say_so(tmp_path):
    made = make_experiment(tmp_path, seeds=(0,))
    write_json(tmp_path / "runs/adaptive/0/analysis.json", {"run": "adaptive", "seed": 0, "parts": {}, "warnings": []})
    draw_run("adaptive", RunFiles(made.files("analysis.json"), [], [], []), tmp_path)
    said = {one.name: texts(tmp_path / f"{one.name}-adaptive.svg") for one in RUN_FIGURES}
    assert said["confusion"] == ["No seed of this run has test dialogues."]
    assert said["flipped-bits"] == ["No seed of this run has messages whose bits could be flipped."]
    assert said["learning-curves"] == ["No seed of this run was evaluated during training."]


DRAW = """
import numpy as np
from parley.report.figures.classes import confusion_figure
from parley.report.figures.classes import messages_pca
from parley.report.figures.style import save_figure
rng = np.random.default_rng(0)
labels = [f"class {c}" for c in range(12)]
save_figure(confusion_figure(rng.integers(0, 9, (12, 12)).astype(float), labels), ".", "confusion")
points = messages_pca(rng.normal(size=(60, 2)), np.arange(60) % 12, np.array([0.4, 0.2]), labels)
save_figure(points, ".", "points")
"""


def test_the_same_data_gives_the_same_bytes_in_any_process(tmp_path):
    digests = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "MPLCONFIGDIR": str(tmp_path)}
        # A user's own settings must not show either.
        (folder / "matplotlibrc").write_text("font.size: 20\naxes.grid: False\n" if seed == "2" else "")
        subprocess.run([sys.executable, "-c", DRAW], cwd=folder, env=environment, check=True, timeout=120)
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.[sp]*")})
    assert len(digests[0]) == 4
    assert digests[0] == digests[1]


def test_files_have_no_date_and_only_the_colours_of_the_style(one_run):
    for path in one_run[1]:
        content = path.read_bytes()
        assert b"CreationDate" not in content
        assert b"dc:date" not in content
        if path.suffix == ".svg":
            assert set(re.findall(r"#[0-9a-f]{6}", content.decode())) <= set(ROLES.values())


HOSTILE = ("<b>bold</b>", '$x_1$ & "q"', "_hidden", "שלום 😀", "bell\x07", "a very long name of a class indeed")


def test_names_are_text_whatever_they_hold(tmp_path):
    figures = {
        "confusion": confusion_figure(np.eye(6), HOSTILE),
        "lengths": length_by_class(np.arange(1.0, 7)[None], np.zeros((1, 6)), HOSTILE, 6),
        "points": messages_pca(np.eye(6)[:, :2], np.arange(6), np.array([0.5, 0.5]), HOSTILE),
    }
    for name, figure in figures.items():
        found = texts(save_figure(figure, tmp_path, name)[0])
        for label in HOSTILE:
            assert shown(label) in found
    assert shown("bell\x07") == "bell�"
    assert len(shown(HOSTILE[-1])) == 22


def test_a_figure_cannot_be_written_elsewhere(tmp_path):
    for name in ("../x", "a/b", "", ".."):
        with pytest.raises(ParleyError, match="is not a valid figure name"):
            save_figure(empty_figure("nothing"), tmp_path, name)


def curve(seed, steps, values):
    return Curve("r", seed, list(steps), {"accuracy@1": list(values), "accuracy@k": list(values)}, {}, 2)


def test_the_band_is_over_the_steps_that_all_seeds_have():
    curves = [curve(0, (1, 2, 3), (0.1, 0.2, 0.3)), curve(1, (1, 2), (0.3, 0.2)), curve(2, (1, 2), (0.2, None))]
    steps, values = at_common_steps(curves, "accuracy@1")
    assert steps == [1]
    assert values.tolist() == [[0.1], [0.3], [0.2]]
    (band,) = learning_curves(curves, {}).axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    half = 4.302652729 * 0.1 / 3**0.5
    assert (heights.min(), heights.max()) == pytest.approx((0.2 - half, 0.2 + half))


def test_one_seed_has_no_band_and_without_seeds_there_is_no_step():
    curves = [curve(0, (1, 2), (0.1, 0.2))]
    assert at_common_steps(curves, "accuracy@1")[1].tolist() == [[0.1, 0.2]]
    assert len(learning_curves(curves, {}).axes[0].collections) == 0
    assert at_common_steps([], "accuracy@1")[0] == []


def test_learning_curves_show_gaps_and_chosen_steps():
    figure = learning_curves([curve(0, (1, 2, 3), (0.1, None, 0.3)), curve(1, (5,), (0.5,))], {0: 3, 1: 99})
    lines = figure.axes[0].lines
    assert np.isnan(lines[0].get_ydata()).tolist() == [False, True, False]
    rings = [line for line in lines if line.get_marker() == "o"]
    assert [ring.get_xdata().tolist() for ring in rings] == [[3]]


def test_confused_classes_are_adjacent():
    matrix = np.eye(6) * 10
    for one, other in ((0, 3), (1, 4), (2, 5)):
        matrix[one, other] = matrix[other, one] = 5
    order = likeness_order(matrix)
    assert sorted(order) == list(range(6))
    assert all(abs(order.index(one) - order.index(one + 3)) == 1 for one in range(3))
    assert likeness_order(np.zeros((2, 2))) == [0, 1]


def test_shares_of_a_class_without_conversations_are_zero():
    assert row_shares(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist() == [[0.75, 0.25], [0, 0]]


def test_lengths_leave_out_classes_without_images_and_sort_the_others():
    figure = length_by_class(np.array([[1.0, np.nan, 3.0]]), np.array([[0.5, np.nan, 1.0]]), ["a", "b", "c"], 4)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["c", "a"]


def test_of_very_many_classes_the_longest_and_the_shortest_are_drawn():
    lengths = np.random.default_rng(3).permutation(np.linspace(1, 9, 500))
    names = [f"{length:.3f}" for length in lengths]
    figure = length_by_class(lengths[None], np.zeros((1, 500)), names, 10)
    drawn = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    by_length = [f"{length:.3f}" for length in sorted(lengths, reverse=True)]
    assert drawn == by_length[:40] + by_length[-40:]
    assert len(length_by_class(lengths[None, :80], np.zeros((1, 80)), names, 10).axes[0].get_yticklabels()) == 80


def test_rare_exchanges_are_not_drawn():
    quantities = {
        f"{name}_{which}": np.array([[0.5, 0.6, 0.7]])
        for name in ("accuracy@1", "prediction_entropy_bits", "sender_entropy_bits", "receiver_entropy_bits")
        for which in ("all", "talking")
    }
    figure = by_exchange(np.array([[1.0, 0.5, 0.01]]), quantities, 4)
    every, still_on = figure.axes[0].lines[:2]
    assert np.isfinite(every.get_ydata()).all()
    assert np.isfinite(still_on.get_ydata()).tolist() == [True, True, False]


@pytest.mark.parametrize("count", [1, 12, 42, 70])
def test_labels_cover_neither_each_other_nor_a_mark(count):
    rng = np.random.default_rng(count)
    marks = rng.normal([220, 200], 60, (count, 2)).clip([40, 20], [400, 380])
    boxes = np.tile([42.0, 9.0], (count, 1))
    frame = np.array([[0, 0], [480, 420]])
    places = place_labels(marks, boxes, frame)
    assert (places - boxes / 2 >= frame[0]).all()
    assert (places + boxes / 2 <= frame[1]).all()
    between = np.abs(places[:, None] - places) - boxes
    between[np.arange(count), np.arange(count)] = 0
    to_marks = np.abs(places[:, None] - marks) - (boxes[:, None] + MARK_PT) / 2
    assert (between.max(axis=-1) >= -1e-9).all()
    assert (to_marks.max(axis=-1) >= -1e-9).all()


def test_a_single_label_is_right_above_its_mark():
    place = place_labels(np.array([[50.0, 50.0]]), np.array([[20.0, 8.0]]), np.array([[0, 0], [100, 100]]))
    assert place.tolist() == [[50, 50 + 4 + MARK_PT / 2]]


def test_labels_that_find_no_room_are_still_placed():
    places = place_labels(np.full((30, 2), 5.0), np.tile([20.0, 8.0], (30, 1)), np.array([[0, 0], [10, 10]]))
    assert np.isfinite(places).all()


def test_very_many_classes_are_not_named():
    rng = np.random.default_rng(1)
    for count, named in ((MOST_NAMED, MOST_NAMED), (MOST_NAMED + 1, 0)):
        points, labels = rng.normal(size=(count, 2)), [f"class {number}" for number in range(count)]
        figure = messages_pca(points, np.arange(count), np.array([0.4, 0.2]), labels)
        assert len(figure.axes[0].texts) == named


FOREIGN = ("🦜 parrot", "猫", "שלום עולם", "قطة", "$\\frac{", "a_b^c")


def test_names_in_any_script_cause_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = {
            "confusion": confusion_figure(np.eye(6), FOREIGN),
            "lengths": length_by_class(np.arange(1.0, 7)[None], np.zeros((1, 6)), FOREIGN, 6),
            "points": messages_pca(np.eye(6)[:, :2], np.arange(6), np.array([0.5, 0.5]), FOREIGN),
        }
        for name, figure in figures.items():
            svg, pdf = save_figure(figure, tmp_path, name)
            assert set(FOREIGN) <= set(texts(svg))
            assert pdf.stat().st_size > 1000


def test_fonts_are_embedded_in_a_pdf_as_truetype(one_run):
    pdfs = [path.read_bytes() for path in one_run[1] if path.suffix == ".pdf"]
    assert len(pdfs) == len(figure_names(["adaptive"]))
    for content in pdfs:
        fonts = re.findall(rb"/Type /Font\b.*?endobj", content, re.DOTALL)
        assert fonts
        assert b"/FontFile2" in content
        # Type 3 is what matplotlib writes by itself, and what publishers refuse.
        assert all(b"/Subtype /Type3" not in font for font in fonts)


def test_accuracy_by_flips_shows_each_seed_their_mean_and_chance():
    flips = Flips("a", [0, 1], [0, 1, 2, 4, 8, 16, 32], np.linspace([0.6, 0.5], [0.0, 0.1], 7).T)
    axes = accuracy_by_flips(flips, 4).axes[0]
    one, other, mean, chance = axes.lines
    assert (one.get_ydata() == flips.accuracy[0]).all()
    assert (other.get_ydata() == flips.accuracy[1]).all()
    assert mean.get_ydata() == pytest.approx(flips.accuracy.mean(axis=0))
    assert set(chance.get_ydata()) == {0.25}
    assert axes.get_xticks().tolist() == [0, 4, 8, 16, 32]
    assert axes.get_xlabel() == "Number of flipped bits per Sender message, of 32"
    assert len(accuracy_by_flips(Flips("a", [0], [0, 1], np.array([[0.6, 0.1]])), 4).axes[0].collections) == 0
