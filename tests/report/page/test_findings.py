"""The report's headings and sentences: computed from the numbers, and no more than the intervals allow."""

import numpy as np
import pytest
from made_findings import curve, part_of, rows_of

from parley.core.formats import bits, counted, duration, interval, isolated, listed
from parley.metrics.pooling import Flips, Projection
from parley.report.figures.results import RunResults
from parley.report.page import findings, headline


def results(curves=(), chosen=None, flips=None, **part):
    return RunResults(list(curves), chosen or {}, flips, part_of(**part))


def test_the_headline_says_value_interval_seeds_and_chance():
    said = headline.headline("adaptive", rows_of([0.5, 0.6, 0.7], length=1.5), part_of())
    assert said[0] == (
        "On new images of seen classes, accuracy@1 is 0.600 [0.352, 0.848] over 3 seeds, 2.4 times chance (0.250)."
    )
    assert said[1] == "Dialogues about test images take 1.50 exchanges on average (at most 3)."


def test_the_headline_never_claims_more_than_there_is():
    assert "0.500 (1 seed, so no interval)" in headline.headline("adaptive", rows_of([0.5]), None)[0]
    assert headline.headline("adaptive", rows_of([0.2, 0.3]), None)[0].endswith(
        ": not significantly different from chance."
    )
    assert headline.headline("adaptive", rows_of([0.1, 0.1]), None)[0].endswith(": below chance.")
    assert "every seed failed" in headline.headline("adaptive", rows_of([float("nan")]), None)[0]


def test_collapsed_dialogues_are_reported():
    assert "nearly all stop after the first" in headline.headline("adaptive", rows_of([0.5], length=1.01), part_of())[1]
    assert "none stops early" in headline.headline("adaptive", rows_of([0.5], length=3.0), part_of())[1]


def test_failed_seeds_are_reported():
    assert headline.failures([]) is None
    assert headline.failures([3]) == "1 seed of this run failed and is excluded from all means: seed 3."
    assert headline.failures([3, 5]) == "2 seeds of this run failed and are excluded from all means: seeds 3 and 5."


def test_splits_are_grouped_by_verdict():
    mixed = rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], "ood")
    assert headline.overview(mixed) == (
        "Above chance on 1 of 2 splits",
        "Above chance: test 0.505 (chance 0.250). Not significantly different from chance: ood 0.250 (chance 0.250).",
    )
    assert headline.overview(rows_of([0.5, 0.51]))[0] == "Above chance on every split"
    assert headline.overview(rows_of([0.5])) == (
        "One seed, so no interval and no verdict",
        "One seed, so no interval: test 0.500 (chance 0.250).",
    )
    assert headline.overview([]) == ("Every seed failed", "Every seed of every run failed.")


def test_a_single_candidate_has_no_verdict():
    one, four = rows_of([1.0, 1.0], "transfer_alone", candidates=1), rows_of([0.5, 0.51])
    assert headline.headline("adaptive", one, None)[0].endswith(
        "1.000 [1.000, 1.000] over 2 seeds, with only one candidate."
    )
    assert headline.overview(four + one) == (
        "Above chance on every split with more than one candidate",
        "Above chance: test 0.505 (chance 0.250). Only one candidate: transfer_alone 1.000 (chance 1.000).",
    )
    assert headline.overview(one)[0] == "No result to compare with chance"
    assert headline.overview(rows_of([0.5]) + rows_of([1.0], "transfer_alone", candidates=1))[0].startswith("One seed")
    other = rows_of([0.5, 0.51], run="other") + rows_of([1.0, 1.0], "transfer_alone", "other", candidates=1)
    assert headline.overview(four + one + other)[0] == "2 of 2 runs above chance on new images of seen classes"
    assert headline.by_split(one + other[-5:]) == [
        "On transfer_alone (unseen classes of another kind, with only these as candidates), there is only one "
        "candidate."
    ]


def test_several_runs_are_counted():
    assert headline.overview(rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], run="other")) == (
        "1 of 2 runs above chance on new images of seen classes",
        "On test (new images of seen classes), the fraction of correct answers is above chance (0.250) in 1 of 2 runs, "
        "and highest in run adaptive: 0.505.",
    )


def test_runs_of_one_seed_have_no_verdict():
    rows = rows_of([0.5]) + rows_of([0.2], run="other")
    assert headline.by_split(rows) == [
        "On test (new images of seen classes), the fraction of correct answers is highest in run adaptive: 0.500 "
        "(chance: 0.250; with one seed, the difference cannot be tested)."
    ]


def test_learning_says_when_longer_training_may_help():
    curves = [curve(0, (100, 200), (0.1, 0.3)), curve(1, (100, 200), (0.2, 0.4))]
    heading, finding = findings.of_curves(results(curves, {0: 200, 1: 100}))
    assert heading == "For 1 of 2 seeds, the last checkpoint is the best"
    assert finding == (
        "Dev accuracy@1 (mean of 2 seeds) goes from 0.150 at step 100 to 0.350 at step 200. "
        "As the last checkpoint of 1 of 2 seeds was selected, longer training may help."
    )
    assert "longer" not in findings.of_curves(results(curves, {0: 200, 1: 100})._replace(annealed=True))[1]
    heading, finding = findings.of_curves(results(curves, {0: 100, 1: 100}))
    assert heading == "All selected checkpoints are from before the end of training"
    assert "longer" not in finding
    assert findings.of_curves(results(curves, {0: 200, 1: 200}))[0].endswith("of every seed is its best")
    assert findings.of_curves(results([curve(0, (100,), (0.1,))], {0: 100})) == (
        "One evaluation during training",
        "Dev accuracy@1 is 0.100 at step 100, the only evaluation.",
    )
    assert findings.of_curves(results()) == (
        "No evaluation during training",
        "No step has a dev evaluation of every seed.",
    )


def test_exchanges_give_the_first_and_the_last_value():
    _, finding = findings.of_exchanges(results())
    assert finding.startswith(
        "If all dialogues stopped after the first exchange, accuracy@1 would be 0.200; if they all stopped after "
        "exchange 3, it would be 0.400."
    )
    assert "goes from 1.0 to 2.0 bits for the Sender and goes from 3.0 to 1.0 bits for the Receiver" in finding
    assert findings.of_exchanges(results(max_exchanges=1)) == (
        "One exchange: the Receiver never replies",
        "After the only exchange, the prediction has an entropy of 2.00 bits over 4 classes.",
    )


@pytest.mark.parametrize(
    ("first", "last", "heading"),
    [
        # Differences 0.1 and 0.12: mean 0.11, half width 12.706 * 0.0141 / sqrt 2 = 0.127.
        ([0.2, 0.2], [0.3, 0.32], "do not change accuracy significantly: +0.110 [-0.017, 0.237]"),
        ([0.2, 0.2], [0.30, 0.31], "raise accuracy by 0.105 [0.041, 0.169]"),
        ([0.30, 0.31], [0.2, 0.2], "lower accuracy by 0.105 [0.041, 0.169]"),
        ([0.2], [0.3], "change accuracy by +0.100 (one seed, so no interval)"),
    ],
)
def test_the_effect_of_further_exchanges_is_a_difference_by_seed(first, last, heading):
    accuracy = np.array([first, [0.3] * len(first), last]).T
    by_exchange = {**part_of().by_exchange, "accuracy@1_all": accuracy}
    assert findings.of_exchanges(results(by_exchange=by_exchange))[0] == f"Further exchanges {heading}"


NO_LONGER = "With {} of 4 bits flipped, accuracy is no longer above chance"


def flips(*curves):
    return Flips("adaptive", list(range(len(curves))), [0, 1, 4], np.array(curves))


@pytest.mark.parametrize(
    ("found", "heading"),
    [
        (flips([0.6, 0.4, 0.2], [0.61, 0.41, 0.21]), NO_LONGER.format(4)),
        (flips([0.6, 0.3, 0.2], [0.61, 0.2, 0.21]), NO_LONGER.format(1)),
        (flips([0.6, 0.5, 0.4], [0.61, 0.51, 0.41]), "With all 4 bits flipped, accuracy is still above chance"),
        (flips([0.2, 0.2, 0.2], [0.3, 0.2, 0.2]), "Accuracy is not above chance even with no bit flipped"),
        (flips([0.6, 0.5, 0.4]), "With all 4 bits flipped, accuracy goes from 0.600 to 0.400 (one seed)"),
        (None, "No bits to flip"),
    ],
)  # fmt: skip
def test_flips_say_when_accuracy_falls_to_chance(found, heading):
    assert findings.of_flips(results(flips=found))[0] == heading


def test_flips_are_reported_count_by_count():
    assert findings.of_flips(results(flips=flips([0.6, 0.4, 0.2], [0.5, 0.4, 0.1])))[1] == (
        "Accuracy@1 is 0.550 if no bit of the Sender's messages is flipped. It is 0.400 with 1 and 0.150 with 4 of the "
        "4 bits of each message flipped; chance is 0.250."
    )
    assert findings.of_flips(results())[1] == "This run's messages are continuous, or all its seeds failed."


def test_lengths_correlate_only_if_the_interval_says_so():
    heading, finding = findings.of_lengths(results(class_accuracy=np.array([[0.1, 0.2, 0.3, 0.45]] * 2)))
    assert heading == "Classes with longer dialogues are named correctly less often"
    assert finding.startswith(
        "Dialogues about cat are the longest (3.00 exchanges), those about eel the shortest (1.00)."
    )
    assert finding.endswith(": classes with longer dialogues are named correctly less often.")
    heading, finding = findings.of_lengths(results(class_accuracy=np.array([[0.1, 0.4, 0.2, 0.3]] * 2)))
    assert heading == "Dialogue length and accuracy of a class are not significantly correlated"
    assert finding.endswith(": not significant.")
    assert findings.of_lengths(results(class_length=np.full((2, 4), 3.0))) == (
        "Dialogues about every class take 3.00 exchanges",
        "Length does not vary.",
    )


def test_confusion_names_the_most_frequent_mistakes():
    matrix = np.diag([10.0, 6.0, 10.0, 7.0])
    matrix[1, 2], matrix[3, 0] = 4, 3
    assert findings.of_confusion(results(confusion=matrix)) == (
        "Most frequent mistake: dog taken for owl",
        "Of 40 dialogues, 82.5 % end with the correct class. Most frequent mistakes: "
        "dog taken for owl (40.0 % of the dialogues about dog) and eel taken for cat (30.0 % of the dialogues about "
        "eel).",
    )
    assert findings.of_confusion(results()) == ("No mistakes", "Of 40 dialogues, 100.0 % end with the correct class.")
    heading, finding = findings.of_confusion(results(confusion=None))
    assert heading == "Too many classes for a matrix"
    assert finding.startswith("4 classes are too many for a matrix")


def test_different_messages_are_counted():
    heading, finding = findings.of_projection(results())
    assert heading == "7 different messages for 40 images"
    assert "40 images got 7 different messages. The first two principal components explain 75.0 %" in finding
    points = Projection(1, np.zeros((40, 2)), np.zeros(40, dtype=int), np.zeros(2), 1)
    heading, finding = findings.of_projection(results(projection=points))
    assert heading == "The same message for all images"
    assert "is the same for all 40 images" in finding
    points = Projection(1, np.zeros((40, 2)), np.zeros(40, dtype=int), np.zeros(2), 40)
    assert findings.of_projection(results(projection=points))[0] == "Every image gets its own message"


def test_without_a_test_split_every_figure_reports_it():
    for words in findings.WORDS.values():
        heading, finding = words(RunResults([], {}, None, None))
        assert heading.startswith("No ")
        assert finding.startswith("No ")


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
