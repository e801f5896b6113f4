"""What is looked at: functions, Services, Brokers and Triggers, each with the file that it is in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.broker.ports import Destination
from emulator.eventing import Broker, PingSource, Trigger
from emulator.knative.service import Service
from emulator.lint.findings import Said
from emulator.openfaas.community import Edition

Json = Mapping[str, Any]


@dataclass(frozen=True)
class StackFunction:
    """An entry of stack.yml; `body` as written, `resources` the class that it names."""

    file: str
    name: str
    body: Json
    resources: Json

    @property
    def labels(self) -> dict[str, str]:
        return texts(self.body.get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        return texts(self.body.get("annotations"))

    @property
    def command(self) -> str:
        return str(self.body.get("fprocess") or "")

    def say(self, field: str, message: str) -> Said:
        """`field` below the function."""
        return Said(self.file, f"function {self.name}", f"functions.{self.name}.{field}", message)


@dataclass(frozen=True)
class ServiceSource:
    """`command` is what runs in it, as far as its manifest says."""

    file: str
    body: Json
    service: Service

    @property
    def name(self) -> str:
        return self.service.meta.name

    @property
    def command(self) -> str:
        return " ".join((*self.service.container.command, *self.service.container.args))

    def say(self, field: str, message: str) -> Said:
        return Said(self.file, f"Service {self.service.meta.namespace}/{self.name}", field, message)


@dataclass(frozen=True)
class BrokerSource:
    file: str
    body: Json
    broker: Broker

    def say(self, field: str, message: str) -> Said:
        return Said(self.file, f"Broker {self.broker.namespace}/{self.broker.name}", field, message)


@dataclass(frozen=True)
class TriggerSource:
    """`trigger` is as written: nothing inherited from its Broker yet."""

    file: str
    body: Json
    trigger: Trigger

    @property
    def delivery(self) -> Json:
        return mapping(mapping(self.body.get("spec")).get("delivery"))

    def say(self, field: str, message: str) -> Said:
        return Said(self.file, f"Trigger {self.trigger.namespace}/{self.trigger.name}", field, message)


@dataclass(frozen=True)
class PingSourceSource:
    file: str
    ping: PingSource

    def say(self, field: str, message: str) -> Said:
        return Said(self.file, f"PingSource {self.ping.namespace}/{self.ping.name}", field, message)


@dataclass(frozen=True)
class Sources:
    """`flags` are features that the manifests themselves turn on."""

    edition: Edition = "pro"
    stack: tuple[StackFunction, ...] = ()
    services: tuple[ServiceSource, ...] = ()
    brokers: tuple[BrokerSource, ...] = ()
    triggers: tuple[TriggerSource, ...] = ()
    pings: tuple[PingSourceSource, ...] = ()
    flags: frozenset[str] = frozenset()

    def broker_of(self, trigger: Trigger) -> BrokerSource | None:
        """None: not among the manifests."""
        wanted = trigger.namespace, trigger.broker
        return next((each for each in self.brokers if (each.broker.namespace, each.broker.name) == wanted), None)

    def sink_of(self, trigger: Trigger) -> Destination | None:
        """Where its dead letters go, the Broker's where it names none."""
        broker = self.broker_of(trigger)
        inherited = broker.broker.delivery.dead_letter_sink if broker else None
        return trigger.delivery.dead_letter_sink or inherited

    def command_of(self, name: str) -> str | None:
        """What a function runs: its Service's command, else that of the stack. None: there is no such function."""
        everything: list[StackFunction | ServiceSource] = [*self.services, *self.stack]
        commands = [each.command for each in everything if each.name == name]
        return next(filter(None, commands), "") if commands else None


def mapping(value: object) -> Json:
    """Empty where it is none: what is wrong with it is told where it is read."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> dict[str, str]:
    """Values as OpenFaaS sees them: text."""
    given = {key: each for key, each in mapping(value).items() if isinstance(each, str | int | float)}
    return {str(key): str(each).lower() if isinstance(each, bool) else str(each) for key, each in given.items()}
