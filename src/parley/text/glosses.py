"""Describe every class by its own text or by its WordNet gloss."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from parley.core.errors import Findings, ParleyError
from parley.dataset.class_set import ImageClass, in_label_order
from parley.text.descriptions import Description
from parley.text.wordnet import WordNet, open_wordnet

logger = logging.getLogger(__name__)
GLOSS_RULES = ("corrected", "original")
# The original splits lines at commas, and csv treats a leading quote as the start of a quoted field.
_TO_SPACES = str.maketrans(dict.fromkeys(',"', " "))


def needs_wordnet(classes: Iterable[ImageClass]) -> bool:
    """Return True if a class has no text of its own, so that WordNet is needed."""
    return any(not image_class.description for image_class in classes)


def describe(classes: Sequence[ImageClass], wordnet: str | Path, gloss: str = "corrected") -> list[Description]:
    """Describe every class by its own text if it has one, else by its gloss.

    Parameters
    ----------
    classes
        The class set, in any order.
    wordnet
        Where WordNet 3.0 is (see `parley.text.wordnet.open_wordnet`); opened only if a class needs it.
    gloss
        ``corrected``: gloss of the class's wnid; ``original``: gloss of the first animal sense of its name.

    Returns
    -------
    list of Description
        In label order, with commas, double quotes and line breaks replaced by single spaces.

    Raises
    ------
    ParleyError
        Lists all classes without a description; or WordNet is missing.
    """
    if gloss not in GLOSS_RULES:
        raise ParleyError(f"gloss is {gloss!r}; it must be one of {', '.join(GLOSS_RULES)}.")
    glosses = open_wordnet(wordnet) if needs_wordnet(classes) else None
    findings = Findings()
    described = []
    for label_id, image_class in enumerate(in_label_order(classes)):
        try:
            text = in_one_field(image_class.description or _gloss_of(image_class, glosses, gloss))
        except ParleyError as error:
            findings.extend(f"Class {image_class.name!r}: {sentence}" for sentence in error.findings)
            continue
        if not text:
            findings.add(f"Class {image_class.name!r}: its description is empty; write one into the class set.")
        described.append(Description(label_id, image_class.name, text))
    findings.raise_if_any()
    _warn_of_twins(described)
    return described


def in_one_field(text: str) -> str:
    """Replace each run of commas, double quotes, line breaks and spaces by one space."""
    return " ".join(text.translate(_TO_SPACES).split())


def _gloss_of(image_class: ImageClass, wordnet: WordNet | None, rule: str) -> str:
    if wordnet is None:
        raise ParleyError("it has no text of its own and WordNet was not opened.")
    if rule == "original":
        return wordnet.animal_gloss(image_class.name)
    return wordnet.gloss(image_class.wnid)


def _warn_of_twins(described: Sequence[Description]) -> None:
    """Warn about classes with identical descriptions."""
    count = Counter(description.text for description in described)
    for text in (text for text, times in count.items() if times > 1):
        names = ", ".join(description.label for description in described if description.text == text)
        logger.warning("The classes %s have the same description and are indistinguishable: %s", names, text)
