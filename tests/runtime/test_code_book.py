"""What digests of code are made of, remembered."""

from parley.runtime import code_book
from parley.runtime.code_book import changed_parts, read, remember


def test_what_changed_is_named(tmp_path):
    book = tmp_path / "deep/code.json"
    remember(book, {"old": {"parley.a": "1", "parley.b": "1", "parley.c": "1"}})
    remember(book, {"new": {"parley.a": "1"}})
    now = {"parley.a": "1", "parley.b": "2", "parley.d": "1"}
    assert changed_parts(read(book)["old"], now) == ["parley.b", "parley.c", "parley.d"]
    assert changed_parts(read(book).get("unknown"), now) == []


def test_the_digests_used_longest_ago_are_forgotten_first(tmp_path, monkeypatch):
    monkeypatch.setattr(code_book, "MOST_DIGESTS", 3)
    book = tmp_path / "code.json"
    for digest in ("a", "b", "c", "a", "d"):
        remember(book, {digest: {"x": digest}})
    assert list(read(book)) == ["c", "a", "d"]


def test_a_book_that_cannot_be_read_is_empty(tmp_path):
    (tmp_path / "code.json").write_text("{")
    assert read(tmp_path / "code.json") == {}
