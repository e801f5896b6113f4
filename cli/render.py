"""`sluice render`: what each platform takes, from stack.yml, resource-classes.yml and triggers/."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cli.environment import ROOT
from cli.failure import CommandFailed

if TYPE_CHECKING:
    from rendering.description import Description

WHAT = {
    "knative": "Knative Services, workers, eventing and KEDA, for one tier",
    "keda": "what KEDA is told, alone",
    "openfaas": "stack.yml for one edition",
    "compose": "the Compose file of one machine",
    "all": "every file below deploy/",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "render",
        help="write what each platform deploys, from one description",
        epilog="SLUICE_IMAGE and SLUICE_TAG say which images.",
    )
    parser.add_argument(
        "--project", type=Path, default=ROOT, metavar="DIR", help="where stack.yml is (default: Sluice's own)"
    )
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    each = {name: kinds.add_parser(name, help=summary) for name, summary in WHAT.items()}
    for name in ("knative", "keda"):
        each[name].add_argument("--overlay", default="cpu", metavar="TIER", help="cpu or h100 (default: cpu)")
    each["knative"].add_argument("--tick", choices=("keda", "ping"), default="keda", help="who wakes the orchestrator")
    each["openfaas"].add_argument("--edition", choices=("ce", "pro"), required=True, help="Community or Pro")
    each["openfaas"].add_argument("--profiles", action="store_true", help="Pro's profiles instead, for kubectl")
    each["compose"].add_argument("--machine", default="single", metavar="NAME", help="single, or one of the five")
    each["all"].add_argument("--output", type=Path, metavar="DIR", help="a folder (default: deploy/ of the project)")
    each["all"].add_argument("--check", action="store_true", help="write nothing; fail where a file differs")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 with --check where something differs, 2 a description that cannot be taken."""
    if args.what == "all":
        return _all(args)
    sys.stdout.write(_rendered(args))
    return 0


def _rendered(args: argparse.Namespace) -> str:
    from rendering import compose, description, embeddings, knative, openfaas, text  # noqa: PLC0415

    leaves_variables = args.what in ("openfaas", "compose")
    found = _read(args.project, None if leaves_variables else os.environ)
    if args.what == "openfaas":
        if args.profiles:
            return text.many(openfaas.profiles(found))
        return text.one(openfaas.stack(found, args.edition, description.provider(args.project)))
    if args.what == "compose":
        machines = {"single": "compose.yaml"}
        files = compose.files(found)
        name = machines.get(args.machine, f"{args.machine}.yaml")
        if name not in files:
            raise CommandFailed(f"there is no machine {args.machine}: single, {', '.join(files)}", exit_code=2)
        return text.one(files[name])
    if args.overlay not in found.tiers:
        raise CommandFailed(f"there is no overlay {args.overlay}: {' or '.join(found.tiers)}", exit_code=2)
    tier = found.tiers[args.overlay]
    if args.what == "knative":
        return text.many(knative.everything(found, tier, args.tick))
    scaled = [each for objects in knative.scaling(found).values() for each in objects]
    return text.many([*scaled, *embeddings.scaling(tier, found), *knative.tick(found, "keda")["tick.yaml"]])


def _read(project: Path, variables: Mapping[str, str] | None) -> "Description":
    """The description, once what the gateway reads of it has been checked, too."""
    from gateway import http_triggers  # noqa: PLC0415
    from rendering import description  # noqa: PLC0415

    found = description.read(project, variables)
    http_triggers.load(project / "triggers", [each.name for each in found.services])
    return found


def _all(args: argparse.Namespace) -> int:
    from rendering import description, tree  # noqa: PLC0415

    folder = args.output or args.project / "deploy"
    rendered = tree.files(_read(args.project, {}), _read(args.project, None), description.provider(args.project))
    stale = [name for name, content in rendered.items() if _content(folder / name) != content]
    left = sorted(tree.left_over(folder, rendered))
    if args.check:
        for name in (*stale, *left):
            print(f"{folder / name} is not what `sluice render all` writes", file=sys.stderr)
        return 1 if stale or left else 0
    for name in stale:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(rendered[name], encoding="utf-8")
    for name in left:
        (folder / name).unlink()
    print(f"{len(stale)} written, {len(left)} removed, {len(rendered) - len(stale)} as they were")
    return 0


def _content(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
