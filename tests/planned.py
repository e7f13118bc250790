"""Plans as tests look at them: whole."""

from parley.dataset.split_plan import stream_plan


def reserves_in(plan):
    """Each class's reserves by part: the keys by rank."""
    return {name: {part: list(keys) for part, keys in parts} for name, parts in stream_plan(plan)}
