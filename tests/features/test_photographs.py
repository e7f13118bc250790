"""A linear classifier on the pipeline's features classifies real photographs.

PARLEY_PHOTOS names a folder with a folder of photographs a class, PARLEY_WEIGHTS a state dict of SqueezeNet 1.0.
"""

import hashlib
import os
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from parley.features.extract import extract_classes
from parley.features.options import feature_options

NEEDED = ("PARLEY_PHOTOS", "PARLEY_WEIGHTS")
FITTED, TESTED = 24, 10


@pytest.mark.slow
@pytest.mark.skipif(not all(os.environ.get(name) for name in NEEDED), reason=f"needs real data ({', '.join(NEEDED)})")
def test_a_linear_classifier_on_squeezenets_pooled_layer_is_right_in_nine_of_ten(tmp_path):
    preprocessing = {"size": 227, "resize": 256, "mean": [123 / 255, 117 / 255, 104 / 255], "sd": [1 / 255] * 3}
    options = feature_options("squeezenet1_0", os.environ["PARLEY_WEIGHTS"], 0, preprocessing, ["pooled"])
    folders = sorted(path for path in Path(os.environ["PARLEY_PHOTOS"]).iterdir() if path.is_dir())
    for folder in folders:
        with tarfile.open(tmp_path / f"{folder.name}.tar", "w") as tar:
            for path in sorted(folder.glob("*.jpg"))[: FITTED + TESTED]:
                tar.add(path, f"{hashlib.sha256(path.name.encode()).hexdigest()[:32]}.jpg")
    tars = [tmp_path / f"{folder.name}.tar" for folder in folders]
    files = [path.with_suffix(".hdf5") for path in tars]
    extract_classes(tars, files, options, tmp_path, device="cpu", threads=2)
    rows = []
    for path in files:
        with h5py.File(path) as file:
            rows.append(file["features_512"][:].reshape(FITTED + TESTED, 512))
    features, labels = np.array(rows), np.arange(len(rows))
    classifier = LogisticRegression(C=0.03, max_iter=1000)
    classifier.fit(np.concatenate(features[:, :FITTED]), labels.repeat(FITTED))
    right = classifier.predict(np.concatenate(features[:, FITTED:])) == labels.repeat(TESTED)
    assert right.mean() >= 0.9
