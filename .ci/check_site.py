"""Open every page of the built site: what it links to is there, anchors too, and nothing is loaded from elsewhere."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "srcset")}


class Page(HTMLParser):
    """A page's anchors, links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif (tag, name) in LOADED and value and ("rel", "canonical") not in attrs:
                self.loaded.append(value)
            elif name == "href" and value:
                self.links.append(value)


def complaints(site: Path) -> list[str]:
    """Return a sentence for each link that leads nowhere, and for each thing that is loaded from another host."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site} has no pages."]
    for path, page in pages.items():
        # Its links are written for a host's root.
        if path.name == "404.html":
            continue
        where = path.relative_to(site.resolve())
        for link in (*page.links, *page.loaded):
            address = urlsplit(link)
            if address.scheme or address.netloc:
                if link in page.loaded and address.scheme != "data":
                    found.append(f"{where} loads {link} from another host.")
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if not target.is_file():
                found.append(f"{where} links to {link}, which is not there.")
            elif address.fragment and target in pages and unquote(address.fragment) not in pages[target].anchors:
                found.append(f"{where} links to {link}, which has no such place.")
    return found


if __name__ == "__main__":
    findings = complaints(Path(sys.argv[1]))
    sys.stdout.writelines(f"{each}\n" for each in findings)
    sys.exit(bool(findings))
