"""stack.yml for one edition of OpenFaaS, and the profiles that Pro has for placement."""

from collections.abc import Mapping
from typing import Literal

from rendering import pods
from rendering.classes import ResourceClass
from rendering.description import Description
from rendering.located import Json
from rendering.stack import Function

Edition = Literal["ce", "pro"]
EDITIONS: tuple[Edition, ...] = ("ce", "pro")
SCALE = "com.openfaas.scale"
PROFILE = "com.openfaas.profile"
CE_MOST = 5
# The idler's usual patience.
ZERO_AFTER = "15m"


def stack(description: Description, edition: Edition, provider: Mapping[str, str]) -> Json:
    functions = {each.name: _function(each, description, edition) for each in description.functions}
    return {"version": 1.0, "provider": dict(provider), "functions": functions}


def profiles(description: Description) -> list[Json]:
    """One a class that says on which nodes it runs."""
    return [_profile(each) for each in description.classes.values() if each.tolerations]


def stays(function: Function, description: Description) -> bool:
    """Never at zero on OpenFaaS: who would wake it? Workers look for work themselves, and sweep."""
    return function.public or function.queue is not None or function.name == description.eventing.ticked


def _function(function: Function, description: Description, edition: Edition) -> Json:
    entry = dict(function.entry)
    entry["labels"] = {**function.labels, **_scaling(function, description, edition)}
    entry["annotations"] = {**function.annotations, **pods.scraped()}
    if edition == "pro":
        if function.resources.node_selector:
            entry["constraints"] = [f"{key}={value}" for key, value in function.resources.node_selector.items()]
        if function.resources.tolerations:
            entry["annotations"] |= {PROFILE: function.resources.name}
    return entry


def _scaling(function: Function, description: Description, edition: Edition) -> dict[str, str]:
    found = function.resources
    if edition == "ce":
        return {f"{SCALE}.min": "1", f"{SCALE}.max": str(min(found.max_scale, CE_MOST))}
    labels = {f"{SCALE}.min": str(max(1, found.min_scale)), f"{SCALE}.max": str(found.max_scale)}
    if function.queue is None and found.concurrency:
        labels |= {f"{SCALE}.type": "capacity", f"{SCALE}.target": str(found.concurrency)}
    if found.min_scale == 0 and not stays(function, description):
        labels |= {f"{SCALE}.zero": "true", f"{SCALE}.zero-duration": ZERO_AFTER}
    return labels


def _profile(of: ResourceClass) -> Json:
    return {
        "apiVersion": "openfaas.com/v1",
        "kind": "Profile",
        "metadata": {"name": of.name, "namespace": "openfaas"},
        "spec": {"tolerations": [dict(each) for each in of.tolerations]},
    }
