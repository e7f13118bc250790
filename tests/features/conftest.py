"""Small pictures, tars of them, and a direct computation of a ResNet's layers."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

torch.set_num_threads(1)
SIZES = [(160, 120), (90, 140), (64, 64), (227, 300)]


def make_picture(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize(SIZES[number % len(SIZES)]).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def picture() -> Callable[[int], bytes]:
    return make_picture


def make_tar(path: Path, contents: Sequence[bytes]) -> list[str]:
    """Write a tar as `images` does; return the keys, made of the tar's name and the index."""
    keys = [hashlib.sha256(f"{path.stem}{index}".encode()).hexdigest()[:32] for index in range(len(contents))]
    with tarfile.open(path, "w") as tar:
        for key, content in zip(keys, contents, strict=True):
            member = tarfile.TarInfo(f"{key}.png")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return keys


@pytest.fixture(scope="session")
def tar_of() -> Callable[[Path, Sequence[bytes]], list[str]]:
    return make_tar


@torch.inference_mode()
def run_resnet(network: nn.Module, seen: Tensor, cells: int | None) -> dict[str, Tensor]:
    """Run a ResNet of basic blocks step by step, one image at a time."""
    rows = {"pooled": [], "map": [], "logits": []}
    for image in seen.split(1):
        value = network.maxpool(network.relu(network.bn1(network.conv1(image))))
        value = network.layer3(network.layer2(network.layer1(value)))
        *blocks, last = network.layer4
        for block in blocks:
            value = block(value)
        inner = last.relu(last.bn1(last.conv1(value)))
        # Added out of place, so that the ReLU below cannot change it.
        rows["map"].append(last.bn2(last.conv2(inner)) + value)
        rectified = rows["map"][-1].clamp(min=0)
        rows["pooled"].append(rectified[:, :, :cells, :cells].mean((2, 3)))
        rows["logits"].append(network.fc(rows["pooled"][-1]))
    return {role: torch.cat(values) for role, values in rows.items()}


@pytest.fixture(scope="session")
def plain_resnet() -> Callable[[nn.Module, Tensor, int | None], dict[str, Tensor]]:
    return run_resnet
