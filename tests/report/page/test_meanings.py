"""What figures are said to mean: no more than their intervals allow."""

import numpy as np
import pytest
from made_findings import curve, part_of, rows_of

from parley.metrics.pooling import Flips
from parley.report.page import meanings


def test_parts_better_than_chance_are_counted():
    assert meanings.of_parts(rows_of([0.5, 0.51])) == "Better than chance on every part"
    mixed = rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], "ood")
    assert meanings.of_parts(mixed) == "Better than chance on 1 of 2 parts"
    assert meanings.of_parts(rows_of([0.5])) == "One seed: no interval, so no verdict"
    assert meanings.of_parts([]) == "No seed came through"
    several = rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], run="other")
    assert meanings.of_parts(several) == "1 of 2 runs better than chance on new images of seen classes"


def test_learning_says_whether_training_was_long_enough():
    curves = [curve(0, (100, 200), (0.1, 0.3)), curve(1, (100, 200), (0.2, 0.4))]
    assert meanings.of_curves(curves, {0: 100, 1: 100}) == "The chosen checkpoints are from before the end of training"
    assert meanings.of_curves(curves, {0: 100, 1: 200}) == "1 of 2 seeds at its best when training ended"
    assert meanings.of_curves(curves, {0: 200, 1: 200}).endswith("longer may be better")
    assert meanings.of_curves([curve(0, (100,), (0.1,))], {0: 100}) == "One evaluation during training"
    assert meanings.of_curves([], {}) == "Nothing was evaluated during training"


def talk(first, last):
    middle = [0.3] * len(first)
    values = np.array([first, middle, last]).T
    return part_of(by_exchange={"accuracy@1_all": values})


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        # Differences 0.1 and 0.12: mean 0.11, half width 12.706 * 0.0141 / sqrt 2 = 0.127.
        ([0.2, 0.2], [0.3, 0.32], "Talking on is not told apart from no gain: +0.110 [-0.017, 0.237] in accuracy"),
        ([0.2, 0.2], [0.30, 0.31], "Talking on raises accuracy by 0.105 [0.041, 0.169]"),
        ([0.30, 0.31], [0.2, 0.2], "Talking on lowers accuracy by 0.105 [0.041, 0.169]"),
        ([0.2], [0.3], "Talking on changes accuracy by +0.100 (one seed, so no interval)"),
    ],
)
def test_what_talking_brings_is_a_difference_by_seed(first, last, said):
    assert meanings.of_exchanges(talk(first, last)) == said


NO_LONGER = "With {} of 4 bits flipped, answers are no longer better than chance"


def flips(*curves):
    return Flips("adaptive", list(range(len(curves))), [0, 1, 4], np.array(curves))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (flips([0.6, 0.4, 0.2], [0.61, 0.41, 0.21]), NO_LONGER.format(4)),
        (flips([0.6, 0.3, 0.2], [0.61, 0.2, 0.21]), NO_LONGER.format(1)),
        (flips([0.6, 0.5, 0.4], [0.61, 0.51, 0.41]), "With all 4 bits flipped, answers are still better than chance"),
        (flips([0.2, 0.2, 0.2], [0.3, 0.2, 0.2]), "Not better than chance even with no bit flipped"),
        (flips([0.6, 0.5, 0.4]), "With all 4 bits flipped, accuracy goes from 0.600 to 0.400 (one seed)"),
        (None, "No bits to flip"),
    ],
)  # fmt: skip
def test_flips_say_how_many_an_answer_survives(found, said):
    assert meanings.of_flips(found, 4) == said


def test_lengths_confusion_and_projection():
    accuracy = np.array([[0.1, 0.2, 0.3, 0.45]] * 2)
    assert (
        meanings.of_lengths(part_of(class_accuracy=accuracy))
        == "Classes talked about for longer are named right less often"
    )
    unrelated = part_of(class_accuracy=np.array([[0.1, 0.4, 0.2, 0.3]] * 2))
    assert meanings.of_lengths(unrelated).startswith("How long a class is talked about does not tell")
    assert meanings.of_lengths(part_of(class_length=np.full((2, 4), 3.0))) == "Every class takes 3.00 exchanges"
    matrix = np.diag([10.0, 6.0, 10.0, 7.0])
    matrix[1, 2], matrix[3, 0] = 4, 3
    assert meanings.of_confusion(part_of(confusion=matrix)) == "Most often mistaken: dog, for owl"
    assert meanings.of_confusion(part_of()) == "Every class is always named right"
    assert meanings.of_projection(part_of()) == "7 different messages for 40 images"


def test_too_many_classes_for_a_matrix_are_told_as_such():
    assert meanings.of_confusion(part_of(confusion=None)) == "No matrix of so many classes"
