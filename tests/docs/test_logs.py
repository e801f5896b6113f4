"""Each line of a log has a name that its details do not change."""

import ast

from observe.logs import action_of
from tests.docs.source import modules

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "logger", "_log"}


def test_every_line_that_we_write_has_an_action() -> None:
    """The text is a constant, its details come after it: then what is made of it stays the same."""
    found = 0
    for module in modules("shared", "functions", "gateway", "emulator", "cli", "observe"):
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            logger = node.func.value
            if node.func.attr not in LEVELS or not (isinstance(logger, ast.Name) and logger.id in LOGGERS):
                continue
            text = node.args[0]
            assert isinstance(text, ast.Constant), f"{module.path}:{node.lineno}: the text varies"
            assert action_of(text.value), f"{module.path}:{node.lineno}: the text has no word"
            found += 1
    assert found > 25
