"""Parley's own Sender and Receiver written as agents of one's own: plain modules with the weights of one seed."""

import torch
from torch import nn

from parley.game import BaseReceiver, BaseSender, ReceiverOutput, SenderOutput


class PlainSender(BaseSender):
    def __init__(self, game, feature_size, context_size, options):
        super().__init__(game, feature_size, context_size, options)
        self.view_size, bits = game.sender_hidden, game.message_bits
        self.project, self.hear = nn.Linear(feature_size, self.view_size), nn.Linear(bits, self.view_size)
        self.speak, self.opening_code = nn.Linear(self.view_size, bits), nn.Parameter(torch.zeros(bits))
        if game.visual_attention:
            self.item, self.query, self.context, self.energy = (
                nn.Linear(size, out)
                for size, out in (
                    (feature_size, game.sender_attention_hidden),
                    (bits, game.sender_attention_hidden),
                    (context_size, game.sender_attention_hidden),
                    (game.sender_attention_hidden, 1),
                )
            )

    def respond(self, encoded, received, memory):
        view, weights = self.look(encoded, received)
        heard = self.opening_code.sigmoid().expand(len(view), -1) if received is None else received
        return SenderOutput(self.speak((view + self.hear(heard)).tanh()), view, attention=weights)

    def look(self, images, received):
        if not self.game.visual_attention:
            return self.project(images.features), None
        if received is None:
            cells = images.features.shape[1]
            weights = images.features.new_full(images.features.shape[:2], 1 / cells)
        else:
            query = self.query(received) + self.context(images.context)
            weights = self.energy((self.item(images.features) + query[:, None]).tanh())[..., 0].softmax(-1)
        return self.project((weights[..., None] * images.features).sum(1)), weights


class PlainReceiver(BaseReceiver):
    def __init__(self, game, word_size, options):
        super().__init__(game, word_size, options)
        self.state_size = hidden = game.receiver_hidden
        self.listen, self.stop = nn.GRUCell(game.message_bits, hidden), nn.Linear(hidden, 1)
        self.score_first, self.score_last = nn.Linear(hidden + word_size, hidden), nn.Linear(hidden, 1)
        self.ask_state, self.ask_reading = nn.Linear(hidden, hidden), nn.Linear(word_size, hidden, bias=False)
        self.ask = nn.Linear(hidden, game.message_bits)

    def respond(self, encoded, received, state):
        state, vectors = self.listen(received, state), encoded.vectors
        pairs = torch.cat(
            [
                state[:, None].expand(-1, len(vectors), -1),
                vectors[None].expand(len(state), -1, -1),
            ],
            -1,
        )
        scores = self.score_last(self.score_first(pairs).relu())[..., 0]
        reading = scores.softmax(-1).detach() @ vectors
        logits = self.ask((self.ask_state(state) + self.ask_reading(reading)).tanh())
        return ReceiverOutput(logits, scores, self.stop(state)[..., 0], state)


SENDER_NAMES = {
    "project": "eye.project",
    "item": "eye.attention.item",
    "query": "eye.attention.queries.0",
    "context": "eye.attention.queries.1",
    "energy": "eye.attention.energy",
}


def parleys_name(name):
    """The name that Parley's own agents give a parameter of these."""
    first, _, rest = name.removeprefix("module.").partition(".")
    return ".".join([SENDER_NAMES.get(first, first), rest] if rest else [first])
