"""Rules about Brokers and Triggers."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from emulator.broker.ports import BrokerDestination, Destination, FunctionDestination
from emulator.broker.retry import DeliveryPolicy
from emulator.cesql import is_boolean, parse
from emulator.lint.findings import Said
from emulator.lint.possible import passes_everything, skipped
from emulator.lint.sources import BrokerSource, Json, PingSourceSource, ServiceSource, Sources, TriggerSource

Manifest: TypeAlias = BrokerSource | TriggerSource | PingSourceSource | ServiceSource

RETRY_AFTER_FLAG = "delivery-retryafter"


def name_twice(sources: Sources) -> Iterator[Said]:
    everything: list[Manifest] = [*sources.brokers, *sources.triggers, *sources.pings, *sources.services]
    subjects = Counter(each.say("", "").subject for each in everything)
    for each in everything:
        subject = each.say("", "").subject
        if subjects[subject] > 1:
            yield each.say(
                "metadata.name", f"{subject} is there {subjects[subject]} times, and the last one applied counts"
            )


def broker_unknown(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        if sources.broker_of(each.trigger) is None:
            problem = f"namespace {each.trigger.namespace} has no Broker {each.trigger.broker} among the manifests"
            yield each.say("spec.broker", problem)


def filter_passes_all(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        trigger = each.trigger
        if passes_everything(trigger.filter, trigger.filters):
            field = "spec.filters" if trigger.filters else "spec.filter"
            yield each.say(field, "every event of the broker is let through, replies of this subscriber too")


def filter_item_skipped(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        for path in skipped(each.trigger.filters, "spec.filters"):
            yield each.say(path, "cannot be built, as an empty name or value is in it, and is left out with a log line")


def cesql_not_boolean(sources: Sources) -> Iterator[Said]:
    for each, path, expression in _expressions(sources):
        if _boolean(expression) is False:
            yield each.say(path, "is never a boolean: the filter crashes on every event, which is retried, then lost")


def cesql_maybe_not_boolean(sources: Sources) -> Iterator[Said]:
    for each, path, expression in _expressions(sources):
        if _boolean(expression) is None:
            problem = "is an attribute alone, which is text even when it says true: the filter crashes; compare it"
            yield each.say(path, problem)


def delivery_without_retries(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        broker, own = sources.broker_of(each.trigger), each.trigger.delivery
        hidden = broker is None or broker.broker.delivery.retry > 0
        if own != DeliveryPolicy() and not own.retry and hidden:
            given = ", ".join(each.delivery)
            problem = f"has {given} and no retry: the Broker's retries do not apply, and a failure is not tried again"
            yield each.say("spec.delivery", problem)


def delivery_without_backoff(sources: Sources) -> Iterator[Said]:
    for each, policy in _policies(sources):
        if policy.retry and (policy.backoff_policy is None or policy.backoff_delay_s is None):
            problem = f"{policy.retry} retries without backoffPolicy and backoffDelay all come at once"
            yield each.say("spec.delivery", problem)


def delivery_retry_after(sources: Sources) -> Iterator[Said]:
    for each, policy in _policies(sources):
        if policy.retry_after_max_s is not None and RETRY_AFTER_FLAG not in sources.flags:
            problem = f"has no effect until {RETRY_AFTER_FLAG} is enabled in config-features of knative-eventing"
            yield each.say("spec.delivery.retryAfterMax", problem)


def no_dead_letter_sink(sources: Sources) -> Iterator[Said]:
    for each in sources.triggers:
        if sources.sink_of(each.trigger) is None and sources.broker_of(each.trigger):
            yield each.say(
                "spec.delivery.deadLetterSink", "neither here nor on the Broker: what fails to the end is lost"
            )


def destination_unknown(sources: Sources) -> Iterator[Said]:
    for each, field, target in _destinations(sources):
        if isinstance(target, FunctionDestination):
            known = not (sources.stack or sources.services) or sources.command_of(target.name) is not None
            problem = f"there is no function {target.name}"
        elif isinstance(target, BrokerDestination):
            names = {(one.broker.namespace, one.broker.name) for one in sources.brokers}
            known, problem = (
                (target.namespace, target.name) in names,
                f"there is no Broker {target.namespace}/{target.name}",
            )
        else:
            continue
        if not known:
            yield each.say(field, f"{problem} among the manifests: nothing reaches it")


def _destinations(
    sources: Sources,
) -> Iterator[tuple[Manifest, str, Destination | None]]:
    sink = "spec.delivery.deadLetterSink"
    for each in sources.triggers:
        yield each, "spec.subscriber", each.trigger.subscriber
        yield each, sink, each.trigger.delivery.dead_letter_sink
    for broker in sources.brokers:
        yield broker, sink, broker.broker.delivery.dead_letter_sink
    for ping in sources.pings:
        yield ping, "spec.sink", ping.ping.sink


def _policies(sources: Sources) -> Iterator[tuple[TriggerSource | BrokerSource, DeliveryPolicy]]:
    for trigger in sources.triggers:
        yield trigger, trigger.trigger.delivery
    for broker in sources.brokers:
        yield broker, broker.broker.delivery


def _expressions(sources: Sources) -> Iterator[tuple[TriggerSource, str, str]]:
    for each in sources.triggers:
        for at, item in enumerate(each.trigger.filters):
            for path, expression in _in_item(item, f"spec.filters[{at}]"):
                yield each, path, expression


def _in_item(item: Json, path: str) -> Iterator[tuple[str, str]]:
    if item.get("cesql"):
        yield f"{path}.cesql", item["cesql"]
    for dialect in ("all", "any"):
        for at, inner in enumerate(item.get(dialect) or ()):
            yield from _in_item(inner, f"{path}.{dialect}[{at}]")
    if item.get("not"):
        yield from _in_item(item["not"], f"{path}.not")


def _boolean(expression: str) -> bool | None:
    parsed = parse(expression).expression
    return True if parsed is None else is_boolean(parsed)
