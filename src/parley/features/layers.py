"""Find the nodes of a network's graph that return the feature map, the pooled vector and the logits."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models import ResNet, VisionTransformer
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from parley.core.errors import ParleyError
from parley.features.options import Role

Shape = tuple[int, ...]


class Layer(NamedTuple):
    """An output of a network, used in the role ``pooled`` (pooled vector), ``map`` (feature map) or ``logits``."""

    node: str  # graph node whose output is converted to the layer, see `form`
    name: str
    """Name of the layer's dataset, made from the name of a module or node, such as ``layer4_2`` for the map and ``fc``
    for the logits of a ResNet. For the pooled vector, the length is appended, such as ``avgpool_512``."""
    shape: Shape  # shape for one image: [C], or [C, h, w] for the map
    form: Literal["as is", "mean", "grid"] = "as is"
    """Conversion of the node's output: ``as is``, ``mean`` over the map's cells, or ``grid`` for patch tokens."""

    def of(self, value: Tensor) -> Tensor:
        """Convert the node's output for N images to ``[N, *shape]``."""
        if self.form == "mean":
            return value.mean((2, 3))
        if self.form == "grid":  # [N, 1 + hw, C] with class token → [N, C, hw] → [N, C, h, w]
            return value[:, 1:].transpose(1, 2).reshape(len(value), *self.shape)
        return value.reshape(len(value), *self.shape)


def find_layers(network: nn.Module, size_px: int) -> dict[Role, Layer]:
    """Find the layers by running the network's graph on one blank image.

    The map is the last feature map of more than one cell (position) before the classifier. For a ResNet, it is the sum
    at the end of the last block, before the ReLU; for a vision transformer, the patch tokens after the last layer
    norm. The pooled vector is the first vector after the map whose length equals the map's number of channels; if there
    is none, as in SqueezeNet and VGG, it is the mean over the map's cells. The logits are the network's output.

    Parameters
    ----------
    network
        A classification network of torchvision, in evaluation mode.
    size_px
        Height and width of the input image, in pixels.

    Raises
    ------
    ParleyError
        If the network does not accept images of that size.
    """
    shapes = _node_shapes(network, size_px)
    names = list(shapes)
    # The classifier is the top-level module that contains the last parameters. The map must not be inside it.
    head = list(network.named_parameters())[-1][0].split(".")[0]
    last = max(index for index, name in enumerate(names) if _has_cells(shapes[name]) and not _within(name, head))
    feature_map = Layer(names[last], _outermost(names, last), shapes[names[last]][1:])
    if isinstance(network, ResNet):
        feature_map = _before_last_relu(shapes)
    elif isinstance(network, VisionTransformer):
        side = size_px // network.patch_size
        feature_map = Layer("encoder.ln", "encoder", (network.hidden_dim, side, side), "grid")
    pooled = _pooled(feature_map, {name: shapes[name] for name in names[last + 1 :]})
    if isinstance(network, VisionTransformer):
        pooled = pooled._replace(name=f"class_token_{network.hidden_dim}")
    return {"pooled": pooled, "map": feature_map, "logits": Layer(names[-1], head, shapes[names[-1]][1:])}


def _node_shapes(network: nn.Module, size_px: int) -> dict[str, Shape]:
    """Return the output shape for one image of each node that returns a tensor, in the order of the graph."""
    in_training, in_evaluation = get_graph_node_names(network, suppress_diff_warning=True)
    everything = create_feature_extractor(
        network,
        train_return_nodes=in_training[-1:],
        eval_return_nodes=in_evaluation,
        suppress_diff_warning=True,
    )
    try:
        with torch.inference_mode():
            values = everything.eval()(torch.zeros(1, 3, size_px, size_px))
    except (AssertionError, RuntimeError) as error:
        raise refused_size(size_px, error) from error
    return {name: tuple(value.shape) for name, value in values.items() if isinstance(value, Tensor)}


def refused_size(size_px: int, error: Exception) -> ParleyError:
    """Return the error to raise if a network does not accept images of the given height and width."""
    return ParleyError(
        f"features.preprocessing: the network does not accept images of {size_px} px ({str(error).strip()}); "
        "choose another size or `corrected`, which is its library's size for the network."
    )


def _pooled(feature_map: Layer, after: Mapping[str, Shape]) -> Layer:
    channels = feature_map.shape[0]
    for name, shape in after.items():
        if shape in ((1, channels), (1, channels, 1, 1)):
            return Layer(name, f"{name.replace('.', '_')}_{channels}", (channels,))
    return Layer(feature_map.node, f"{feature_map.name}_{channels}", (channels,), "mean")


def _before_last_relu(shapes: Mapping[str, Shape]) -> Layer:
    sums = [name for name in shapes if _within(name, "layer4") and name.rsplit(".", 1)[1].startswith("add")]
    return Layer(sums[-1], sums[-1].rsplit(".", 1)[0].replace(".", "_"), shapes[sums[-1]][1:])


def _has_cells(shape: Shape) -> bool:
    return len(shape) == 4 and shape[2] * shape[3] > 1


def _outermost(names: list[str], index: int) -> str:
    """Return the outermost module whose last node is at `index`, such as `features` for `features.12.cat`."""
    steps = names[index].split(".")
    prefixes = (".".join(steps[:length]) for length in range(1, len(steps) + 1))
    ending = next(prefix for prefix in prefixes if not any(_within(name, prefix) for name in names[index + 1 :]))
    return ending.replace(".", "_")


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")
