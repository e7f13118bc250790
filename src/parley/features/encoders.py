"""Networks of timm and open_clip as functions from images to features by role, and as parts of Parley's checks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from parley.core.errors import ParleyError
from parley.features.layers import Layer, refused_size
from parley.features.options import ROLES, BackboneName, Role, Transform


class Encoder(nn.Module):
    """A network that returns its features by role: those in `roles`, of those that it has.

    Such a network is called through its library's own functions. Not every one can be traced, as those of torchvision
    are to find their layers.
    """

    roles: tuple[Role, ...] = ROLES
    names: ClassVar[Mapping[Role, str]]
    """Name of each role's dataset. For the pooled vector, the length is appended."""

    def layers(self, size_px: int) -> dict[Role, Layer]:
        """Find the layers by running the network on one blank image of the given height and width.

        Raises
        ------
        ParleyError
            If the network does not accept images of that size.
        """
        try:
            with torch.inference_mode():
                values: dict[Role, Tensor] = self(torch.zeros(1, 3, size_px, size_px))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise refused_size(size_px, error) from error
        return {role: Layer(role, self._named(role, value), tuple(value.shape[1:])) for role, value in values.items()}

    def _named(self, role: Role, value: Tensor) -> str:
        return f"{self.names[role]}_{value.shape[1]}" if role == "pooled" else self.names[role]


class HubFile(NamedTuple):
    """A file of weights on the Hugging Face Hub."""

    repository: str
    names: Sequence[str]
    """The file's possible names, the preferred one first."""


class NetworkLibrary(Protocol):
    """What a module for the networks of a library provides, apart from torchvision."""

    def check(self, name: BackboneName) -> None:
        """Raise `ParleyError` if the library has no such network or weights."""

    def transform(self, name: BackboneName) -> Transform:
        """Return the preprocessing of the named weights, or of the network's first ones if none are named."""

    def hub_file(self, name: BackboneName) -> HubFile:
        """Return where the named weights are on the Hugging Face Hub."""

    def build(self, name: BackboneName) -> nn.Module:
        """Build the network with random weights, drawn from torch's default generator."""

    def load(self, name: BackboneName, path: str) -> nn.Module:
        """Build the network with the named weights, which have been downloaded to `path`."""

    def encoder(self, network: nn.Module, size_px: int) -> Encoder:
        """Return the network as a function from images of the given height and width to features."""


def stored_roles(wanted: tuple[Role, ...], layers: Mapping[Role, Layer], backbone: str) -> tuple[Role, ...]:
    """Return the roles to store: those wanted. If all are wanted, those that the network has.

    Raises
    ------
    ParleyError
        If fewer than all are wanted, and the network lacks one.
    """
    has = tuple(role for role in ROLES if role in layers)
    missing = [role for role in wanted if role not in has]
    if missing and wanted != ROLES:
        raise ParleyError(
            f"features.layers names {', '.join(missing)}, but {backbone} has only {', '.join(has)}; "
            f"set it to [{', '.join(role for role in wanted if role in has) or ', '.join(has)}]."
        )
    return tuple(role for role in wanted if role in has)
