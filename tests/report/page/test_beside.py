"""Links to the experiment's other files: a link if the file exists, otherwise the command that makes it."""

import re
from urllib.parse import unquote

import pytest
from made_pages import Page, build

from parley.report.page.origin import FILES, files_beside


def test_an_existing_file_has_a_link_and_a_missing_one_its_target(tmp_path):
    (tmp_path / "summary.csv").write_text("")
    (tmp_path / "export").mkdir()
    found = {one["name"]: one for one in files_beside(tmp_path)}
    assert (found["summary.csv"]["link"], found["export"]["link"]) == ("summary.csv", "export/")
    assert (found["claims.md"]["link"], found["claims.md"]["target"]) == (None, "claims")
    assert "browser.html" not in found
    assert "data_card.md" not in found


def test_targets_are_those_of_the_workflow(request):
    snakefile = (request.config.rootpath / "Snakefile").read_text()
    targets = {target for _, _, target in FILES if target}
    assert targets <= set(re.findall(r"^rule (\w+):", snakefile, re.MULTILINE))


def test_missing_file_hint_mentions_configfile(tmp_path):
    said = " ".join(Page(build(tmp_path, seeds=(0,))).text.split())
    commands = re.findall(r"run (uv run snakemake --cores all \w+)([^)]*)\)", said)
    assert len(commands) == len([target for _, _, target in FILES if target])
    assert {rest for _, rest in commands} == {" with this experiment's --configfile, if any"}


@pytest.mark.slow
def test_every_link_of_a_page_leads_to_a_file(tmp_path):
    text = build(tmp_path, drawn=True)
    links = [unquote(link) for link in re.findall(r'href="([^"#][^"]*)"', text)]
    assert "figures/confusion-adaptive.pdf" in links
    assert "summary.csv" in links
    assert [link for link in links if not (tmp_path / link).exists()] == []
    assert "<code>uv run snakemake --cores all claims</code>" in text
