"""Figures and images as parts of an HTML page."""

import base64
import io
import re
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from markupsafe import Markup
from PIL import Image

from parley.core.errors import ParleyError
from parley.dataset.image_formats import open_image, to_rgb
from parley.report.figures.style import ROLES, WIDE_IN

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
DRAWN = {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "circle", "line"}
"""Elements that a figure may hold."""
DROPPED = {"metadata", "title", "style"}
"""Elements that the page replaces: its caption says what the title did."""
PLAIN_STYLE = re.compile(r"[\w\s:;#.,%()'\"+-]*")
"""What a style attribute may hold, so that it can stand in a style sheet."""
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


@dataclass(frozen=True, slots=True)
class InlineFigure:
    """A figure as part of a page; `wide` where it takes a whole page's width."""

    svg: Markup
    wide: bool


class Styles:
    """What a page's figures share: each style is written once and has a name, and no two figures have one prefix."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._figures = 0

    def prefix(self) -> str:
        """Return what the ids of the next figure begin with: short, for it stands there thousands of times."""
        self._figures += 1
        return f"d{self._figures}"

    def name(self, style: str) -> str:
        """Return the class that stands for a style attribute's content."""
        return self._names.setdefault(style, f"f{len(self._names)}")

    def rules(self) -> Markup:
        """Return the style sheet of the classes named so far."""
        return Markup("\n".join(f".{name}{{{style}}}" for style, name in self._names.items()))  # noqa: S704 -- checked where it was read  # nosec B704


def inline_figure(path: str | Path, title: str, text: str, styles: Styles) -> InlineFigure:
    """Read a figure's SVG for a page.

    Its ids get a prefix of the figure's own, so that two figures on a page do not mix; its colours become the page's
    variables of the same role, so that it follows light and dark. Hundreds of marks each bring their style and
    fifteen digits along: the styles go into the page's sheet, and a hundredth of a point is fine enough.

    Parameters
    ----------
    path
        SVG file written by `parley.report.figures`.
    title, text
        What a screen reader says in place of the drawing: its name, and what it shows.
    styles
        Of the page; those of the figure are added.

    Raises
    ------
    ParleyError
        When the file is missing, is not SVG, or holds what no figure holds, such as a script or a link.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 -- written by the stage before, and checked below  # nosec B314
    except (OSError, ET.ParseError) as error:
        raise ParleyError(f"{path} cannot be read as SVG ({error}); draw the figures again.") from error
    prefix = styles.prefix()
    width_in = float(root.get("width", "0").removesuffix("pt")) / 72
    _rewrite(root, _Place(prefix, styles, path, _referenced(root)))
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    about = {f"{prefix}-title": ("title", title), f"{prefix}-desc": ("desc", text)}
    for place, (identity, (tag, content)) in enumerate(about.items()):
        element = ET.Element(tag, {"id": identity})
        element.text = content
        root.insert(place, element)
    labels = {"aria-labelledby": f"{prefix}-title", "aria-describedby": f"{prefix}-desc"}
    root.attrib.update({"role": "img", **labels, "style": f"max-width: {width_in * 6:.2f}rem"})
    return InlineFigure(Markup(ET.tostring(root, encoding="unicode")), width_in > 0.9 * WIDE_IN)  # noqa: S704 -- from a checked tree  # nosec B704


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an element comes from and goes to."""

    prefix: str
    styles: Styles
    path: str | Path
    referenced: set[str]


def _referenced(root: ET.Element) -> set[str]:
    """Return the ids that something in a drawing refers to."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    return {
        match for value in values for match in re.findall(r"^#(.+)$|url\(#([^)]*)\)", value) for match in match if match
    }


def _rewrite(element: ET.Element, place: _Place) -> None:
    name = element.tag.removeprefix(SVG)
    if name not in DRAWN:
        raise ParleyError(f"{place.path} holds a <{name}>, which no figure does; draw the figures again.")
    element.tag = name
    for attribute, value in list(element.attrib.items()):
        del element.attrib[attribute]
        plain = "href" if attribute == XLINK_HREF else attribute
        if plain.lower().startswith("on") or (plain == "href" and not value.startswith("#")):
            raise ParleyError(
                f"{place.path} holds the attribute {plain}={value!r}, which no figure does; draw it again."
            )
        _set(element, plain, value, place)
    if name not in ("text", "tspan"):
        element.text = None
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.removeprefix(SVG) in DROPPED:
            element.remove(child)
            continue
        _rewrite(child, place)
        if name != "text":
            child.tail = None
    _unwrap(element)


def _unwrap(element: ET.Element) -> None:
    """Put what stands in groups that say nothing in their place."""
    for child in list(element):
        if child.tag in ("g", "defs") and not child.attrib and (child.tag == "g" or not len(child)):
            at = list(element).index(child)
            element[at : at + 1] = list(child)


def _set(element: ET.Element, attribute: str, value: str, place: _Place) -> None:
    if attribute == "id":
        if value in place.referenced:
            element.set("id", f"{place.prefix}-{value}")
        return
    if attribute == "transform" and value.startswith("rotate(-0 "):
        return
    if attribute == "href":
        element.set("href", f"#{place.prefix}-{value[1:]}")
        return
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{place.prefix}-\1)", value)
    for role, colour in ROLES.items():
        value = value.replace(colour, f"var(--{role})")
    value = LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
    if attribute == "style":
        if not PLAIN_STYLE.fullmatch(value):
            raise ParleyError(f"{place.path} holds the style {value!r}, which no figure does; draw it again.")
        element.set("class", place.styles.name(value.replace(": ", ":").replace("; ", ";")))
    else:
        element.set(attribute, value)


def picture_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


SIDE_PX = 160
QUALITY = 80
LOWERED_BY = 10


def read_thumbnails(
    tars: Sequence[str | Path], keys: Collection[str], side_px: int = SIDE_PX, max_bytes: int | None = None
) -> dict[str, bytes]:
    """Take images out of tars by key and make them small.

    Parameters
    ----------
    tars
        Class tars with members `<key>.<ext>`.
    keys
        Keys of the images wanted.
    side_px
        Longest side of what is returned.
    max_bytes
        What a JPEG may take; its quality is lowered, to 10 at least, until it does. None for no limit.

    Returns
    -------
    dict[str, bytes]
        Key → JPEG of at most `side_px` a side; a key that is in no tar is left out.

    Raises
    ------
    ParleyError
        When a tar or one of the images cannot be read.
    """
    found: dict[str, bytes] = {}
    for path in tars:
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    key = PurePosixPath(member.name).stem
                    stream = tar.extractfile(member) if key in keys and key not in found else None
                    if stream is not None:
                        small = _small(stream.read(), f"{member.name} of {path}", side_px)
                        found[key] = _as_jpeg(small, max_bytes)
        except (OSError, tarfile.TarError) as error:
            raise ParleyError(f"{path} cannot be read as a tar ({error}); make it again.") from error
    return found


def _small(content: bytes, where: str, side_px: int) -> Image.Image:
    try:
        with open_image(content) as image:
            image.draft("RGB", (side_px, side_px))
            small = to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise nearly anything
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
