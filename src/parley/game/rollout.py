"""The conversation, exchange by exchange.

No gradient crosses a sampled message, so what was said is a constant for learning. Dialogues are
therefore rolled out without gradient, and what an exchange came to is kept, so that `replay` can go
through all of them at once. Where gradient does cross, the same loop runs with it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from parley.game.channel import Bernoulli, Message, make_channel
from parley.game.gru import Step
from parley.game.perturbations import Effect, ExtraPerturbations, effects, heard
from parley.game.receiver import Known, Reading, Receiver
from parley.game.sender import Look, Seen, Sender
from parley.game.turns import Layout, pick, who_stays
from parley.game.types import Descriptions, Dialogue, Images, RandomDraws


class Turn(NamedTuple):
    """One exchange of the M dialogues that are gone on with; `line.heard` gave the messages."""

    rows: Tensor
    """``[S, M]`` int64: which dialogues of the batch."""
    came_from: Tensor
    """``[S, M]`` int64: their places at the exchange before."""
    active: Tensor
    """``[S, M]``: 1 where the dialogue is still on when the exchange begins."""
    look: Look
    sender_logits: Tensor
    sender: Message
    step: Step
    """The Receiver's update by what it heard."""
    reading: Reading
    scores: Tensor
    """``[S, M, D]``."""
    gist: Tensor
    """``[S, M, E]``: the descriptions' mean by what is believed."""
    receiver_logits: Tensor
    receiver: Message
    go_on_logits: Tensor
    go_on_probs: Tensor
    go_on: Tensor
    """``[S, M]``: the decision."""


def exchange(
    sender: Sender,
    receiver: Receiver,
    images: Images,
    descriptions: Descriptions,
    draws: RandomDraws | None = None,
    sampled: bool = True,
    extra_perturbations: ExtraPerturbations | None = None,
) -> Dialogue:
    """Let Sender and Receiver talk about a batch of images, all T exchanges, without gradient.

    Parameters
    ----------
    sender, receiver
        The agents, of S seeds.
    images
        What the Sender sees: B images a seed, or the same B for all.
    descriptions
        What the Receiver reads, D candidates.
    draws
        Random numbers: a bit is 1 where its number lies below its probability. None: bits are rounded.
    sampled
        Whether messages meet what befalls them in training (where there are draws), or in evaluation.
    extra_perturbations
        What befalls them besides.

    Returns
    -------
    Dialogue
        Of S seeds: ``[S, T, B, ...]``.
    """
    with torch.no_grad():
        seen, known = prepare(sender, receiver, images, descriptions)
        training = sampled and draws is not None
        turns = list(
            rollout_steps(sender, receiver, seen, known, draws, training, extra_perturbations=extra_perturbations)
        )
    columns = zip(*(_of_dialogue(turn) for turn in turns), strict=True)
    return Dialogue(*(torch.stack(column, 1) for column in columns))


def _of_dialogue(turn: Turn) -> tuple[Tensor, ...]:
    said = (turn.sender.value, turn.receiver.value, turn.go_on, turn.active)
    return (*said, turn.sender.probs, turn.receiver.probs, turn.go_on_probs, turn.scores)


def prepare(sender: Sender, receiver: Receiver, images: Images, descriptions: Descriptions) -> tuple[Seen, Known]:
    """Return what Sender and Receiver make of images and descriptions before they talk."""
    seeds, dimensions = sender.hear.weight.shape[0], 4 if sender.settings.visual_attention else 3
    return sender.eye.prepare(images.of_seeds(seeds, dimensions)), receiver.prepare(descriptions)


def rollout_steps(
    sender: Sender,
    receiver: Receiver,
    seen: Seen,
    known: Known,
    draws: RandomDraws | None,
    training: bool,
    compact_finished: bool = False,
    extra_perturbations: ExtraPerturbations | None = None,
) -> Iterator[Turn]:
    """Yield exchange after exchange of a batch of dialogues.

    Parameters
    ----------
    sender, receiver
        The agents.
    seen, known
        From `prepare`.
    draws
        Random numbers; without them bits are rounded.
    training
        Whether messages meet what befalls them in training, or in evaluation.
    compact_finished
        Whether dialogues that have ended are gone on with, or leave the batch; with the last one all ends.
    extra_perturbations
        What befalls messages besides what the settings say; it is of the whole batch, which nobody may then leave.
    """
    if compact_finished and extra_perturbations is not None:
        raise ValueError("extra_perturbations covers the whole batch, so compact_finished must be False.")
    floor = _Floor(sender, receiver, seen, known, draws, training)
    floor.extra_perturbations = extra_perturbations
    for t in range(sender.settings.max_exchanges):
        yield floor.exchange(t)
        if sender.settings.adaptive and compact_finished and floor.clear():
            return


class _Floor:
    """The dialogues under way, from one exchange to the next."""

    def __init__(
        self, sender: Sender, receiver: Receiver, seen: Seen, known: Known, draws: RandomDraws | None, training: bool
    ) -> None:
        self.sender, self.receiver, self.seen, self.known, self.draws = sender, receiver, seen, known, draws
        settings = self.settings = sender.settings
        self.channel = make_channel(settings.channel, settings.temperature)
        self.to_receiver, self.to_sender = effects(settings, training)
        features = seen.features
        seeds, batch = features.shape[:2]
        self.rows = torch.arange(batch, device=features.device).expand(seeds, batch)
        self.came_from, self.whole = self.rows, True
        self.state = features.new_zeros(seeds, batch, receiver.hidden_size)
        self.active = self.going = features.new_ones(seeds, batch)
        self.incoming: Tensor | None = None
        self.extra_perturbations: ExtraPerturbations | None = None

    def exchange(self, t: int) -> Turn:
        """Make one exchange."""
        sender, receiver, _bits = self.sender, self.receiver, self.settings.message_bits
        drawn, flips = self._drawn(t)
        to_receiver, to_sender = self._lines(t)
        look = sender.eye.look(self.seen, self.incoming)
        sender_logits = sender.open(look.view) if self.incoming is None else sender.answer(look.view, self.incoming)
        said = self.channel.say(sender_logits, drawn[0])
        said = said._replace(value=heard(said.value, to_receiver, flips[0]))
        step = receiver.listen(said.value, self.state)
        go_on_logits = receiver.go_on(step.after)
        reading = receiver.read(self.known, step.after)
        scores = receiver.score(self.known, reading, step.after)
        gist = receiver.gist(self.known, reading, scores.softmax(-1))
        receiver_logits = receiver.question(gist, step.after)
        asked = self.channel.say(receiver_logits, drawn[1])
        asked = asked._replace(value=heard(asked.value, to_sender, flips[1]))
        go_on, go_on_probs = self._decide(go_on_logits, drawn[2])
        turn = Turn(
            self.rows, self.came_from, self.active, look, sender_logits, said, step, reading, scores, gist,
            receiver_logits, asked, go_on_logits, go_on_probs, go_on,
        )  # fmt: skip
        self.state, self.incoming = step.after, asked.value
        self.came_from = torch.arange(self.rows.shape[1], device=self.rows.device).expand_as(self.rows)
        if self.settings.adaptive:
            self.active = self.active * go_on
        return turn

    def _lines(self, t: int) -> tuple[list[Effect], list[Effect]]:
        """Return what befalls the messages of an exchange."""
        if self.extra_perturbations is None:
            return self.to_receiver, self.to_sender
        added_to_receiver, added_to_sender = (lists[t] for lists in self.extra_perturbations)
        return [*self.to_receiver, *added_to_receiver], [*self.to_sender, *added_to_sender]

    def _drawn(self, t: int) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Return the exchange's random numbers for the dialogues that are gone on with."""
        bits = self.settings.message_bits
        decisions: list[Tensor | None] = [None, None, None]
        flips: list[Tensor | None] = [None, None]
        if self.draws is not None and self.draws.decisions is not None:
            decisions = list(self._of_rows(self.draws.decisions[:, t]).split([bits, bits, 1], -1))
        if self.draws is not None and self.draws.flips is not None:
            flips = list(self._of_rows(self.draws.flips[:, t]).split([bits, bits], -1))
        return decisions, flips

    def _of_rows(self, values: Tensor) -> Tensor:
        return values if self.whole else pick(values, self.rows)

    def _decide(self, logits: Tensor, drawn: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the decisions to go on and their probabilities, ``[S, M]`` each."""
        said = Bernoulli().say(logits, None if drawn is None else drawn[..., 0])
        if drawn is not None:
            return said.value.detach(), said.probs
        self.going = self.going * said.probs if self.settings.stop_rule == "product" else said.probs
        return self.going.round().detach(), said.probs

    def clear(self) -> bool:
        """Let those leave who have ended; return whether nobody is left."""
        places = who_stays(self.active)
        if places is None:
            return False
        if places.shape[1] == 0:
            return True
        self.whole, self.came_from = False, places
        self.rows, self.active = pick(self.rows, places), pick(self.active, places)
        self.state, self.going = pick(self.state, places), pick(self.going, places)
        assert self.incoming is not None  # an exchange has been made
        self.incoming, self.seen = pick(self.incoming, places), self.seen.of_rows(places)
        return False


def layout_of(turns: list[Turn]) -> Layout:
    """Return where the turns of a conversation lie when they are packed exchange by exchange."""
    sizes = [turn.rows.shape[1] for turn in turns]
    starts = [sum(sizes[:exchange]) for exchange in range(len(sizes))]
    rows = torch.cat([turn.rows for turn in turns], 1)
    mask = torch.cat([turn.active for turn in turns], 1)
    seeds, batch = turns[0].rows.shape
    pieces = [turn.came_from + start for turn, start in zip(turns[1:], starts, strict=False)]
    before = torch.cat(pieces, 1) if pieces else rows[:, :0]
    # Of a dialogue's turns that are on, the last has the highest place.
    places = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
    last = torch.zeros(seeds, batch, dtype=torch.int64, device=rows.device)
    last.scatter_reduce_(1, rows, places * mask.long(), "amax")
    return Layout(sizes, rows, before, mask, last, len(set(sizes)) == 1)
