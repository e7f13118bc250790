"""Features of a group of classes: tars of images in, an HDF5 file a class out."""

import hashlib
import logging
import re
import tarfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from parley.errors import ParleyError
from parley.features.backbone import Backbone, load_backbone
from parley.features.classfiles import ClassFileWriter, Column, RowIdentity, writing_class_file
from parley.features.options import FeatureOptions, Transform
from parley.features.preprocessing import Pixels, UnreadableImageError, pixels_of
from parley.progress import Progress

logger = logging.getLogger(__name__)
_MEMBER = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9]{1,16}")
# Decoded while the network is at work on one batch: the next one and the one after it.
_BATCHES_AHEAD = 2


class ClassCount(NamedTuple):
    """How many images of a class's tar became rows, and how many could not be read."""

    path: Path
    rows: int
    unreadable: int


class _Decoded(NamedTuple):
    """An image on its way: which tar of the group it is from, what it is, and its pixels or why it has none."""

    tar: int
    identity: RowIdentity
    pixels: Pixels | None
    reason: str = ""


class _Packed(NamedTuple):
    """An image file as it lies in its tar."""

    tar: int
    member: str
    content: bytes


def extract_classes(
    tar_paths: Sequence[str | Path],
    out_paths: Sequence[str | Path],
    options: FeatureOptions,
    weights_folder: str | Path,
    *,
    device: str = "auto",
    threads: int = 1,
    batch_size: int = 32,
) -> list[ClassCount]:
    """Extract the features of all images of some classes; torch and the weights are loaded once.

    Decoding runs in threads ahead of the network, and batches reach across classes. The numbers do
    not depend on the batch size, the threads or the grouping beyond the rounding of float32.

    Parameters
    ----------
    tar_paths
        A tar a class, its members named ``<key>.<extension>``.
    out_paths
        The HDF5 file to write for each: `Key`, `Sha256`, `Member`, and the layers asked for, a row an
        image in the order of the tar. An image that cannot be read has no row but is listed in the
        group `unreadable` with its reason. All files get their names together, at the end.
    options
        Network, weights, preprocessing, layers.
    weights_folder
        Where torchvision's weights are kept.
    device
        ``cpu``, ``cuda`` or ``auto``.
    threads
        Threads that decode, and threads of the network.
    batch_size
        Images the network sees at once.

    Returns
    -------
    list of ClassCount
        One a tar.

    Raises
    ------
    ParleyError
        When the network cannot be loaded or a tar is missing, damaged or not Parley's.
    """
    totals = [_count_members(path) for path in tar_paths]
    with _torch_threads(threads):
        backbone = load_backbone(options, weights_folder, device)
        columns = {
            layer.name: Column(layer.shape, options.map_dtype if role == "map" else "float32")
            for role, layer in backbone.layers.items()
        }
        with ExitStack() as stack:
            writers = [
                stack.enter_context(writing_class_file(path, columns, backbone.attributes)) for path in out_paths
            ]
            images = _decoded_ahead(tar_paths, backbone.transform, threads, _BATCHES_AHEAD * batch_size)
            progress = stack.enter_context(Progress("Extracting features", sum(totals), "image"))
            unreadable = _write_all(images, backbone, writers, batch_size, progress)
            rows = [writer.rows for writer in writers]
    counts = [ClassCount(Path(path), *pair) for path, *pair in zip(out_paths, rows, unreadable, strict=True)]
    _report(counts, tar_paths)
    return counts


def _write_all(
    images: Iterator[_Decoded],
    backbone: Backbone,
    writers: Sequence[ClassFileWriter],
    batch_size: int,
    progress: Progress,
) -> list[int]:
    """Send images through the network batch by batch; return how many of each tar could not be read."""
    unreadable = [0] * len(writers)
    batch: list[_Decoded] = []
    for image in images:
        if image.pixels is None:
            unreadable[image.tar] += 1
            writers[image.tar].reject(image.identity.key, image.reason)
            logger.warning("%s is unreadable: %s", image.identity.member, image.reason)
            progress.advance()
            continue
        batch.append(image)
        if len(batch) == batch_size:
            _write_batch(batch, backbone, writers)
            progress.advance(len(batch))
            batch = []
    if batch:
        _write_batch(batch, backbone, writers)
        progress.advance(len(batch))
    return unreadable


def _write_batch(batch: Sequence[_Decoded], backbone: Backbone, writers: Sequence[ClassFileWriter]) -> None:
    # [N, size, size, 3] as Pillow has it; seen as [N, 3, size, size] it is channels-last already.
    pixels = torch.from_numpy(np.stack([image.pixels for image in batch if image.pixels is not None]))
    features = backbone.features(pixels.permute(0, 3, 1, 2))
    values = {backbone.layers[role].name: value.numpy() for role, value in features.items()}
    for tar, places in groupby(range(len(batch)), key=lambda place: batch[place].tar):
        rows = list(places)
        part = slice(rows[0], rows[-1] + 1)
        writers[tar].append(
            [batch[row].identity for row in rows], {name: value[part] for name, value in values.items()}
        )


def _decoded_ahead(
    tar_paths: Sequence[str | Path], transform: Transform, threads: int, ahead: int
) -> Iterator[_Decoded]:
    """Decode the images of the tars in order, up to `ahead` of them before they are asked for."""
    waiting: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for packed in _packed_images(tar_paths):
                waiting.append(pool.submit(_decode, packed, transform))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decode(packed: _Packed, transform: Transform) -> _Decoded:
    sha256 = hashlib.sha256(packed.content).hexdigest()
    identity = RowIdentity(_key_of(packed.member), packed.member, sha256)
    try:
        return _Decoded(packed.tar, identity, pixels_of(packed.content, transform))
    except UnreadableImageError as error:
        return _Decoded(packed.tar, identity, None, str(error))


def _packed_images(tar_paths: Sequence[str | Path]) -> Iterator[_Packed]:
    for place, path in enumerate(tar_paths):
        with _opened_tar(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is None or not _MEMBER.fullmatch(member.name):
                    raise ParleyError(
                        f"{path} holds {member.name!r}, which is no image named by its key; "
                        "give a tar that `images` has made."
                    )
                yield _Packed(place, member.name, file.read())


def _key_of(member: str) -> str:
    return member.split(".")[0]


def _count_members(path: str | Path) -> int:
    with _opened_tar(path) as tar:
        names = tar.getnames()
    repeated = len(names) - len({_key_of(name) for name in names})
    if repeated:
        raise ParleyError(f"{path} holds {repeated} images whose key another has; remove it and run again.")
    return len(names)


@contextmanager
def _opened_tar(path: str | Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except FileNotFoundError as error:
        raise ParleyError(f"{path} does not exist; run `snakemake images` first.") from error
    except tarfile.TarError as error:
        raise ParleyError(f"{path} is a truncated or damaged tar ({error}); remove it and run again.") from error


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _report(counts: Sequence[ClassCount], tar_paths: Sequence[str | Path]) -> None:
    for count, tar_path in zip(counts, tar_paths, strict=True):
        if count.unreadable:
            logger.warning(
                "%s: %d of %d images could not be read", tar_path, count.unreadable, count.rows + count.unreadable
            )
    logger.info("%d images of %d classes", sum(count.rows for count in counts), len(counts))
