"""Putting figure files and pictures into a page."""

import base64
import re
import xml.etree.ElementTree as ET  # For a file that the stage before wrote.  # nosec B405
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from parley.errors import ParleyError
from parley.figures.style import ROLES, WIDE_IN

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
DRAWN = {"svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "circle", "line"}
"""Elements that a figure may hold."""
DROPPED = {"metadata", "title", "style"}
"""Elements that the page replaces: its caption says what the title did."""


@dataclass(frozen=True, slots=True)
class InlineFigure:
    """A figure as part of a page; `wide` where it takes a whole page's width."""

    svg: Markup
    wide: bool


def inline_figure(path: str | Path, name: str, text: str) -> InlineFigure:
    """Read a figure's SVG for a page.

    Its ids get the figure's name in front, so that two figures on a page do not mix; its colours become the page's
    variables of the same role, so that it follows light and dark.

    Parameters
    ----------
    path
        SVG file written by `parley.figures`.
    name
        Unique on the page.
    text
        What a screen reader says in place of the drawing.

    Raises
    ------
    ParleyError
        When the file is missing, is not SVG, or holds what no figure holds, such as a script or a link.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 -- written by the stage before, and checked below  # nosec B314
    except (OSError, ET.ParseError) as error:
        raise ParleyError(f"{path} cannot be read as SVG ({error}); draw the figures again.") from error
    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    width_in = float(root.get("width", "0").removesuffix("pt")) / 72
    _rewrite(root, prefix, path)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib.update({"role": "img", "aria-label": text, "style": f"max-width: {width_in * 6:.2f}rem"})
    return InlineFigure(Markup(ET.tostring(root, encoding="unicode")), width_in > 0.9 * WIDE_IN)  # noqa: S704 -- from a checked tree  # nosec B704


def _rewrite(element: ET.Element, prefix: str, path: str | Path) -> None:
    name = element.tag.removeprefix(SVG)
    if name not in DRAWN:
        raise ParleyError(f"{path} holds a <{name}>, which no figure does; draw the figures again.")
    element.tag = name
    for attribute, value in list(element.attrib.items()):
        del element.attrib[attribute]
        plain = "href" if attribute == XLINK_HREF else attribute
        if plain.lower().startswith("on") or (plain == "href" and not value.startswith("#")):
            raise ParleyError(f"{path} holds the attribute {plain}={value!r}, which no figure does; draw it again.")
        element.set(plain, _in_page(plain, value, prefix))
    for child in list(element):
        if child.tag.removeprefix(SVG) in DROPPED or not isinstance(child.tag, str):
            element.remove(child)
        else:
            _rewrite(child, prefix, path)


def _in_page(attribute: str, value: str, prefix: str) -> str:
    if attribute == "id":
        return f"{prefix}-{value}"
    if attribute == "href":
        return f"#{prefix}-{value[1:]}"
    value = re.sub(r"url\(#([^)]*)\)", rf"url(#{prefix}-\1)", value)
    for role, colour in ROLES.items():
        value = value.replace(colour, f"var(--{role})")
    return value


def picture_uri(jpeg: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
