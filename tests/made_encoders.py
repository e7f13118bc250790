"""Tiny encoders of descriptions with random weights, made without a network."""

import json
import string
from pathlib import Path

import torch

WIDTH = 16
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CLIP = {"embed_dim": 8, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}, "text_cfg": TEXT}
"""The smallest CLIP with CLIP's vocabulary."""


def bert(folder: Path, seed: int = 0):
    """The first module of a model of sentence-transformers: BERT, whose vocabulary is letters and a few words."""
    from sentence_transformers.models import Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = string.ascii_lowercase
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{one}" for one in letters), "with", "##ed"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    torch.manual_seed(seed)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return Transformer(str(folder), max_seq_length=64)


def sentence_encoder(folder: Path, *more, seed: int = 0) -> str:
    """Save a model with mean pooling, and perhaps further modules; return its name in `descriptions.encoder`."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling

    modules = [bert(folder.with_name(f"{folder.name}-bert"), seed), Pooling(WIDTH, "mean"), *more]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return f"sentence-transformers/{folder}"


def clip(folder: Path, **settings) -> str:
    """Save a model of open_clip with random weights; return its name in `descriptions.encoder`."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir()
    config = CLIP | settings
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    torch.manual_seed(1)
    custom = config.pop("custom_text", False)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return f"open_clip/local-dir:{folder}"
