"""Links between pages of the repository lead somewhere, on its own pages and on the site."""

import re
from pathlib import Path

import cmarkgfm
import pytest
import yaml
from rendered import Page

ROOT = Path(__file__).parents[2]
ELSEWHERE = ("README.md", "CHANGELOG.md", "SECURITY.md", "config/README.md")
PAGES = [*(ROOT / name for name in ELSEWHERE), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r'<img src="([^"]+)" alt="([^"]*)"')


def anchors(text):
    """Names of a page's headings, as GitHub makes them."""
    found = []
    for title in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        name = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        found.append(name if name not in found else f"{name}-{sum(each.startswith(name) for each in found)}")
    return found


def lost(page, links):
    """The links of a page that lead nowhere; of those to other hosts only how they are written is looked at."""
    for link in links:
        if re.match(r"[a-z]+:", link):
            if not re.fullmatch(r"https?://[\w.-]+\.[a-z]{2,}(/[^\s<>\"]*)?", link):
                yield link
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        there = target.is_file() and target.is_relative_to(ROOT)
        if not there or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    assert list(lost(page, Page(text).links)) == []
    pictures = PICTURE.findall(cmarkgfm.github_flavored_markdown_to_html(text))
    assert list(lost(page, [source for source, _ in pictures])) == []
    assert all(len(told) > 20 for _, told in pictures), "a picture without words for those who do not see it"


def test_broken_links_are_found():
    page = ROOT / "docs/game.md"
    wrong = ["gone.md", "outputs.md#gone", "../..", "https:/x", "#gone"]
    assert list(lost(page, [*wrong, "outputs.md#export", "#one-dialogue", "https://example.org/a"])) == wrong


def test_pictures_are_small_and_all_are_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    pictures = [path for path in (ROOT / "docs/pictures").iterdir() if path.suffix in (".png", ".svg")]
    assert pictures
    for path in pictures:
        assert path.stat().st_size < 150_000
        assert f"pictures/{path.name})" in text, path.name


def test_every_page_has_a_place_on_the_site(program):
    def leaves(nav):
        for entry in nav:
            (value,) = entry.values()
            yield from [value] if isinstance(value, str) else leaves(value)

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = list(leaves(yaml.safe_load(text.split("\nnav:\n")[1])))
    places = {program("docs/hooks.py").site_place(page.relative_to(ROOT).as_posix()) for page in PAGES}
    assert sorted(shown) == sorted({*places, "notebook.md"})


def test_readme_is_no_longer_than_two_screens():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_nothing_is_taken_for_a_tag_and_so_not_shown(page):
    blocks = {
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "blockquote",
        "ul",
        "ol",
        "li",
        "pre",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert Page(page.read_text(encoding="utf-8")).tags <= {*blocks, "a", "code", "em", "strong", "img"}
