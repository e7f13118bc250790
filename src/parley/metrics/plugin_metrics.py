"""Metrics of plug-ins, which are computed after Parley's own, with random numbers of their own."""

import zlib
from numbers import Real
from typing import Any, cast

import numpy as np

from parley.core.errors import ParleyError
from parley.metrics.conversations import Conversations
from parley.metrics.language import record_test
from parley.metrics.permutation import Tested
from parley.metrics.records import finite
from parley.metrics.registry import Metric
from parley.plugins.registry import PLUGINS


def plugin_metrics() -> list[Metric]:
    """Return the metrics that the plug-ins loaded by this process have registered."""
    return [
        Metric(
            name,
            str(about["unit"]),
            str(about["label"]),
            str(about["description"]),
            less_is_better=bool(about["less_is_better"]),
            report_row=cast("int | None", about.get("report_row")),
        )
        for name, (_, about) in PLUGINS.get("metric", {}).items()
    ]


def measure_plugins(found: dict[str, Any], conversations: Conversations, seed: int) -> None:
    """Add the metrics of plug-ins to the result of `measure_language`.

    Parameters
    ----------
    found
        The result, which is changed. Metrics of dialogues that are not all finite are None.
    conversations
        Recorded dialogues of the split.
    seed
        Random seed. With the metric's name it determines its random numbers, so that no metric changes another.
    """
    for metric in plugin_metrics():
        found["measures"][metric.name] = None
        if not conversations.finite:
            continue
        generator = np.random.default_rng([seed, zlib.crc32(metric.name.encode())])
        value = PLUGINS["metric"][metric.name].part(conversations, generator)
        if isinstance(value, Tested):
            record_test(found, metric.name, value, metric.less_is_better)
        elif value is not None:
            found["measures"][metric.name] = _number(metric.name, value)


def _number(name: str, value: Any) -> float:
    """Return the value of a metric as a number; raise `ParleyError` if it is none."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, Real | np.number) or isinstance(value, complex) or finite(float(value)) is None:
        raise ParleyError(
            f"The metric {name} returned {value!r:.60}; it must return a finite number, None if it is undefined, or a "
            "parley.metrics.permutation.Tested."
        )
    return float(value)
