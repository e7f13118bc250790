import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rendered import Page

from parley.core.errors import ParleyError
from parley.core.markdown import escaped, table, with_table

MARKS = st.text(st.sampled_from(list("\\`*_{}[]<>()#+-.!|~&$:;@/ahttpsw12 \t\n\x00\u202e")), max_size=25)


def seen(text):
    """What ought to be seen of a text: white space is one space, what cannot be shown is a sign of its own."""
    hidden = {mark for mark in text if unicodedata.category(mark) in ("Cc", "Cs") and not mark.isspace()}
    hidden |= set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    return " ".join("".join("\ufffd" if mark in hidden else mark for mark in text).split())


@given(st.one_of(MARKS, st.text(max_size=40)), MARKS)
@example("</td></tr></table><script>alert(1)</script>", "![x](javascript:alert(1))")
@example("a|b\\|c\\\\|d\\", "| --- | --- |")
@example("see http://x.org/a_b_c, www.x.org/a_b_c and HTTPS://x.org/~a~", "WWW.x.org")
@example("&lt;b&gt; &#60; &amp;amp;", "`a` ``b")
@example("a\r\n\n# b\n\n* c\x0b\u2028\x85d", "<!-- -->")
def test_any_text_is_escaped_in_a_cell(first, second):
    page = Page("\n".join(table(("one", "two"), [(escaped(first), escaped(second)), ("end", 1234)])))
    assert page.tables[""][1:] == [[seen(first), seen(second)], ["end", "1,234"]]
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "a"}


@given(MARKS)
def test_any_text_is_escaped_in_a_line(text):
    page = Page(f"Between {escaped(text)} words.")
    assert " ".join(page.text.split()) == " ".join(f"Between {seen(text)} words.".split())
    assert page.tags <= {"p", "a"}


@pytest.mark.parametrize(
    "address", ["http://x.org", "https://creativecommons.org/licenses/by/4.0/?a=b_c_d&e=*f*~g~#h", "HTTP://x.org/(a)"]
)
def test_a_web_address_alone_is_a_link_to_itself(address):
    page = Page(f"| {escaped(address)} |\n|---|")
    assert page.links == [address]
    assert page.text.strip() == address


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "http://x.org by me", "see www.x.org", "ftp://x.org", "//x.org"]
)
def test_nothing_else_is_a_link(text):
    page = Page(f"| {escaped(text)} |\n|---|")
    assert page.links == []
    assert page.text.strip() == text


def test_an_empty_text_is_empty():
    assert escaped(" \t\n") == ""


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<!-- table x -->\n",
        "<!-- table x -->\n<!-- end -->\n<!-- table x -->\n",
        "<!-- table x -->\n<!-- end -->\n<!-- table x -->\n<!-- end -->\n",
        "<!-- table x -->\nprose\n<!-- table y -->\n<!-- end -->\n",
        "<!-- end -->\n<!-- table x -->\n",
        "<!-- table x --> <!-- end -->",
    ],
)
def test_a_page_without_one_place_for_a_table_is_refused(page):
    with pytest.raises(ParleyError, match="must have one place for the table x"):
        with_table(page, "x", ["row"])


def test_a_table_takes_the_place_of_the_one_before_and_of_nothing_else():
    page = "a\n<!-- table x -->\nold\n<!-- end -->\nb\n<!-- table y -->\nother\n<!-- end -->\n"
    once = with_table(page, "x", ["one", "two"])
    assert once == page.replace("old", "one\ntwo")
    assert with_table(once, "x", ["one", "two"]) == once
    assert with_table(once, "y", ["new"]) == once.replace("other", "new")
