"""The conversation: rolled out without gradient, then replayed with it.

No gradient crosses a message, so what was said is a constant for learning. A dialogue is therefore
rolled out exchange by exchange without building a graph, and then gone through again with gradient
for all exchanges at once. The class scores are replayed only where they count, at the stop.
"""

import torch
from torch import Tensor

from parley.game.agents import Agents
from parley.game.payloads import Descriptions, Dialogue, Images, Replay
from parley.game.settings import GameSettings


def exchange(
    agents: Agents,
    images: Images,
    descriptions: Descriptions,
    settings: GameSettings,
    uniforms: Tensor | None = None,
    until_all_stop: bool = False,
) -> Dialogue:
    """Let Sender and Receiver talk about a batch of images.

    Parameters
    ----------
    agents
        The four networks.
    images
        What the Sender sees, B images.
    descriptions
        What the Receiver reads, D candidates.
    settings
        The game.
    uniforms
        ``[T, B, 2d + 1]`` uniform numbers: a bit is 1 where its number is below its probability, the
        Sender's first, then the Receiver's, then the stop bit. None: bits are rounded, as in evaluation.
    until_all_stop
        End as soon as every dialogue has stopped; otherwise all T exchanges are made.

    Returns
    -------
    Dialogue
        Without gradient.
    """
    with torch.no_grad():
        return _roll_out(agents, images, descriptions, settings, uniforms, until_all_stop)


def _roll_out(
    agents: Agents,
    images: Images,
    descriptions: Descriptions,
    settings: GameSettings,
    uniforms: Tensor | None,
    until_all_stop: bool,
) -> Dialogue:
    sender, receiver = agents.sender, agents.receiver
    seen, known = sender.eye.prepare(images), receiver.prepare(descriptions)
    batch, bits = images.features.shape[0], settings.message_bits
    state = images.features.new_zeros(batch, receiver.hidden_size)
    incoming = sender.opening(batch)
    active = going = images.features.new_ones(batch)
    turns: list[tuple[Tensor, ...]] = []
    for t in range(settings.max_exchanges):
        drawn = None if uniforms is None else uniforms[t].split([bits, bits, 1], -1)
        sender_probs = sender.answer(seen, incoming[None], t == 0)[1][0]
        sender_bits = _decide(sender_probs, drawn[0] if drawn else None)
        state = receiver.update(sender_bits, state)
        go_on_probs = receiver.go_on(state)
        read = receiver.read(known, state)
        scores = receiver.score(known, read, state)
        receiver_probs = receiver.question(scores.softmax(-1), read, state)
        receiver_bits = _decide(receiver_probs, drawn[1] if drawn else None)
        going = going * go_on_probs if settings.stop_rule == "product" else go_on_probs
        go_on = going.round() if drawn is None else _decide(go_on_probs, drawn[2][:, 0])
        turns.append((sender_bits, receiver_bits, go_on, active, sender_probs, receiver_probs, go_on_probs, scores))
        incoming = receiver_bits
        if settings.adaptive:
            active = active * go_on
            if until_all_stop and not active.any():
                break
    return Dialogue(*(torch.stack(column) for column in zip(*turns, strict=True)))


def _decide(probs: Tensor, drawn: Tensor | None) -> Tensor:
    return probs.round() if drawn is None else (drawn < probs).to(probs.dtype)


def replay(
    agents: Agents, images: Images, descriptions: Descriptions, dialogue: Dialogue, settings: GameSettings
) -> Replay:
    """Go through a dialogue again with gradient.

    Parameters
    ----------
    agents, images, descriptions, settings
        Those of the dialogue.
    dialogue
        What was said, from `exchange`.
    """
    sender, receiver = agents.sender, agents.receiver
    batch = images.features.shape[0]
    incoming = torch.cat([sender.opening(batch)[None], dialogue.receiver_bits[:-1]])
    views, sender_probs = sender.answer(sender.eye.prepare(images), incoming, True)

    known = receiver.prepare(descriptions)
    states, _ = receiver.listen(dialogue.sender_bits)
    receiver_probs = receiver.question(dialogue.scores.softmax(-1), receiver.read(known, states), states)
    at_stop = states.gather(0, dialogue.last[None, :, None].expand(1, -1, states.shape[-1]))[0]
    return Replay(
        views,
        sender_probs,
        torch.cat([torch.zeros_like(states[:1]), states]),
        receiver_probs,
        receiver.go_on(states),
        receiver.score(known, receiver.read(known, at_stop), at_stop),
    )
