"""All rules, in the order in which they are told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from emulator.lint import community, events, serving
from emulator.lint.findings import Finding, Said, Severity
from emulator.lint.reading import read
from emulator.lint.sources import Sources
from emulator.openfaas.community import Edition

Check: TypeAlias = Callable[[Sources], Iterator[Said]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`edition`: only asked about that one."""

    code: str
    severity: Severity
    check: Check
    edition: Edition | None = None


RULES = (
    Rule("name-twice", "error", events.name_twice),
    Rule("broker-unknown", "error", events.broker_unknown),
    Rule("destination-unknown", "error", events.destination_unknown),
    Rule("filter-passes-all", "warning", events.filter_passes_all),
    Rule("filter-item-skipped", "warning", events.filter_item_skipped),
    Rule("cesql-not-boolean", "error", events.cesql_not_boolean),
    Rule("cesql-maybe-not-boolean", "warning", events.cesql_maybe_not_boolean),
    Rule("delivery-without-retries", "warning", events.delivery_without_retries),
    Rule("delivery-without-backoff", "warning", events.delivery_without_backoff),
    Rule("delivery-retry-after", "warning", events.delivery_retry_after),
    Rule("no-dead-letter-sink", "warning", events.no_dead_letter_sink),
    Rule("error-body-crash", "warning", serving.error_body_crash),
    Rule("reply-not-event", "warning", serving.reply_not_event),
    Rule("probe-405", "error", serving.probe_405),
    Rule("probe-maybe-405", "warning", serving.probe_maybe_405),
    Rule("gpu-target-utilization", "warning", serving.gpu_target_utilization),
    Rule("feature-flag", "warning", serving.feature_flag),
    Rule("autoscaling-annotation", "warning", serving.autoscaling_annotation),
    Rule("stack-key-unknown", "warning", serving.stack_key_unknown),
    Rule("lang-spelling", "error", serving.lang_spelling),
    Rule("ce-label", "error", community.labels, "ce"),
    Rule("ce-scale", "error", community.scale_limits, "ce"),
    Rule("ce-too-many", "error", community.too_many, "ce"),
    Rule("ce-namespace", "error", community.namespaces, "ce"),
    Rule("ce-image-private", "error", community.private_images, "ce"),
    Rule("ce-image-unpublished", "warning", community.unpublished_images, "ce"),
    Rule("ce-topic", "error", community.topics, "ce"),
    Rule("ce-annotation", "error", community.foreign_annotations, "ce"),
    Rule("ce-ignored", "warning", community.ignored, "ce"),
)


def lint(stack_file: Path | None, manifests_dir: Path | None, edition: Edition = "pro") -> list[Finding]:
    sources, findings = read(stack_file, manifests_dir, edition)
    return [*findings, *check(sources)]


def check(sources: Sources) -> list[Finding]:
    asked = (rule for rule in RULES if rule.edition in (None, sources.edition))
    return [Finding(rule.code, rule.severity, said) for rule in asked for said in rule.check(sources)]
