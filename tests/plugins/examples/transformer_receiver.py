"""A Receiver that attends to the descriptions by a transformer: its state is one token, each description another."""

import torch
from torch import nn

from parley.game import BaseReceiver, ReceiverOutput
from parley.plugins import receiver


@receiver("transformer", width=64, layers=1)
class TransformerReceiver(BaseReceiver):
    """Scores each description after it has seen the state and all other descriptions."""

    def __init__(self, game, word_size, options):
        super().__init__(game, word_size, options)
        self.state_size = width = options["width"]
        self.read, self.listen = nn.Linear(word_size, width), nn.GRUCell(game.message_bits, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0, batch_first=True, norm_first=True)
        self.attend = nn.TransformerEncoder(layer, options["layers"], enable_nested_tensor=False)
        self.score, self.ask, self.stop = nn.Linear(width, 1), nn.Linear(width, game.message_bits), nn.Linear(width, 1)

    def encode(self, descriptions):
        return self.read(descriptions.vectors)  # [D, width]

    def respond(self, encoded, received, state):
        state = self.listen(received, state)
        read = encoded * state[:, None]  # [B, D, width]
        tokens = self.attend(torch.cat([state[:, None], read], 1))
        own, descriptions = tokens[:, 0], tokens[:, 1:]
        return ReceiverOutput(self.ask(own), self.score(descriptions)[..., 0], self.stop(own)[..., 0], state)
