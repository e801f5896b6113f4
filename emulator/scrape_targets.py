"""What there is to scrape for metrics, as Prometheus asks an HTTP service discovery: who runs changes all the time."""

from collections.abc import Iterator

from emulator.asgi import App, Receive, Scope, Send, answer, answer_json
from emulator.fleet import Fleet
from emulator.replica import Replica
from emulator.revision import Revision

PATH = b"/observe/targets"
# As in a cluster: a function that has no metrics says so with "false".
SCRAPE, METRICS_PATH = "prometheus.io/scrape", "prometheus.io/path"

Group = dict[str, object]


def listing(fleet: Fleet, own_url: str) -> App:
    """A route that answers with what there is at that moment. `own_url` is the emulator's."""

    async def answer_targets(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await answer_json(send, 200, list(groups(fleet, own_url)))
        else:
            await answer(send, 405)

    return answer_targets


def groups(fleet: Fleet, own_url: str) -> Iterator[Group]:
    """A group each for the emulator and for every replica that can answer; those that drain still count."""
    yield _group(own_url, "emulator", "emulator", "emulator", "/metrics")
    for revision in fleet.revisions.values():
        if revision.spec.annotations.get(SCRAPE) != "false":
            for replica in revision.replicas:
                if replica.state in ("ready", "draining"):
                    yield _of(revision, replica)


def _of(revision: Revision, replica: Replica) -> Group:
    spec = revision.spec
    component = "function" if spec.queue is None else "worker"
    return _group(replica.base_url, spec.name, component, replica.name, spec.annotations.get(METRICS_PATH, "/metrics"))


def _group(url: str, service: str, component: str, instance: str, path: str) -> Group:
    labels = {"job": service, "component": component, "instance": instance, "__metrics_path__": path}
    return {"targets": [url.removeprefix("http://")], "labels": labels}
