"""An augmentation that scales all features of an image by the same random factor."""

from parley.game.rng import uniforms_from
from parley.plugins import augmentation


@augmentation("brightness", most=1.2)
def brightness(features, states, most):
    uniform = uniforms_from(states, features.shape[1:2]).to(features.dtype)  # One number per image, [S, B].
    factor = most ** (2 * uniform - 1)  # Between 1 / most and most.
    return features * factor.view(*factor.shape, *[1] * (features.dim() - 2))
