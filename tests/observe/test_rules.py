"""Alert and recording rules: correct, tested both ways, and each with a runbook that is there."""

import re
from collections import defaultdict
from typing import Any

import pytest
import yaml

from tests.observe.expressions import ROOT, Expression, alerts, of_rules, recorded, rules, unknown
from tests.prometheus import FOLDER, RULES, promtool

TESTS = sorted((FOLDER / "tests").glob("*.yml"))
# What an operator asks to be woken for.
ASKED = {
    "SluiceDocumentsStuck", "SluiceStageStarved", "SluiceDeadLetters", "SluiceOutboxLag", "SluiceQueueAge",
    "SluiceBreakerOpen", "SluiceErrorBudgetBurn", "SluiceEmbedderIdle",
}  # fmt: skip


def cases() -> list[dict[str, Any]]:
    return [case for file in TESTS for case in yaml.safe_load(file.read_text())["tests"]]


def test_promtool_takes_them() -> None:
    ended = promtool("check", "rules", "--lint-fatal", *map(str, RULES))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtool_sees_them_fire_and_stay_silent() -> None:
    ended = promtool("test", "rules", *map(str, TESTS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("SUCCESS") == len(TESTS)


def test_every_alert_fires_in_one_case_and_not_in_another() -> None:
    seen: defaultdict[str, set[bool]] = defaultdict(set)
    windows = set()
    for case in cases():
        for asked in case.get("alert_rule_test", ()):
            seen[asked["alertname"]].add(bool(asked["exp_alerts"]))
            windows |= {each["exp_labels"].get("window") for each in asked["exp_alerts"]}
    assert dict(seen) == {rule["alert"]: {True, False} for rule in alerts()}
    assert windows - {None} == {rule["labels"]["window"] for rule in alerts() if "window" in rule["labels"]}


def test_every_recording_rule_has_a_case_with_a_value() -> None:
    asked = [each for case in cases() for each in case.get("promql_expr_test", ()) if each["exp_samples"]]
    assert {name for each in asked for name in Expression("", each["expr"]).metrics} == recorded()


def test_what_was_asked_for_is_there() -> None:
    assert {rule["alert"] for rule in alerts()} >= ASKED


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url"}
    place, _, anchor = said["runbook_url"].partition("#")
    assert place == '{{ or $externalLabels.runbooks "docs/operate.md" }}', "RUNBOOKS_URL, or the page in a checkout"
    text = (ROOT / "docs" / "operate.md").read_text()
    sections = {_anchor(title): title for title in re.findall(r"(?m)^#+ (.*)$", text)}
    assert anchor in sections
    runbook = text.split(f"\n### {sections[anchor]}\n")[1].split("\n### ")[0]
    assert f"`{rule['alert']}`" in runbook, "the runbook names the alerts that lead to it"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("expression", list(of_rules()), ids=lambda each: each.where)
def test_a_rule_names_only_metrics_that_there_are(expression: Expression) -> None:
    assert expression.metrics
    assert unknown(expression) == set()


def test_a_metric_that_is_nowhere_is_seen() -> None:
    assert unknown(Expression("", 'max by (stage) (sluice_unheard_of{stage="sluice_x"})')) == {"sluice_unheard_of"}


def test_no_rule_stands_twice() -> None:
    keys = [(each.get("record") or each["alert"], each.get("labels", {}).get("window")) for each in rules()]
    assert len(set(keys)) == len(keys)
