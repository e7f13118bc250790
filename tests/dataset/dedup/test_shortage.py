import logging

import pytest
from fetched_plan import CLASSES, EMU, HEN, LION, MORE, WOLF, Fetched, assert_counts_add_up

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass, read_class_set
from parley.dataset.dedup.assign import check_shortages
from parley.dataset.dedup.outcomes import ClassOutcome, DedupOptions, Image, Outcomes, PartOutcome


def test_the_class_set_is_written_unchanged(tmp_path):
    fetched = Fetched(tmp_path)
    fetched.finalise()
    assert read_class_set(tmp_path / "classes.tsv") == CLASSES


def test_a_short_class_is_dropped_and_its_duplicates_go_to_others(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    failures = dict.fromkeys(reserves["fox"]["dev"][1:], "gone")
    # The fox claims bytes that the hen needs: its own keys are made the lower ones.
    pairs = list(zip(sorted(reserves["fox"]["train"][:6]), sorted(reserves["hen"]["ood"], reverse=True), strict=False))
    shared = [(one, other) for one, other in pairs if one < other and other in reserves["hen"]["ood"][:6]]
    assert shared
    same = {key: f"shared {number}" for number, pair in enumerate(shared) for key in pair}
    fetched = Fetched(tmp_path, same, failures, classes=MORE)
    with caplog.at_level(logging.WARNING):
        report = fetched.finalise(on_shortage="drop_class")
    assert {row["class"] for row in fetched.splits()} == {"lion", "wolf", "emu", "hen"}
    assert read_class_set(tmp_path / "classes.tsv") == [EMU, HEN, LION, WOLF]
    (sentence,) = report["dropped_classes"]["fox"]
    assert "Class 'fox', split dev: 1 images of the 2 needed" in sentence
    assert sentence in caplog.text
    assert report["classes"]["fox"]["dropped"] is True
    assert "dropped" not in report["classes"]["hen"]
    assert report["classes"]["hen"]["ood"]["duplicates"] == 0
    fox = report["classes"]["fox"]["train"]
    assert (fox["kept"], fox["spare"], fox["tried"]) == (0, 9, 9)
    assert_counts_add_up(report)


def test_of_classes_with_common_duplicates_the_last_by_label_is_dropped(tmp_path):
    reserves = Fetched(tmp_path, margin=0.0).reserves
    # Each of fox and hen has a low key of the other's bytes: together both are short, alone neither.
    fox, hen = reserves["fox"]["train"][:6], reserves["hen"]["ood"][:4]
    low_fox, low_hen = min(fox), min(hen)
    same = {low_fox: "a", max(hen): "a", low_hen: "b", max(fox): "b"}
    assert low_fox < max(hen)
    assert low_hen < max(fox)
    fetched = Fetched(tmp_path, same, margin=0.0, classes=MORE)
    report = fetched.finalise(on_shortage="drop_class")
    assert list(report["dropped_classes"]) == ["hen"]


def test_classes_without_candidates_are_dropped(tmp_path):
    fetched = Fetched(tmp_path, candidates={"lion": 30, "fox": 30, "hen": 0})
    with pytest.raises(ParleyError, match="lacks the class 'hen'"):
        fetched.finalise(on_shortage="accept")
    with pytest.raises(ParleyError) as error:
        fetched.finalise(on_shortage="drop_class")
    assert error.value.findings[0] == ("Every class of the domain out is dropped (hen), and no class remains for ood.")
    assert "set fetch.on_shortage to accept." in error.value.findings[-1]


def test_one_remaining_class_is_an_error(tmp_path):
    fetched = Fetched(tmp_path, candidates={"lion": 30, "fox": 3, "hen": 30})
    with pytest.raises(ParleyError, match=r"Only one of 2 in-domain classes remains \(fox dropped\)"):
        fetched.finalise(on_shortage="drop_class")


def test_k_is_checked_against_the_remaining_classes(tmp_path):
    wolf = [ImageClass(name, "", "in", "", "x") for name in ("a", "b", "c")]
    outcomes = Outcomes([ClassOutcome(one.name, "in", {"train": PartOutcome(9, 1)}) for one in wolf])
    for one in outcomes.classes[:2]:
        one.parts["train"].kept = [Image(one.name, "train", one.name, "", one.name)]
    outcomes.classes[2].drop(["too few"])
    options = DedupOptions(0.0, "drop_class", evaluation={"k": 3, "k_unseen": None})
    with pytest.raises(ParleyError, match=r"After dropping classes.*evaluation\.k is 3, but there are only 2"):
        check_shortages(outcomes, {"in": {"train": 1}}, options)
    check_shortages(
        outcomes, {"in": {"train": 1}}, DedupOptions(0.0, "drop_class", evaluation={"k": 2, "k_unseen": None})
    )
