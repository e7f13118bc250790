"""Reasons why jobs would run: find the params that changed since a job's last run, and describe all reasons in words.

Snakemake records the values of params as text without names, so old values are matched with new ones by similarity.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from parley.config.options import NETWORK_KEYS
from parley.core.formats import listed
from parley.status.jobs import ABSENT, Change, Job

CODE = "code"
"""Name of the param that contains the digest of a stage's code."""
_DIGEST = re.compile(r"[0-9a-f]{16}")
WORDS = {
    "attributes": "evaluation.attributes and attribute_threshold",
    "claims": "claims",
    "classes": "the class set",
    "config": "",
    "content": "the content of a given file",
    "counts": "split",
    "creatures": "the class set",
    "domains": "the class set",
    "encoder": "descriptions.encoder",
    "evaluation": "evaluation",
    "exclude": "fetch.exclude",
    "fetch": "fetch",
    "games": "game",
    "gather": "features.gather",
    "gloss": "descriptions.gloss",
    "images_per_class": "source.world.images_per_class",
    "ks": "evaluation.k and k_unseen",
    "layers": "features.layers",
    "max_mb": "browser.max_mb",
    "most": "evaluation.recorded_images",
    "parts": "the splits",
    "rule": "selection.rule",
    "size_px": "source.world.size_px",
    "source": "source",
    "tables": "tables",
    "wordnet": "descriptions.wordnet",
    "words": "words",
}
"""Param of a rule → its config key or a description. Params that are not listed keep their names."""


def changed_params(recorded: Sequence[str], present: Mapping[str, Any]) -> tuple[list[Change], str | None]:
    """Compare the params of a job's last run with its current params.

    Parameters
    ----------
    recorded
        Params recorded by Snakemake: the `repr` of each value, in alphabetical order.
    present
        Current params, by name.

    Returns
    -------
    list of Change
        The changed values, without the digest of the code.
    str or None
        The recorded digest of the code; empty if none was recorded, None if the digest is unchanged.
    """
    written = {name: repr(value) for name, value in present.items()}
    only_old = Counter(recorded)
    only_old.subtract(written.values())
    old = [_value(text) for text, count in only_old.items() for _ in range(count)]
    kept = Counter(recorded)
    new: dict[str, Any] = {}
    for name, text in written.items():
        if kept[text] > 0:
            kept[text] -= 1
        else:
            new[name] = present[name]
    code = _take_code(old, new)
    changes: list[Change] = []
    for name, value in new.items():
        before = _take_alike(old, value)
        changes += _differences(before, value, (name,))
    changes += [Change("a value that the stage no longer uses", value, ABSENT) for value in old]
    return changes, code


def changed_network(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the changes of the `NETWORK_KEYS` between two versions of the section `features`."""
    before, now = ({key: section.get(key, ABSENT) for key in NETWORK_KEYS} for section in (old, new))
    return list(_differences(before, now, ("features",)))


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _take_code(old: list[Any], new: dict[str, Any]) -> str | None:
    if CODE not in new:
        return None
    del new[CODE]
    digests = [value for value in old if isinstance(value, str) and _DIGEST.fullmatch(value)]
    if not digests:
        return ""
    old.remove(digests[0])
    return digests[0]


def _take_alike(old: list[Any], value: Any) -> Any:
    """Remove the value most similar to `value` from `old` and return it; return `ABSENT` if none is similar."""
    best = max(old, key=lambda other: _likeness(other, value), default=ABSENT)
    if best is ABSENT or _likeness(best, value) <= 0:
        return ABSENT
    old.remove(best)
    return best


def _likeness(one: Any, other: Any) -> float:
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return 1.0 if isinstance(one, bool) == isinstance(other, bool) else 0.0
    if one is None or other is None:
        return 0.1
    if type(one) is not type(other):
        return 0.0
    if isinstance(one, dict):
        return 1.0 + len(set(one) & set(other)) / max(len(set(one) | set(other)), 1)
    if isinstance(one, list):
        inside = one and other and isinstance(one[0], dict) and isinstance(other[0], dict)
        return 1.0 + (_likeness(one[0], other[0]) if inside else sum(item in other for item in one) / (len(one) + 1))
    return 1.0


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Change]:
    """Yield a `Change` for each setting that differs between two nested values, and for each changed order."""
    if repr(old) == repr(new):
        return
    named_old, named_new = _by_name(old), _by_name(new)
    if named_old is not None and named_new is not None and type(old) is type(new):
        for name in dict.fromkeys([*named_new, *named_old]):
            yield from _differences(named_old.get(name, ABSENT), named_new.get(name, ABSENT), (*path, str(name)))
        if list(named_old) != list(named_new) and set(named_old) == set(named_new):
            yield Change(f"the order of {config_name(path)}", list(named_old), list(named_new))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _all_dicts([*old, *new]):
        for one, other in zip(old, new, strict=True):
            yield from _differences(one, other, path)
    else:
        yield Change(config_name(path), old, new)


def _by_name(value: Any) -> dict[Any, Any] | None:
    """Index a list of dicts by their key `name`. A dict is returned unchanged; other values give None."""
    if isinstance(value, list) and _all_dicts(value) and all("name" in one for one in value):
        return {one["name"]: one for one in value}
    return value if isinstance(value, dict) else None


def _all_dicts(several: Sequence[Any]) -> bool:
    return bool(several) and all(isinstance(one, dict) for one in several)


def config_name(path: Sequence[str]) -> str:
    """Return the config key of a value in the params. `path` is the param's name, then the keys inside the param."""
    first, *inside = path
    if first in ("runs", "about") and inside:
        # These params contain a run's settings under their config keys. Only `k` stands for `evaluation.k`.
        return "evaluation.k" if inside == ["k"] else ".".join(inside)
    if first == "games" and inside:
        return ".".join(["game", *inside[1:]]) if inside[1:] else f"run {inside[0]}"
    words = WORDS.get(first, first)
    if " " in words and inside:
        return f"{words}: {' '.join(inside)}"
    return ".".join([words, *inside] if words else inside)


MOST_REASONS = 4
"""Maximum number of reasons shown for a stage."""
MOST_NAMED = 3
"""Maximum number of files, modules or items named in a reason."""
_listed = partial(listed, most=MOST_NAMED)
LONGEST_VALUE = 40
"""Maximum number of characters of a value; longer values are shortened."""


def reasons_of(needed: Sequence[Job], jobs: int, follows: Sequence[str], locked: str) -> tuple[str, ...]:
    """Return the reasons why jobs of a stage would run, in words.

    Parameters
    ----------
    needed
        The jobs that would run.
    jobs
        Number of all jobs of the stage.
    follows
        Other stages whose rerun makes some of these jobs run.
    locked
        `Plan.locked`. If it is not empty, unfinished jobs are reported as running instead of interrupted.
    """
    counts = Counter(reason for job in needed for reason in dict.fromkeys(_own_reasons(job, locked)))
    lines = [reason if count == jobs else f"{count} of {jobs}: {reason}" for reason, count in counts.items()]
    if len(lines) > MOST_REASONS:
        lines = [*lines[: MOST_REASONS - 1], f"and {len(lines) - MOST_REASONS + 1} other reasons"]
    if logs := [job.log for job in needed if job.gone and job.error and not job.interrupted]:
        lines.append(f"see {_listed(logs)}")
    if follows and any(job.follows and (not job.gone or job.recorded) for job in needed):
        lines.append(f"follows from {_listed(follows)}")
    return tuple(lines)


def _own_reasons(job: Job, locked: str) -> Iterator[str]:
    if job.interrupted:
        yield "running now" if locked else "was interrupted"
    elif job.gone and job.error:
        yield f"failed: {job.error}"
    elif job.gone:
        yield f"gone: {_listed(job.gone)}" if job.recorded else "not made yet"
    yield from map(describe, job.changes)
    if job.code is not None:
        yield f"code changed: {_listed(job.code)}" if job.code else "code changed; the modules were not recorded"
    if job.newer and not job.gone:
        yield f"newer than its outputs: {_listed(job.newer)}"
    if job.inputs_added:
        yield f"new inputs: {_listed(job.inputs_added)}"
    if job.inputs_gone:
        yield f"removed inputs: {_listed(job.inputs_gone)}"
    if job.environment:
        yield "software environment changed"


def describe(change: Change) -> str:
    """Return a change in words, such as ``training.steps 3000 → 4000``."""
    if change.old is ABSENT:
        return (
            f"{change.name} is added" if isinstance(change.new, dict) else f"{change.name} is now {_shown(change.new)}"
        )
    if change.new is ABSENT:
        return (
            f"{change.name} is removed" if isinstance(change.old, dict) else f"{change.name} was {_shown(change.old)}"
        )
    if _are_lists_of_values(change.old, change.new):
        added = [item for item in change.new if item not in change.old]
        gone = [item for item in change.old if item not in change.new]
        parts = [f"{sign} {_listed(list(map(_shown, items)))}" for sign, items in (("+", added), ("−", gone)) if items]
        if parts:
            return f"{change.name}: {', '.join(parts)}"
    return f"{change.name} {_shown(change.old)} → {_shown(change.new)}"


def _are_lists_of_values(*values: Any) -> bool:
    return all(isinstance(value, list) and not any(isinstance(item, dict | list) for item in value) for value in values)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(value) or '""'
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
