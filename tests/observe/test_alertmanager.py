"""Who is told of an alert: routes and inhibition as amtool reads them, and a message that a real Alertmanager sent."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.local_http import asgi, serving, until
from tests.observe.expressions import ROOT, alerts
from tests.pipeline.platform import eventually_async
from tests.prometheus import OBSERVE, RULES, Prometheus, alertmanager, amtool, program, prometheus

FILE = OBSERVE / "alertmanager" / "alertmanager.yml"
CONFIGURATION: dict[str, Any] = yaml.safe_load(FILE.read_text())
RUNBOOKS = "https://git.example/sluice/docs/operate.md"


def test_amtool_takes_it() -> None:
    ended = amtool("check-config", FILE.name)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels'].get('window', '')}")
def test_each_alert_is_told_to_those_whom_its_severity_names(rule: dict[str, Any]) -> None:
    labels = [f"{name}={value}" for name, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
    ended = amtool("config", "routes", "test", f"--config.file={FILE.name}", *labels)
    assert ended.stdout.split() == [rule["labels"]["severity"]], ended.stderr


def test_what_is_inhibited_and_by_what_are_alerts_that_there_are() -> None:
    """With the labels they have: those of the rule, or those that its expression groups by."""
    there = {rule["alert"]: (rule["labels"], rule["expr"]) for rule in alerts()}
    for rule in CONFIGURATION["inhibit_rules"]:
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            asked = dict(found for each in matchers for found in re.findall(r'(\w+)(?:=~?|!=)"(.+)"', each))
            name = asked.pop("alertname")
            assert name in there
            labels, expression = there[name]
            assert all(label in labels or label in expression for label in [*asked, *rule.get("equal", [])])


def test_no_address_of_a_receiver_is_in_the_repository() -> None:
    for receiver in CONFIGURATION["receivers"]:
        for settings in (each for kind, all_of in receiver.items() if kind != "name" for each in all_of):
            assert settings["api_url_file"] == f"/etc/alertmanager/to/{receiver['name']}"
            assert not settings.keys() & {"api_url", "url", "http_config"}
            assert (FILE.parent / "to" / f"{receiver['name']}.example").is_file()
    assert "observe/alertmanager/to/" in (ROOT / ".gitignore").read_text()


@asynccontextmanager
async def told() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A chat's incoming webhook: its address, and what was posted there."""
    posted: list[dict[str, Any]] = []

    async def take(request: Request) -> Response:
        posted.append(await request.json())
        return PlainTextResponse("ok")

    async with serving(asgi(take)) as address:
        yield address, posted


@asynccontextmanager
async def numbers(lines: list[str]) -> AsyncIterator[str]:
    """A process that tells these metrics, as they are when it is asked: its host and port."""

    async def tell(request: Request) -> Response:
        return PlainTextResponse("\n".join(lines) + "\n")

    async with serving(asgi(tell)) as address:
        yield address.removeprefix("http://")


def at_once(folder: Path, receivers: dict[str, str]) -> dict[str, Any]:
    """The configuration as it is, but for where its files lie and for its patience."""
    for name, address in receivers.items():
        (folder / name).write_text(address + "\n")
    text = (
        FILE.read_text().replace("/etc/alertmanager/to/", f"{folder}/").replace("/etc/alertmanager", str(FILE.parent))
    )
    configuration: dict[str, Any] = yaml.safe_load(text)
    configuration["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    return configuration


def impatient(folder: Path) -> list[str]:
    """The rules, each alert of which fires at once."""
    for file in RULES:
        rules = yaml.safe_load(file.read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule.pop("for", None)
        (folder / file.name).write_text(yaml.safe_dump(rules))
    return [str(folder / file.name) for file in RULES]


async def test_whoever_is_to_wake_up_reads_what_is_wrong_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    monkeypatch.setenv("RUNBOOKS_URL", RUNBOOKS)
    lines = ["sluice_overdue 1", 'sluice_documents{state="pending"} 3']
    async with (
        told() as (pager, pages),
        numbers(lines) as gateway,
        alertmanager(at_once(tmp_path, {"page": pager, "ticket": pager})) as manager,
    ):
        configuration = yaml.safe_load((OBSERVE / "prometheus" / "prometheus.yml").read_text())
        configuration["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}
        configuration["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [manager]}]}]
        configuration["scrape_configs"] = [{"job_name": "gateway", "static_configs": [{"targets": [gateway]}]}]
        configuration["rule_files"] = impatient(tmp_path)
        async with prometheus(configuration) as server:
            await until(lambda: bool(pages), timeout_s=60)
            await eventually_async(lambda: _fire(server, "SluiceNobodySweeps", "SluiceDocumentsStuck"), 60)
            lines[1:] = ['sluice_documents{state="pending"} 0']
            await eventually_async(lambda: _fire(server, "SluiceNobodySweeps"), 60)
            lines[0] = "sluice_overdue 0"
            await until(lambda: len(pages) > 1, timeout_s=60)
    [shown], [over] = pages[0]["attachments"], pages[1]["attachments"]
    assert shown["title"] == "page: SluiceNobodySweeps"
    assert shown["title_link"] == f"{RUNBOOKS}#documents-stay-where-they-are"
    assert "Work is overdue and nobody sweeps. Leases have run out" in shown["text"]
    assert over["title"] == "over: SluiceNobodySweeps"
    assert not [page for page in pages if "Stuck" in page["attachments"][0]["title"]], (
        "what follows from it is not told"
    )


async def _fire(server: Prometheus, *names: str) -> bool:
    """Whether these do, and no others."""
    return {each["metric"]["alertname"] for each in await server.query("ALERTS{alertstate='firing'}")} == set(names)
