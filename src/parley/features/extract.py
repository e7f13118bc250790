"""Extract the features of a group of classes, from one tar of images to one HDF5 file per class."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import parley.features.torchvision_import  # noqa: F401 - before torchvision
from parley.core.progress import Progress
from parley.dataset.tars import count_images, packed_images
from parley.features.backbone import Backbone, load_backbone
from parley.features.class_files import (
    VERSIONS,
    ClassFileWriter,
    Column,
    KnownRows,
    other_class_files,
    writing_class_file,
)
from parley.features.options import FeatureOptions
from parley.features.preprocessing import Decoded, decoded_ahead

logger = logging.getLogger(__name__)
# Images are decoded at most this many batches before the network needs them.
_BATCHES_AHEAD = 2


def extract_classes(
    tar_paths: Sequence[str | Path],
    out_paths: Sequence[str | Path],
    options: FeatureOptions,
    weights_folder: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
    batch_size: int | None = None,
    engine: str = "auto",
    known_in: str | Path | None = None,
) -> None:
    """Extract the features of all images of a group of classes. The network is loaded only once.

    Threads decode images ahead of the network, and a batch may contain images of several classes. Batch size, threads,
    engine and grouping of classes affect the results only by float32 rounding.

    Parameters
    ----------
    tar_paths
        One tar per class, with members named ``<key>.<extension>``.
    out_paths
        HDF5 file to write for each tar, with the datasets `Key`, `Sha256`, `Member` and one per layer. Rows are in the
        order of the tar. An image that cannot be read has no row; the group `unreadable` lists it with the reason.
        Until the end of the extraction, all files have temporary names.
    options
        Network, weights, preprocessing and layers.
    weights_folder
        Folder for the weights that torchvision publishes (see `parley.features.weights.build_network`).
    device
        ``cpu``, ``cuda``, or ``auto``: the GPU if there is one, otherwise the CPU.
    threads
        Number of threads that decode images, and number of threads that torch uses.
    batch_size
        Number of images per batch; None selects it automatically (see `parley.features.backbone.Backbone.prepare`).
    engine
        ``eager``, ``fused``, ``compiled`` or ``auto`` (see `parley.features.backbone.ready_network`).
    known_in
        This network's folder, which may contain class files of other image sets. If such a file has the features of
        an image with the same bytes, they are copied, not computed. If None, nothing is copied.

    Raises
    ------
    ParleyError
        If the network cannot be loaded, or a tar is missing, damaged or not written by Parley.
    """
    images = sum(count_images(path) for path in tar_paths)
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        backbone = load_backbone(options, weights_folder, device)
        known = stack.enter_context(closing(_known_rows(tar_paths, out_paths, backbone, known_in)))
        backbone.prepare(engine, images - len(known), batch_size)
        writers = [stack.enter_context(writer) for writer in _writers(out_paths, options, backbone, known)]
        ahead = decoded_ahead(tar_paths, known, backbone.transform, threads, _BATCHES_AHEAD * backbone.batch_size)
        progress = stack.enter_context(Progress("Extracting features", images, "image"))
        _write_all(ahead, backbone, known, writers, progress)
    for writer, tar_path in zip(writers, tar_paths, strict=True):
        if unreadable := len(writer.unreadable):
            logger.warning("%s: %d of %d images could not be read", tar_path, unreadable, writer.rows + unreadable)
    logger.info("%d images of %d classes", sum(writer.rows for writer in writers), len(writers))


def _known_rows(
    tar_paths: Sequence[str | Path],
    out_paths: Sequence[str | Path],
    backbone: Backbone,
    known_in: str | Path | None,
) -> KnownRows:
    """Find features of the tars' images in other class files. The images are hashed only if there are such files."""
    others = list(other_class_files(known_in, out_paths)) if known_in is not None else []
    contents = (content for path in tar_paths for _, content in packed_images(path)) if others else ()
    known = KnownRows(others, {hashlib.sha256(content).hexdigest() for content in contents}, backbone.attributes)
    if known:
        logger.info("%d images have features from other image sets and are not computed again", len(known))
    return known


def _writers(
    out_paths: Sequence[str | Path], options: FeatureOptions, backbone: Backbone, known: KnownRows
) -> Iterator[AbstractContextManager[ClassFileWriter]]:
    attributes = dict(backbone.attributes)
    for name in attributes.keys() & set(VERSIONS):
        attributes[name] = ", ".join(sorted({attributes[name], *known.versions(name)}))
    columns = {
        layer.name: Column(layer.shape, options.map_dtype if role == "map" else "float32")
        for role, layer in backbone.layers.items()
    }
    return (writing_class_file(path, columns, attributes) for path in out_paths)


def _write_all(
    images: Iterable[Decoded],
    backbone: Backbone,
    known: KnownRows,
    writers: Sequence[ClassFileWriter],
    progress: Progress,
) -> None:
    """Compute or copy the features of all images, batch by batch, and write them to the class files."""
    for batch in _batches(images, backbone.batch_size):
        for image in batch:
            if image.reason:
                writers[image.tar].unreadable[image.identity.key] = image.reason
                logger.warning("%s is unreadable: %s", image.identity.member, image.reason)
        readable = [image for image in batch if not image.reason]
        if readable:
            _write_rows(readable, _values(readable, backbone, known), writers)
        progress.advance(len(batch))


def _batches(images: Iterable[Decoded], batch_size: int) -> Iterator[list[Decoded]]:
    """Yield batches of at most 8 × `batch_size` images, at most `batch_size` of which the network must process."""
    batch: list[Decoded] = []
    for_the_network = 0
    for image in images:
        batch.append(image)
        for_the_network += image.pixels is not None
        if for_the_network == batch_size or len(batch) == 8 * batch_size:
            yield batch
            batch, for_the_network = [], 0
    if batch:
        yield batch


def _values(images: Sequence[Decoded], backbone: Backbone, known: KnownRows) -> dict[str, NDArray[np.generic]]:
    """Copy the features of N images from `known` or else compute them; return ``[N, *shape]`` by dataset name."""
    pixels = [image.pixels for image in images if image.pixels is not None]
    refs = [image.known for image in images if image.known is not None]
    is_known = np.array([image.known is not None for image in images])
    # [N, size, size, 3] → [N, 3, size, size], in channels-last memory format
    computed = backbone.features(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)) if pixels else {}
    values: dict[str, NDArray[np.generic]] = {}
    for role, layer in backbone.layers.items():
        row = np.empty((len(images), *layer.shape), np.float32)
        if pixels:
            row[~is_known] = computed[role].numpy()
        if refs:
            row[is_known] = known.values(layer.name, refs)
        values[layer.name] = row
    return values


def _write_rows(
    images: Sequence[Decoded], values: Mapping[str, NDArray[np.generic]], writers: Sequence[ClassFileWriter]
) -> None:
    for tar, indices in groupby(range(len(images)), key=lambda index: images[index].tar):
        rows = list(indices)
        part = slice(rows[0], rows[-1] + 1)
        writers[tar].append(
            [images[row].identity for row in rows], {name: value[part] for name, value in values.items()}
        )
