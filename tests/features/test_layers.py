import pytest
import torch
import torchvision
from torch import nn

from parley.core.errors import ParleyError
from parley.features.layers import find_layers

SEEN = {}


def remember(name):
    def hook(module, inputs, output):
        SEEN[name] = output.detach().clone()

    return hook


def spied(name, *modules):
    """Build a network that leaves the outputs of some modules in SEEN."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(name, weights=None).eval()
    for module in modules:
        network.get_submodule(module).register_forward_hook(remember(module))
    return network


def values_of(network, layers, images):
    """Read the layers with torchvision's extractor directly."""
    nodes = {layer.node: layer.node for layer in layers.values()}
    extractor = torchvision.models.feature_extraction.create_feature_extractor(
        network, return_nodes=nodes, suppress_diff_warning=True
    ).eval()
    found = extractor(images)
    return {role: layer.of(found[layer.node]) for role, layer in layers.items()}


slow = pytest.mark.slow
NETWORKS = [
    # name, module of the map, names of pooled, map and logits, shape of the map at 64 px (ViT: 224)
    ("squeezenet1_0", "features", ("features_512", "features", "classifier"), (512, 3, 3)),
    ("mobilenet_v3_small", "features", ("avgpool_576", "features", "classifier"), (576, 2, 2)),
    ("shufflenet_v2_x0_5", "conv5", ("mean_1024", "conv5", "fc"), (1024, 2, 2)),
    ("regnet_y_400mf", "trunk_output", ("avgpool_440", "trunk_output", "fc"), (440, 2, 2)),
    pytest.param("convnext_tiny", "features", ("avgpool_768", "features", "classifier"), (768, 2, 2), marks=slow),
    pytest.param("swin_t", "permute", ("avgpool_768", "permute", "head"), (768, 2, 2), marks=slow),
]


@pytest.mark.parametrize(("name", "module", "names", "shape"), NETWORKS)
def test_layers_are_found_in_the_graph(name, module, names, shape):
    network = spied(name, module)
    layers = find_layers(network, 64)
    assert tuple(layers[role].name for role in ("pooled", "map", "logits")) == names
    assert layers["map"].shape == shape
    assert layers["pooled"].shape == shape[:1]
    assert layers["logits"].shape == (1000,)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        logits = network(images)
        feature_map = SEEN[module]  # tracing, next, calls the hook again
        found = values_of(network, layers, images)
    torch.testing.assert_close(found["map"], feature_map, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["pooled"], feature_map.mean((2, 3)), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["logits"], logits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "map_name", "channels"),
    [
        ("resnet18", "layer4_1", 512),
        ("resnet34", "layer4_2", 512),
        pytest.param("resnet50", "layer4_2", 2048, marks=slow),
        pytest.param("resnext50_32x4d", "layer4_2", 2048, marks=slow),
    ],
)
def test_a_resnets_map_is_its_last_sum_before_the_relu(name, map_name, channels):
    network = spied(name, "layer4")
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    layers = find_layers(network, 64)
    assert [layers[role].name for role in ("pooled", "map", "logits")] == [f"avgpool_{channels}", map_name, "fc"]
    assert layers["map"].shape == (channels, 2, 2)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        network(images)
        after = SEEN["layer4"]
        found = values_of(network, layers, images)
    assert (found["map"] < 0).float().mean() > 0.1
    torch.testing.assert_close(found["map"].relu(), after)
    torch.testing.assert_close(found["map"].relu().mean((2, 3)), found["pooled"])


@pytest.mark.slow
def test_a_vision_transformers_map_is_its_grid_of_tokens():
    network = spied("vit_b_32", "encoder")
    layers = find_layers(network, 224)
    assert [layers[role].name for role in ("pooled", "map", "logits")] == ["class_token_768", "encoder", "heads"]
    assert layers["map"].shape == (768, 7, 7)
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        network(images)
        tokens = SEEN["encoder"]
        found = values_of(network, layers, images)
    torch.testing.assert_close(found["pooled"], tokens[:, 0])
    # The patch in row 2 and column 5 is the token after the class token and 2 x 7 + 5 others.
    torch.testing.assert_close(found["map"][:, :, 2, 5], tokens[:, 1 + 2 * 7 + 5])


def test_an_unsupported_image_size_is_an_error():
    with pytest.raises(ParleyError, match="does not accept images of 16 px"):
        find_layers(spied("alexnet"), 16)
