"""Names of encoders of whole descriptions, as in `descriptions.encoder`, and checks before they are loaded."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import expand_home

WORDS = "words"
"""Value of `descriptions.encoder` for the mean of word vectors, which needs no encoder."""
SENTENCE_TRANSFORMERS, OPEN_CLIP = "sentence-transformers", "open_clip"
RANDOM = "random"
_FOLDER = "local-dir:"
_SCHEMES = (_FOLDER, "hf-hub:")
_MODULES = {SENTENCE_TRANSFORMERS: "sentence_transformers", OPEN_CLIP: "open_clip"}
_INSTALL = {
    SENTENCE_TRANSFORMERS: "`uv sync --extra sentence-transformers`, or `pip install sentence-transformers`",
    OPEN_CLIP: "`uv sync --extra open-clip`, or `pip install open-clip-torch`",
}


class EncoderName(NamedTuple):
    """The parts of an encoder's name.

    Attributes
    ----------
    library
        `SENTENCE_TRANSFORMERS` or `OPEN_CLIP`.
    model
        With sentence-transformers, a folder or a name on the Hugging Face Hub. With open_clip, the name of a model, or
        open_clip's ``local-dir:<folder>`` or ``hf-hub:<name>``.
    weights
        Weights of a model of open_clip: a tag, the path of a file, or ``random``. Empty if the model includes them.
    """

    library: str
    model: str
    weights: str = ""

    @property
    def path(self) -> Path | None:
        """The folder of the model or the file of its weights; None if the name is not a path.

        A name that can only be a path, such as ``models/tiny/1``, is one even if nothing exists there.
        """
        if self.library == SENTENCE_TRANSFORMERS:
            name, most_slashes = self.model, 1
        elif self.weights:
            name, most_slashes = self.weights, 0
        else:
            return expand_home(self.model.removeprefix(_FOLDER)) if self.model.startswith(_FOLDER) else None
        path = expand_home(name)
        return path if name.startswith((".", "~")) or name.count("/") > most_slashes or path.exists() else None


def parse_encoder(encoder: str) -> EncoderName:
    """Split the name of an encoder, other than `WORDS`, into its parts; raise `ParleyError` if it is none."""
    library, _, rest = encoder.partition("/")
    if library == SENTENCE_TRANSFORMERS and rest:
        return EncoderName(library, rest)
    if library == OPEN_CLIP:
        if rest.startswith(_SCHEMES):
            return EncoderName(library, rest)
        model, _, weights = rest.partition(":")
        if model and weights:
            return EncoderName(library, model, weights)
    raise ParleyError(
        f"Config: descriptions.encoder is {encoder!r}; it must be words, sentence-transformers/<name or folder> or "
        "open_clip/<model>:<weights>, such as sentence-transformers/all-MiniLM-L6-v2."
    )


def check_encoder(encoder: str, own_environments: bool = False) -> list[str]:
    """Return an error message if an encoder's package is not installed, or its folder or file does not exist.

    If jobs run in their `own_environments`, the package is not looked for.
    """
    try:
        name = parse_encoder(encoder)
    except ParleyError as error:
        return error.findings
    findings = [] if own_environments or _is_installed(name) else [not_installed(name, encoder)]
    path = name.path
    if path is not None and not path.exists():
        findings.append(f"Config: descriptions.encoder is {encoder}, but {path} does not exist; check the path.")
    return findings


def _is_installed(name: EncoderName) -> bool:
    return importlib.util.find_spec(_MODULES[name.library]) is not None


def not_installed(name: EncoderName, encoder: str) -> str:
    """Return the error message for an encoder whose package is not installed."""
    return (
        f"descriptions.encoder is {encoder}, but the package {name.library} is not installed; install it "
        f"({_INSTALL[name.library]}) or set descriptions.encoder to words."
    )


def encoder_files(encoder: str) -> list[str]:
    """Return the files of an encoder that is given by a path, sorted; for one given by a name, an empty list."""
    path = parse_encoder(encoder).path
    if path is None or path.is_file():
        return [] if path is None else [str(path)]
    return sorted(str(file) for file in path.rglob("*") if file.is_file())
