"""Take the pictures of the documentation from a finished default experiment.

`uv run --extra docs python docs/pictures/make.py results/world`, with Debian's chromium. Each picture is kept small by
having few colours; one that is still large is refused.
"""

import io
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
MOST_BYTES = 150_000
COLOURS = 256


class Shot(NamedTuple):
    """A picture: the page, below the experiment's folder, and what of it is shown: its top, or one element."""

    name: str
    page: str
    width: int
    height: int
    element: str = ""


SHOTS = (
    Shot("report", "report.html", 1060, 908),
    Shot("dialogue", "report.html", 1060, 860, ".large.dialogue"),
    Shot("accuracy", "figures/accuracy-by-part.svg", 900, 0),
    Shot("browser", "browser.html", 1200, 800),
)


def take(browser: Browser, path: Path, shot: Shot) -> bytes:
    """Return a PNG of a page's top, or where no height is given of a figure as a whole."""
    page = browser.new_page(viewport={"width": shot.width, "height": shot.height or 600}, color_scheme="light")
    if path.suffix == ".svg":
        page.set_content(f"<style>body {{ margin: 0 }} svg {{ width: 100%; height: auto }}</style>{_svg(path)}")
        taken = page.locator("svg").first.screenshot()
    else:
        page.goto(path.resolve().as_uri())
        page.wait_for_load_state("networkidle")
        if shot.element:
            page.add_style_tag(content="nav { display: none }")  # It stays in view, and would cover the element.
        taken = page.locator(shot.element).first.screenshot() if shot.element else page.screenshot()
    page.close()
    return taken


def small(png: bytes) -> bytes:
    """Return the picture with few colours."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main(folder: Path) -> None:
    """Take every picture whose page there is."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for shot in SHOTS:
            path = folder / shot.page
            if not path.exists():
                print(f"{path} does not exist: no {shot.name}.png.")
                continue
            picture = small(take(browser, path, shot))
            assert len(picture) < MOST_BYTES, f"{shot.name}.png would have {len(picture)} bytes; show less."
            (HERE / f"{shot.name}.png").write_bytes(picture)
            print(f"{shot.name}.png: {len(picture)} bytes")
        browser.close()


def _svg(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return text[text.index("<svg") :]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
