import numpy as np
import pytest
from made_findings import curve, part_of, rows_of

from parley.core.formats import bits, counted, duration, interval, isolated, listed
from parley.metrics.pooling import Flips, Projection
from parley.report.page import findings


def test_the_headline_says_value_interval_seeds_and_chance():
    said = findings.headline("adaptive", rows_of([0.5, 0.6, 0.7], length=1.5), part_of())
    assert said[0] == (
        "On test images of the classes it was trained on, accuracy@1 is 0.600 [0.352, 0.848] over 3 seeds, "
        "2.4 times chance (0.250)."
    )
    assert said[1] == "Its conversations about test images take 1.50 exchanges on average, of at most 3."


def test_the_headline_never_claims_more_than_there_is():
    assert "0.500 (1 seed, so no interval)" in findings.headline("adaptive", rows_of([0.5]), None)[0]
    assert findings.headline("adaptive", rows_of([0.2, 0.3]), None)[0].endswith(": not told apart from chance.")
    assert findings.headline("adaptive", rows_of([0.1, 0.1]), None)[0].endswith(": below chance.")
    assert "no seed came through" in findings.headline("adaptive", rows_of([float("nan")]), None)[0]


def test_collapsed_conversations_are_told():
    assert "nearly all stop after the first" in findings.headline("adaptive", rows_of([0.5], length=1.01), part_of())[1]
    assert "none stops early" in findings.headline("adaptive", rows_of([0.5], length=3.0), part_of())[1]


def test_failed_seeds_are_told():
    assert findings.failures([]) is None
    assert findings.failures([3]) == "1 seed of this run failed and is in no mean: seed 3."
    assert findings.failures([3, 5]) == "2 seeds of this run failed and are in no mean: seed 3 and 5."


def test_parts_are_told_by_verdict():
    said = findings.of_parts(rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], "ood"))
    assert said == (
        "Above chance: test 0.505 (chance 0.250). "
        "Not told apart from chance: out of domain, joint 0.250 (chance 0.250)."
    )
    assert findings.of_parts(rows_of([0.5])) == "One seed, so no interval: test 0.500 (chance 0.250)."
    assert findings.of_parts([]) == "No seed of any run came through."


def test_several_runs_are_counted():
    said = findings.of_parts(rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], run="other"))
    assert said == "Test: 1 of 2 runs above chance, best adaptive with 0.505."


def test_learning_says_when_longer_may_be_better():
    curves = [curve(0, (100, 200), (0.1, 0.3)), curve(1, (100, 200), (0.2, 0.4))]
    said = findings.of_curves(curves, {0: 200, 1: 100})
    assert "goes from 0.150 at step 100 to 0.350 at step 200." in said
    assert "For 1 of 2 seeds the last evaluation was chosen" in said
    assert "longer" not in findings.of_curves(curves, {0: 100, 1: 100})
    assert findings.of_curves([curve(0, (100,), (0.1,))], {0: 100}) == (
        "Dev accuracy@1 is 0.100 at step 100, the only evaluation."
    )
    assert findings.of_curves([], {}) == "No step has a dev evaluation of every seed."


def test_exchanges_say_from_where_to_where():
    said = findings.of_exchanges(part_of())
    assert "after the first exchange would be right for 0.200" in said
    assert "after exchange 3 for 0.400" in said
    assert "the Sender's from 1.0 to 2.0 bits and the Receiver's from 3.0 to 1.0 bits" in said


def test_lengths_correlate_only_where_the_interval_says_so():
    accuracy = np.array([[0.1, 0.2, 0.3, 0.45]] * 2)
    said = findings.of_lengths(part_of(class_accuracy=accuracy))
    assert said.startswith("Longest about cat (3.00 exchanges), shortest about eel (1.00).")
    assert "longer talk goes with fewer right answers" in said
    unrelated = np.array([[0.1, 0.4, 0.2, 0.3]] * 2)
    assert "not told apart from none" in findings.of_lengths(part_of(class_accuracy=unrelated))
    flat = findings.of_lengths(part_of(class_length=np.full((2, 4), 3.0)))
    assert flat == "Conversations about every class take 3.00 exchanges."


def test_flips_are_told_count_by_count():
    flips = Flips("adaptive", [0, 1], [0, 1, 4], np.array([[0.6, 0.4, 0.2], [0.5, 0.4, 0.1]]))
    assert findings.of_flips(flips, 4) == (
        "Accuracy@1 is 0.550 undisturbed, and 0.400 with 1 and 0.150 with 4 of 4 bits of each Sender message flipped "
        "(chance 0.250)."
    )
    assert "no bits" in findings.of_flips(None, 4)


def test_confusion_names_the_most_frequent_mistakes():
    matrix = np.diag([10.0, 6.0, 10.0, 7.0])
    matrix[1, 2], matrix[3, 0] = 4, 3
    said = findings.of_confusion(part_of(confusion=matrix))
    assert said == (
        "Of 40 conversations 82.5 % name the right class. Most frequent mistakes: "
        "dog taken for owl (40.0 % of its conversations) and eel taken for cat (30.0 % of its conversations)."
    )
    assert findings.of_confusion(part_of()) == "Of 40 conversations 100.0 % name the right class."


def test_messages_that_are_all_the_same_are_told():
    points = Projection(1, np.zeros((40, 2)), np.zeros(40, dtype=int), np.zeros(2), 1)
    assert "is the same for all 40 images" in findings.of_projection(part_of(projection=points))
    assert "40 images got 7 different messages of 4 bits; the two components hold 75.0 %" in findings.of_projection(
        part_of()
    )


@pytest.mark.parametrize(
    ("number", "noun", "said"), [(1, "class", "1 class"), (2, "class", "2 classes"), (1200, "seed", "1,200 seeds")]
)
def test_counts_with_nouns(number, noun, said):
    assert counted(number, noun) == said


def test_phrases():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert interval(None, 1.0) == ""
    assert interval(0.1, 0.25, 2) == "[0.10, 0.25]"


def test_right_to_left_names_are_set_apart():
    assert isolated("cat") == "cat"
    assert isolated("שלום") == "\u2068שלום\u2069"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (12000, "3 h 20 min")],
)
def test_spans_of_time(seconds, said):
    assert duration(seconds) == said


def test_bits_that_were_not_measured_are_a_dash():
    assert (bits(1.005), bits(float("nan"))) == ("1.00", "–")


def test_a_matrix_of_too_many_classes_is_not_told_of():
    assert findings.of_confusion(part_of(confusion=None)).startswith("4 classes are too many for a matrix")
