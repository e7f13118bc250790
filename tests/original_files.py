"""Files as the 2017 code made and read them, written with h5py and plain text alone."""

import h5py
import numpy as np


def write_part(path, features, targets, folder="images"):
    """Write a part: vectors ``[N, C]`` and label ids ``[N]``; no Key, no attribute, no name but the original's."""
    with h5py.File(path, "w") as file:
        file["Target"] = np.asarray(targets, np.int64)
        file["Location"] = np.array([f"{folder}/{row}.jpg".encode() for row in range(len(targets))])
        file["avgpool_512"] = np.asarray(features, np.float32)[:, None]


def write_descriptions(path, labels):
    """Write descriptions.csv, a word of its own for each class and one that all share."""
    path.write_text("".join(f"{number},{label},a beast {label}like\n" for number, label in enumerate(labels)))


def write_words(path, labels, width=20, seed=0):
    """Write words.hdf5 for these descriptions."""
    words = ["beast", *(f"{label}like" for label in labels)]
    with h5py.File(path, "w") as file:
        file["word"] = np.array([word.encode() for word in words])
        file["vector"] = np.random.default_rng(seed).normal(0, 0.4, (len(words), width)).astype(np.float32)
        file["found"] = np.ones(len(words), bool)
