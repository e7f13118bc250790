"""Torchvision is imported without PyTorch's compiler, and everything that needs the compiler still works."""

import subprocess
import sys

PROGRAM = """
import sys
import parley.features.extract
print(sorted({"torch._dynamo", "torch._inductor", "triton", "sympy"} & set(sys.modules)))
import torch, torchvision
from torchvision.ops import roi_align
from torchvision.ops.roi_align import is_compile_supported
boxes = [torch.tensor([[0.0, 0.0, 2.0, 2.0]])]
print(roi_align(torch.ones(1, 1, 4, 4), boxes, 1).item(), "torch._dynamo" in sys.modules)
print(torch.compile(lambda value: value + 1, backend="eager")(torch.ones(1)).item())
from torch._dynamo import utils
print(is_compile_supported("cpu") == utils.is_compile_supported("cpu"))
"""
"""Run in a process of its own, in which nothing is imported yet."""


def test_extraction_imports_no_compiler_and_can_still_compile():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["[]", "1.0 False", "2.0", "True"], done.stderr
