"""What the site adds to docs/: pages of the repository that lie elsewhere, and the notebook.

The Markdown is written for the repository, where `../config/README.md` is a file. On the site that is a page of
another name, so links are followed in the repository and written anew for the site. Each page thus has one text.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "config/README.md": "config.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages of the repository outside docs/, and what they are called on the site."""
NOTEBOOK = "notebook.ipynb"
FENCE = re.compile(r"^ *(```|~~~)")
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)(#[^)\s]*)?\)")
ELSEWHERE = re.compile(r"[a-z]+:|/")


def on_config(config: Any) -> Any:
    """Let headings have the names that links of the repository's pages use."""
    config.mdx_configs["toc"]["slugify"] = anchor
    return config


def anchor(heading: str, _separator: str = "-") -> str:
    """Return the name of a heading's text, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages outside docs/, the notebook as a page, and every further file that a page links to."""
    # Here, so that what is below can be tested without it.
    from mkdocs.structure.files import File

    for path, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "notebook.md", content=notebook_page(ROOT / "docs" / NOTEBOOK)))
    for page in [*PAGES, *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]:
        for target in linked((ROOT / page).read_text(encoding="utf-8"), page):
            place = site_place(target)
            if place.startswith("repository/") and files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Write a page's links for the site."""
    origins = {place: path for path, place in PAGES.items()}
    return for_site(markdown, origins.get(page.file.src_uri, f"docs/{page.file.src_uri}"))


def site_place(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path == f"docs/{NOTEBOOK}":
        return "notebook.md"
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}")


def linked(markdown: str, page: str) -> list[str]:
    """Return the files of the repository that a page links to."""
    found = [LINK.finditer(text) for text, is_code in _lines(markdown) if not is_code]
    return [_target(match[2], page) for matches in found for match in matches if not ELSEWHERE.match(match[2])]


def for_site(markdown: str, page: str) -> str:
    """Return a page's text with its links as they are on the site."""
    start = posixpath.dirname(site_place(page))

    def rewritten(match: re.Match[str]) -> str:
        if ELSEWHERE.match(match[2]):
            return match[0]
        place = posixpath.relpath(site_place(_target(match[2], page)), start or ".")
        return f"{match[1]}{place}{match[3] or ''})"

    return "".join(text if is_code else LINK.sub(rewritten, text) for text, is_code in _lines(markdown))


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its text, its code, and what the code printed and drew."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [_output(output) for output in cell.get("outputs", [])]
    return "\n\n".join([*parts, f'<a href="{NOTEBOOK}" download>The notebook itself</a>'])


def _output(output: dict[str, Any]) -> str:
    shown = output.get("data", {})
    if "image/png" in shown:
        return f"![what the cell above draws](data:image/png;base64,{''.join(shown['image/png']).strip()})"
    text = "".join(output.get("text") or shown.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```"


def _target(link: str, page: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """Give each line, and whether it is of a block of code."""
    inside = False
    for line in markdown.splitlines(keepends=True):
        fence = FENCE.match(line)
        yield line, inside or bool(fence)
        inside ^= bool(fence)
