import hashlib
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rendered import Page

from parley.core.errors import ParleyError
from parley.core.files import read_json, sha256_of, write_json
from parley.core.tables import read_table, write_table
from parley.dataset.candidates import select
from parley.dataset.class_set import ImageClass, write_class_set
from parley.dataset.data_card import write_data_card
from parley.dataset.data_card_text import CardContext, Contents, card_text
from parley.dataset.dedup.finalise import finalise_splits, write_final_classes
from parley.dataset.dedup.outcomes import DedupOptions
from parley.dataset.fetch.options import FetchOptions, read_exclusions
from parley.dataset.fetch.stage import fetch_classes
from parley.dataset.listing import image_key
from parley.dataset.sources import KINDS, SourceOptions, open_source
from parley.dataset.sources.base import EntrySource
from parley.dataset.sources.manifest import IMAGE_COLUMNS, RIGHTS_COLUMNS
from parley.dataset.split_plan import write_plan

LION = ImageClass("lion", "n02129165", "in", description="a *big* cat")
HEN = ImageClass("hen_1", "", "out", description="a bird")
CLASSES = [LION, HEN]
COUNTS = {"in": {"train": 4, "dev": 2, "test": 2}, "out": {"ood": 3}}
LICENCES = ("CC BY 4.0", "", "all rights | reserved")
AUTHOR = "Jane_Doe & <b>co</b>"


def picture(name, number):
    pixels = np.random.default_rng([len(name), number]).integers(0, 256, (40, 48 + number, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def licence_of(number):
    return LICENCES[number % len(LICENCES)]


def table_rows():
    """Rows of the source's table: label, path, url, licence, author, a note."""
    for name, label in (("lion", "n02129165"), ("hen_1", "hen_1")):
        for number in range(20):
            path = f"{name}/{number}.png"
            yield label, path, f"http://{name}.example/{number}", licence_of(number), AUTHOR, f"note {number}"


class Made:
    """Everything from a table of pictures with licences to settled splits, by the functions that the rules call."""

    def __init__(self, folder, rows=None, excluded=(), **source):
        self.folder = folder
        for name in ("lion", "hen_1"):
            (folder / "root" / name).mkdir(parents=True)
            for number in range(20):
                broken = b"no picture" if number == 7 else picture(name, number)
                (folder / "root" / name / f"{number}.png").write_bytes(broken)
        write_table(
            folder / "table.tsv",
            ("class", "path", "url", "License", "author", "note"),
            table_rows() if rows is None else rows,
        )
        (folder / "exclude.txt").write_text("".join(f"{one}\n" for one in excluded))
        write_class_set(folder / "set.tsv", CLASSES)
        self.source = SourceOptions("manifest", root=folder / "root", manifest=folder / "table.tsv", **source)
        self.manifests = {one.name: folder / f"{one.name}.tsv" for one in CLASSES}
        self.inputs = {
            "splits": folder / "splits.tsv",
            "funnel": folder / "funnel.json",
            "classes": folder / "classes.tsv",
            "manifests": self.manifests,
            "exclude": folder / "exclude.txt" if excluded else None,
        }
        self.about = CardContext(self.source, "birds_and_*cats*", 5, "set-1a2b", True, str(folder / "set.tsv"))
        self._run()

    def _run(self):
        at = self.folder
        select(self.source, CLASSES, COUNTS, at / "candidates.tsv")
        write_plan(at / "candidates.tsv", CLASSES, COUNTS, 5, at / "plan.tsv")
        options = FetchOptions(margin=0.5, excluded=read_exclusions(self.inputs["exclude"]))
        fetch_classes(*(at / "plan.tsv", CLASSES, COUNTS, at, at / "cache", at / "root", options))
        files = {"splits": at / "splits.tsv", "funnel": at / "funnel.json"}
        finalise_splits(at / "plan.tsv", self.manifests, [], CLASSES, COUNTS, DedupOptions(0.5), **files)
        write_final_classes(at / "funnel.json", CLASSES, {}, at / "classes.tsv")

    def write(self, about=None):
        card, images = self.folder / "data_card.md", self.folder / "results" / "images.tsv"
        write_data_card(about or self.about, card, images, **self.inputs)
        return Page(card.read_text()), read_table(images, IMAGE_COLUMNS)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def test_every_image_has_a_row_with_the_carried_columns(made):
    _, images = made.write()
    splits = read_table(made.folder / "splits.tsv", ["class"])
    assert [{name: row[name] for name in ("class", "key", "part", "sha256")} for row in images] == splits
    assert len(images) == 8 + 3
    by_path = {f"{name}/{number}.png": (name, number) for name in ("lion", "hen_1") for number in range(20)}
    for row in images:
        name, number = by_path[row["url"]]
        content = picture(name, number)
        assert row == {
            "class": name,
            "key": image_key(row["url"]),
            "part": row["part"],
            "sha256": hashlib.sha256(content).hexdigest(),
            "url": row["url"],
            "width": str(48 + number),
            "height": "40",
            "bytes": str(len(content)),
            "License": licence_of(number),
            "author": AUTHOR,
        }


def test_the_card_counts_agree_with_the_rows(made):
    page, images = made.write()
    assert page.headings[0] == "Data card: birds_and_*cats*"
    assert "11 images in 2 classes" in page.text
    numbers = [int(row["url"].split("/")[1].removesuffix(".png")) for row in images]
    stated = {licence: sum(licence_of(number) == licence for number in numbers) for licence in LICENCES}
    assert sum(stated.values()) == 11
    rows = dict(page.tables["License"][1:])
    assert rows == {licence or "not stated": str(count) for licence, count in stated.items() if count}
    assert dict(page.tables["author"][1:]) == {AUTHOR: "11"}
    assert page.tables["Classes"] == [
        ["class", "wnid", "domain", "train", "dev", "test", "ood", "all"],
        ["lion", "n02129165", "in", "4", "2", "2", "0", "8"],
        ["hen_1", "", "out", "0", "0", "0", "3", "3"],
        ["all", "", "", "4", "2", "2", "3", "11"],
    ]
    assert page.tables["Hosts"][1:] == [["local", "11"]]
    assert f"{sum(int(row['bytes']) for row in images):,} bytes" in page.text
    assert page.tags <= {"h1", "h2", "h3", "p", "strong", "em", "code", "table", "thead", "tbody", "tr", "th", "td"}


def test_the_card_counts_left_out_addresses_by_reason(tmp_path):
    gone = sorted(image_key(f"lion/{number}.png") for number in range(20) if number != 7)[:3]
    made = Made(tmp_path, excluded=gone)
    page, images = made.write()
    assert not {row["key"] for row in images} & set(gone)
    counts = read_json(made.inputs["funnel"])
    told = {reason: int(number.replace(",", "")) for reason, number in page.tables["Left out"][1:]}
    assert told.pop("all") == sum(told.values()) == counts["tried"]
    assert told["an image of the set"] == 11
    assert {reason.removeprefix("rejected: "): told[reason] for reason in told if "rejected" in reason} == counts[
        "rejected"
    ]
    excluded = counts["rejected"].get("excluded", 0)
    assert f"The exclude list has 3 entries; it excluded {excluded} addresses." in page.text
    assert not any(key in page.text for key in gone)


def test_the_card_has_the_source_and_how_to_reproduce_the_images(made):
    page, _ = made.write()
    facts = page.tables["Source"]
    assert ["table", str(made.folder / "table.tsv")] in facts
    assert ["its SHA-256", sha256_of(made.folder / "table.tsv")] in facts
    assert ["its SHA-256", sha256_of(made.folder / "set.tsv")] in facts
    assert ["seed", "5"] in page.tables["How to reproduce the images"]
    assert ["image set", "resources/images/set-1a2b"] in page.tables["How to reproduce the images"]
    assert "belong to their owners" in page.text


def test_columns_are_those_that_the_config_names(tmp_path):
    made = Made(tmp_path, carry=("note", "author"))
    _, images = made.write()
    assert list(images[0]) == [*IMAGE_COLUMNS, "note", "author"]
    assert all(row["note"] == f"note {row['url'].split('/')[1].removesuffix('.png')}" for row in images)
    page, images = made.write(replace(made.about, source=replace(made.source, carry=())))
    assert list(images[0]) == list(IMAGE_COLUMNS)
    assert "no column about them" in page.text


def test_a_table_of_another_kind_states_nothing(made, monkeypatch):
    """Such as the Parquet file of docs/development/extending.md."""
    monkeypatch.setitem(KINDS, "binary", Binary)
    (made.folder / "table.bin").write_bytes(b"PAR1\xff\t")
    source = SourceOptions("binary", manifest=made.folder / "table.bin")
    page, images = made.write(replace(made.about, source=source))
    assert list(images[0]) == list(IMAGE_COLUMNS)
    assert "The source states none." in page.text


class Binary(EntrySource):
    label = "a binary table"

    def check(self, classes):
        return []

    def entries(self, classes):
        return iter(())


def test_a_column_with_distinct_values_is_counted_and_not_listed():
    titles = Counter({f"title {number}": 1 for number in range(30)})
    contents = Contents([LION], {"title": titles}, 0, Counter({("lion", "train"): 30}), Counter({"a": 30}), 9)
    page = Page(card_text(about_of(SourceOptions("manifest")), contents, FUNNEL, "", ""))
    assert "Stated for 30 of 30 images; distinct values: 30." in page.text
    assert "title" not in page.tables


def test_of_two_rows_of_an_image_the_first_is_used_and_the_second_reported(tmp_path):
    rows = list(table_rows())
    again = [(label, path, url, "other", author, note) for label, path, url, _, author, note in rows if path[-5] == "0"]
    # A row of another class, which the image is not of, states nothing of it.
    foreign = [("yeti", path, url, "stolen", author, note) for _, path, url, _, author, note in rows]
    made = Made(tmp_path, rows=[*foreign, *rows, *again])
    page, images = made.write()
    assert {row["License"] for row in images} <= set(LICENCES)
    twice = sum(row["url"].endswith("0.png") for row in images)
    assert twice
    assert f"Images with several, different rows in the table (the first row counts): {twice}." in page.text


def test_the_address_is_the_url_if_there_is_no_path(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("class\turl\tpath\tlicence\nlion\t http://a/1 \t\tCC0\r\nn02129165\thttp://a/2\tl/2.png\tmi\rne\n")
    source = SourceOptions("manifest", root=tmp_path, manifest=table)
    images = {("lion", image_key("http://a/1")), ("lion", image_key("l/2.png"))}
    columns, cells, _ = open_source(source).stated(CLASSES, images)
    assert columns == ("licence",)
    assert cells == {("lion", image_key("http://a/1")): ("CC0",), ("lion", image_key("l/2.png")): ("mi ne",)}


def test_every_documented_column_is_carried_in_whatever_case(tmp_path):
    header = [name.title() for name in sorted(RIGHTS_COLUMNS)]
    table = tmp_path / "table.tsv"
    table.write_text("\t".join(["class", "url", "flavour", *header]) + "\n")
    source = SourceOptions("manifest", manifest=table)
    assert open_source(source).check([LION]) == []
    assert open_source(source).stated([LION], [])[0] == tuple(header)
    assert {"license", "licence", "attribution", "author", "rights"} <= RIGHTS_COLUMNS


@pytest.mark.parametrize(
    ("header", "carry", "complaint"),
    [
        ("class\turl\tlicence", ("licence", "auhtor"), "has 'auhtor', but"),
        ("class\turl\tbytes", ("bytes",), "has a column 'bytes', as images.tsv does; rename it, or omit"),
        ("class\turl\tlicence\tlicence", None, "several columns 'licence'"),
    ],
)
def test_a_column_that_cannot_be_carried_is_reported_by_the_check_and_by_the_card(tmp_path, header, carry, complaint):
    table = tmp_path / "table.tsv"
    table.write_text(header + "\n")
    source = SourceOptions("manifest", manifest=table, carry=carry)
    (finding,) = open_source(source).check([LION])
    assert complaint in finding
    with pytest.raises(ParleyError, match=complaint):
        open_source(source).stated([LION], [])


def test_a_table_that_lost_an_image_is_reported(made):
    rows = [row for row in table_rows() if not row[1].startswith("hen_1")]
    write_table(made.folder / "table.tsv", ("class", "path", "url", "License", "author", "note"), rows)
    with pytest.raises(ParleyError, match=r"no longer lists 3 of the 11 images.*forcerun select_classes"):
        made.write()


def test_files_of_different_runs_are_reported(made):
    counts = read_json(made.inputs["funnel"])
    write_json(made.inputs["funnel"], counts | {"tried": counts["tried"] + 1})
    with pytest.raises(ParleyError, match="addresses tried"):
        made.write()
    write_json(made.inputs["funnel"], {})
    with pytest.raises(ParleyError, match="lacks"):
        made.write()
    write_json(made.inputs["funnel"], counts)
    manifest = Path(made.manifests["lion"])
    made.write()
    key = read_table(made.inputs["splits"], ["key"])[0]["key"]
    manifest.write_text(manifest.read_text().replace(key, "0" * 32))
    with pytest.raises(ParleyError, match=f"has no image {key}"):
        made.write()


FUNNEL = {
    **dict.fromkeys(("spare", "duplicates", "near_copies"), 0),
    "candidates": 40,
    "tried": 30,
    "rejected": {},
    "placeholders": [],
    "dropped_classes": [],
    "exclude_entries": None,
}


def about_of(source):
    return CardContext(source, "world", 1, "pool", True, "set.tsv")


@pytest.mark.parametrize("kind", ["world", "folder", "tars", "url_list", "manifest"])
def test_every_kind_of_source_has_its_card(kind, tmp_path):
    locations = ("http://list.example/a_b.tgz", "list.txt") if kind == "url_list" else ()
    table = tmp_path / "t.tsv" if kind == "manifest" else None
    terms = "research *only*"
    source = SourceOptions(kind, root=tmp_path, manifest=table, locations=locations, checksum="sha1:ab", terms=terms)
    hosts = Counter({"local" if kind in ("world", "folder", "tars") else "a.example": 30})
    contents = Contents([LION], {}, 0, Counter({("lion", "train"): 30}), hosts, 9)
    page = Page(card_text(about_of(source), contents, FUNNEL, "c", "l"))
    assert ("drawn by Parley from the seed" in page.text) == (kind == "world")
    assert ("belong to their owners" in page.text) == (kind != "world")
    assert (f"Terms of use, as stated in the config: {terms}." in page.text) == (kind != "world")
    assert ("noai" in page.text) == (kind in ("url_list", "manifest")) == ("have left the web" in page.text)
    assert [cell for name, cell in page.tables["Source"] if name == "location"] == list(locations)
    assert page.links == [place for place in locations if "http" in place]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_untrusted_text_is_escaped_in_the_card(column, value, name):
    hostile = ImageClass(f"{name}</table>|`<script>", "", "in", description="x")
    stated = {f"{column}|<b>": Counter({value: 20, "](javascript:x)": 10})}
    parts, hosts = Counter({(hostile.name, "train"): 30}), Counter({f"{value}<i>": 30})
    page = Page(
        card_text(about_of(SourceOptions("manifest")), Contents([hostile], stated, 0, parts, hosts, 9), FUNNEL, "", "")
    )
    assert page.tags <= {
        "h1",
        "h2",
        "h3",
        "p",
        "strong",
        "em",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
    }
    assert [len(row) for row in page.tables["Classes"]] == [5, 5, 5]
    assert [row[1] for row in page.tables["Hosts"]] == ["images", "30"]
    assert len(page.headings) == 9
    assert sorted(int(row[1]) for row in page.tables[page.headings[7]][1:]) == [10, 20]
