"""The page as a file: it needs nothing but itself, and nothing in it is taken for markup."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from made_browsers import HOSTILE, WHY, whole_experiment
from made_runs import make_experiment

from parley.report.browser.build import build_browser, in_script


class Elements(HTMLParser):
    """Elements of a page, and what stands in its scripts, by id."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.scripts = {}
        self._open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found.append((tag, attributes))
        if tag == "script":
            self._open = attributes.get("id", "code")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.scripts[self._open] = self.scripts.get(self._open, "") + data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return whole_experiment(tmp_path_factory.mktemp("page"), images=2)


@pytest.fixture(scope="module")
def page(made):
    return Elements(made.page.read_text(encoding="utf-8"))


def test_the_page_names_nothing_outside_itself(page):
    for tag, attributes in page.found:
        assert tag not in ("iframe", "object", "embed", "base", "img")
        for name in ("src", "action", "srcset", "data", "poster"):
            assert name not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:"))
    (policy,) = (one["content"] for _, one in page.found if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_one_script_runs_and_all_else_is_data(page):
    kinds = [attributes.get("type") for tag, attributes in page.found if tag == "script"]
    assert kinds.count(None) == 1
    assert set(kinds) == {None, "application/json", "text/plain"}


def test_the_index_lists_every_file(page):
    index = json.loads(page.scripts["index"])
    told = {(one["run"], one["seed"], one["part"]): one["failed"] for one in index["sets"]}
    both = [(run, seed, part) for run in ("adaptive", "fixed") for seed in (0, 1) for part in ("test", "ood")]
    assert told == {**dict.fromkeys([*both, ("numbers", 0, "test")]), ("fixed", 2, "test"): WHY}
    assert index["shared"][0]["labels"] == list(HOSTILE)
    assert index["per_class"] is None
    assert index["groups"]["ood"] == {"keys": index["groups"]["ood"]["keys"], "total": 4, "start": 12}


@pytest.mark.parametrize("text", [*HOSTILE, "<!-- <script>", "&lt;", "\ud800"])
def test_any_text_survives_in_a_script_element(text):
    inside = str(in_script({"name": text}))
    assert json.loads(inside) == {"name": text}
    assert inside.isascii()
    assert not re.search("[<>&]", inside)


def test_the_same_inputs_give_the_same_page(made, tmp_path):
    again = whole_experiment(tmp_path, images=2)
    assert again.page.read_bytes() == made.page.read_bytes()


def test_without_pictures_and_descriptions_there_is_still_a_page(tmp_path, open_page):
    made = make_experiment(tmp_path, seeds=(0,))
    build_browser(experiment="bare", messages=made.files("messages.hdf5"), out=tmp_path / "browser.html")
    page = open_page(tmp_path / "browser.html").page
    page.wait_for_selector(".card")
    assert page.locator(".card .no-picture").count() == 24
    page.locator(".card").first.click()
    page.wait_for_selector(".exchange")


def test_an_experiment_without_successful_seeds_has_a_page(made, tmp_path, open_page):
    path = tmp_path / "runs/fixed/2/messages.hdf5"
    path.parent.mkdir(parents=True)
    shutil.copy(made.file("fixed", 2), path)
    build_browser(experiment="lost", messages=[path], out=tmp_path / "browser.html")
    page = open_page(tmp_path / "browser.html").page
    page.wait_for_selector("#main .notice")
    assert WHY in page.locator("#main").text_content()
