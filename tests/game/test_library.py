"""The public interface of the game on plain tensors."""

import re
import subprocess
import sys
from pathlib import Path

import torch

import parley.game
from parley.game import Descriptions, GameSettings, Images, Receiver, Sender, exchange


def test_rollout_of_two_seeds_on_plain_tensors():
    settings = GameSettings(message_bits=8, max_exchanges=5)
    sender, receiver = Sender(12, settings, seeds=[1, 2]), Receiver(10, settings, seeds=[1, 2])
    dialogue = exchange(sender, receiver, Images(torch.randn(6, 12)), Descriptions(torch.randn(4, 10)))
    assert dialogue.sender_bits.shape == (2, 5, 6, 8)
    assert dialogue.of(0).scores.shape == (5, 6, 4)
    assert not torch.equal(dialogue.of(0).scores, dialogue.of(1).scores)


def test_importing_settings_does_not_import_torch():
    code = "import sys, parley.game.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_stub_from_which_plugins_and_editors_know_the_names_has_all_of_them():
    stub = Path(parley.game.__file__).with_suffix(".pyi").read_text()
    found = re.findall(r"^from parley\.game\.(\w+) import \w+ as (\w+)$", stub, re.MULTILINE)
    assert {name: home for home, name in found} == parley.game._HOME
