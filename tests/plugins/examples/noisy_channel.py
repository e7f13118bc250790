"""The discretise/regularise unit of Foerster et al. (2016), as a channel."""

from parley.game import Channel, Message
from parley.plugins import channel


@channel("noisy", noise_sd=2.0)
class Noisy(Channel):
    """Soft bits with noise in training, with gradient; bits in evaluation."""

    differentiable = True
    samples_bits = False

    def send(self, logits, noise):
        probs = logits.sigmoid()
        if noise is None:
            return Message(probs.round(), probs)
        normal = 2**0.5 * (2 * noise.clamp(1e-6, 1 - 1e-6) - 1).erfinv()
        return Message((logits + self.options["noise_sd"] * normal).sigmoid(), probs)
