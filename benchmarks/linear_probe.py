"""Accuracy of a linear classifier on a network's pooled vectors, given a folder with a folder of images per class.

`uv run python benchmarks/linear_probe.py photos --backbone timm/tf_efficientnet_lite0 --weights lite0.pth`

Of each class, the first images by name are fitted and the next ones tested. The penalty of the logistic regression is
chosen on the fitted images alone.
"""

import argparse
import hashlib
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from parley.features.extract import extract_classes
from parley.features.options import FeatureOptions, feature_options


def pooled(folders: list[Path], images: int, options: FeatureOptions) -> np.ndarray:
    """Return the pooled vectors of the first images of each folder, [classes, images, C]."""
    with tempfile.TemporaryDirectory() as made:
        tars = [Path(made, f"{folder.name}.tar") for folder in folders]
        for folder, path in zip(folders, tars, strict=True):
            with tarfile.open(path, "w") as tar:
                for image in sorted(one for one in folder.iterdir() if one.is_file())[:images]:
                    tar.add(image, hashlib.sha256(image.name.encode()).hexdigest()[:32] + image.suffix)
        files = [path.with_suffix(".hdf5") for path in tars]
        extract_classes(tars, files, options, "resources/weights")
        rows = []
        for path in files:
            with h5py.File(path) as file:
                rows.append(file[file.attrs["pooled"]][:, 0])
    return np.array(rows)


def main() -> None:
    """Print the accuracy and the penalty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--backbone", default="resnet34")
    parser.add_argument("--weights", help="a path, random, or a name of torchvision's; none if the backbone names them")
    parser.add_argument("--size", type=int, help="pixels; with --mean and --sd (0..255), custom preprocessing")
    parser.add_argument("--mean", type=float, nargs=3)
    parser.add_argument("--sd", type=float, nargs=3)
    parser.add_argument("--fit", type=int, default=24, help="images of a class to fit")
    parser.add_argument("--test", type=int, default=10, help="images of a class to test")
    chosen = parser.parse_args()
    custom = {"size": chosen.size} | {
        key: [value / 255 for value in getattr(chosen, key) or ()] for key in ("mean", "sd")
    }
    options = feature_options(
        chosen.backbone, chosen.weights, preprocessing=custom if chosen.size else "corrected", layers=["pooled"]
    )
    folders = sorted(path for path in chosen.photos.iterdir() if path.is_dir())
    features, labels = pooled(folders, chosen.fit + chosen.test, options), np.arange(len(folders))
    fitted, tested = (np.concatenate(part) for part in np.split(features, [chosen.fit], axis=1))
    grid = {"C": [10.0**power for power in range(-4, 2)]}
    search = GridSearchCV(LogisticRegression(max_iter=2000), grid, cv=4)
    search.fit(fitted, labels.repeat(chosen.fit))
    right = search.predict(tested) == labels.repeat(chosen.test)
    error = 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / right.size)
    print(
        f"{options.backbone}: {right.mean():.3f} ± {error:.3f} of {right.size} images, C = {search.best_params_['C']}"
    )


if __name__ == "__main__":
    main()
