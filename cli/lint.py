"""`sluice lint`: what a real cluster would do to these manifests."""

import argparse
import sys
from collections.abc import Sequence

from cli import sources
from cli.text import clean, json_line, plural
from emulator.lint.findings import Finding
from emulator.lint.rules import lint


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("lint", help="say what a real cluster would do to these manifests")
    sources.add_arguments(parser)
    parser.add_argument(
        "--edition", choices=("ce", "pro"), default="pro", help="of OpenFaaS, Community or Pro (default: pro)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON list on standard output")


def run(args: argparse.Namespace) -> int:
    """0 without errors, warnings or not; 1 with errors."""
    stack, manifests = sources.find(args)
    findings = lint(stack, manifests, args.edition)
    if args.json:
        print(json_line([finding.as_json() for finding in findings]))
    else:
        _print(findings)
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        print(clean(finding.as_text()))
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    print(
        f"{plural(errors, 'error')}, {plural(warnings, 'warning')}" if findings else "nothing to say", file=sys.stderr
    )
