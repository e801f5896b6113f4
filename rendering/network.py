"""Who may talk to whom: nothing, but for what is named here."""

from collections.abc import Iterable

from rendering import pods
from rendering.description import Description
from rendering.located import Json

COMPONENT = "network"
KNATIVE = ("knative-serving", "knative-eventing", "kourier-system", "istio-system", "contour-internal")
# Where stores listen: Postgres, PgBouncer, Redis, S3 on premises; then whatever speaks HTTP, S3 and embeddings too.
STORES = (5432, 6432, 6379, 9000)
BACKENDS = (*STORES, 443, 80, 8080)
# OTLP over gRPC and HTTP, and Pyroscope's pushes.
TELEMETRY = (4317, 4318, 4040)
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
PRIVATE_V6 = ("fc00::/7", "fe80::/10", "64:ff9b::/96")
# Where a cluster's nodes answer for DNS themselves, they do so at this address.
NODE_LOCAL_DNS = "169.254.20.10/32"
NAMESPACE_NAME = "kubernetes.io/metadata.name"
PAGES = ("scrape", "scrape-worker")


def objects(description: Description) -> list[Json]:
    namespace = description.namespace
    return [
        _policy("deny-all", namespace, {}, {"policyTypes": ["Ingress", "Egress"]}),
        _policy("dns", namespace, {}, {"policyTypes": ["Egress"], "egress": [_dns()]}),
        _policy("platform", namespace, _ours(), _platform()),
        _policy("backends", namespace, _but(PAGES, "function", "worker", "migration"), _reaches(BACKENDS)),
        *(_policy(f"stores-{name}", namespace, _named(name), _reaches(STORES)) for name in _fetchers(description)),
        *(_policy(f"pages-{name}", namespace, _named(name), _pages()) for name in _fetchers(description)),
        _policy("metrics", namespace, _of_components("function", "worker", "inference"), _metrics()),
        _policy("telemetry", namespace, _ours(), _telemetry()),
    ]


def served_to(name: str, namespace: str, callers: Iterable[str]) -> Json:
    """An embeddings server: questions from these alone; it may fetch its model's files."""
    sources = [{"podSelector": _named(caller)} for caller in callers]
    ingress = [{"from": sources, "ports": [_tcp(pods.PORT)]}]
    egress = [{"to": [_internet()], "ports": [_tcp(443)]}]
    return _policy(
        name, namespace, _named(name), {"policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    )


def _fetchers(description: Description) -> list[str]:
    return [each.name for each in description.functions if each.name in PAGES]


def _policy(name: str, namespace: str, selector: Json, rules: Json) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": pods.metadata(name, namespace, COMPONENT),
        "spec": {"podSelector": selector, **rules},
    }


def _ours() -> Json:
    return _of_components("function", "worker", "tick")


def _of_components(*names: str) -> Json:
    return {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(names)}]}


def _but(names: Iterable[str], *components: str) -> Json:
    others = {"key": "app.kubernetes.io/name", "operator": "NotIn", "values": list(names)}
    return {"matchExpressions": [*_of_components(*components)["matchExpressions"], others]}


def _named(name: str) -> Json:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _dns() -> Json:
    return {
        "to": [
            {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "kube-system"}}},
            {"ipBlock": {"cidr": NODE_LOCAL_DNS}},
        ],
        "ports": [_tcp(53), {"protocol": "UDP", "port": 53}],
    }


def _platform() -> Json:
    """Requests come and go through Knative's activator, ingress and broker; probes too."""
    peers = [_knative(), {"podSelector": {}}]
    return {"policyTypes": ["Ingress", "Egress"], "ingress": [{"from": peers}], "egress": [{"to": peers}]}


def _knative() -> Json:
    values = {"key": NAMESPACE_NAME, "operator": "In", "values": list(KNATIVE)}
    return {"namespaceSelector": {"matchExpressions": [values]}}


def _reaches(ports: Iterable[int]) -> Json:
    return {"policyTypes": ["Egress"], "egress": [{"ports": [_tcp(port) for port in ports]}]}


def _pages() -> Json:
    """The web, for those who go where strangers say; the code refuses what is private too, once a name is resolved."""
    return {
        "policyTypes": ["Egress"],
        "egress": [{"to": [_internet(), _internet_v6()], "ports": [_tcp(80), _tcp(443)]}],
    }


def _internet() -> Json:
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}


def _internet_v6() -> Json:
    return {"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_V6)}}


def _telemetry() -> Json:
    """Spans and profiles, to where metrics are scraped from."""
    ports = [_tcp(port) for port in TELEMETRY]
    return {"policyTypes": ["Egress"], "egress": [{"to": [_monitoring()], "ports": ports}]}


def _metrics() -> Json:
    """Prometheus, in a namespace with the label that says so; 9090 and 9091 are the queue proxy's own."""
    ports = [_tcp(pods.PORT), _tcp(9090), _tcp(9091)]
    return {"policyTypes": ["Ingress"], "ingress": [{"from": [_monitoring()], "ports": ports}]}


def _monitoring() -> Json:
    return {"namespaceSelector": {"matchLabels": {"dev.sluice/monitoring": "true"}}}


def _tcp(port: int) -> Json:
    return {"protocol": "TCP", "port": port}
