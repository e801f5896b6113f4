"""What KEDA is told: where to look, and what keeps a worker or a GPU up."""

from rendering import pods
from rendering.located import Json

API = "keda.sh/v1alpha1"
REDIS, DATABASE = "sluice-redis", "sluice-database"
COMPONENT = "scaling"
# A scheduled retry wakes one worker, whatever their number.
MANY = "1000"


def authentications(namespace: str) -> list[Json]:
    """The Secret `redis-keda` holds address (host:port) and password; `database-url` is the functions' own."""
    redis = [{"parameter": each, "name": "redis-keda", "key": each} for each in ("address", "password")]
    database = [{"parameter": "connection", "name": "database-url", "key": "database-url"}]
    return [_authentication(REDIS, namespace, redis), _authentication(DATABASE, namespace, database)]


def _authentication(name: str, namespace: str, references: list[dict[str, str]]) -> Json:
    return {
        "apiVersion": API,
        "kind": "TriggerAuthentication",
        "metadata": pods.metadata(name, namespace, COMPONENT),
        "spec": {"secretTargetRef": references},
    }


def queue_triggers(queue: str, *, waiting: str = "1", running: str = "1") -> list[Json]:
    """Waiting, running and scheduled jobs: running ones keep workers whose list is empty, scheduled ones need one."""
    keys = {f"rq:queue:{queue}": waiting, f"rq:wip:{queue}": running, f"rq:scheduled:{queue}": MANY}
    return [_redis(key, per_replica) for key, per_replica in keys.items()]


def _redis(key: str, per_replica: str) -> Json:
    return {
        "type": "redis",
        "metadata": {"listName": key, "listLength": per_replica, "activationListLength": "0", "databaseIndex": "0"},
        "authenticationRef": {"name": REDIS},
    }


def sql_trigger(query: str, per_replica: str) -> Json:
    """KEDA shares connections by host, user and database: ours are named, so that another project's are not taken."""
    return {
        "type": "postgresql",
        "metadata": {
            "query": query,
            "targetQueryValue": per_replica,
            "activationTargetQueryValue": "0",
            "host": "in-the-connection",
            "userName": "sluice",
            "dbName": "sluice",
        },
        "authenticationRef": {"name": DATABASE},
    }


def scaled_object(
    name: str, namespace: str, minimum: int, maximum: int, triggers: list[Json], *, cooldown_s: int = 300
) -> Json:
    """Of the Deployment of its name. Down one at a time: nobody outside knows which replica is busy."""
    down = {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    return {
        "apiVersion": API,
        "kind": "ScaledObject",
        "metadata": pods.metadata(name, namespace, COMPONENT),
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": 5,
            "cooldownPeriod": cooldown_s,
            "minReplicaCount": minimum,
            "maxReplicaCount": maximum,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": down}}},
            "triggers": triggers,
        },
    }
