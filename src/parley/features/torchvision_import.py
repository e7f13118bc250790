"""Import torchvision without PyTorch's compiler, which takes longer to import than PyTorch itself.

Other modules import torchvision as usual. A module that imports this one first saves the time.
"""

import importlib
import sys
from importlib.metadata import version
from types import ModuleType

TESTED_TORCHVISION = "0.29."
"""Prefix of the tested torchvision versions. Other versions are imported with the compiler."""
_UTILITIES = "torch._dynamo.utils"


def _is_compile_supported(device_type: str) -> bool:
    """Return whether PyTorch can compile for a type of device; the compiler is imported on the first call."""
    return bool(importlib.import_module(_UTILITIES).is_compile_supported(device_type))


def _import_without_compiler() -> None:
    """Import torchvision with a placeholder for the compiler, of which `torchvision.ops` imports one function."""
    package, utilities = ModuleType("torch._dynamo"), ModuleType(_UTILITIES)
    utilities.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    placeholders = {module.__name__: module for module in (package, utilities)}
    sys.modules |= placeholders
    try:
        importlib.import_module("torchvision")
    finally:
        for name in placeholders:
            del sys.modules[name]


if not {"torchvision", "torch._dynamo"} & set(sys.modules) and version("torchvision").startswith(TESTED_TORCHVISION):
    _import_without_compiler()
