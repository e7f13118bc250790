"""A map from keys to labels for millions of entries, in some 30 bytes each; a dict takes six times as many."""

import hashlib

_KEY_BYTES = 16
_PLACE_BYTES = 2  # of the key choose its bucket; with a million entries a bucket holds 15
_TAIL_BYTES = _KEY_BYTES - _PLACE_BYTES


def key_of(content: bytes) -> bytes:
    """Return the first 16 bytes of the SHA-256; for an address, the bytes of its `image_key`."""
    return hashlib.sha256(content).digest()[:_KEY_BYTES]


class KeyMap:
    """Labels by key; an entry made is never changed.

    The entries of a bucket stand one behind another in one `bytes`, which is searched as a text would
    be: no object an entry, and a bucket that grows is copied, never the whole.

    Parameters
    ----------
    label_bytes
        The length of every label.
    """

    def __init__(self, label_bytes: int) -> None:
        self._entry_bytes = _TAIL_BYTES + label_bytes
        self._buckets = [b""] * (1 << 8 * _PLACE_BYTES)

    def setdefault(self, key: bytes, label: bytes) -> bytes | None:
        """Return the label that a key has; give it this one, and return None, where it has none.

        Parameters
        ----------
        key
            16 bytes, uniform as those of `key_of` are.
        label
            What to note for a key that is new.
        """
        place, tail = key[0] << 8 | key[1], key[_PLACE_BYTES:]
        bucket = self._buckets[place]
        at = bucket.find(tail)
        while at > 0 and at % self._entry_bytes:  # Across two entries, which is no entry.
            at = bucket.find(tail, at + 1)
        if at >= 0:
            return bucket[at + _TAIL_BYTES : at + self._entry_bytes]
        self._buckets[place] = bucket + tail + label
        return None
