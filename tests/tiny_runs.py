"""The smallest experiment that has every stage, for tests that run the whole line."""

from pathlib import Path
from typing import Any

TINY: dict[str, Any] = {
    "classes": "tiny.tsv",
    "source": {"kind": "world", "world": {"images_per_class": 10, "size_px": 64}},
    "split": {"in": {"train": 6, "dev": 2, "test": 2}, "out": {"ood": 3}},
    "fetch": {"margin": 0},
    "features": {
        "backbone": "resnet18",
        "weights": "random",
        "preprocessing": "custom",
        "custom": {"size": 64},
        "layers": ["pooled"],
    },
    "game": {"message_bits": 4, "max_exchanges": 2},
    "training": {"steps": 6, "batch_size": 8, "dev_every": 3, "first_checkpoint": 3},
    "seeds": [1, 2],
    "evaluation": {"k": 1},
}


def write_classes(folder: Path) -> None:
    """Write the class set that it names: four classes to tell apart, and two unseen."""
    rows = (folder / "config/classes/world.tsv").read_text().splitlines()
    chosen = [row for row in rows[1:] if "\tin\t" in row][:4] + [row for row in rows[1:] if "\tout\t" in row][:2]
    (folder / "tiny.tsv").write_text("\n".join([rows[0], *chosen]) + "\n")
