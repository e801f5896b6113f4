"""The commands of who develops a function, against an emulator of this test's own."""

import json

from tests.cli.conftest import Cli
from tests.cli.test_emulate import emulating, post
from tests.emulator.conftest import command, write_stack


async def test_faults_are_asked_for_shown_and_called_off(sluice: Cli) -> None:
    stack = write_stack(sluice.folder, {"echo": {"fprocess": command()}})
    async with emulating(sluice, "--stack", str(stack)) as url:
        made = await sluice("fault", "5xx", "echo", "--rate", "100%", "--status", "507", "--seed", "3")
        assert (made.code, made.out.splitlines()) == (
            0,
            ["f1: 507 100 % of echo, hit 0 of 0", "stop it with: sluice fault off f1"],
        )
        assert (await post(f"{url}/function/echo", {}))[0] == 507
        listed = (await sluice("fault", "list", "--json")).json()
        assert [(one["id"], one["hits"]) for one in listed] == [("f1", 1)]
        assert "fault f1: 507 100 % of echo, hit 1 of 1" in (await sluice("status")).out
        delayed = json.loads((await sluice("fault", "delay", "*", "--delay", "1.5s", "--via", "calls", "--json")).out)
        assert (delayed["function"], delayed["delay_ms"], delayed["via"]) == ("*", 1500, "calls")
        assert (await sluice("fault", "off")).out == "off: f1, f2\n"
        assert (await sluice("fault", "list")).out == "no fault is on\n"

        unknown = await sluice("fault", "drop", "nobody")
        assert (unknown.code, unknown.err) == (2, "sluice: there is no function nobody (function_unknown)\n")
        wrong = await sluice("fault", "5xx", "echo", "--status", "200")
        assert (wrong.code, "status must be a whole number from 500 to 599" in wrong.err) == (2, True)
        for bad in (("drop",), ("drop", "echo", "--rate", "0"), ("delay", "echo", "--delay", "soon"), ("off", "f9")):
            assert (await sluice("fault", *bad)).code == 2
    absent = await sluice("fault", "list")
    assert (absent.code, "Start one with" in absent.err) == (1, True)
