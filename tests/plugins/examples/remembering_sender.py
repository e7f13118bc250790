"""A Sender that remembers: a GRU over its own exchanges."""

import torch
from torch import nn

from parley.game import BaseSender, SenderOutput
from parley.plugins import sender


@sender("remembering", width=256)
class RememberingSender(BaseSender):
    """Speaks from a state that has seen the image and all messages so far, its own among them."""

    def __init__(self, game, feature_size, context_size, options):
        super().__init__(game, feature_size, context_size, options)
        self.view_size = width = options["width"]
        self.see, self.hear = nn.Linear(feature_size, width), nn.Linear(2 * game.message_bits, width)
        self.remember, self.speak = nn.GRUCell(width, width), nn.Linear(width, game.message_bits)

    def encode(self, images):
        return self.see(images.features)  # [B, width]

    def respond(self, encoded, received, memory):
        if received is None:
            state, heard = torch.zeros_like(encoded), 0
        else:
            state, said = memory
            heard = self.hear(torch.cat([received, said], -1))
        state = self.remember(encoded + heard, state)
        logits = self.speak(state.tanh())
        return SenderOutput(logits, encoded, memory=(state, logits.sigmoid().detach()))
