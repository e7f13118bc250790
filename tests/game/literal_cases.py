"""Random games as plain arrays, input of both the literal game and the package."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from game.literal import Example, Weights, attends, parameter_shapes

PLAIN: dict[str, Any] = {
    "preset": "Adaptive",
    "message_bits": 3,
    "max_exchanges": 3,
    "mix": "sum",
    "description_attention": False,
    "attention_context": True,
    "reward": "original",
    "receiver_baseline": "original",
    "stop_rule": "product",
    "first_message": 0.0,
    "ignore_receiver": False,
    "ignore_sender": False,
    "ignore_code": False,
    "flip_sender": 0.0,
    "flip_receiver": 0.0,
    "flip_in_evaluation": False,
    "corrupt_bits": "",
    "exchange_cost": 0.0,
    "channel": "bernoulli",
}
"""The defaults of the 2017 code, with small sizes."""

SIZES = {
    "batch": 4,
    "candidates": 4,
    "channels": 3,
    "cells": 3,
    "context": 2,
    "word_size": 3,
    "words": 3,
    "sender_hidden": 3,
    "receiver_hidden": 3,
    "baseline_hidden": 3,
    "sender_attention_hidden": 2,
    "receiver_attention_hidden": 2,
}
"""Default counts and widths."""


class Case(NamedTuple):
    """A game with all of its random numbers."""

    changed: dict[str, Any]
    """The options that are not `PLAIN`."""
    options: SimpleNamespace
    training: SimpleNamespace
    sizes: SimpleNamespace
    weights: Weights
    examples: list[Example]
    targets: list[int]
    uniforms: Any
    """``[T, B, 2d + 1]``."""
    flips: Any
    """``[T, B, 2d]``."""


def make_case(seed: int, changed: dict[str, Any], sizes: dict[str, int] | None = None, **training: float) -> Case:
    """Draw a random case."""
    draw = np.random.default_rng(seed)
    options = SimpleNamespace(**{**PLAIN, **changed})
    drawn_sizes = SimpleNamespace(**{**SIZES, **(sizes or {})})
    entropies = {"sender_entropy": 0.05, "receiver_entropy": 0.1, "stop_entropy": 0.2, **training}
    turns, batch, bits = options.max_exchanges, drawn_sizes.batch, options.message_bits
    return Case(
        changed,
        options,
        SimpleNamespace(**entropies),
        drawn_sizes,
        _weights(draw, options, drawn_sizes),
        _examples(draw, options, drawn_sizes),
        draw.integers(drawn_sizes.candidates, size=batch).tolist(),
        draw.random((turns, batch, 2 * bits + 1)),
        draw.random((turns, batch, 2 * bits)),
    )


def _weights(draw: np.random.Generator, options: Any, sizes: Any) -> Weights:
    """Draw weights of about twice their initial size, biases included, so that every term affects the result."""

    def drawn(name: str, shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return draw.normal(size=shape) + (0.7 if name == "stop.bias" else 0.0)
        return draw.normal(size=shape) * 2 / shape[-1] ** 0.5

    shapes = parameter_shapes(options, sizes)
    return {network: {name: drawn(name, shape) for name, shape in own.items()} for network, own in shapes.items()}


def _examples(draw: np.random.Generator, options: Any, sizes: Any) -> list[Example]:
    """Draw images and descriptions shared by all of them; words without a vector are zeros."""
    words = [draw.normal(size=(draw.integers(1, sizes.words + 1), sizes.word_size)) for _ in range(sizes.candidates)]
    for description in words[::2]:
        description[-1] = 0
    vectors = np.array([description.mean(0) for description in words])
    shape = (sizes.cells, sizes.channels) if attends(options) else (sizes.channels,)
    return [
        Example(draw.normal(size=shape), draw.normal(size=sizes.context) if attends(options) else None, vectors, words)
        for _ in range(sizes.batch)
    ]
