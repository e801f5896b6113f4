"""Who scales on what: workers by their queue, the GPU by the work that waits for it, nothing by accident."""

import asyncpg
import pytest

from rendering import embeddings, keda, knative, ticks
from rendering.classes import Tier
from tests.rendering.test_manifests import DESCRIPTION, everything, of, pod_of

QUEUES = {each.name: each.queue for each in DESCRIPTION.workers}


@pytest.mark.parametrize("worker", QUEUES)
def test_a_worker_follows_waiting_running_and_scheduled_jobs(worker: str) -> None:
    spec = of("ScaledObject", worker)["spec"]
    keys = [trigger["metadata"]["listName"] for trigger in spec["triggers"]]
    assert keys == [f"rq:{kind}:{QUEUES[worker]}" for kind in ("queue", "wip", "scheduled")]
    resources = DESCRIPTION.function(worker).resources
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (resources.min_scale, resources.max_scale)
    assert spec["scaleTargetRef"]["name"] == worker


@pytest.mark.parametrize("worker", QUEUES)
def test_a_worker_may_finish_its_longest_job(worker: str) -> None:
    deployment = of("Deployment", worker)
    assert pod_of(deployment)["terminationGracePeriodSeconds"] > DESCRIPTION.function(worker).resources.timeout_s
    assert "replicas" not in deployment["spec"]


def test_there_are_as_many_wake_ups_as_there_may_be_workers() -> None:
    settings = of("ConfigMap", "sluice-settings")["data"]
    assert (settings["SCRAPE_SLOTS"], settings["EMBED_SLOTS"]) == ("4", "2")


def test_a_gpu_has_its_nodes_and_its_number() -> None:
    pod = pod_of(of("Deployment", "inference"))
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["nodeSelector"]
    assert pod["tolerations"]
    assert "BAAI/bge-large-en-v1.5" in pod["containers"][0]["args"]


def test_a_gpu_stays_up_while_documents_wait_and_no_question_starts_it() -> None:
    spec = of("ScaledObject", "inference")["spec"]
    by_type = [trigger["type"] for trigger in spec["triggers"]]
    assert by_type == ["postgresql", "redis", "redis", "redis"]
    assert spec["triggers"][0]["metadata"]["activationTargetQueryValue"] == "0"
    assert spec["minReplicaCount"] == 0
    asked = of("ConfigMap", "sluice-tier")["data"]["EMBEDDING_QUERY_API_BASE_URL"]
    assert asked == "http://inference-query.sluice.svc.cluster.local/v1"
    [rule] = of("NetworkPolicy", "inference")["spec"]["ingress"]
    assert [each["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for each in rule["from"]] == [
        *("embed", "embed-worker"),
    ], "search cannot even reach it"


def test_told_so_questions_go_to_the_gpu_which_then_never_sleeps() -> None:
    h100 = DESCRIPTION.tiers["h100"]
    told = Tier(h100.name, h100.environment, h100.inference, queries=None)
    [scaled] = embeddings.scaling(told, DESCRIPTION)
    assert scaled["spec"]["minReplicaCount"] == 1
    [settings] = knative.overlay(DESCRIPTION, told)["settings.yaml"]
    assert "EMBEDDING_QUERY_API_BASE_URL" not in settings["data"]
    [policy] = [each for each in embeddings.objects(told, DESCRIPTION) if each["kind"] == "NetworkPolicy"]
    assert "search" in str(policy["spec"]["ingress"])


def test_both_tiers_are_asked_at_the_same_address() -> None:
    for tier in ("cpu", "h100"):
        services = [each for each in everything(tier) if each["kind"] == "Service"]
        assert [each["metadata"]["name"] for each in services].count("inference") == 1
    url = of("ConfigMap", "sluice-settings")["data"]["EMBEDDING_API_BASE_URL"]
    assert url == "http://inference.sluice.svc.cluster.local/v1"
    [port] = of("Service", "inference")["spec"]["ports"]
    assert port["port"] == 80


def test_the_embed_worker_waits_for_a_gpu_that_starts() -> None:
    [waits] = pod_of(of("Deployment", "embed-worker"))["initContainers"]
    assert waits["command"][-1] == "http://inference.sluice.svc.cluster.local/health"
    assert "initContainers" not in pod_of(of("Deployment", "embed-worker", "cpu"))


def test_batches_fit_the_server_they_are_sent_to() -> None:
    h100 = DESCRIPTION.tiers["h100"]
    assert h100.inference is not None
    arguments = dict(zip(h100.inference.args[::2], h100.inference.args[1::2], strict=True))
    assert int(arguments["--max-client-batch-size"]) >= int(h100.environment["EMBED_BATCH_TEXTS"])
    assert int(arguments["--max-batch-tokens"]) >= int(h100.environment["EMBED_BATCH_TOKENS"])


def test_a_tick_is_sent_only_while_something_is_overdue() -> None:
    [trigger] = of("ScaledJob", "tick")["spec"]["triggers"]
    assert trigger["metadata"]["query"] == ticks.OVERDUE
    [ping] = [each for each in everything("cpu", "ping") if each["kind"] == "PingSource"]
    assert ping["spec"]["schedule"] == "*/5 * * * *", "not the emulator's every two seconds"


@pytest.mark.parametrize("query", [ticks.OVERDUE, embeddings.WAITING])
async def test_the_queries_that_keda_asks_answer_a_number(query: str, database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval(query) == 0
    finally:
        await connection.close()


def test_scalers_have_their_credentials_by_reference() -> None:
    found = {each["metadata"]["name"]: each for each in keda.authentications("sluice")}
    used = {
        trigger["authenticationRef"]["name"]
        for each in everything("h100")
        if each["kind"] in ("ScaledObject", "ScaledJob")
        for trigger in each["spec"]["triggers"]
    }
    assert used == set(found)
