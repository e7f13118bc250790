"""The style of figures, and functions that create and save figures in this style.

Each colour has a named role. A page that shows a figure inline can assign another colour to each role, so that the same
figure works in light and dark mode. The colours of series are the colour-blind safe palette of Okabe and Ito
(2008), "Color Universal Design", without yellow, which is too pale on white.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parley.core.errors import ParleyError
from parley.core.files import written_aside

PAPER, INK, MUTED, RULE = "#ffffff", "#1b1f24", "#687078", "#d8dde3"
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
ROLES = {
    "paper": PAPER,
    "ink": INK,
    "muted": MUTED,
    "rule": RULE,
    "blue": BLUE,
    "vermilion": VERMILION,
    "green": GREEN,
    "purple": PURPLE,
    "sky": SKY,
    "orange": ORANGE,
}
"""Colour of each role; figures use no other colours."""
SERIES = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")

NARROW_IN, WIDE_IN = 5.0, 7.6
"""Widths of figures in inches: half a page and a full page."""
LONGEST_LABEL = 22

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.constrained_layout.h_pad": 0.07,
    "figure.constrained_layout.w_pad": 0.06,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    # A dollar sign in a class name must not start mathematical notation.
    "text.parse_math": False,
    # Text is stored as text, not as outlines, so that it can be searched, read aloud, and shown in the reader's fonts.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # A fixed salt makes ids depend only on the content, so that the same data give the same bytes.
    "svg.hashsalt": "parley",
}

Arguments = ParamSpec("Arguments")


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(), warnings.catch_warnings():
        # For characters that the bundled font lacks, an SVG uses the reader's fonts, and a PDF shows boxes.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorate a function so that it draws in this style, independent of the user's matplotlib settings."""

    @wraps(draw)
    def in_style(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return in_style


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure with constrained layout, not registered with pyplot."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def shown(name: str, longest: int = LONGEST_LABEL) -> str:
    """Return a name as shown in a figure: control characters are replaced, and a long name is shortened."""
    printable = "".join(mark if mark.isprintable() else "�" for mark in name)
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"


def fraction_axis(axes: Axes, label: str, horizontal: bool = False) -> None:
    """Set the range of an axis to 0 to 1, plus a margin, and label the axis."""
    if horizontal:
        axes.set_xlim(-0.02, 1.04)
        axes.set_xlabel(label)
    else:
        axes.set_ylim(-0.02, 1.04)
        axes.set_ylabel(label)


def null_line(axes: Axes, value: float, name: str) -> None:
    """Draw a labelled horizontal line across the panel at chance level, the value of a random guess."""
    axes.axhline(value, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
    axes.annotate(
        name,
        (1, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=MUTED,
    )


@styled
def empty_figure(sentence: str) -> Figure:
    """Return a figure that shows a sentence instead of data."""
    figure = new_figure(NARROW_IN, 1.2)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", color=MUTED, wrap=True)
    return figure


def save_figure(figure: Figure, folder: str | Path, name: str, title: str = "") -> list[Path]:
    """Write a figure as `<name>.svg` and `<name>.pdf`, atomically and without dates.

    Parameters
    ----------
    figure
        Figure to write.
    folder
        Output folder, created if needed.
    name
        File name without its ending.
    title
        Title stored in both files; screen readers read the title of the SVG.

    Returns
    -------
    list[Path]
        Paths of the two files.
    """
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise ParleyError(f"{name!r} is not a valid figure name, which is a plain file name; rename the run.")
    empty = {"svg": ("Date", "Creator", "Format", "Type"), "pdf": ("CreationDate", "ModDate", "Creator", "Producer")}
    paths = []
    for ending, fields in empty.items():
        metadata = {"Title": title or name, **dict.fromkeys(fields)}
        path = Path(folder) / f"{name}.{ending}"
        with written_aside(path) as aside, _style():
            figure.savefig(aside, format=ending, metadata=metadata)
        # Keep the layout for the second file: computing it again would take half of the saving time.
        figure.set_layout_engine("none")
        paths.append(path)
    return paths
