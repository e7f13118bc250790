"""A map from keys to labels for millions of entries: about 30 bytes per entry, a sixth of a dict."""

import hashlib

_KEY_BYTES = 16
_BUCKET_BYTES = 2  # first bytes of the key, which choose its bucket; with a million entries a bucket holds 15
_TAIL_BYTES = _KEY_BYTES - _BUCKET_BYTES


def key_of(content: bytes) -> bytes:
    """Return the first 16 bytes of the SHA-256; for an address, the bytes of its `image_key`."""
    return hashlib.sha256(content).digest()[:_KEY_BYTES]


class KeyMap:
    """Labels by key; entries are never changed or removed.

    A bucket is one `bytes` object of concatenated entries, searched with `bytes.find`. There is no Python object per
    entry, and adding an entry copies only its bucket.

    Parameters
    ----------
    label_bytes
        The length of every label.
    """

    def __init__(self, label_bytes: int) -> None:
        self._entry_bytes = _TAIL_BYTES + label_bytes
        self._buckets = [b""] * (1 << 8 * _BUCKET_BYTES)

    def setdefault(self, key: bytes, label: bytes) -> bytes | None:
        """Return the label of a key; if the key is new, store this label and return None.

        Parameters
        ----------
        key
            16 uniformly distributed bytes, as `key_of` gives.
        label
            The label for a new key.
        """
        bucket_index, tail = key[0] << 8 | key[1], key[_BUCKET_BYTES:]
        bucket = self._buckets[bucket_index]
        at = bucket.find(tail)
        while at > 0 and at % self._entry_bytes:  # A match across two entries is no entry.
            at = bucket.find(tail, at + 1)
        if at >= 0:
            return bucket[at + _TAIL_BYTES : at + self._entry_bytes]
        self._buckets[bucket_index] = bucket + tail + label
        return None
