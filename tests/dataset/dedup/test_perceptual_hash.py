import hashlib
import io
import tarfile

import imagehash
import numpy as np
import pytest
from PIL import Image

from parley.core.errors import ParleyError
from parley.dataset.dedup.perceptual_hash import hash_classes, phash_of, read_hashes


def scene(name, size=(480, 360)):
    """A picture with shapes of every size: smooth noise of several scales, by name."""
    draw = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    layers = []
    for cells, weight in ((3, 1.0), (7, 0.7), (17, 0.4)):
        noise = Image.fromarray(draw.integers(0, 256, (cells, cells, 3), np.uint8))
        layers.append(weight * np.asarray(noise.resize(size, Image.Resampling.BICUBIC), float))
    return Image.fromarray((sum(layers) / 2.1).clip(0, 255).astype(np.uint8))


def encoded(image, kind="JPEG", **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def distance(one, other):
    return (int(phash_of(one), 16) ^ int(phash_of(other), 16)).bit_count()


@pytest.mark.parametrize(
    "again",
    [
        lambda image: encoded(image, quality=30),
        lambda image: encoded(image.resize((200, 150)), quality=80),
        lambda image: encoded(image.resize((1100, 820)), quality=60),
        lambda image: encoded(image, "PNG"),
        lambda image: encoded(image.resize((300, 225)), "WEBP", quality=40),
        lambda image: encoded(image.convert("L"), quality=70),
        lambda image: encoded(image.convert("CMYK"), quality=90),
    ],
    ids=["lower quality", "smaller", "larger", "PNG", "WebP", "grey", "CMYK"],
)
def test_a_resized_or_recompressed_image_is_a_near_duplicate(again):
    for name in ("a", "b", "c"):
        assert distance(encoded(scene(name), quality=92), again(scene(name))) <= 4


def test_a_different_image_is_not_a_near_duplicate():
    hashes = [encoded(scene(str(number)), quality=90) for number in range(12)]
    assert min(distance(one, other) for one in hashes for other in hashes if one is not other) > 10


def test_the_hash_is_of_the_image_as_shown():
    image = scene("a")
    turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    assert distance(encoded(image), encoded(turned, exif=exif)) <= 4
    assert distance(encoded(image), encoded(turned)) > 10


def test_decoding_at_a_fraction_of_the_size_changes_two_bits_at_most():
    for number in range(8):
        content = encoded(scene(str(number), (1024, 768)), quality=85)
        whole = int(str(imagehash.phash(Image.open(io.BytesIO(content)))), 16)
        assert (whole ^ int(phash_of(content), 16)).bit_count() <= 2


@pytest.mark.parametrize("content", [b"", b"no image", encoded(scene("a"))[:2000]], ids=["empty", "text", "cut short"])
def test_undecodable_images_have_no_hash(content):
    assert phash_of(content) is None


def packed(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def test_each_class_gets_a_table_in_the_order_of_its_tar(tmp_path):
    pictures = {f"{number:032x}.jpg": encoded(scene(str(number))) for number in range(40)}
    ant = packed(tmp_path / "ant.tar", pictures)
    bee = packed(tmp_path / "bee.tar", {"b" * 32 + ".png": encoded(scene("bee"), "PNG"), "c" * 32 + ".jpg": b"no"})
    none = packed(tmp_path / "none.tar", {})
    tables = [tmp_path / f"{name}.tsv" for name in ("ant", "bee", "none")]
    for threads in (1, 3):
        assert hash_classes([ant, bee, none], tables, threads) == 1
        expected = [(name.removesuffix(".jpg"), int(phash_of(content), 16)) for name, content in pictures.items()]
        assert list(read_hashes(tables[0])) == expected
        assert [key for key, _ in read_hashes(tables[1])] == ["b" * 32]
        assert list(read_hashes(tables[2])) == []


def test_a_damaged_tar_is_reported(tmp_path):
    (tmp_path / "ant.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(ParleyError, match="damaged tar"):
        hash_classes([tmp_path / "ant.tar"], [tmp_path / "ant.tsv"])
    with pytest.raises(ParleyError, match="does not exist"):
        hash_classes([tmp_path / "no.tar"], [tmp_path / "no.tsv"])
