"""`--policy NAME[:key=value,...]`: the policies by name, a user's own ones, and their settings."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from hetmig.errors import HetmigError
from hetmig.node.placement.policies import (
    AgeBased,
    DivideAmongIdle,
    PlaceNew,
    Policy,
    ReceiverInitiated,
    SenderInitiated,
    Stay,
)
from hetmig.node.placement.prediction import PREDICTORS, Predictor
from hetmig.node.placement.restraint import Limits

__all__ = ["POLICIES", "Chosen", "policy_of"]

POLICIES: dict[str, Callable[..., Policy]] = {
    "none": Stay,
    "place": PlaceNew,
    "threshold": SenderInitiated,
    "steal": ReceiverInitiated,
    "age": AgeBased,
    "divide": DivideAmongIdle,
}
EVERY, PROBES = 1.0, 8


@dataclass
class Chosen:
    """A policy, and how a node is to run it."""

    text: str
    policy: Policy
    limits: Limits = field(default_factory=Limits)
    predictor: Callable[[], Predictor] = PREDICTORS["last"]
    every: float = EVERY
    """Seconds between two looks at the peers."""
    probes: int = PROBES
    """Peers that are asked at a time, chosen at random where there are more."""


def policy_of(text: str) -> Chosen:
    """What the text describes: `age`, `threshold:threshold=2,every=0.5`, `mymodule:MyPolicy:k=v`.

    Settings that are not the policy's own are those of the node: `every`, `probes`, `predict` and
    the fields of `Limits`.  Raises HetmigError.
    """
    name, _, rest = text.partition(":")
    if name in POLICIES:
        make: Callable[..., Policy] = POLICIES[name]
    else:
        own, _, rest = rest.partition(":")
        make = _loaded(name, own)
    settings = dict(_setting(word) for word in rest.split(",") if word)
    usual = asdict(Limits())
    limits = {item: default for item, default in usual.items() if item in settings}
    chosen: dict[str, Any] = {}
    if "predict" in settings:
        chosen["predictor"] = _predictor(str(settings.pop("predict")))
    known = {"every": EVERY, "probes": PROBES}
    parameters = inspect.signature(make).parameters
    for item, default in known.items():
        if item in settings and item not in parameters:
            chosen[item] = _number(item, settings.pop(item), default)
    bounds = {item: _number(item, settings.pop(item), of) for item, of in limits.items()}
    unknown = settings.keys() - parameters.keys()
    if unknown:
        others = [*parameters, *known, "predict", *usual]
        raise HetmigError(
            f"--policy {text}: {name} has no setting {min(unknown)!r}; there is {', '.join(others)}"
        )
    return Chosen(text, _made(make, settings, text), Limits(**bounds), **chosen)


def _made(make: Callable[..., Policy], settings: dict[str, Any], text: str) -> Policy:
    try:
        policy = make(**settings)
    except (TypeError, ValueError) as error:
        raise HetmigError(f"--policy {text}: {error}") from None
    if not all(callable(getattr(policy, verb, None)) for verb in ("place", "decide", "give")):
        raise HetmigError(f"--policy {text}: it is no hetmig.node.placement.Policy")
    return policy


def _loaded(module: str, name: str) -> Any:
    if not name:
        raise HetmigError(
            f"there is no policy {module!r}: choose one of {', '.join(POLICIES)}, or name a class "
            "of your own as MODULE:CLASS"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise HetmigError(f"--policy {module}:{name}: {error}") from None


def _setting(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not (name.isidentifier() and equals):
        raise HetmigError(f"--policy: {word!r} is not KEY=VALUE")
    if value in ("true", "false", "yes", "no"):
        return name, value in ("true", "yes")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            pass
    return name, value


def _number(name: str, value: Any, default: float) -> Any:
    number = type(default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise HetmigError(f"--policy: {name}={value!r} is no number of them")
    if name in ("every", "probes") and value == 0:
        raise HetmigError(f"--policy: {name} can't be 0")
    return number(value)


def _predictor(text: str) -> Callable[[], Predictor]:
    if text in PREDICTORS:
        return PREDICTORS[text]
    module, _, name = text.rpartition(".")
    if not module:
        raise HetmigError(
            f"predict={text}: choose one of {', '.join(PREDICTORS)}, or MODULE.CLASS of your own"
        )
    made: Callable[[], Predictor] = _loaded(module, name)
    return made
