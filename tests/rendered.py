"""Markdown as GitHub's own renderer shows it."""

from html.parser import HTMLParser

import cmarkgfm


class Page(HTMLParser):
    """What a reader sees: tables as rows of cells, by the heading they stand under; and every tag that is used."""

    def __init__(self, markdown):
        super().__init__()
        self.tags, self.links, self.headings = set(), [], []
        self.tables, self.text = {}, ""
        self._cell = self._heading = None
        # Raw HTML would be filtered out by default, and so would not be noticed here.
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]
        if tag in ("h1", "h2", "h3"):
            self._heading = ""
        if tag == "tr":
            self.tables.setdefault(self.headings[-1] if self.headings else "", []).append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if tag in ("h1", "h2", "h3"):
            self.headings.append(self._heading)
            self._heading = None
        if tag in ("td", "th"):
            self.tables[self.headings[-1] if self.headings else ""][-1].append(self._cell)
            self._cell = None

    def handle_data(self, text):
        self.text += text
        if self._heading is not None:
            self._heading += text
        if self._cell is not None:
            self._cell += text
