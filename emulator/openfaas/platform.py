"""What the routes of the REST contract work on."""

from dataclasses import dataclass

from emulator.development import Development
from emulator.fleet import Fleet
from emulator.launcher import Launcher
from emulator.openfaas.asynchronous.worker import AsyncCalls
from emulator.openfaas.community import Edition
from emulator.openfaas.deployments import Deployments
from emulator.openfaas.metrics import Invocations
from emulator.openfaas.namespaces import Namespaces
from emulator.secret_files import SecretFiles


@dataclass(frozen=True)
class Platform:
    fleet: Fleet
    launcher: Launcher
    deployments: Deployments
    namespaces: Namespaces
    secrets: SecretFiles
    metrics: Invocations
    calls: AsyncCalls
    edition: Edition
    development: Development
