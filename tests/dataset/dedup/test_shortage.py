import contextlib
import logging
from collections import Counter

import pytest
from fetched_plan import CLASSES, COUNTS, EMU, FOX, HEN, LION, MORE, WOLF, Fetched, assert_counts_add_up, keys_of
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.core.errors import ParleyError
from parley.core.files import write_json
from parley.dataset.class_set import ImageClass, read_class_set
from parley.dataset.dedup.assign import check_shortages
from parley.dataset.dedup.finalise import write_final_classes
from parley.dataset.dedup.outcomes import ClassOutcome, DedupOptions, Outcomes, PartOutcome


def test_the_class_set_is_written_unchanged(tmp_path):
    fetched = Fetched(tmp_path)
    fetched.finalise()
    assert read_class_set(tmp_path / "classes.tsv") == CLASSES


def test_a_short_class_is_dropped_and_its_duplicates_go_to_others(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    failures = dict.fromkeys([*reserves["fox"]["dev"][1:], *reserves["fox"]["train"][6:]], "gone")
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
    assert (fox["kept"], fox["spare"], fox["tried"]) == (0, 6, len(reserves["fox"]["train"]))
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
    classes = [ImageClass(name, "", "in", "", "x") for name in ("a", "b", "c")]
    funnel, final = tmp_path / "funnel.json", tmp_path / "classes.tsv"
    write_json(funnel, {"dropped_classes": {"c": ["too few"]}})
    with pytest.raises(ParleyError, match=r"After dropping classes.*evaluation\.k is 3, but there are only 2"):
        write_final_classes(funnel, classes, {"k": 3, "k_unseen": None}, final)
    assert not final.exists()
    write_final_classes(funnel, classes, {"k": 2, "k_unseen": None}, final)
    assert read_class_set(final) == classes[:2]


def test_short_split_is_filled_with_untried_candidates(tmp_path):
    reserves = Fetched(tmp_path).reserves["lion"]
    before = Fetched(tmp_path, failures=dict.fromkeys(reserves["dev"], "gone"))
    report = before.finalise()
    untried = sorted(reserves["train"][9:])
    assert before.part("lion", "train") == reserves["train"][:6]
    assert before.part("lion", "dev") == untried[:2]
    dev, train = (report["classes"]["lion"][part] for part in ("dev", "train"))
    assert (dev["kept"], dev["candidates"], dev["tried"]) == (2, *[len(reserves["dev"]) + 2] * 2)
    # A third image was fetched for dev's margin.
    assert (train["candidates"], train["tried"], train["spare"]) == (len(reserves["train"]) - 2, 10, 4)
    assert_counts_add_up(report)


def test_bytes_that_another_class_has_fill_no_split(tmp_path):
    reserves = Fetched(tmp_path).reserves
    first, second, third = sorted(reserves["lion"]["train"][9:])[:3]
    fox = max(reserves["fox"]["train"][:6])
    assert first < fox
    dead = dict.fromkeys(reserves["lion"]["dev"], "gone")
    fetched = Fetched(tmp_path, {first: "same", fox: "same"}, dead)
    report = fetched.finalise()
    assert fox in fetched.part("fox", "train")
    assert fetched.part("lion", "dev") == [second, third]
    assert_counts_add_up(report)


def test_error_names_too_small_margin(tmp_path):
    reserves = Fetched(tmp_path).reserves
    filling = sorted(reserves["lion"]["train"][6:])[:2]
    same = dict(zip([*filling, *reserves["fox"]["train"][:2]], ["a", "b"] * 2, strict=True))
    fetched = Fetched(tmp_path, same, dict.fromkeys(reserves["lion"]["dev"], "gone"), margin=0.0)
    with pytest.raises(ParleyError, match=r"'lion', split dev: 0 images .*margin of 0 did not make up"):
        fetched.finalise()


def test_near_copies_of_images_of_other_splits_fill_no_split(tmp_path):
    reserves = Fetched(tmp_path).reserves["lion"]
    first, second, third = sorted(reserves["train"][9:])[:3]
    dead = dict.fromkeys(reserves["dev"], "gone")
    hashes = {first: 1, reserves["train"][0]: 0, second: 0xFF, third: 0xFF00}
    fetched = Fetched(tmp_path, failures=dead, hashes=hashes, near_copies="remove", near_copy_bits=2)
    fetched.finalise()
    assert fetched.part("lion", "dev") == [second, third]


def test_images_of_a_margin_fill_a_split_when_no_candidate_is_left(tmp_path):
    reserves = Fetched(tmp_path).reserves["lion"]
    dead = dict.fromkeys([*reserves["dev"][1:], *reserves["train"][7:]], "gone")
    fetched = Fetched(tmp_path, failures=dead)
    assert_counts_add_up(fetched.finalise())
    assert fetched.part("lion", "train") == reserves["train"][:6]
    assert fetched.part("lion", "dev") == [reserves["dev"][0], reserves["train"][6]]


def test_a_manifest_from_before_the_fill_is_reported(tmp_path):
    fetched = Fetched(tmp_path)
    fetched = Fetched(tmp_path, failures=dict.fromkeys(fetched.reserves["lion"]["dev"], "gone"))
    lines = (tmp_path / "lion.tsv").read_text().splitlines(keepends=True)
    filling = sorted(fetched.reserves["lion"]["train"][9:])[:3]
    (tmp_path / "lion.tsv").write_text("".join(line for line in lines if not any(key in line for key in filling)))
    with pytest.raises(
        ParleyError, match=r"'lion'.* tried for split dev, which is not the number .*Run `rm -r .*lion\.tsv`"
    ):
        fetched.finalise()


def fates_and_bytes(candidates):
    fates = st.lists(st.sampled_from(["", "", "", "gone", "html"]), min_size=candidates, max_size=candidates)
    return fates, st.lists(st.integers(0, candidates), min_size=candidates, max_size=candidates)


KEYS = [*keys_of("lion"), *keys_of("fox")]


def drawn_fetch(folder, fates, bytes_of, **options):
    """Fates and bytes of the lion's candidates, or of the lion's and the fox's."""
    same = {key: f"bytes {number}" for key, number in zip(KEYS, bytes_of, strict=False)}
    failures = {key: fate for key, fate in zip(KEYS, fates, strict=False) if fate}
    return Fetched(folder, same, failures, classes=[LION, FOX], **options)


def split_keys(fetched):
    """The keys of each split; none if a split is empty."""
    with contextlib.suppress(ParleyError):
        fetched.finalise(on_shortage="accept")
        return {(one, part): fetched.part(one, part) for one in ("lion", "fox") for part in COUNTS["in"]}
    return {}


@settings(max_examples=60)
@given(*fates_and_bytes(30), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([2, 5]))
def test_a_class_with_enough_images_is_never_short(tmp_path_factory, fates, bytes_of, margin, repeats):
    folder = tmp_path_factory.mktemp("enough")
    fetched = drawn_fetch(folder, fates, bytes_of, margin=margin, placeholder_repeats=repeats)
    urls = Counter(fetched.sha256_of[key] for key in keys_of("lion") if key not in fetched.failures)
    if sum(number <= repeats for number in urls.values()) >= sum(COUNTS["in"].values()):
        assert_counts_add_up(fetched.finalise())


@settings(max_examples=60)
@given(*fates_and_bytes(60), st.sampled_from([0.0, 0.5]), st.data())
def test_unneeded_candidates_make_no_difference(tmp_path_factory, fates, bytes_of, margin, data):
    folder = tmp_path_factory.mktemp("unneeded")
    fetched = drawn_fetch(folder, fates, bytes_of, margin=margin)
    before, tried = split_keys(fetched), {row["key"] for row in fetched.rows("lion") + fetched.rows("fox")}
    new = [
        fate if key in tried else data.draw(st.sampled_from(["", "gone"]))
        for key, fate in zip(KEYS, fates, strict=True)
    ]
    assert split_keys(drawn_fetch(folder, new, bytes_of, margin=margin)) == before


@settings(max_examples=60)
@given(*fates_and_bytes(60), st.sampled_from([0.0, 0.5]))
def test_the_fill_moves_no_image_that_a_split_has(tmp_path_factory, fates, bytes_of, margin):
    folder = tmp_path_factory.mktemp("moves")
    fetched = drawn_fetch(folder, fates, bytes_of, margin=margin)
    with_fill = split_keys(fetched)
    dead = ["" if fate == "" and key in fetched.walked else "gone" for key, fate in zip(KEYS, fates, strict=True)]
    for (name, part), kept in split_keys(drawn_fetch(folder, dead, bytes_of, margin=margin)).items():
        own = fetched.walked & set(fetched.reserves[name][part])
        assert [key for key in with_fill[name, part] if key in own] == [key for key in kept if key in own]


def shortage_of(folder, error, **options):
    reserves = Fetched(folder).reserves["lion"]
    dead = [key for part in reserves.values() for key in part]
    fetched = Fetched(folder, failures=dict.fromkeys(dead, error), **options)
    with pytest.raises(ParleyError) as raised:
        fetched.finalise()
    return raised.value.findings


@pytest.mark.parametrize("error", ["server_error", "read_timeout", "dns", "missing", "unreadable", "outside_root"])
def test_shortage_suggests_a_command_that_retries_temporary_failures(tmp_path, error):
    *_, advice = shortage_of(tmp_path / "a b", error)
    assert f"run `rm -r '{tmp_path}/a b/lion.tsv'`, then the same command as before." in advice


@pytest.mark.parametrize("error", ["not_found", "html", "too_small", "undecodable", "opted_out"])
def test_shortage_suggests_no_retry_for_permanent_failures(tmp_path, error):
    assert not any("rm" in sentence.split() or "`rm" in sentence for sentence in shortage_of(tmp_path, error))


def test_shortage_says_how_to_use_images_outside_the_root(tmp_path):
    *_, advice, _ = shortage_of(tmp_path, "outside_root")
    assert advice.startswith(
        "The error outside_root means that `..` or a link leads out of the source's root. Copy these"
    )
    assert not any(sentence.startswith("The error outside_root") for sentence in shortage_of(tmp_path, "missing"))


def test_shortage_names_the_shard_folders_of_a_large_class_set(tmp_path):
    shard = ClassOutcome("lion", "in", {"train": PartOutcome(1, 1, 1, rejected=Counter(dns=1))}, made="images/shard 1")
    hens = [
        ClassOutcome(f"hen{at}", "in", {"train": PartOutcome(1, 1, 1, rejected=Counter(dns=1))}, made=f"{at}.tsv")
        for at in range(11)
    ]
    with pytest.raises(ParleyError) as error:
        check_shortages(Outcomes([shard, shard, *hens]), {}, DedupOptions(0.0))
    names = " ".join(f"{at}.tsv" for at in range(9))
    assert f"run `rm -r 'images/shard 1' {names}` (and 2 others like these), then" in error.value.findings[-1]
