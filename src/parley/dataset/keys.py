"""Image keys: the identifier of an image in every stage and file, and random draws from it."""

import hashlib
import re

KEY_DIGITS = 32
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}", re.ASCII)


def image_key(url: str) -> str:
    """Return the key of an image: the first 32 hexadecimal digits of the SHA-256 of its address.

    Parameters
    ----------
    url
        The URL, or the path relative to the source's root, exactly as it was listed. It is not
        normalised: two spellings of one address are two keys, and `parley.dataset.dedup.assign` finds their equal
        bytes.
    """
    return hashlib.sha256(url.encode("utf-8")).hexdigest()[:KEY_DIGITS]


def is_key(text: str) -> bool:
    """Say whether a text has the form of a key, and so is safe as a file name."""
    return _KEY.fullmatch(text) is not None


def draw(seed: int, purpose: str, key: str) -> int:
    """Return a number in [0, 2**64), uniform over keys, that depends only on the arguments.

    Parameters
    ----------
    seed
        The experiment's seed.
    purpose
        What the number is for; draws for two purposes are independent.
    key
        An image key.
    """
    text = f"{seed}/{purpose}/{key}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
