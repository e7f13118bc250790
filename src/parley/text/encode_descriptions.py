"""Encode whole descriptions with a frozen encoder of sentence-transformers or open_clip."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError, did_you_mean
from parley.core.progress import Progress
from parley.core.tables import write_table
from parley.core.tensor_files import parameters_sha256
from parley.text.description_vectors import Encoding, write_encodings
from parley.text.descriptions import Description
from parley.text.encoders import OPEN_CLIP, RANDOM, SENTENCE_TRANSFORMERS, EncoderName, not_installed, parse_encoder

logger = logging.getLogger(__name__)
_RANDOM_SEED = 0


class TextEncoder(Protocol):
    """A frozen network that encodes texts."""

    network: nn.Module
    most_tokens: int | None
    """Number of tokens after which a text is cut; None for no limit."""

    def encode(self, text: str) -> Encoding:
        """Encode a text."""


def encode_descriptions(
    descriptions: Sequence[Description], encoder: str, words_path: str | Path, missing_path: str | Path
) -> None:
    """Encode descriptions and write the vectors to words.hdf5 (see `write_encodings`).

    Each text is encoded by itself, so that its vector does not depend on the others, and a text that occurs twice once.

    Parameters
    ----------
    descriptions
        The descriptions of all classes.
    encoder
        Name of the encoder (see `parse_encoder`).
    words_path
        HDF5 file to write.
    missing_path
        TSV of words without a vector to write. It has only a header, because an encoder has a vector for every text.

    Raises
    ------
    ParleyError
        If the encoder cannot be loaded, or returns numbers that are not finite.
    """
    loaded = load_encoder(encoder)
    unique = list(dict.fromkeys(one.text for one in descriptions))
    encodings = []
    with Progress("Encoding descriptions", len(unique), "description", brief=True) as progress, torch.inference_mode():
        for text in unique:
            encodings.append(loaded.encode(text))
            progress.advance()
    if not all(np.isfinite(one.vector).all() for one in encodings):
        raise ParleyError(f"descriptions.encoder: {encoder} returns numbers that are not finite; choose another.")
    cut = sum(len(one.tokens) >= (loaded.most_tokens or np.inf) for one in encodings)
    if cut:
        text = "%d of %d descriptions reach the %d tokens that the encoder reads; the rest of a longer one is ignored"
        logger.warning(text, cut, len(encodings), loaded.most_tokens)
    name = parse_encoder(encoder)
    # A path may differ between machines that hold the same encoder.
    source = encoder if name.path is None else f"{name.library}/{name.path.name}"
    write_encodings(words_path, unique, encodings, source, parameters_sha256(loaded.network))
    write_table(missing_path, ["word", "classes", "vector"], [])
    logger.info("Encoded %d descriptions with %s, to vectors of %d", len(unique), encoder, len(encodings[0].vector))


def log_indistinguishable(descriptions: Sequence[Description]) -> None:
    """Log a warning for classes with the same description."""
    labels: dict[str, list[str]] = {}
    for one in descriptions:
        labels.setdefault(one.text, []).append(one.label)
    for text, names in labels.items():
        if len(names) > 1:
            message = "The classes %s are indistinguishable: they have the same description (%s)"
            logger.warning(message, ", ".join(names), text)


def load_encoder(encoder: str) -> TextEncoder:
    """Load an encoder on the CPU, in float32 and evaluation mode. One that is not on this machine is downloaded.

    Raises
    ------
    ParleyError
        If its package is not installed, or it is unknown or cannot be downloaded.
    """
    name = parse_encoder(encoder)
    # These libraries read the variables when they are imported. A bar of theirs would fill the log.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        loaded: TextEncoder = _LOADERS[name.library](name)
    except ParleyError:
        raise
    except ModuleNotFoundError as error:
        raise ParleyError(not_installed(name, encoder)) from error
    except Exception as error:  # Both libraries and the hub raise many types.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise ParleyError(
            f"descriptions.encoder: {encoder} cannot be loaded ({reason}); {_remedy(name, encoder)}"
        ) from error
    loaded.network.float().eval().requires_grad_(False)
    return loaded


def _remedy(name: EncoderName, encoder: str) -> str:
    """Return what to do about an encoder that cannot be loaded."""
    if name.path is not None:
        return "check that it is complete."
    folder = name.model.rpartition("/")[2]
    if name.library == SENTENCE_TRANSFORMERS:
        hub = name.model if "/" in name.model else f"sentence-transformers/{name.model}"
        return (
            f"check the name. On a machine without a network, copy the model from another one: run `hf download {hub} "
            f"--local-dir {folder}` there, and set descriptions.encoder to sentence-transformers/<path of that folder>."
        )
    if name.weights == RANDOM or not name.weights:
        return "check the name."
    return (
        'check the name. On a machine without a network, get the weights on another one by `python -c "import '
        f"open_clip; open_clip.create_model('{name.model}', '{name.weights}')\"`, and copy the folder "
        "~/.cache/huggingface, or set the weights to the path of their file."
    )


class SentenceTransformersEncoder:
    """A model of sentence-transformers, whose first modules give the vectors of tokens."""

    def __init__(self, name: EncoderName) -> None:
        from sentence_transformers import SentenceTransformer

        model = str(name.path or name.model)
        try:  # A copy on this machine is used without asking the hub, where it may have changed.
            self.network: Any = SentenceTransformer(model, device="cpu", local_files_only=True)
        except (OSError, ValueError):
            self.network = SentenceTransformer(model, device="cpu")
        self.most_tokens: int | None = self.network.max_seq_length

    def encode(self, text: str) -> Encoding:
        """Encode a text as `SentenceTransformer.encode` does. Its tokens are all that the model attends to."""
        (found,) = self.network.encode([text], output_value=None, show_progress_bar=False)
        vector = _numpy(found["sentence_embedding"])
        if "token_embeddings" not in found or "attention_mask" not in found:
            return Encoding(vector, [], None)
        kept = found["attention_mask"].bool()
        tokens = self.network.tokenizer.convert_ids_to_tokens(found["input_ids"][kept].tolist())
        return Encoding(vector, tokens, _numpy(found["token_embeddings"][kept]))


class OpenClipEncoder:
    """The text network of a model of open_clip.

    Vectors of tokens are the outputs at all tokens in the space of the text's vector: after the last layer norm and the
    projection. A text network of another library, or of CoCa, has none.
    """

    def __init__(self, name: EncoderName) -> None:
        import open_clip

        _check_open_clip(name)
        weights = None if name.weights == RANDOM else str(name.path or name.weights) if name.weights else None
        model = f"local-dir:{name.path}" if name.path and not name.weights else name.model
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(_RANDOM_SEED)
            self.network: Any = open_clip.create_model(
                model, weights, pretrained_text=False, require_pretrained=name.weights != RANDOM
            )
        self.network.visual = nn.Identity()  # Its weights are not those of the encoder.
        self._tokenizer = open_clip.get_tokenizer(model)
        self.most_tokens: int | None = self._tokenizer.context_length
        self._pool = self._pool_setting()

    def encode(self, text: str) -> Encoding:
        """Encode a text as `encode_text` does."""
        ids = self._tokenizer([text])
        vector = _numpy(self.network.encode_text(ids)[0])
        if self._pool is None:
            return Encoding(vector, [], None)
        kept = self._is_token(ids[0])
        return Encoding(vector, self._texts(ids[0][kept].tolist()), _numpy(self._of_tokens(ids)[0][kept]))

    def _pool_setting(self) -> tuple[nn.Module, str] | None:
        """Return the module and the attribute that say how the tokens are pooled; None if they are not known."""
        if hasattr(self.network, "text_pool_type"):
            return self.network, "text_pool_type"
        text: Any = getattr(self.network, "text", None)
        return (text, "pool_type") if hasattr(text, "pool_type") and text.cls_emb is None else None

    def _of_tokens(self, ids: Tensor) -> Tensor:
        assert self._pool is not None
        module, attribute = self._pool
        usual = getattr(module, attribute)
        setattr(module, attribute, "none")
        try:
            found: Tensor = self.network.encode_text(ids)
        finally:
            setattr(module, attribute, usual)
        return found

    def _is_token(self, ids: Tensor) -> Tensor:
        """Return which ids are tokens, not padding, ``[W]`` bool."""
        assert self._pool is not None
        module, attribute = self._pool
        # In CLIP's vocabulary, the id of padding is also that of an exclamation mark.
        if getattr(module, attribute) == "argmax":
            return torch.arange(len(ids)) <= ids.argmax()
        return ids != getattr(module, "pad_id", 0)

    def _texts(self, ids: list[int]) -> list[str]:
        tokenizer = getattr(self._tokenizer, "tokenizer", None)  # of transformers
        texts = [self._tokenizer.decoder[one].removesuffix("</w>") for one in ids] if tokenizer is None else None
        return texts if texts is not None else list(tokenizer.convert_ids_to_tokens(ids))  # type: ignore[union-attr]


def _check_open_clip(name: EncoderName) -> None:
    """Raise `ParleyError` if open_clip has no such model or weights, or if they need another activation function."""
    import open_clip

    if not name.weights:
        return
    if name.model not in open_clip.list_models():
        near = did_you_mean(name.model, open_clip.list_models(), "`open_clip.list_models()` returns the known ones.")
        raise ParleyError(f"descriptions.encoder: open_clip has no model {name.model!r}; {near}")
    if name.weights == RANDOM or name.path is not None:
        return
    tags = open_clip.list_pretrained_tags_by_model(name.model)
    if name.weights not in tags:
        known = f"it has {', '.join(tags)}." if tags else "give the path of a file, or random."
        raise ParleyError(f"descriptions.encoder: open_clip has no weights {name.weights!r} for {name.model}; {known}")
    published, config = open_clip.get_pretrained_cfg(name.model, name.weights), open_clip.get_model_config(name.model)
    if published.get("quick_gelu") and not config.get("quick_gelu"):
        raise ParleyError(
            f"descriptions.encoder: the weights {name.weights} were trained with the activation function QuickGELU, "
            f"which {name.model} lacks; write open_clip/{name.model}-quickgelu:{name.weights}."
        )


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(torch.as_tensor(values).float().cpu().numpy(), np.float32)


_LOADERS: dict[str, Any] = {SENTENCE_TRANSFORMERS: SentenceTransformersEncoder, OPEN_CLIP: OpenClipEncoder}
