"""`/system/info`, `/healthz` of the gateway and its front page."""

import platform as machine
from importlib import metadata

from emulator.openfaas.call import PAGE_NOT_FOUND, Call, Reply, as_json
from emulator.openfaas.platform import Platform

_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_NO_COMMIT = "0" * 40


async def info(platform: Platform, call: Call) -> Reply:
    """A gateway in front of us, which forwards and says so, wants to hear of the provider alone."""
    version = {"commit_message": "", "sha": _NO_COMMIT, "release": _release()}
    provider = {"provider": "sluice", "version": version, "orchestration": "processes"}
    if call.header(b"x-forwarded-host"):
        return as_json(200, provider)
    return as_json(
        200, {"provider": provider, "version": version, "arch": _ARCH.get(machine.machine(), machine.machine())}
    )


async def front_page(platform: Platform, call: Call) -> Reply:
    return Reply(
        301, b'<a href="/ui/">Moved Permanently</a>.\n\n', b"text/html; charset=utf-8", ((b"location", b"/ui/"),)
    )


async def dashboard(platform: Platform, call: Call) -> Reply:
    """There is none; who may see it is still asked first."""
    return PAGE_NOT_FOUND


def _release() -> str:
    try:
        return metadata.version("sluice")
    except metadata.PackageNotFoundError:
        return "dev"
