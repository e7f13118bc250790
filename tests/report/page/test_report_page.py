import csv
import html
import io
import json
import re
import tarfile
from urllib.parse import urlsplit

import numpy as np
import pytest
from made_pages import Page, build
from made_runs import Talk, make_experiment, write_messages
from PIL import Image

from parley.core.errors import ParleyError
from parley.metrics.analysis import analyse_run
from parley.metrics.conversations import read_conversations
from parley.report.figures.registry import figure_names
from parley.report.page.examples import choose_examples, choose_typical
from parley.report.page.funnel import read_funnel
from parley.report.page.inline import Styles, inline_figure, read_thumbnails

HOSTILE = ("<script>alert(1)</script>", "\"quoted\" & 'so'", "שלום", "😀 {{ 7 * 7 }}")


COUNTS = {"candidates": 10, "tried": 8, "ok": 5, "duplicates": 1, "near_copies": 0, "spare": 1, "kept": 3, "wanted": 3}
COUNTS["rejected"] = {"a": 1, "b": 2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A page with everything on it: two runs, a failed seed, unseen classes, hostile names."""
    folder = tmp_path_factory.mktemp("whole")
    funnel = {
        "classes": {name: {"test": COUNTS} for name in HOSTILE} | {"short": {"test": COUNTS, "dropped": True}},
        "dropped_classes": {"short": ["Class 'short', split test: <i>3</i> images of the 4 needed."]},
        "placeholders": [{"sha256": "ab" * 32, "urls": 7, "example": "http://x/1"}],
        "near_copies": {"rule": "report", "bits": 4, "number": 2, "removed": 0, "not_hashed": 1, "pairs": []},
        "hosts": {"a.example": {"tried": 25, "ok": 15, "rejected": {"b": 10}}}
        | {f"h{n:02}<b>": {"tried": 1, "ok": int(n < 10), "rejected": {} if n < 10 else {"a": 1}} for n in range(15)},
    }
    (folder / "funnel.json").write_text(json.dumps(funnel))
    (folder / "missing.tsv").write_text("word\tclasses\tvector\n<i>blurgh</i>\tx\tzero\n")
    owners = [(run, seed) for run in ("adaptive", "fixed") for seed in (0, 1, 2)]
    text = build(
        folder,
        expected=[*owners, ("fixed", 3)],
        labels=HOSTILE,
        unseen=("emu", "gnu"),
        runs=("adaptive", "fixed"),
        drawn=True,
        extra={
            "funnel": folder / "funnel.json",
            "words_missing": folder / "missing.tsv",
            "config": {"experiment": "</title><script>", "note": "</pre><script>alert(2)</script>"},
        },
    )
    return folder, text


@pytest.mark.slow
def test_the_numbers_of_the_table_are_those_of_the_summary(whole):
    folder, text = whole
    with (folder / "summary.csv").open(newline="") as stream:
        table = {(row["run"], row["part"], row["metric"]): row for row in csv.DictReader(stream)}
    values = Page(text).values
    assert len(values) == 2 * 3 * 3
    for place, found in values.items():
        row = table[place]
        assert found == [float(row[name]) for name in ("mean", "low", "high")]


def test_rounded_text_matches_the_exact_value(whole):
    _, text = whole
    pairs = re.findall(r'<data value="([^"]+)">([^<]+)</data>', text)
    assert len(pairs) > 50
    for value, shown in pairs:
        decimals = len(shown.partition(".")[2])
        assert f"{float(value):.{decimals}f}" == shown


def is_beside(target):
    """Whether a link leads to a file of the experiment, seen from the page."""
    return not urlsplit(target).netloc and not urlsplit(target).scheme and not target.startswith(("/", ".."))


def test_page_has_no_external_requests(whole):
    _, text = whole
    assert "http:" not in text
    assert "https:" not in text
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert tag != "script" or not attributes
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:image/jpeg;base64,")) or is_beside(target)
    assert "@import" not in text
    assert not re.search(r"url\((?!#|data:image/jpeg;base64,)", text)


def test_hostile_names_are_text(whole):
    _, text = whole
    page = Page(text)
    assert not [tag for tag, attributes in page.tags if any(n.startswith("on") for n in attributes)]
    assert [tag for tag, _ in page.tags].count("script") == 1  # the page's own, which has nothing of the results
    assert not [name for name in HOSTILE if name in re.search("<script>(.*?)</script>", text, re.DOTALL)[1]]
    for name in HOSTILE:
        assert name in page.text
    assert "</title><script>" in page.text
    assert "<i>blurgh</i>" in page.text
    assert "alert(2)" in page.text
    assert "49" not in html.unescape(text).partition("😀 ")[2][:12]  # a name is no template


def test_ids_are_unique_and_references_lead_somewhere(whole):
    _, text = whole
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    for _, attributes in page.tags:
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in page.ids
        for reference in re.findall(r"url\(#([^)]*)\)", " ".join(str(value) for value in attributes.values())):
            assert reference in page.ids


def test_figures_follow_the_page_and_have_descriptions(whole):
    _, text = whole
    drawings = [attributes for tag, attributes in Page(text).tags if tag == "svg" and "viewbox" in attributes]
    figures = [attributes for attributes in drawings if "max-width" in attributes.get("style", "")]
    assert len(figures) == len(figure_names(["adaptive", "fixed"]))
    page = Page(text)
    for attributes in drawings:
        assert attributes.get("aria-hidden") == "true" or attributes["role"] == "img"
        if "aria-label" in attributes:
            assert len(attributes["aria-label"]) > 8
    for attributes in figures:
        assert {attributes["aria-labelledby"], attributes["aria-describedby"]} <= set(page.ids)
    assert "var(--ink)" in text
    assert not re.search(r'style="[^"]*#[0-9a-f]{6}', text)


def test_a_failed_seed_is_shown(whole):
    _, text = whole
    page = Page(text)
    assert "1 seed of this run failed and is excluded from all means: seed 3." in page.text
    assert "(1 failed)" in page.text


def test_images_of_examples_come_from_the_tars(tmp_path):
    content = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(content, "PNG")
    with tarfile.open(tmp_path / "cat.tar", "w") as tar:
        for target in range(4):
            for number in range(6):
                member = tarfile.TarInfo(f"{target:04d}{number:04d}".ljust(32, "a") + ".png")
                member.size = len(content.getvalue())
                tar.addfile(member, io.BytesIO(content.getvalue()))
    text = build(tmp_path, extra={"image_tars": [tmp_path / "cat.tar"]})
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert len(images) >= 2
    assert all(attributes["alt"].startswith("Image of ") for attributes in images)


def test_thumbnails_are_small_and_only_of_the_keys(tmp_path):
    content = io.BytesIO()
    Image.new("L", (400, 300)).save(content, "JPEG")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in (("k1.jpg", content.getvalue()), ("k2.jpg", b"no image")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    found = read_thumbnails([tmp_path / "a.tar"], ["k1", "absent"])
    assert list(found) == ["k1"]
    assert Image.open(io.BytesIO(found["k1"])).size == (160, 120)
    with pytest.raises(ParleyError, match=r"k2\.jpg of .*a\.tar cannot be shown"):
        read_thumbnails([tmp_path / "a.tar"], ["k2"])
    with pytest.raises(ParleyError, match="cannot be read as a tar"):
        read_thumbnails([tmp_path / "none.tar"], ["k1"])


@pytest.mark.parametrize(
    "how",
    [{"seeds": (0,)}, {"skill": -30.0}, {"labels": ("one",), "k": 1}, {"steps": 1, "bits": 1, "seeds": (0,)}],
    ids=["one seed", "all wrong", "one class", "one exchange of one bit"],
)
def test_page_with_minimal_inputs(tmp_path, how):
    text = build(tmp_path, **how)
    assert not re.search(r"\bnan\b", Page(text).text, re.IGNORECASE)


def test_the_same_inputs_give_the_same_page(tmp_path):
    assert build(tmp_path / "a") == build(tmp_path / "b")


def test_mismatched_messages_give_a_warning(tmp_path):
    made = make_experiment(tmp_path, seeds=(0,))
    path = made.files("evaluation.json")[0]
    evaluation = json.loads(path.read_text())
    analysis = analyse_run(path.parent)
    assert analysis["warnings"] == []
    evaluation["parts"]["test"]["accuracy@1"] /= 2
    path.write_text(json.dumps(evaluation))
    assert len(analyse_run(path.parent)["warnings"]) == 1


def test_duplicate_warnings_are_merged(tmp_path):
    text = Page(build(tmp_path, seeds=(0, 1), warnings=["Of the test split 4 of 4,000 images.", "Another."])).text
    assert text.count("Of the test split 4 of 4,000 images.") == text.count("Another.") == 1


def test_a_missing_figure_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParleyError, match=r"-adaptive\.svg cannot be read"):
        build(tmp_path, extra={"figures_folder": tmp_path / "empty"})


@pytest.mark.parametrize(
    "inside",
    ["<script>1</script>", '<image href="x.png"/>', '<g onclick="x()"/>', '<use href="http://example.org/x"/>'],
)
def test_figures_with_more_than_a_drawing_are_refused(tmp_path, inside):
    path = tmp_path / "x.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="100pt" height="50pt">{inside}</svg>')
    with pytest.raises(ParleyError, match="which no figure needs"):
        inline_figure(path, "title", "text", Styles())


def test_the_funnel_is_summed_over_parts_and_reports_inconsistent_counts(tmp_path):
    path = tmp_path / "funnel.json"
    classes = {"cat": {"train": COUNTS, "test": COUNTS}, "dog": {"test": COUNTS | {"tried": 9, "kept": 2}}}
    path.write_text(json.dumps({"classes": classes}))
    funnel = read_funnel(path)
    assert funnel.classes["cat"]["candidates"] == 20
    assert funnel.total == {
        "candidates": 30,
        "tried": 25,
        "ok": 15,
        "duplicates": 3,
        "near_copies": 0,
        "spare": 3,
        "kept": 8,
        "wanted": 9,
        "rejected": {"b": 6, "a": 3},
    }
    assert funnel.shortages == ["dog, test: 2 images of the 3 wanted."]
    assert funnel.complaints == [
        "dog, test: 9 tried, but 5 good and 3 rejected add up to 8.",
        "dog, test: 5 good, but duplicates, near-duplicates, spare and used images add up to 4.",
    ]


@pytest.mark.parametrize("content", ["[]", "{}", '{"classes": {"cat": {"test": {"candidates": 1}}}}'])
def test_a_file_that_is_not_a_funnel_is_refused(tmp_path, content):
    path = tmp_path / "funnel.json"
    path.write_text(content)
    with pytest.raises(ParleyError, match="must contain, under `classes`"):
        read_funnel(path)


def test_the_funnel_is_on_the_page(whole):
    _, text = whole
    rows = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in re.findall("<tr[^>]*>.*?</tr>", text, re.S)]
    assert "All 50 40 25 5 0 5 15 15 b 10, a 5" in rows
    assert "short left out 10 8 5 1 0 1 3 3 b 2, a 1" in rows
    assert "All 40 25 b 10, a 5" in rows
    assert "a.example 25 15 b 10" in rows
    assert "h03&lt;b&gt; 1 1" in rows


def test_page_lists_excluded_images(whole):
    _, text = whole
    said = " ".join(Page(text).text.split())
    assert "Left out because of too few images: 1 class." in said
    assert "Class 'short', split test: <i>3</i> images of the 4 needed." in said
    assert "7 URLs returned the same bytes (SHA-256 abababababab…)" in said
    assert ": 2 pairs, listed in near_copies.tsv." in said
    assert "could not be decoded: 1 image." in said


def funnel_of(tmp_path, **more):
    path = tmp_path / "funnel.json"
    path.write_text(json.dumps({"classes": {"cat": {"test": COUNTS}}} | more))
    return read_funnel(path)


def test_hosts_beyond_the_most_asked_are_summed(tmp_path):
    hosts = {
        f"h{number:02}": {"tried": 30 - number, "ok": 1, "rejected": {"gone": 29 - number}} for number in range(25)
    }
    funnel = funnel_of(tmp_path, hosts=hosts)
    assert list(funnel.hosts) == [*(f"h{number:02}" for number in range(20)), "5 others"]
    assert funnel.hosts["5 others"] == {"tried": 40, "ok": 5, "rejected": {"gone": 35}}
    assert funnel.complaints == [
        f"All hosts: {sum(one['tried'] for one in hosts.values())} tried, but 8 over all classes.",
        "All hosts: 25 ok, but 5 over all classes.",
    ]


def test_dropped_class_has_no_shortage(tmp_path):
    classes = {"cat": {"test": COUNTS | {"kept": 0, "spare": 4}, "dropped": True}}
    assert funnel_of(tmp_path, classes=classes, dropped_classes={"cat": ["too few"]}).shortages == []
    assert funnel_of(tmp_path, classes=classes).shortages == ["cat, test: 0 images of the 3 wanted."]


def test_removed_copies_and_several_placeholders_are_counted(tmp_path):
    funnel = funnel_of(
        tmp_path,
        placeholders=[{"sha256": one * 64, "urls": urls, "example": ""} for one, urls in (("a", 9), ("b", 1200))],
        near_copies={"rule": "remove", "bits": 4, "number": 3, "removed": 3, "not_hashed": 0, "pairs": []},
    )
    placeholder, copies = funnel.notices
    assert placeholder.startswith("1,200 URLs returned the same bytes (SHA-256 bbbbbbbbbbbb…)")
    assert "Other placeholders: 1, returned by 9 URLs." in placeholder
    assert copies.startswith("Left out: 3 near-duplicates of images in another split")


def test_examples_are_chosen_by_rule(tmp_path):
    talks = [
        Talk("quick", 0, [[9, 0, 0], [9, 0, 0], [0, 0, 0]], 1),
        Talk("turned", 1, [[5, 0, 0], [0, 5, 0], [0, 0, 0]], 2),
        Talk("long", 2, [[0, 0, 1], [0, 0, 1], [0, 0, 1]], 3),
        Talk("wrong", 0, [[0, 0, 9], [0, 0, 0], [0, 0, 0]], 1),
        Talk("less wrong", 0, [[0, 0, 1], [0, 0, 0], [0, 0, 0]], 1),
    ]
    path = write_messages(tmp_path / "messages.hdf5", talks, ["cat", "dog", "owl"])
    chosen = {example["why"]: example for example in choose_examples(read_conversations(path))}
    assert [(why, example["key"]) for why, example in chosen.items()] == [
        ("Correct and quick", "quick"),
        ("Correct after a change of the prediction", "turned"),
        ("The longest", "long"),
        ("The most confident mistake", "wrong"),
    ]
    turned = chosen["Correct after a change of the prediction"]
    assert [exchange["leaders"][0]["label"] for exchange in turned["exchanges"]] == ["cat", "dog"]
    assert turned["exchanges"][1]["leaders"][0]["probability"] == pytest.approx(np.exp(5) / (np.exp(5) + 2))
    assert (turned["true_class"], turned["predicted_class"], turned["right"]) == ("dog", "dog", True)
    assert len(chosen["Correct and quick"]["exchanges"]) == 1


def test_the_typical_dialogue_is_the_median_in_the_probability_of_the_true_class(tmp_path):
    scores = {"worst": [0, 9, 0], "best": [9, 0, 0], "median": [1, 0, 0], "poor": [0, 3, 0], "good": [4, 0, 0]}
    talks = [Talk(key, 0, [of_key, [0, 0, 0]], 1) for key, of_key in scores.items()]
    recorded = read_conversations(write_messages(tmp_path / "messages.hdf5", talks, ["cat", "dog", "owl"]))
    assert choose_typical(recorded)["key"] == "median"
    fewer = read_conversations(write_messages(tmp_path / "messages.hdf5", talks[:2], ["cat", "dog", "owl"]))
    assert choose_typical(fewer)["key"] == "worst"  # the lower of two
    numbers = [Talk("key", 0, [[1, 0, 0], [0, 0, 0]], 1, sender=[[0.5] * 4] * 2)]
    continuous = write_messages(tmp_path / "messages.hdf5", numbers, ["cat", "dog", "owl"], continuous=True)
    assert choose_typical(read_conversations(continuous)) is None


def test_the_true_class_is_shown_even_if_it_is_not_among_the_best(tmp_path):
    talks = [Talk("key", 3, [[4, 3, 2, 1]], 1)]
    path = write_messages(tmp_path / "messages.hdf5", talks, ["cat", "dog", "owl", "eel"])
    [exchange] = choose_typical(read_conversations(path))["exchanges"]
    assert [(one["label"], one["is_true"]) for one in exchange["leaders"]] == [
        ("cat", False), ("dog", False), ("owl", False), ("eel", True)
    ]  # fmt: skip


def decisions(tmp_path, length, stop_rule, wants_more=False):
    talk = Talk("key", 0, [[1, 0], [1, 0], [1, 0]], length, wants_more=wants_more)
    path = write_messages(tmp_path / "messages.hdf5", [talk], ["cat", "dog"])
    typical = choose_typical(read_conversations(path), stop_rule)
    return [exchange["decision"] for exchange in typical["exchanges"]]


def test_a_stop_is_shown_with_the_probability_of_stopping(tmp_path):
    # A recorded StopProb is the probability of going on: 0.9 where the dialogue goes on, 0.1 where it stops.
    assert decisions(tmp_path, 2, "step") == ["goes on (stop probability 0.100)", "stops (stop probability 0.900)"]
    assert decisions(tmp_path, 2, "product") == [
        "goes on (stop probability 0.100)", "stops (stop probability 0.900, by now 0.910)"
    ]  # fmt: skip
    assert decisions(tmp_path, 3, "step", wants_more=True)[-1] == (
        "has to stop: no exchange is left (stop probability 0.100)"
    )
    assert decisions(tmp_path, 3, None) == ["goes on", "goes on", "the last exchange"]


def test_intervals_of_two_seeds_are_marked_and_others_are_not(tmp_path):
    marked = build(tmp_path / "two", seeds=(0, 1))
    cells = re.findall(r"<td data-metric[^>]*>(.*?)</td>", marked, re.DOTALL)
    assert cells
    assert all('<small class="few">n = 2</small>' in cell for cell in cells if "[" in cell)
    assert all("n = 2" in caption for caption in re.findall("<figcaption><span.*?</figcaption>", marked))
    assert "n = 2" not in build(tmp_path / "three", seeds=(0, 1, 2))


def test_the_k_of_the_table_of_seeds_is_that_of_the_test_split(tmp_path):
    for labels, k in ((("cat", "dog", "owl", "eel"), 3), (("cat", "dog"), 2)):
        text = build(tmp_path / str(k), labels=labels, seeds=(0,), k=3)
        [table] = re.findall(r'<table class="seeds".*?</table>', text, re.DOTALL)
        assert re.findall(r"Accuracy@(\w+)", table) == ["1", str(k)]


def test_a_single_candidate_has_no_verdict_in_the_table(tmp_path):
    text = build(tmp_path, unseen=("emu",), seeds=(0, 1))
    rows = dict(re.findall(r'<tr data-run="adaptive" data-part="(\w+)">(.*?)</tr>', text, re.DOTALL))
    verdicts = {part: re.search(r'<td class="text">([^<]*)</td>', row)[1] for part, row in rows.items()}
    assert verdicts == {"test": "not significant", "ood": "not significant", "ood_alone": "only one candidate"}


def test_a_split_has_one_name(whole):
    folder, text = whole
    with (folder / "summary.csv").open(newline="") as stream:
        parts = {row["part"] for row in csv.DictReader(stream)}
    shown = re.findall(r'<tr data-run="[^"]*" data-part="([^"]*)">.*?<th scope="row" class="text">([^<]*)<', text, re.S)
    assert {part for part, _ in shown} == parts
    assert all(part == name for part, name in shown)
    assert "Out of domain" not in text
    assert not re.search(r"\bparts?\b", Page(text).text)


def test_longer_training_is_advised_unless_the_learning_rate_of_the_run_falls_to_0(tmp_path):
    for number, (training, own, advised) in enumerate(
        [("constant", {}, True), ("cosine", {}, False), ("constant", {"learning_rate_schedule": "cosine"}, False)]
    ):
        config = {"experiment": "e", "training": {"learning_rate_schedule": training}}
        config["runs"] = [{"name": "adaptive", "training": own}]
        text = build(tmp_path / str(number), extra={"config": config})
        assert ("longer training may help" in text) == advised


LANGUAGE = """run,part,metric,unit,mean,sd,low,high,n_seeds,seeds_failed,null_mean,null_high,largest_p
adaptive,test,accuracy@1,fraction,0.5,0.1,0.4,0.6,3,0,0.25,0.3125,0.001
adaptive,test,information,bits,1.5,,,,1,2,1.25,1.375,0.2
adaptive,test,dead_bits,bits,0.0,0.0,0.0,0.0,3,0,,,
adaptive,test,context_independence,fraction,,,,,0,3,,,
adaptive,ood,accuracy@1,fraction,0.125,0.1,0.1,0.2,3,0,0.25,0.3125,0.9
"""


def test_language_metrics_are_shown_with_their_chance_level(tmp_path):
    (tmp_path / "language.csv").write_text(LANGUAGE)
    text = build(tmp_path / "e", extra={"language": tmp_path / "language.csv"})
    table = re.search(r'<table class="language" data-run="adaptive">.*?</table>', text, re.DOTALL)[0]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1:]]
    shown = [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]
    assert shown == [
        ["Accuracy@1", "0.500 [0.400, 0.600]", "3", "0.250", "0.312", "0.001"],
        ["Mutual information of message and class, uncorrected (bits)", "1.500 ", "1", "1.250", "1.375", "0.200"],
        ["Bits that never change", "0.000 [0.000, 0.000]", "3", "–", "–", "–"],
    ]
    assert "Accuracy@1: beyond chance in every seed (p &lt; 0.05). Mutual information of message and class" in text


def test_marks_metrics_of_which_lower_is_better(tmp_path):
    row = "adaptive,test,stop_calibration_error,fraction,0.3,0.1,0.2,0.4,3,0,0.25,0.2,0.9\n"
    (tmp_path / "language.csv").write_text(LANGUAGE + row)
    text = build(tmp_path / "e", extra={"language": tmp_path / "language.csv"})
    heads = re.findall(r'<th scope="(?:row|col)"[^>]*>(.*?)</th>', text)
    assert [head for head in heads if "lower is better" in head] == [
        "Calibration error of stopping <small>(lower is better)</small>",
        "NLL (nats; lower is better)",
    ]


def test_without_language_metrics_their_section_is_omitted(tmp_path):
    assert "as a language" not in build(tmp_path / "e")
