"""What is right in a Service and still needs a word: a feature of the cluster, or something a laptop has not."""

from dataclasses import dataclass, field
from typing import Literal

from emulator.fields import Fields

# Fields behind a flag of the config map `config-features`, all off unless somebody turned them on.
POD_FLAGS = {
    "affinity": "kubernetes.podspec-affinity",
    "dnsConfig": "kubernetes.podspec-dnsconfig",
    "dnsPolicy": "kubernetes.podspec-dnspolicy",
    "hostAliases": "kubernetes.podspec-hostaliases",
    "hostIPC": "kubernetes.podspec-hostipc",
    "hostNetwork": "kubernetes.podspec-hostnetwork",
    "hostPID": "kubernetes.podspec-hostpid",
    "initContainers": "kubernetes.podspec-init-containers",
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "priorityClassName": "kubernetes.podspec-priorityclassname",
    "runtimeClassName": "kubernetes.podspec-runtimeclassname",
    "schedulerName": "kubernetes.podspec-schedulername",
    "securityContext": "kubernetes.podspec-securitycontext",
    "shareProcessNamespace": "kubernetes.podspec-shareprocessnamespace",
    "tolerations": "kubernetes.podspec-tolerations",
    "topologySpreadConstraints": "kubernetes.podspec-topologyspreadconstraints",
}
FIELD_REF_FLAG = "kubernetes.podspec-fieldref"
VOLUME_FLAGS = {
    "csi": "kubernetes.podspec-volumes-csi",
    "ephemeral": "kubernetes.podspec-volumes-ephemeral",
    "hostPath": "kubernetes.podspec-volumes-hostpath",
    "image": "kubernetes.podspec-volumes-image",
    "persistentVolumeClaim": "kubernetes.podspec-persistent-volume-claim",
}

Code = Literal["feature-flag", "not-emulated"]


@dataclass(frozen=True, slots=True)
class Notice:
    code: Code
    field: str
    message: str


@dataclass
class Notices:
    """Collects while a Service is read. `enabled` are the flags that the cluster is known to have on."""

    enabled: frozenset[str] = frozenset()
    found: list[Notice] = field(default_factory=list)

    def flagged(self, fields: Fields, flags: dict[str, str]) -> None:
        """Takes the fields that are behind flags, whatever is in them."""
        for name, flag in flags.items():
            if fields.value(name) is not None:
                self.needs(flag, fields.at(name))

    def needs(self, flag: str, path: str) -> None:
        if flag not in self.enabled:
            problem = f"a cluster refuses it until {flag} is enabled in the config map config-features"
            self.found.append(Notice("feature-flag", path, problem))

    def absent(self, path: str, problem: str) -> None:
        self.found.append(Notice("not-emulated", path, problem))
