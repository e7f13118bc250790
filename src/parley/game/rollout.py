"""Rollout of a batch of dialogues, exchange by exchange.

Gradient does not flow through sampled messages, so learning treats messages as constants. Dialogues are therefore
rolled out without gradient, and the values of each exchange are stored, so that `replay` can process all exchanges at
once with gradient. On a differentiable channel, and with agents of one's own, the rollout itself is computed with
gradient.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from parley.game.channel import (
    Bernoulli,
    ExtraPerturbations,
    Message,
    Perturbation,
    checked_send,
    configured_perturbations,
    make_channel,
    perturb,
)
from parley.game.own_agents import OwnEncoded, OwnReceivers, OwnSenders
from parley.game.receiver import AttendedCandidates, EncodedCandidates, Receiver
from parley.game.sender import EncodedImages, Sender, View
from parley.game.turns import PackedIndex, active_indices, pick, pick_each
from parley.game.types import Descriptions, Dialogue, Images, RandomDraws


class Step(NamedTuple):
    """Values of one exchange, for the M dialogues still in the batch. Messages are those after perturbation."""

    rows: Tensor
    """``[S, M]`` int64: each dialogue's row in the full batch."""
    previous: Tensor
    """``[S, M]`` int64: each dialogue's index among the dialogues of the previous exchange."""
    active: Tensor
    """``[S, M]``: 1 if the dialogue is still active when the exchange begins, else 0."""
    view: View
    sender_output: Any
    """`SenderTurn.output`."""
    sender_message: Message
    gru: Any
    """`ReceiverTurn.state`: update of the Receiver's state by the received message."""
    attended: AttendedCandidates
    scores: Tensor
    """``[S, M, D]``: scores of the candidates before the softmax."""
    probs: Tensor
    """``[S, M, D]``: softmax of the scores."""
    receiver_output: Any
    """`ReceiverTurn.output`."""
    receiver_message: Message
    go_on_logits: Tensor
    go_on_probs: Tensor
    go_on: Tensor
    """``[S, M]``: decisions, 1 to continue and 0 to stop."""


def rollout(
    sender: Sender | OwnSenders,
    receiver: Receiver | OwnReceivers,
    images: Images,
    descriptions: Descriptions,
    draws: RandomDraws | None = None,
    sampled: bool = True,
    extra_perturbations: ExtraPerturbations | None = None,
) -> Dialogue:
    """Roll out all T exchanges of the dialogues about a batch of images, without gradient.

    Parameters
    ----------
    sender, receiver
        The agents of S seeds.
    images
        Input of the Sender: B images per seed, or B images shared by all seeds.
    descriptions
        Input of the Receiver: descriptions of D candidates.
    draws
        Random numbers for sampling and flipping bits. If None, the probabilities are rounded.
    sampled
        If true and `draws` is given, apply the perturbations configured for training; otherwise, those for evaluation.
    extra_perturbations
        Perturbations of the messages in addition to the configured ones.

    Returns
    -------
    Dialogue
        Dialogues of S seeds; fields are ``[S, T, B, ...]``.
    """
    with torch.no_grad():
        encoded, candidates = encode(sender, receiver, images, descriptions)
        training = sampled and draws is not None
        state = RolloutState(sender, receiver, encoded, candidates, draws, training, extra_perturbations)
        steps = list(state.steps())
    columns = zip(*(_dialogue_fields(step) for step in steps), strict=True)
    return Dialogue(*(torch.stack(column, 1) for column in columns))


exchange = rollout
"""Name under which `parley.game` exports `rollout`."""


def _dialogue_fields(step: Step) -> tuple[Tensor, ...]:
    decided = (step.sender_message.value, step.receiver_message.value, step.go_on, step.active)
    return (*decided, step.sender_message.probs, step.receiver_message.probs, step.go_on_probs, step.scores)


def encode(
    sender: Sender | OwnSenders, receiver: Receiver | OwnReceivers, images: Images, descriptions: Descriptions
) -> tuple[Any, Any]:
    """Return the encodings of the images and the descriptions, which do not depend on the messages."""
    dimensions = 4 if sender.settings.visual_attention else 3
    return sender.encode(images.of_seeds(sender.seeds, dimensions)), receiver.encode(descriptions)


class RolloutState:
    """The state of a batch of dialogues between exchanges.

    Parameters
    ----------
    sender, receiver
        The agents.
    encoded, candidates
        Results of `encode`.
    draws
        Random numbers for sampling and flipping bits. If None, the probabilities are rounded.
    training
        If true, apply the perturbations configured for training; otherwise, those for evaluation.
    extra_perturbations
        Perturbations of the messages in addition to the configured ones.
    """

    def __init__(
        self,
        sender: Sender | OwnSenders,
        receiver: Receiver | OwnReceivers,
        encoded: EncodedImages | OwnEncoded,
        candidates: EncodedCandidates | OwnEncoded,
        draws: RandomDraws | None,
        training: bool,
        extra_perturbations: ExtraPerturbations | None = None,
    ) -> None:
        self.draws = draws
        # The agents and what they have encoded are of one kind each, which their types cannot express.
        self.sender: Any = sender
        self.receiver: Any = receiver
        self.encoded: Any = encoded
        self.candidates: Any = candidates
        self.memory: Any = None
        """What Senders of one's own have returned for the next exchange."""
        settings = self.settings = sender.settings
        self.channel, self.stop_channel = make_channel(settings), Bernoulli(settings)
        self.send = checked_send(self.channel)
        self.to_receiver, self.to_sender = configured_perturbations(settings, training)
        features = encoded.features
        seeds, batch = features.shape[:2]
        self.rows = torch.arange(batch, device=features.device).expand(seeds, batch)
        self.previous, self.compacted = self.rows, False
        self.gru_state = features.new_zeros(seeds, batch, receiver.hidden_size)
        self.active = self.go_on_product = features.new_ones(seeds, batch)
        self.received: Tensor | None = None
        """The Receiver's last messages, ``[S, M, d]``; None before the first exchange."""
        self.extra_perturbations = extra_perturbations

    def steps(self, compact_finished: bool = False) -> Iterator[Step]:
        """Run the exchanges in order, and yield the values of each.

        If `compact_finished` is true, finished dialogues are dropped from the batch, and the rollout ends when none is
        left. It must be false with extra perturbations, which apply to the whole batch.
        """
        if compact_finished and self.extra_perturbations is not None:
            raise ValueError("extra_perturbations covers the whole batch, so compact_finished must be False.")
        for t in range(self.settings.max_exchanges):
            yield self.step(t)
            if self.settings.adaptive and compact_finished and self.compact():
                return

    def step(self, t: int) -> Step:
        """Run exchange t, counted from 0, and return its values."""
        sender, receiver = self.sender, self.receiver
        noise, flip_noise = self._noise(t)
        to_receiver, to_sender = self._perturbations(t)
        if t == 1:
            self.encoded = sender.add_keys(self.encoded)
        view, sender_output, self.memory = sender.respond(self.encoded, self.received, self.memory)
        sender_message = self._send(sender_output.logits, noise[0], to_receiver, flip_noise[0])
        answer = receiver.respond(self.candidates, sender_message.value, self.gru_state)
        receiver_message = self._send(answer.output.logits, noise[1], to_sender, flip_noise[1])
        go_on, go_on_probs = self._decide(answer.go_on_logits, noise[2])
        step = Step(
            self.rows, self.previous, self.active, view, sender_output, sender_message, answer.state, answer.attended,
            answer.scores, answer.probs, answer.output, receiver_message, answer.go_on_logits, go_on_probs, go_on,
        )  # fmt: skip
        self.gru_state, self.received = answer.state.after, receiver_message.value
        self.previous = torch.arange(self.rows.shape[1], device=self.rows.device).expand_as(self.rows)
        if self.settings.adaptive:
            self.active = self.active * go_on
        return step

    def _send(
        self, logits: Tensor, noise: Tensor | None, perturbations: list[Perturbation], flip_noise: Tensor | None
    ) -> Message:
        """Return the message that is received, after perturbations."""
        message = self.send(logits, noise)
        value = message.value if self.channel.differentiable else message.value.detach()
        return message._replace(value=perturb(value, perturbations, flip_noise))

    def _perturbations(self, t: int) -> tuple[list[Perturbation], list[Perturbation]]:
        """Return the perturbations of the Sender's and the Receiver's messages in exchange t."""
        if self.extra_perturbations is None:
            return self.to_receiver, self.to_sender
        extra_to_receiver, extra_to_sender = (lists[t] for lists in self.extra_perturbations)
        return [*self.to_receiver, *extra_to_receiver], [*self.to_sender, *extra_to_sender]

    def _noise(self, t: int) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Return the M dialogues' random numbers in exchange t: those for sampling bits and those for flipping bits."""
        bits = self.settings.message_bits
        noise: list[Tensor | None] = [None, None, None]
        flip_noise: list[Tensor | None] = [None, None]
        if self.draws is not None and self.draws.decisions is not None:
            noise = list(self._of_rows(self.draws.decisions[:, t]).split([bits, bits, 1], -1))
        if self.draws is not None and self.draws.flips is not None:
            flip_noise = list(self._of_rows(self.draws.flips[:, t]).split([bits, bits], -1))
        return noise, flip_noise

    def _of_rows(self, values: Tensor) -> Tensor:
        return pick(values, self.rows) if self.compacted else values

    def _decide(self, logits: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return decisions (1: continue, 0: stop) and probabilities of continuing, both ``[S, M]``."""
        stop_bit = self.stop_channel.send(logits, None if noise is None else noise[..., 0])
        if noise is not None:
            return stop_bit.value.detach(), stop_bit.probs
        product = self.settings.stop_rule == "product"
        self.go_on_product = self.go_on_product * stop_bit.probs if product else stop_bit.probs
        return self.go_on_product.round().detach(), stop_bit.probs

    def compact(self) -> bool:
        """Drop finished dialogues if `active_indices` finds it worthwhile, and return whether no dialogue is left."""
        indices = active_indices(self.active)
        if indices is None:
            return False
        if indices.shape[1] == 0:
            return True
        assert self.received is not None  # step() sets `received`, and compact() is called after it.
        values = [self.rows, self.active, self.gru_state, self.go_on_product, self.received]
        self.rows, self.active, self.gru_state, self.go_on_product, self.received = pick_each(values, indices)
        self.compacted, self.previous, self.encoded = True, indices, self.encoded.of_rows(indices)
        return False


def pack_steps(steps: list[Step]) -> PackedIndex:
    """Return the exchange and dialogue of all turns of a rollout, concatenated exchange by exchange."""
    sizes = [step.rows.shape[1] for step in steps]
    starts = [sum(sizes[:exchange]) for exchange in range(len(sizes))]
    rows = torch.cat([step.rows for step in steps], 1)
    mask = torch.cat([step.active for step in steps], 1)
    seeds, batch = steps[0].rows.shape
    pieces = [step.previous + start for step, start in zip(steps[1:], starts, strict=False)]
    previous = torch.cat(pieces, 1) if pieces else rows[:, :0]
    # The last active turn of a dialogue is the one with the highest position.
    positions = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
    last = torch.zeros(seeds, batch, dtype=torch.int64, device=rows.device)
    last.scatter_reduce_(1, rows, positions * mask.long(), "amax")
    return PackedIndex(sizes, rows, previous, mask, last, len(set(sizes)) == 1)
