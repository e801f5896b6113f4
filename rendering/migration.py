"""The init job that brings the database to the schema of the image it runs in."""

from rendering import pods
from rendering.description import Description
from rendering.located import Json

NAME = "migrate"
COMMAND = ("python", "-m", "shared.store.migrate")
COMPONENT = "migration"
SECRETS = ("database-url",)


def objects(description: Description) -> list[Json]:
    """What `sluice migrate` does, in the orchestrator's image. Any number may run at once: the database has a lock."""
    image = description.function(description.eventing.ticked).image
    container = {
        "name": NAME,
        "image": image,
        "command": list(COMMAND),
        "securityContext": pods.security(),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "volumeMounts": pods.mounts(SECRETS),
    }
    pod = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": pods.volumes(SECRETS),
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": pods.metadata(NAME, description.namespace, COMPONENT),
        "spec": {
            "backoffLimit": 10,
            "activeDeadlineSeconds": 1800,
            "ttlSecondsAfterFinished": 600,
            "template": {"metadata": {"labels": pods.own_labels(NAME, COMPONENT)}, "spec": pod},
        },
    }
    return [pods.service_account(NAME, description.namespace, COMPONENT), job]
