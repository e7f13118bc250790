"""A reward for near misses: 1 if the target is among the candidates with the highest scores."""

from parley.plugins import reward


@reward("near_miss", among=3)
def near_miss(scores, log_likelihood, targets, among):
    of_target = scores.gather(-1, targets[..., None])
    return ((scores > of_target).sum(-1) < among).to(scores.dtype)
