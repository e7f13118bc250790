"""The 30 creatures of the bundled world, each a combination of six attributes.

There are 6 x 3^5 = 1,458 combinations. Twenty-four are used in training (domain `in`), six only afterwards (domain
`out`). The table below was found by an annealed swap search for these properties, never for the score of a model; the
tests check them:

- Balance: among the seen creatures, each colour occurs 4 times and each value of the other attributes 8 times; among
  the unseen, once and twice. No value predicts whether a creature is seen, and guessing by frequency gains nothing.
- Near-orthogonality: each pair of values of two attributes occurs in 2 or 3 seen creatures, a pair with a colour in 1
  or 2. Attributes can therefore be distinguished, and every value and every pair of values of an unseen creature occurs
  in training: only the whole combination is new.
- Distance: two creatures differ in at least three of the six attributes. The unseen share at most three values with any
  seen creature, and exactly one with each other. Among the six alone the colour therefore identifies the creature;
  among all thirty it leaves five, and the composition decides.
- Colour, pattern and size together, which are the most visible, differ between any two creatures.
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

# Higher than every WordNet offset, so these ids cannot be confused with real ones.
_WNID_BASE = 99_000_000


@dataclass(frozen=True, slots=True)
class Creature:
    """One class of the bundled world.

    Parameters
    ----------
    name
        The class's name, invented so that it does not describe the creature.
    wnid
        A synthetic id in WordNet's form.
    domain
        `in` for a creature seen in training, `out` for an unseen combination.
    colour, pattern, legs, horns, tail, size
        One value of each of `ATTRIBUTES`.
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
        """The values of the attributes, in the order of `ATTRIBUTES`."""
        return self.colour, self.pattern, self.legs, self.horns, self.tail, self.size

    @property
    def description(self) -> str:
        """The creature in plain English.

        Each value is one word, and only "creature" and "tail" occur in all descriptions: a description becomes the
        mean of its words' vectors, where constant words are noise.
        """
        return (
            f"a {self.size} {self.colour} {self.pattern} creature "
            f"with {self.legs} and {self.horns} and a {self.tail} tail"
        )


# name, then colour, pattern, legs, horns, tail, size
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


def _numbered(domain: str, rows: tuple[tuple[str, ...], ...], first: int) -> tuple[Creature, ...]:
    return tuple(
        Creature(name, f"n{_WNID_BASE + number}", domain, *combination)
        for number, (name, *combination) in enumerate(rows, first)
    )


CREATURES = _numbered("in", _SEEN, 1) + _numbered("out", _UNSEEN, 1 + len(_SEEN))


DRAWING = "3d2959f2080a64e6"
"""Version of the drawings, part of the name of the folder of the images.

Change it whenever any image changes, so that no experiment reads old images under the same name;
`tests/synthetic/test_drawing.py` fails when a pixel changes.
"""
