"""What the site adds: links written anew, pages from elsewhere, the notebook shown."""

import json

import pytest


@pytest.fixture
def hooks(program):
    return program("docs/hooks.py")


@pytest.mark.parametrize(
    ("page", "link", "place"),
    [
        ("README.md", "docs/game.md", "game.md"),
        ("README.md", "docs/pictures/report.png", "pictures/report.png"),
        ("README.md", "CITATION.cff", "repository/CITATION.cff"),
        ("docs/game.md", "../config/README.md#game", "config.md#game"),
        ("docs/game.md", "outputs.md#export", "outputs.md#export"),
        ("docs/game.md", "../README.md", "index.md"),
        ("docs/game.md", "../config/photos.yaml", "repository/config/photos.yaml"),
        ("docs/game.md", "notebook.ipynb", "notebook.md"),
        ("config/README.md", "../docs/paper.md", "paper.md"),
        ("docs/game.md", "https://example.org/x.md", "https://example.org/x.md"),
        ("docs/game.md", "#here", "#here"),
    ],
)
def test_a_link_leads_to_the_same_on_the_site(hooks, page, link, place):
    assert hooks.for_site(f"See [this]({link}) and ![that]({link}).\n", page) == (
        f"See [this]({place}) and ![that]({place}).\n"
    )


def test_links_in_code_are_not_changed(hooks):
    text = "```\n[a](../config/README.md)\n```\n[a](../config/README.md)\n"
    assert hooks.for_site(text, "docs/x.md") == "```\n[a](../config/README.md)\n```\n[a](config.md)\n"


def test_both_links_of_a_line_are_rewritten(hooks):
    text = "[a](../config/README.md), [b](../CHANGELOG.md)"
    assert hooks.linked(text, "docs/x.md") == ["config/README.md", "CHANGELOG.md"]
    assert hooks.for_site(text, "docs/x.md") == "[a](config.md), [b](changelog.md)"


def test_the_notebook_page_has_text_code_and_output(hooks, tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["print(1)"],
            "outputs": [{"text": ["1\n"]}, {"data": {"image/png": "abcd\n", "text/plain": ["<Figure>"]}}],
        },
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    page = hooks.notebook_page(tmp_path / "n.ipynb")
    assert page.startswith("# Title\ntext\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n![")
    assert "(data:image/png;base64,abcd)" in page
    assert "<Figure>" not in page


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("<part>.hdf5", "parthdf5"),
        ("tables/<name>.md, <name>.tex", "tablesnamemd-nametex"),
        ("The code, the paper, and what is right", "the-code-the-paper-and-what-is-right"),
        ("On x -- and_y", "on-x----and_y"),
    ],
)
def test_headings_have_the_names_that_links_use(hooks, heading, name):
    assert hooks.anchor(heading) == name
