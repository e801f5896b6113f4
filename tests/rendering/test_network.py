"""Who reaches whom, by the rendered NetworkPolicies as Kubernetes adds them up."""

from ipaddress import ip_address, ip_network

import pytest

from rendering import knative
from rendering.stack import Function
from tests.rendering.world import Json, ours

HERE, METADATA_SERVICE, PRIVATE, PUBLIC = "sluice", "169.254.169.254", "10.1.2.3", "93.184.215.14"
PODS = {
    each["metadata"]["name"]: each["metadata"]["labels"]
    for each in knative.everything(ours(), ours().tiers["h100"], "keda")
    if each["kind"] in ("Service", "Deployment", "Job", "ScaledJob")
}
POLICIES = [
    each["spec"] for each in knative.everything(ours(), ours().tiers["h100"], "keda") if each["kind"] == "NetworkPolicy"
]
OURS = [each for each in ours().functions if each.name != "inference"]  # which this tier has servers for
FETCHERS = ("scrape", "scrape-worker")


def selects(selector: Json, labels: Json) -> bool:
    for rule in selector.get("matchExpressions", ()):
        if (labels.get(rule["key"]) in rule["values"]) != (rule["operator"] == "In"):
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def names(peer: Json, other: str | Json) -> bool:
    """An address outside, a pod of ours by its labels, or a namespace by its label, as `{"namespace": NAME}`."""
    if isinstance(other, str):
        block = peer.get("ipBlock")
        excluded = [] if block is None else block.get("except", [])
        found = block is not None and ip_address(other) in ip_network(block["cidr"])
        return found and not any(ip_address(other) in ip_network(each) for each in excluded)
    if "namespace" in other:
        there = {"kubernetes.io/metadata.name": other["namespace"]}
        return "namespaceSelector" in peer and selects(peer["namespaceSelector"], there)
    return "podSelector" in peer and selects(peer["podSelector"], other)


def allows(direction: str, pod: Json, other: str | Json, port: int) -> bool:
    rules = [rule for each in POLICIES if selects(each["podSelector"], pod) for rule in each.get(direction, ())]
    peers = "to" if direction == "egress" else "from"
    return any(
        ("ports" not in rule or port in [each["port"] for each in rule["ports"]])
        and (peers not in rule or any(names(peer, other) for peer in rule[peers]))
        for rule in rules
    )


def reaches(source: str, other: str | Json, port: int) -> bool:
    return allows("egress", PODS[source], other, port)


def reaches_pod(source: str, target: str, port: int) -> bool:
    return reaches(source, PODS[target], port) and allows("ingress", PODS[target], PODS[source], port)


def test_nobody_reaches_what_is_not_named() -> None:
    assert set(FETCHERS) <= PODS.keys()
    assert not any(reaches(each, PRIVATE, 22) or reaches(each, PUBLIC, 25) for each in PODS)
    assert not any(allows("ingress", labels, {"namespace": "default"}, 8080) for labels in PODS.values())


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_whoever_goes_where_strangers_say_reaches_the_web_and_nothing_inside(fetcher: str) -> None:
    for port in (80, 443):
        assert reaches(fetcher, PUBLIC, port)
        assert not reaches(fetcher, PRIVATE, port)
        assert not reaches(fetcher, METADATA_SERVICE, port)
    assert not reaches(fetcher, PRIVATE, 8080)


@pytest.mark.parametrize("found", OURS, ids=lambda each: each.name)
def test_everybody_reaches_what_it_is_given_the_address_of(found: Function) -> None:
    assert reaches(found.name, {"namespace": "kube-system"}, 53)
    assert reaches(found.name, "169.254.20.10", 53)
    ports = {"database-url": (5432, 6432), "redis-url": (6379,)}
    for secret in found.secrets:
        assert all(reaches(found.name, PRIVATE, port) for port in ports.get(secret, ()))
    if "OBJECT_STORE_URL" in found.environment:
        assert reaches(found.name, PUBLIC, 443)
        assert reaches(found.name, PRIVATE, 9000)
    if found.environment.get("EVENT_SINK"):
        assert reaches(found.name, {"namespace": "knative-eventing"}, 80)


def test_documents_go_to_the_gpu_and_questions_to_the_server_of_their_own() -> None:
    assert reaches_pod("embed-worker", "inference", 8080)
    assert not reaches_pod("search", "inference", 8080)
    assert reaches_pod("search", "inference-query", 8080)
    assert not reaches_pod("scrape-worker", "inference", 8080)


def test_knative_s_own_reach_the_functions() -> None:
    served = [each.name for each in OURS if each.queue is None]
    assert all(allows("ingress", PODS[each], {"namespace": "knative-serving"}, 8012) for each in served)
