"""`sluice lint` as a process."""

import yaml

from tests.cli.conftest import ROOT, Cli
from tests.cli.test_emulate import BROKER, trigger, write_manifests
from tests.emulator.conftest import write_stack


async def test_warnings_alone_are_no_failure_and_errors_are(sluice: Cli) -> None:
    manifests = write_manifests(sluice.folder / "m", BROKER, trigger("t", "http://elsewhere.example/\x1b[31m"))
    ended = await sluice("lint", "--manifests", str(manifests))
    assert ended.code == 0
    assert "m/all.yaml: spec.filter: warning: every event of the broker is let through" in ended.out
    assert "(Trigger shop/t) [filter-passes-all]" in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == "0 errors, 2 warnings\n"
    (manifests / "more.yaml").write_text(yaml.safe_dump(trigger("u", "http://x/", broker="none")))
    ended = await sluice("lint", "--manifests", str(manifests), "--json")
    assert ended.code == 1
    assert {"code": "broker-unknown", "severity": "error", "field": "spec.broker"}.items() <= ended.json()[0].items()


async def test_the_edition_is_asked_for(sluice: Cli) -> None:
    write_stack(
        sluice.folder, {"fn": {"fprocess": "x", "image": "o/fn", "labels": {"com.openfaas.scale.zero": "true"}}}
    )
    assert (await sluice("lint")).err == "nothing to say\n"
    ended = await sluice("lint", "--edition", "ce")
    assert (ended.code, "[ce-label]" in ended.out) == (1, True)
    assert (await sluice("lint", "--edition", "gold")).code == 2


async def test_our_own_manifests_are_the_default_here(sluice: Cli) -> None:
    assert (await sluice("lint")).code == 2
    own = ("--stack", str(ROOT / "stack.yml"), "--manifests", str(ROOT / "triggers"))
    ended = await sluice("lint", *own)
    assert (ended.code, ended.out) == (0, "")
