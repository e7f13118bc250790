"""The game on plain tensors, as in a notebook."""

import subprocess
import sys

import torch

from parley.game import Descriptions, GameSettings, Images, Receiver, Sender, exchange


def test_two_seeds_talk_about_plain_tensors():
    settings = GameSettings(message_bits=8, max_exchanges=5)
    sender, receiver = Sender(12, settings, seeds=[1, 2]), Receiver(10, settings, seeds=[1, 2])
    said = exchange(sender, receiver, Images(torch.randn(6, 12)), Descriptions(torch.randn(4, 10)))
    assert said.sender_bits.shape == (2, 5, 6, 8)
    assert said.of(0).scores.shape == (5, 6, 4)
    assert not torch.equal(said.of(0).scores, said.of(1).scores)


def test_checking_settings_does_not_wait_for_torch():
    code = "import sys, parley.game.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
