"""The summary that opens the report: each sentence follows from results, and nothing is said of what is not there."""

import numpy as np
import pytest
from made_findings import part_of, rows_of

from parley.metrics.pooling import Flips
from parley.report.figures.results import RunResults
from parley.report.page import opening

GAME = {"preset": "Adaptive", "message_bits": 16, "max_exchanges": 5, "channel": "bernoulli"}
NAN = float("nan")


def results(curves=(), chosen=None, flips=None, **part):
    return RunResults(list(curves), chosen or {}, flips, part_of(**part))


def by_exchange(*seeds):
    return {"by_exchange": {"accuracy@1_all": np.array(seeds)}, "max_exchanges": len(seeds[0])}


def line(metric, p, **changes):
    values = {"metric": metric, "unit": "bits", "mean": 2.0, "low": 1.5, "high": 2.5, "null_mean": 1.0}
    return values | {"largest_p": p, "n_seeds": 3, "seeds_failed": 0} | changes


def test_the_game_is_explained_with_its_own_numbers():
    said = " ".join(opening.the_game([GAME], 24))
    for phrase in ("each of 24 classes", "messages of 16 bits", "decides after each exchange", "at most 5 exchanges"):
        assert phrase in said
    several = " ".join(opening.the_game([GAME, GAME | {"message_bits": 8, "channel": "continuous"}], 24))
    assert "messages of 8 or 16 bits or real numbers" in several
    fixed = " ".join(opening.the_game([GAME | {"preset": "Fixed"}], None))
    assert "A dialogue has 5 exchanges." in fixed
    assert "decides" not in fixed
    assert "In some of the games compared here, no dialogue stops early." in " ".join(
        opening.the_game([GAME, GAME | {"preset": "Fixed"}], 2)
    )
    assert "A dialogue has one exchange" in " ".join(opening.the_game([GAME | {"max_exchanges": 1}], 2))
    assert not any(character.isdigit() for character in " ".join(opening.the_game([{}], None)))


def test_the_summary_names_the_existing_splits():
    rows = [row for part in ("test", "ood_alone", "ood", "dev", "train") for row in rows_of([0.5, 0.6], part)]
    assert opening.data_and_seeds(rows, ["adaptive"], [0, 1]) == [
        "The networks are tested on 40 images of 4 classes (test). Other images of the same classes are used for "
        "training (train: 40) and for choosing the checkpoint (saved state of the networks) to test (dev: 40).",
        "Another 40 images are of 4 unseen classes, absent from training (ood).",
        "The networks were trained 2 times, each time with a different random seed. Each result is the mean over the "
        "seeds, with its 95 % interval in brackets; the interval is wide if the seeds differ much or are few.",
    ]
    assert opening.data_and_seeds(rows_of([0.5]), ["adaptive"], [0]) == [
        "The networks are tested on 40 images of 4 classes (test)."
    ]
    assert opening.data_and_seeds([], ["adaptive"], [0]) == []


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ([0.5, 0.51, 0.52], "51.0 % of the images [48.5 %, 53.5 %], 2.0 times as many as by chance: a random guess "
         "among 4 classes is correct for 25.0 % of them."),
        ([0.5, 0.51], "50.5 % of the images [44.1 %, 56.9 %] (n = 2), 2.0 times as many as by chance: a "
         "random guess among 4 classes is correct for 25.0 % of them."),
        ([0.2, 0.25, 0.3], "[12.6 %, 37.4 %], not significantly different from chance: a random guess among 4 classes "
         "is correct for 25.0 % of them."),
        ([0.1, 0.1, 0.1], "[10.0 %, 10.0 %], below chance: a random guess among 4 classes is correct for "
         "25.0 % of them."),
        ([0.5], "50.0 % of the images; a random guess among 4 classes is correct for 25.0 % of them. With one seed, "
         "there is no interval, so it cannot be tested whether accuracy is above chance."),
        ([NAN], "On test (new images of seen classes), every seed failed."),
    ],
)  # fmt: skip
def test_accuracy_is_compared_with_chance(values, end):
    [said] = opening.accuracy(rows_of(values) + rows_of(values, "dev"))
    assert said.startswith("On test (new images of seen classes), ")
    assert said.endswith(end)


def test_several_runs_are_counted():
    rows = rows_of([0.5, 0.51]) + rows_of([0.2, 0.3], run="other")
    assert opening.accuracy(rows) == [
        "On test (new images of seen classes), the fraction of correct answers is above chance (0.250) in 1 of 2 runs, "
        "and highest in run adaptive: 0.505."
    ]


def test_controls_are_named():
    games = {"a": GAME, "b": GAME | {"ignore_receiver": True}, "c": GAME | {"shuffle": "both", "permute_labels": 3}}
    games |= {"d": GAME | {"ignore_code": True}, "e": GAME | {"corrupt_bits": "0:3,5"}}
    assert opening.controls(games) == [
        "Run b is a control: the Receiver's messages are replaced by zeros.",
        "Run c is a control: the Sender's messages are replaced, in evaluation, by those of other dialogues, the "
        "Receiver's messages are replaced, in evaluation, by those of other dialogues and the labels are permuted "
        "among the images.",
        "Run d is a control: the Sender ignores the Receiver's messages, except in its attention.",
        "Run e is a control: bits 0:3,5 of the Sender's messages are flipped in evaluation.",
    ]


@pytest.mark.parametrize(
    ("seeds", "change"),
    [
        (([0.2, 0.4], [0.3, 0.51]), "+20.5 percentage points [+14.1, +26.9] (n = 2), so further exchanges help."),
        (([0.4, 0.2], [0.51, 0.3]), "-20.5 percentage points [-26.9, -14.1] (n = 2), so further exchanges do harm."),
        (([0.2, 0.3], [0.3, 0.2]), "+0.0 percentage points [-127.1, +127.1] (n = 2), which is not significant."),
        (([0.2, 0.4],), "+20.0 percentage points (one seed)."),
    ],
)
def test_the_gain_of_the_dialogue_follows_from_the_interval(seeds, change):
    said = opening.dialogue_gain({"adaptive": results(**by_exchange(*seeds))}, [])
    assert len(said) == 1
    assert said[0].startswith("If all dialogues stopped after the first exchange, ")
    assert said[0].endswith(change)


def test_no_gain_for_one_exchange_or_a_failed_run():
    assert opening.dialogue_gain({"adaptive": results(**by_exchange([0.2], [0.3]))}, []) == []
    assert opening.dialogue_gain({"adaptive": RunResults([], {}, None, None)}, []) == []


def test_the_length_is_reported_and_several_runs_are_counted():
    rows = rows_of([0.5, 0.6], length=1.01)
    said = opening.dialogue_gain({"adaptive": results()}, rows)
    assert said[1].startswith("Dialogues about test images take 1.01 exchanges on average (at most 3): nearly all")
    better, same = results(**by_exchange([0.2, 0.4], [0.3, 0.51])), results(**by_exchange([0.2, 0.3], [0.3, 0.2]))
    assert opening.dialogue_gain({"a": better, "b": same}, rows) == [
        "Exchanges after the first raise accuracy on test in 1 of 2 runs with more than one exchange and lower it in "
        "0; in the others, no significant change was found."
    ]
    single = results(**by_exchange([0.2, 0.4]))
    assert "cannot be tested" in opening.dialogue_gain({"a": single, "b": single}, rows)[0]


def flipped(*seeds):
    return results(flips=Flips("adaptive", list(range(len(seeds))), [0, 16], np.array(seeds)))


@pytest.mark.parametrize(
    ("seeds", "end"),
    [
        (([0.5, 0.1], [0.6, 0.21]), "15.5 % of the answers on test are correct instead of 55.0 %: the answers depend "
         "on the messages."),
        (([0.5, 0.6], [0.6, 0.5]), "instead of 55.0 %: it cannot be shown that the answers depend on the messages."),
        (([0.5, 0.1],), "10.0 % of the answers on test are correct instead of 50.0 % (one seed)."),
    ],
)  # fmt: skip
def test_flipped_bits_show_whether_answers_depend_on_messages(seeds, end):
    [said] = opening.message_content({"adaptive": flipped(*seeds)}, {}, 4)
    assert said.startswith("If all 16 bits of each Sender message are flipped, ")
    assert said.endswith(end)


def test_metrics_are_compared_with_their_null():
    lines = [line("information", 0.001), line("information_corrected", None, mean=1.0, low=None, high=None)]
    lines += [line("topographic_similarity", 0.2, unit="rho", n_seeds=2), line("macro_f1", 0.001)]
    assert opening.message_content({"adaptive": results()}, {"adaptive": lines}, 4) == [
        "The Sender's last message carries information about the class: mutual information (in bits) is 2.000 [1.500, "
        "2.500], compared with 1.000 by chance (permutation test: p at most 0.001 in every seed).",
        "It cannot be shown that the Sender's last message tends to be similar for classes with similar descriptions: "
        "the rank correlation is 2.000 [1.500, 2.500] (n = 2), compared with 1.000 by chance (permutation test: p up "
        "to 0.200).",
        "Corrected for chance, the message gives 1.000 bits of information about the class; telling 4 classes apart "
        "takes 2.00.",
    ]
    some = line("information", 0.001, n_seeds=2, seeds_failed=1)
    assert "in every seed with a value (2)" in opening.message_content({"a": results()}, {"a": [some]}, 4)[0]
    assert opening.message_content({"adaptive": results()}, {"adaptive": []}, 4) == []
    assert opening.message_content({"a": results(), "b": results()}, {"a": lines, "b": [some]}, 4)[0] == (
        "In 2 of 2 runs, the Sender's last message carries information about the class, significantly so in every "
        "measured seed (p < 0.05)."
    )


def test_similarity_to_attributes_is_in_the_summary():
    found = line("topographic_similarity_attributes", 0.001)
    assert opening.message_content({"a": results()}, {"a": [found]}, 4)[0].startswith(
        "The Sender's last message tends to be similar for classes that share many attributes: the rank correlation is "
    )
    told = opening.message_content({"a": results(), "b": results()}, {"a": [found], "b": []}, 4)
    assert told == [
        "In 1 of 1 run in which this can be tested, the Sender's last message tends to be similar for classes that "
        "share many attributes, significantly so in every measured seed (p < 0.05)."
    ]


def test_many_distinct_messages_give_a_bias_warning():
    corrected = line("information_corrected", None)
    # Where the messages carry no information that can be shown, a low estimate is no underestimate.
    for distinct, largest_p, doubted in ((0.05, 0.001, False), (0.46, 0.001, True), (0.46, 0.05, False)):
        lines = [line("information", largest_p), corrected, line("distinct_messages", None, mean=distinct)]
        found = opening.message_content({"a": results()}, {"a": lines}, 4)[-1]
        assert ("The estimate may be too low, even far too low" in found) == doubted
        assert (f"{distinct:.2f} distinct messages per image" in found) == doubted


def test_runs_without_the_metric_are_not_counted():
    language = {"a": [line("information", 0.001)], "b": []}
    said = opening.message_content({"a": results(), "b": results()}, language, 4)
    assert said[0].startswith("In 1 of 1 run in which this can be tested, the Sender's last message carries")


def test_mutual_information_is_skipped_if_all_messages_are_distinct():
    lines = [line("information", 1.0), line("information_corrected", None), line("distinct_messages", None, mean=0.99)]
    assert opening.message_content({"adaptive": results()}, {"adaptive": lines}, 4) == [
        "Nearly every image gets a message of its own, so mutual information cannot show how much the messages reveal "
        "about the class."
    ]


def test_single_candidate_is_not_compared_with_chance():
    rows = rows_of([1.0, 1.0, 1.0], "transfer_alone", candidates=1)
    assert rows[0].beats_chance is False
    assert opening.accuracy(rows) == [
        "On transfer_alone (unseen classes of another kind, with only these as candidates), the Receiver names the "
        "correct class for 100.0 % of the images [100.0 %, 100.0 %]; there is no other candidate."
    ]
    several = rows + rows_of([1.0, 1.0, 1.0], "transfer_alone", run="other", candidates=1)
    assert opening.accuracy(several) == [
        "On transfer_alone (unseen classes of another kind, with only these as candidates), there is only one "
        "candidate."
    ]
