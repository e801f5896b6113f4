"""`/system/functions`: list, deploy, update, remove."""

from emulator.manifests import DEFAULT_NAMESPACE
from emulator.openfaas import deployment
from emulator.openfaas.call import ACCEPTED, Call, Refused, Reply, as_json, bare, error, text_of
from emulator.openfaas.deployment import Deployment
from emulator.openfaas.deployments import now
from emulator.openfaas.function_status import listed
from emulator.openfaas.platform import Platform
from shared.errors import SluiceError


async def list_functions(platform: Platform, call: Call) -> Reply:
    if platform.edition == "ce" and call.namespace not in platform.namespaces:
        return error(400, f"namespace must be: {', '.join(platform.namespaces.names())}")
    return as_json(200, listed(platform, call.namespace, for_cli=call.header(b"user-agent").startswith(b"faas-cli/")))


async def create(platform: Platform, call: Call) -> Reply:
    wanted = await _deployment(platform, call)
    if wanted.key in platform.deployments.records:
        return error(500, f'unable create Deployment: deployments.apps "{wanted.service}" already exists')
    return _put(platform, wanted)


async def update(platform: Platform, call: Call) -> Reply:
    wanted = await _deployment(platform, call)
    if wanted.key not in platform.deployments.records:
        name, full = wanted.service, f"{wanted.service}.{wanted.namespace}"
        return error(404, f'unable update Deployment: {full}, error: deployments.apps "{name}" not found')
    return _put(platform, wanted)


async def remove(platform: Platform, call: Call) -> Reply:
    body = await call.json()
    name = text_of(body, "functionName")
    namespace = text_of(body, "namespace") or call.query.get("namespace") or DEFAULT_NAMESPACE
    if not name:
        return error(400, "functionName is missing")
    found = platform.deployments.find(name, namespace)
    if found is None:
        return bare(404, f'deployments.apps "{name}" not found')
    platform.deployments.remove(found[0].key)
    return ACCEPTED


async def _deployment(platform: Platform, call: Call) -> Deployment:
    try:
        wanted = deployment.parse(await call.json(), now())
    except SluiceError as problem:
        raise Refused(error(400, problem.message)) from problem
    if wanted.namespace not in platform.namespaces:
        raise Refused(error(400, f"namespace must be: {', '.join(platform.namespaces.names())}"))
    return wanted


def _put(platform: Platform, wanted: Deployment) -> Reply:
    try:
        platform.deployments.put(wanted)
    except SluiceError as problem:
        return error(400, problem.message)
    return ACCEPTED
