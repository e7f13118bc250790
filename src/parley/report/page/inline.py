"""Embed figures and images in an HTML page."""

import base64
import io
import os
import re
import tarfile
import xml.etree.ElementTree as ET  # Parses only files written by an earlier stage.  # nosec B405
from collections.abc import Collection, Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from parley.core.errors import ParleyError
from parley.core.tar_headers import is_file, members_of
from parley.dataset.image_formats import open_image, to_rgb
from parley.dataset.tars import key_of
from parley.report.figures.style import ROLES, WIDE_IN

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
DRAWN = {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "circle", "line"}
"""SVG elements that a figure may contain."""
DROPPED = {"metadata", "title", "style"}
"""SVG elements that are removed; the page adds a title of its own and has its own style sheet."""
PLAIN_STYLE = re.compile(r"[\w\s:;#.,%()'\"+-]*")
"""Pattern of the style attributes that are allowed, because they are safe in a style sheet."""
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


class Styles:
    """Style sheet shared by the figures of a page, without duplicate styles, and an id prefix for each figure."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._figures = 0

    def prefix(self) -> str:
        """Return a new id prefix, for the next figure. It is short because it occurs thousands of times."""
        self._figures += 1
        return f"d{self._figures}"

    def name(self, style: str) -> str:
        """Return the CSS class that replaces a style attribute; equal styles share a class."""
        return self._names.setdefault(style, f"f{len(self._names)}")

    def rules(self) -> Markup:
        """Return the style sheet with all classes that `name` has returned."""
        return Markup("\n".join(f".{name}{{{style}}}" for style, name in self._names.items()))  # noqa: S704 -- checked where it was read  # nosec B704


def inline_figure(path: str | Path, title: str, text: str, styles: Styles) -> tuple[Markup, bool]:
    """Read a figure's SVG file and convert it into inline SVG for a page.

    The figure's ids get a prefix, so that they are unique on the page. Its colours are replaced by CSS variables of the
    page, so that the figure follows light and dark mode. To save space, style attributes move into the page's style
    sheet, and numbers are rounded to a hundredth of a point.

    Parameters
    ----------
    path
        SVG file written by `parley.report.figures`.
    title, text
        Name and description of the figure for screen readers.
    styles
        Style sheet of the page, to which the figure's styles are added.

    Returns
    -------
    tuple of Markup and bool
        The SVG, and whether the figure needs the full width of the page.

    Raises
    ------
    ParleyError
        If the file is missing, is not SVG, or has content that no figure needs, such as a script or an external link.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 -- written by an earlier stage, and checked below  # nosec B314
    except (OSError, ET.ParseError) as error:
        raise ParleyError(f"{path} cannot be read as SVG ({error}); remove it and run again.") from error
    prefix = styles.prefix()
    width_in = float(root.get("width", "0").removesuffix("pt")) / 72
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(SVG) in DROPPED:
                parent.remove(child)
    _rewrite(root, prefix, styles, path)
    # Replace groups without attributes by their children, innermost groups first, and remove empty definitions.
    for parent in reversed(list(root.iter())):
        for child in list(parent):
            if child.tag in ("g", "defs") and not child.attrib and (child.tag == "g" or not len(child)):
                at = list(parent).index(child)
                parent[at : at + 1] = list(child)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    for position, (tag, content) in enumerate((("title", title), ("desc", text))):
        element = ET.Element(tag, {"id": f"{prefix}-{tag}"})
        element.text = content
        root.insert(position, element)
    labels = {"aria-labelledby": f"{prefix}-title", "aria-describedby": f"{prefix}-desc"}
    root.attrib.update({"role": "img", **labels, "style": f"max-width: {width_in * 6:.2f}rem"})
    return Markup(ET.tostring(root, encoding="unicode")), width_in > 0.9 * WIDE_IN  # noqa: S704 -- from a checked tree  # nosec B704


def _rewrite(root: ET.Element, prefix: str, styles: Styles, path: str | Path) -> None:
    """Check all elements and attributes of an SVG, and convert them to the form that the page needs."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    references = [match for value in values for match in re.findall(r"^#(.+)$|url\(#([^)]*)\)", value)]
    referenced = {name for match in references for name in match if name}
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        if element.tag not in DRAWN:
            raise ParleyError(f"{path} contains <{element.tag}>, which no figure needs; remove it and run again.")
        if element.tag not in ("text", "tspan"):
            element.text = None
        if element.tag != "text":
            for child in element:
                child.tail = None
        attributes = [("href" if name == XLINK_HREF else name, value) for name, value in element.attrib.items()]
        element.attrib.clear()
        for name, value in attributes:
            if name != "id":
                _set(element, name, value, prefix, styles, path)
            elif value in referenced:
                element.set(name, f"{prefix}-{value}")


def _set(element: ET.Element, name: str, value: str, prefix: str, styles: Styles, path: str | Path) -> None:
    """Set an attribute of an SVG element, converted to the form that the page needs."""
    if name.lower().startswith("on") or (name == "href" and not value.startswith("#")):
        raise ParleyError(f"{path} contains {name}={value!r}, which no figure needs; remove it and run again.")
    if name == "transform" and value.startswith("rotate(-0 "):
        return
    if name == "href":
        element.set(name, f"#{prefix}-{value[1:]}")
        return
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{prefix}-\1)", value)
    for role, colour in ROLES.items():
        value = value.replace(colour, f"var(--{role})")
    value = LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
    if name != "style":
        element.set(name, value)
    elif PLAIN_STYLE.fullmatch(value):
        element.set("class", styles.name(value.replace(": ", ":").replace("; ", ";")))
    else:
        raise ParleyError(f"{path} contains the style {value!r}, which no figure needs; remove it and run again.")


def picture_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


SIDE_PX = 160
CLASS_SIDE_PX = 80
"""Side of the square example image of a class, in pixels."""
QUALITY = 80
LOWERED_BY = 10


def read_thumbnails(
    tars: Sequence[str | Path], keys: Collection[str], side_px: int = SIDE_PX, max_bytes: int | None = None
) -> dict[str, bytes]:
    """Read the images with the given keys from tars, and return them as small JPEGs.

    Parameters
    ----------
    tars
        Class tars with members `<key>.<ext>`.
    keys
        Keys of the images.
    side_px
        Longest side of the thumbnails, in pixels.
    max_bytes
        Maximum size of a JPEG, in bytes; None for no limit. The JPEG quality is lowered, to no less than 10, until the
        JPEG is small enough.

    Returns
    -------
    dict[str, bytes]
        Key → JPEG; keys of images that are in no tar are omitted.

    Raises
    ------
    ParleyError
        If a tar or one of the images cannot be read.
    """
    found: dict[str, bytes] = {}
    for path in tars:
        try:
            with Path(path).open("rb") as stream:
                for member in filter(is_file, members_of(path)):
                    key = key_of(member.name)
                    if key in keys and key not in found:
                        content = os.pread(stream.fileno(), member.size, member.offset_data)
                        found[key] = _as_jpeg(_small(content, f"{member.name} of {path}", side_px), max_bytes)
        except (OSError, tarfile.TarError) as error:
            raise ParleyError(f"{path} cannot be read as a tar ({error}); remove it and run again.") from error
    return found


def _small(content: bytes, where: str, side_px: int) -> Image.Image:
    try:
        with open_image(content) as image:
            image.draft("RGB", (side_px, side_px))
            small = to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises exceptions of many types for damaged files
        raise ParleyError(f"{where} cannot be shown ({error}); fetch its class again.") from error
    small.thumbnail((side_px, side_px))
    return small


def _as_jpeg(image: Image.Image, max_bytes: int | None) -> bytes:
    for quality in range(QUALITY, 0, -LOWERED_BY):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        if max_bytes is None or stream.tell() <= max_bytes:
            break
    return stream.getvalue()


def class_picture(jpeg: bytes) -> bytes:
    """Crop a JPEG to the square at its centre, scale it to `CLASS_SIDE_PX`, and return it as a JPEG."""
    with Image.open(io.BytesIO(jpeg)) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side)).resize((CLASS_SIDE_PX, CLASS_SIDE_PX))
    stream = io.BytesIO()
    square.save(stream, "JPEG", quality=75, optimize=True)
    return stream.getvalue()
