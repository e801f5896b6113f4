"""One look at everything that deploys: where two places disagree, the missing piece is named."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from rendering import images, settings
from rendering.stack import VMS
from shared.contracts.registry import ALIASES, MODELS
from shared.settings import IN_SECRETS
from tests.docs.source import rows
from tests.rendering.world import ROOT, documents, ours

DESCRIPTION = ours()
FUNCTIONS = {each.name: each for each in DESCRIPTION.functions}
STAGES = {each.name for each in (ROOT / "functions").iterdir() if (each / "main.py").is_file()}
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
IMAGES = {each.image_of for each in DESCRIPTION.functions}
MANIFESTS = [each for file in (ROOT / "deploy" / "knative").rglob("*.yaml") for each in documents(file)]
COMPOSE = {
    name: yaml.safe_load((ROOT / "deploy" / "compose" / f"{name}.yaml").read_text()) for name in ("compose", *VMS)
}


def missing(what: str, wanted: set[str], found: set[str]) -> None:
    assert wanted - found == set(), f"missing in {what}: {sorted(wanted - found)}"


def test_every_stage_is_deployed_and_every_deployed_stage_exists() -> None:
    missing("stack.yml (a function for each folder of functions/)", STAGES, FUNCTIONS.keys() & STAGES)
    missing("functions/ (a folder for each image)", IMAGES - {"gateway"}, STAGES)
    for function in FUNCTIONS.values():
        module = ROOT / (function.module.replace(".", "/") + ".py")
        assert module.is_file(), f"{function.name} of stack.yml runs {function.module}, which is not there"


def test_every_image_has_an_extra_and_every_extra_of_a_stage_an_image() -> None:
    missing("pyproject.toml (an extra for each image)", IMAGES, set(EXTRAS))
    missing("stack.yml (an image for each extra of a stage)", STAGES & EXTRAS.keys(), IMAGES)


@pytest.fixture(scope="module")
def built() -> dict[str, images.Image]:
    return images.images(DESCRIPTION)


def test_an_image_installs_and_holds_what_it_can_import(built: dict[str, images.Image]) -> None:
    hosts = {"functions_framework", "starlette"}
    for image in built.values():
        missing(f"extra {image.function}", images.uninstalled(image) - hosts, set())
        folders = tuple(folder.replace("/", ".") for folder in image.folders)
        outside = {m for m in image.modules if not m.startswith(folders) and m != "functions"}
        assert outside == set(), f"the image of {image.function} lacks {sorted(outside)}"


def test_the_dockerfile_copies_the_folders_that_images_are_made_of(built: dict[str, images.Image]) -> None:
    roots = {folder.split("/")[0] for image in built.values() for folder in image.folders}
    copied = {
        word.rstrip("/") for line in re.findall(r"(?m)^COPY (?!--)(.*)$", DOCKERFILE) for word in line.split()[:-1]
    }
    missing("deploy/Dockerfile", roots, copied)
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    missing(
        ".dockerignore (!NAME for each thing that is copied)", copied, {each[1:] for each in ignore if each[:1] == "!"}
    )
    links = {str(each.relative_to(ROOT / "deploy" / "context")) for each in (ROOT / "deploy" / "context").rglob("*")}
    missing("deploy/context", copied, links)


def test_every_function_is_in_each_form() -> None:
    names = {each["metadata"]["name"] for each in MANIFESTS if each.get("kind") in ("Service", "Deployment")}
    missing("deploy/knative", set(FUNCTIONS), names)
    scaled = {each["metadata"]["name"] for each in documents(ROOT / "deploy" / "keda" / "workers.yaml")}
    missing("deploy/keda/workers.yaml", {each.name for each in DESCRIPTION.workers}, scaled)
    missing("deploy/compose/compose.yaml", set(FUNCTIONS), set(COMPOSE["compose"]["services"]))
    five = {service for vm in VMS for service in COMPOSE[vm]["services"]}
    missing("deploy/compose (five machines)", set(FUNCTIONS), five)


def test_a_class_is_used_or_a_tier_s() -> None:
    used = {each.resources.name for each in FUNCTIONS.values()}
    servers = [server for tier in DESCRIPTION.tiers.values() for server in (tier.inference, tier.queries) if server]
    missing(
        "stack.yml or the tiers (who uses the class)",
        set(DESCRIPTION.classes),
        used | {s.resources.name for s in servers},
    )


def test_every_event_type_is_contract_trigger_manifest_and_page() -> None:
    types = {each["spec"]["type"] for each in MANIFESTS if each.get("kind") == "EventType"}
    missing("deploy/knative/base/eventing.yaml", set(MODELS), types)
    missing("docs/reference/events.md", set(MODELS), {row[0] for row in rows("events.md")})
    schemas = {f"dev.sluice.{file.stem}" for file in (ROOT / "shared" / "contracts" / "schemas").glob("*.json")}
    missing("shared/contracts/schemas", set(MODELS), schemas)
    subscribed = {ALIASES.get(each.event_type, each.event_type) for each in DESCRIPTION.eventing.triggers}
    missing("shared/contracts (a type for each Trigger)", subscribed, set(MODELS))


def test_every_variable_that_is_set_is_read_by_somebody() -> None:
    known = {row[0] for row in rows("settings.md")}
    stack = {name for each in FUNCTIONS.values() for name in each.environment}
    missing("docs/reference/settings.md (set in stack.yml)", stack, known)
    missing("docs/reference/settings.md (set on Knative)", set(settings.platform(DESCRIPTION)), known)
    of_compose = {"SLUICE_IMAGE", "SLUICE_TAG", "SECRETS", "COMPOSE_PROFILES", "HTTP_PORT", "BIND_ADDRESS"}
    addresses = {f"{vm.upper()}_ADDRESS" for vm in VMS}
    edge = set(
        re.findall(r"\$\{([A-Z_]+)\}", (ROOT / "gateway" / "nginx" / "plain" / "edge.conf.template").read_text())
    )
    for file in (ROOT / "deploy" / "compose").glob("*.env.example"):
        said = set(re.findall(r"(?m)^([A-Z_]+)=", file.read_text()))
        missing(f"docs/reference/settings.md (set in {file.name})", said - of_compose - addresses - edge, known)
    missing("rendering/environment_files.py (of the edge's template)", edge, set(_example()))


def _example() -> dict[str, str]:
    text = (ROOT / "deploy" / "compose" / ".env.example").read_text()
    return dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", text))


def test_what_a_function_cannot_start_without_is_given_on_every_platform() -> None:
    """`required` of the settings page, by who reads it."""
    here = {"BROKER_URL"}  # not needed with EVENT_SINK=direct
    for row in rows("settings.md"):
        name, default, readers = row[0], row[1], row[2]
        if not default.startswith("required"):
            continue
        for function in FUNCTIONS.values():
            if _reads(function.name, readers):
                given = {*function.environment, *function.secrets, *here}
                missing(f"stack.yml, {function.name}", {IN_SECRETS.get(name, name)}, given)


def _reads(function: str, readers: str) -> bool:
    plain = readers.split(";")[0]
    words = {word.strip() for word in re.sub(r"\(.*?\)", "", plain).split(",")}
    return function in words or ("workers" in words and function.endswith("-worker"))


def test_every_secret_is_on_the_page_and_asked_for_where_it_is_read() -> None:
    asked = {secret for each in FUNCTIONS.values() for secret in each.secrets}
    missing("docs/reference/settings.md (secrets)", asked, {row[0] for row in rows("settings.md")})
    page = (ROOT / "docs" / "deploy.md").read_text()
    missing("docs/deploy.md (secrets)", asked, set(re.findall(r"(?m)^\| `([a-z-]+)`", page)))


def test_pages_and_scripts_that_the_docs_name_exist() -> None:
    for page in ("deploy.md", "operate.md", "add-a-stage.md", "add-a-service.md"):
        text = (ROOT / "docs" / page).read_text()
        linked = set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text))
        assert [each for each in linked if not (ROOT / "docs" / each).resolve().exists()] == [], page
        named = set(re.findall(r"(?:\./)?(scripts/[a-z.]+)", text)) | set(
            re.findall(r"`(deploy/[a-z/.-]+[a-z])`", text)
        )
        gone = [each for each in named if not (ROOT / each).exists()]
        assert [each for each in gone if each not in ("deploy/wheels", "deploy/compose/.env")] == [], page


# What a step of a workflow may be beside a script of ours: it brings a tool.
TOOLS = re.compile(r"pipx install [a-z-]+==[0-9.]+")
# The part of the workflow syntax that we use.
WORKFLOW = {"name", "on", "permissions", "concurrency", "jobs"}
JOB = {"runs-on", "timeout-minutes", "env", "steps"}
CALLED = {"needs", "if", "permissions", "uses"}
STEP = {"name", "uses", "with", "run"}


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda file: file.stem)
def test_a_step_of_a_workflow_is_a_script_of_ours(file: Path) -> None:
    workflow = yaml.load(file.read_text(), yaml.BaseLoader)
    assert workflow.keys() <= WORKFLOW
    for job in workflow["jobs"].values():
        if "uses" in job:
            assert job.keys() <= CALLED
            assert (ROOT / job["uses"]).is_file()
            continue
        assert JOB - {"env"} <= job.keys() <= JOB
        for step in job["steps"]:
            assert step.keys() <= STEP
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[a-z-]+/[a-z-]+@v[0-9]+", step["uses"]), step
            else:
                _is_ours(step["run"])


def test_images_are_pushed_of_what_passed_on_main_alone() -> None:
    workflow = yaml.load((ROOT / ".github" / "workflows" / "test.yml").read_text(), yaml.BaseLoader)
    images_job = workflow["jobs"].pop("images")
    assert set(images_job["needs"]) == set(workflow["jobs"])
    assert images_job["if"] == "github.event_name == 'push'"
    assert workflow["on"]["push"]["branches"] == ["main"]


def _is_ours(line: str) -> None:
    words = [word for word in line.split() if not word.startswith("-") and word not in ("sudo", "bash")]
    script = words[0].removeprefix("./")
    ours = script.startswith(("scripts/", ".ci/")) and (ROOT / script).is_file()
    assert ours or TOOLS.fullmatch(line), f"{line}: write a script of ours"


def test_every_distribution_of_an_image_has_its_licence_told() -> None:
    listed = set(re.findall(r"(?m)^\| `([^`]+)`", (ROOT / "deploy" / "licences.md").read_text()))
    installed = {each.split("==")[0] for function in IMAGES for each in images.distributions(function)}
    lock = (ROOT / "requirements.lock").read_text()
    always = {each for each in installed if re.search(rf"(?m)^{re.escape(each)}==[^;\n]*$", lock)}
    missing("deploy/licences.md (run scripts/licences)", always, listed)
