"""The 30 creatures of the generated images, each a combination of six attributes.

There are 6 x 3^5 = 1,458 combinations. Twenty-four of them, the seen creatures (domain `in`), are used in training; six
others, the unseen creatures (domain `out`), only in evaluation. They were selected by simulated annealing for the
following properties, and not for the score of any model. Tests check these properties.

- Balance: each colour occurs in four seen creatures and one unseen creature, each value of the other attributes in
  eight seen and two unseen creatures. No value predicts whether a creature is seen.
- Near-orthogonality: each pair of values of two attributes occurs in 2 or 3 seen creatures, or in 1 or 2 if one
  attribute is the colour. Models can therefore learn to distinguish the attributes. Every single value and every pair
  of values of an unseen creature occurs in training; only the whole combination is new.
- Distance: two creatures differ in at least three of the six attributes. An unseen creature shares at most three values
  with any seen creature, and exactly one value with any other unseen creature. The unseen creatures have six different
  colours, which suffice to identify one of them; among all thirty creatures, five share each colour.
- No two creatures have the same combination of colour, pattern and size, which are the most visible attributes.
"""

from dataclasses import dataclass

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "colour": ("red", "yellow", "green", "blue", "purple", "pink"),
    "pattern": ("plain", "striped", "spotted"),
    "legs": ("stilts", "paws", "tentacles"),
    "horns": ("antlers", "antennae", "spikes"),
    "tail": ("bushy", "forked", "fanned"),
    "size": ("tiny", "medium", "huge"),
}

# This number is larger than every byte offset in WordNet, so the creatures' ids differ from those of WordNet.
_WNID_BASE = 99_000_000


@dataclass(frozen=True, slots=True)
class Creature:
    """One class of the generated images.

    Parameters
    ----------
    name
        Name of the class, invented so that it does not describe the creature.
    wnid
        Invented id in the form of a WordNet id (wnid).
    domain
        `in` for a creature seen in training, `out` for an unseen combination of attributes.
    colour, pattern, legs, horns, tail, size
        Value of each attribute, one of those in `ATTRIBUTES`.
    """

    name: str
    wnid: str
    domain: str
    colour: str
    pattern: str
    legs: str
    horns: str
    tail: str
    size: str

    @property
    def combination(self) -> tuple[str, ...]:
        """Values of the attributes, in the order of `ATTRIBUTES`."""
        return self.colour, self.pattern, self.legs, self.horns, self.tail, self.size

    @property
    def description(self) -> str:
        """Description of the creature in plain English.

        Each attribute value is one word. If the Receiver reads the mean of a description's word vectors, it cannot use
        words that all descriptions contain. These are only "creature" and "tail", because function words are removed.
        """
        return (
            f"a {self.size} {self.colour} {self.pattern} creature "
            f"with {self.legs} and {self.horns} and a {self.tail} tail"
        )


# Columns: name, colour, pattern, legs, horns, tail, size.
_SEEN = (
    ("ambolo", "red", "plain", "paws", "antlers", "fanned", "tiny"),
    ("bimbry", "red", "striped", "stilts", "antennae", "forked", "tiny"),
    ("cozzle", "red", "striped", "stilts", "spikes", "bushy", "medium"),
    ("dorfle", "red", "spotted", "tentacles", "spikes", "forked", "huge"),
    ("ebbit", "yellow", "plain", "stilts", "antlers", "forked", "tiny"),
    ("fumwick", "yellow", "spotted", "stilts", "antennae", "forked", "medium"),
    ("glimble", "yellow", "plain", "paws", "spikes", "bushy", "huge"),
    ("hobbin", "yellow", "striped", "tentacles", "antennae", "fanned", "huge"),
    ("irrup", "green", "spotted", "paws", "antennae", "bushy", "tiny"),
    ("jorvel", "green", "plain", "tentacles", "spikes", "bushy", "medium"),
    ("kipsel", "green", "striped", "stilts", "antlers", "fanned", "medium"),
    ("lumfrey", "green", "striped", "paws", "antlers", "forked", "huge"),
    ("mobbit", "blue", "spotted", "tentacles", "antlers", "bushy", "tiny"),
    ("noggle", "blue", "plain", "paws", "antennae", "fanned", "medium"),
    ("oomber", "blue", "striped", "paws", "spikes", "forked", "medium"),
    ("plimsy", "blue", "spotted", "stilts", "antlers", "fanned", "huge"),
    ("quibbit", "purple", "striped", "tentacles", "antennae", "bushy", "tiny"),
    ("rundle", "purple", "spotted", "stilts", "spikes", "fanned", "tiny"),
    ("snizzle", "purple", "spotted", "paws", "antlers", "bushy", "medium"),
    ("tamboo", "purple", "plain", "tentacles", "antennae", "forked", "huge"),
    ("umplet", "pink", "striped", "tentacles", "spikes", "fanned", "tiny"),
    ("vizzen", "pink", "plain", "tentacles", "antlers", "forked", "medium"),
    ("wumble", "pink", "plain", "stilts", "antennae", "bushy", "huge"),
    ("zorrel", "pink", "spotted", "paws", "spikes", "fanned", "huge"),
)
_UNSEEN = (
    ("galoopa", "red", "plain", "tentacles", "antlers", "bushy", "huge"),
    ("merrib", "yellow", "striped", "paws", "antennae", "bushy", "medium"),
    ("sorbin", "green", "plain", "stilts", "antennae", "fanned", "tiny"),
    ("tizzock", "blue", "spotted", "tentacles", "spikes", "fanned", "medium"),
    ("wobbun", "purple", "striped", "stilts", "spikes", "forked", "huge"),
    ("yaffin", "pink", "spotted", "paws", "antlers", "forked", "tiny"),
)


CREATURES = tuple(
    Creature(name, f"n{_WNID_BASE + number}", "in" if number <= len(_SEEN) else "out", *combination)
    for number, (name, *combination) in enumerate(_SEEN + _UNSEEN, 1)
)
DRAWING = "3d2959f2080a64e6"
"""Version of the drawings, which is part of the name of the image folder.

Change this version whenever the pixels of any image change, so that no experiment uses the outdated images.
`tests/synthetic/test_drawing.py` fails if a pixel changes.
"""
