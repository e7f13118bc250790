"""The pages of the finished default experiment in Chromium: `PARLEY_RESULTS=results/world pytest <this file>`.

CI runs it after the README's main command.
"""

import csv
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from playwright.sync_api import expect

FOLDER = os.environ.get("PARLEY_RESULTS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="PARLEY_RESULTS names no finished default experiment")


@pytest.fixture(scope="module")
def results():
    return Path(FOLDER)


@pytest.fixture
def talks(results):
    """Of seed 1's test split: each key's answer at its stop, its target and its length."""
    with h5py.File(results / "runs/adaptive/1/messages.hdf5") as file:
        rows, ids = file["Predictions"][:], file.attrs["candidate_ids"]
    found = {}
    for key in dict.fromkeys(rows["ExampleId"].tolist()):
        own = rows[rows["ExampleId"] == key]
        length = int(own["StopMask"].sum())
        answer = ids[np.argmax(own["Predictions"][length - 1])]
        found[key.decode()] = (int(answer), int(own["Target"][0]), length)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("name", ["report.html", "browser.html"])
def test_pages_are_accessible_and_fit(results, open_page, name, width, scheme):
    opened = open_page(results / name, width=width, scheme=scheme)
    opened.page.wait_for_selector("main h2")
    assert opened.violations() == []
    assert opened.overflow_px() <= 0


def test_the_report_shows_the_summary(results, open_page):
    page = open_page(results / "report.html").page
    with (results / "summary.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "accuracy@1"]
    assert len(rows) == 5
    for row in rows:
        cell = page.locator(f'#summary tr[data-part="{row["part"]}"] [data-metric="accuracy@1"]').inner_text()
        assert cell.startswith(f"{float(row['mean']):.3f}")


def test_filter_counts_agree_with_the_messages(results, open_page, talks):
    page = open_page(results / "browser.html").page
    page.wait_for_selector("#main .card")
    right = sum(answer == target for answer, target, _ in talks.values())
    assert f"{len(talks)} dialogues, {right} correct" in page.locator("body").inner_text()
    wrong = open_page(results / "browser.html", address="#answer=wrong").page
    wrong.wait_for_selector("#main .card")
    assert f"{len(talks) - right} dialogues, 0 correct" in wrong.locator("body").inner_text()


def test_the_search_for_a_class_finds_its_confusions(results, open_page, talks):
    with h5py.File(results / "runs/adaptive/1/messages.hdf5") as file:
        labels, ids = json.loads(file.attrs["labels"]), file.attrs["candidate_ids"].tolist()
    wrong, right = next((answer, target) for answer, target, _ in talks.values() if answer != target)
    expected = [key for key, (answer, target, _) in talks.items() if {wrong, right} == {answer, target}]
    page = open_page(results / "browser.html").page
    page.fill("#search", f"{labels[ids.index(wrong)].upper()} {labels[ids.index(right)]}")
    expect(page.locator("#main .card")).to_have_count(len(expected))
    assert page.locator("#main .card").evaluate_all("all => all.map((one) => one.dataset.key)") == expected


def test_comparison_link_and_arrow_keys(results, open_page, talks):
    key, after = list(talks)[7:9]
    page = open_page(results / "browser.html", address=f"#view=dialogue&key={key}&beside=adaptive/2/test").page
    page.wait_for_selector(".exchange")
    with h5py.File(results / "runs/adaptive/2/messages.hdf5") as file:
        rows = file["Predictions"][:]
    lengths = [talks[key][2], int(rows["StopMask"][rows["ExampleId"] == key.encode()].sum())]
    assert page.locator(".exchange").count() == sum(lengths)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(re.escape(after)))
    page.keyboard.press("Escape")
    page.wait_for_selector("#search")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type(key[:12])
    expect(page.locator("#main .card")).to_have_count(1)
