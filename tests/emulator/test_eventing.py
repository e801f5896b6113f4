"""Manifests are read strictly, and errors name file and field."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emulator.broker.ports import BrokerDestination, Destination, FunctionDestination, UriDestination
from emulator.broker.retry import BROKER_DEFAULT, DeliveryPolicy
from emulator.eventing import Trigger, load, read
from emulator.ping import next_tick
from emulator.ticks import ping_event
from shared.errors import InvalidInput

URI = {"uri": "http://example.com/in"}
BROKER = """
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: default, namespace: ns}
"""


def trigger(**spec: Any) -> dict[str, Any]:
    meta = {"name": "t", "namespace": "ns"}
    full = {"broker": "default", "subscriber": URI} | spec
    return {"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": meta, "spec": full}


def broker(**spec: Any) -> dict[str, Any]:
    meta = {"name": "default", "namespace": "ns"}
    return {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": meta, "spec": spec}


def ping(**spec: Any) -> dict[str, Any]:
    sink = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}
    meta = {"name": "tick", "namespace": "ns"}
    return {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "PingSource",
        "metadata": meta,
        "spec": {"sink": sink} | spec,
    }


def one(*, under: dict[str, Any] | None = None, **spec: Any) -> Trigger:
    (found,) = read([trigger(**spec), under or broker()]).triggers
    return found


def test_our_own_manifests_are_right() -> None:
    found = load(Path(__file__).parents[2] / "triggers")
    assert [(each.namespace, each.name) for each in found.brokers] == [("sluice", "default")]
    assert len(found.triggers) >= 8
    assert {each.name for each in found.ping_sources} == {"tick"}
    assert all(each.delivery == found.brokers[0].delivery for each in found.triggers)


def test_a_broker_without_delivery_retries_as_the_cluster_says() -> None:
    assert one().delivery == BROKER_DEFAULT
    assert one(under=broker(delivery={})).delivery == DeliveryPolicy()


def test_a_trigger_hides_the_brokers_delivery_but_not_its_dead_letter_sink() -> None:
    under = broker(delivery={"retry": 3, "deadLetterSink": URI})
    assert one(under=under, delivery={}).delivery.retry == 3
    hidden = one(under=under, delivery={"timeout": "PT1M"}).delivery
    assert hidden == DeliveryPolicy(timeout_s=60, dead_letter_sink=UriDestination("http://example.com/in"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "f"}},
            FunctionDestination("ns", "f"),
        ),
        (
            {
                "ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "f", "namespace": "o"},
                "uri": "up",
            },
            FunctionDestination("o", "f", "/up"),
        ),
        (
            {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "b"}},
            BrokerDestination("ns", "b"),
        ),
        ({"uri": "http://f.o.svc.cluster.local/x?y=1"}, FunctionDestination("o", "f", "/x?y=1")),
        ({"uri": "http://f.o.svc"}, FunctionDestination("o", "f")),
        (
            {"uri": "http://broker-ingress.knative-eventing.svc.cluster.local/ns/b"},
            BrokerDestination("ns", "b"),
        ),
        ({"uri": "https://example.com/x"}, UriDestination("https://example.com/x")),
    ],
)
def test_destinations_are_resolved(written: dict[str, Any], expected: Destination) -> None:
    assert one(subscriber=written).subscriber == expected


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (trigger(subscriber=None), "spec.subscriber"),
        (trigger(subscriber={}), "spec.subscriber"),
        (trigger(subscriber={"uri": "/relative"}), "spec.subscriber.uri"),
        (trigger(subscriber={"uri": "ftp://x/"}), "spec.subscriber.uri"),
        (trigger(subscriber={"uri": "http://[::1"}), "spec.subscriber.uri"),
        (trigger(subscriber={"ref": {"apiVersion": "v1", "kind": "Pod", "name": "x"}}), "spec.subscriber.ref"),
        (trigger(subscriber={"ref": {"kind": "Service", "name": "x"}}), "spec.subscriber.ref.apiVersion"),
        (trigger(broker="other"), "spec.broker"),
        (trigger(broker=7), "spec.broker"),
        (trigger(unknown=1), "spec.unknown"),
        (trigger(filter={"attributes": {"Tenant": "x"}}), "spec.filter.attributes.Tenant"),
        (trigger(filter={"attributes": {"size": 12}}), "spec.filter.attributes.size"),
        (trigger(filter={"atributes": {}}), "spec.filter.atributes"),
        (trigger(filters=[{"exact": {"type": "t"}, "prefix": {"type": "t"}}]), "spec.filters[0]"),
        (trigger(filters=[{}, {"any": [{"like": {}}]}]), "spec.filters[1].any[0].like"),
        (trigger(filters=[{"cesql": "type = = 'x'"}]), "spec.filters[0].cesql"),
        (trigger(filters={"exact": {}}), "spec.filters"),
        (trigger(delivery={"retry": -1}), "spec.delivery.retry"),
        (trigger(delivery={"retry": True}), "spec.delivery.retry"),
        (trigger(delivery={"backoffPolicy": "random"}), "spec.delivery.backoffPolicy"),
        (trigger(delivery={"backoffDelay": "200ms"}), "spec.delivery.backoffDelay"),
        (trigger(delivery={"timeout": "PT0S"}), "spec.delivery.timeout"),
        (trigger(delivery={"format": "xml"}), "spec.delivery.format"),
        (broker(delivery={"deadLetterSink": {}}), "spec.delivery.deadLetterSink"),
        (ping(schedule="whenever"), "spec.schedule"),
        (ping(schedule="* * * *"), "spec.schedule"),
        (ping(timezone="Mars/Olympus"), "spec.timezone"),
        (ping(data="a", dataBase64="YQ=="), "spec.dataBase64"),
        (ping(dataBase64="?"), "spec.dataBase64"),
        (ping(ceOverrides={"extensions": {"my_ext": "x"}}), "spec.ceOverrides.extensions.my_ext"),
        (trigger() | {"metadata": {"namespace": "ns"}}, "metadata.name"),
        (trigger() | {"metadata": {"name": "Not A Name"}}, "metadata.name"),
        (trigger() | {"apiVersion": "eventing.knative.dev/v2"}, "apiVersion"),
        (trigger() | {"kind": "Triger"}, "kind"),
        (trigger() | {"extra": 1}, "extra"),
        (trigger() | {"spec": []}, "spec"),
    ],
)
def test_an_error_names_the_field(manifest: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read([manifest, *([broker()] if manifest.get("kind") != "Broker" else [])])
    assert raised.value.field == field


def test_a_name_is_given_once() -> None:
    with pytest.raises(InvalidInput, match="Trigger ns/t is there twice"):
        read([broker(), trigger(), trigger()])


def test_filters_that_let_everything_through_are_taken_as_the_webhook_does() -> None:
    assert len(one(filters=[{"exact": {"type": ""}}, {}, {"not": {}}, {"all": []}]).filters) == 4


def test_filters_nested_without_end_are_refused() -> None:
    item: dict[str, Any] = {"exact": {"type": "t"}}
    for _ in range(50):
        item = {"not": item}
    with pytest.raises(InvalidInput):
        one(filters=[item])


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: &x 1\nb: *x",
        "a: 1\na: 2",
        "[" * 3000,
        "x: !!python/object/apply:os.system ['true']",
        "a: " + "x" * 2_000_000,
        "\0",
        "kind: Trigger\napiVersion: eventing.knative.dev/v1",
    ],
)
def test_garbage_is_refused_with_the_files_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=r"bad\.yaml"):
        load(tmp_path)


def test_other_documents_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(f"{BROKER}---\n---\nroutes: []\n---\nkind: ConfigMap\napiVersion: v1\n")
    (tmp_path / "notes.txt").write_text("[")
    assert len(load(tmp_path).brokers) == 1


def test_a_time_in_yaml_stays_text(tmp_path: Path) -> None:
    written = "kind: Trigger\napiVersion: eventing.knative.dev/v1\nmetadata: {name: t, namespace: ns}\nspec:\n"
    written += "  broker: default\n  subscriber: {uri: http://x/}\n  filter: {attributes: {time: 2026-01-02T03:04:05Z}}"
    (tmp_path / "t.yaml").write_text(f"{BROKER}---\n{written}")
    assert load(tmp_path).triggers[0].filter == {"time": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    ("schedule", "zone", "expected"),
    [
        ("*/2 * * * * *", "UTC", "2026-03-28T23:59:58+00:00"),
        ("* * * * *", "UTC", "2026-03-29T00:00:00+00:00"),
        ("@hourly", "UTC", "2026-03-29T00:00:00+00:00"),
        ("0 8 * * *", "Europe/Paris", "2026-03-29T06:00:00+00:00"),
        ("0 8 * * *", "America/New_York", "2026-03-29T12:00:00+00:00"),
    ],
)
def test_a_ping_source_ticks_in_its_zone(schedule: str, zone: str, expected: str) -> None:
    after = datetime(2026, 3, 28, 23, 59, 57, tzinfo=UTC)
    tick = next_tick(schedule, zone, after)
    assert tick is not None
    assert tick == datetime.fromisoformat(expected)


def test_a_date_that_never_comes_is_no_tick() -> None:
    assert next_tick("0 0 30 2 *", "UTC", datetime(2026, 3, 1, tzinfo=UTC)) is None


def test_a_ping_source_says_what_it_sends() -> None:
    (found,) = read(
        [ping(schedule="@daily", dataBase64="AAE=", ceOverrides={"extensions": {"tenant": "a"}})]
    ).ping_sources
    event = ping_event(found, datetime(2026, 3, 1, tzinfo=UTC))
    assert event.attributes == {
        "specversion": "1.0",
        "id": event.attributes["id"],
        "source": "/apis/v1/namespaces/ns/pingsources/tick",
        "type": "dev.knative.sources.ping",
        "time": "2026-03-01T00:00:00Z",
        "tenant": "a",
    }
    assert (event.body, found.extensions, found.sink) == (b"\0\1", {"tenant": "a"}, BrokerDestination("ns", "default"))
