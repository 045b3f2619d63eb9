"""GET /metrics, read with the parser of Prometheus' own client library."""
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import ROOT, wait_for
from line import Line
from test_reload import reload


def metrics(daemon):
    """{(sample, labels but pid and le)}: their values."""
    reply = daemon.get("/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            labels = tuple(v for k, v in sorted(sample.labels.items()) if k not in ("pid", "le"))
            found.setdefault((sample.name, *labels), []).append(sample.value)
    return found


def value(daemon, *key):
    values = metrics(daemon).get(key, [0])
    assert len(values) == 1, values
    return values[0]


def ended(daemon, agent="actor"):
    """Runs that succeeded, failed, and were cancelled."""
    found = metrics(daemon)
    return [found.get(("agentd_runs_total", agent, "http", status), [0])[0]
            for status in ("succeeded", "failed", "cancelled")]


def test_runs_are_counted_by_how_they_ended(actor):
    """Each run once, where it ended; the histogram has those that began."""
    assert ended(actor) == [0, 0, 0]
    for _ in range(3):
        actor.run("say x")
    actor.run("fail x")
    cancelled = actor.start_run("hang", stream=True)
    wait_for("it to run", lambda: value(actor, "agentd_runs_running", "actor") == 1)
    cancelled.close()
    wait_for("it to be cancelled", lambda: ended(actor) == [3, 1, 1])
    found = metrics(actor)
    buckets = found["agentd_run_duration_seconds_bucket", "actor"]
    assert buckets == sorted(buckets) and buckets[-1] == 5
    assert found["agentd_run_duration_seconds_count", "actor"] == [5]
    assert 0 < found["agentd_run_duration_seconds_sum", "actor"][0] < 100


def test_runs_are_counted_by_what_made_them(agentd):
    """An event's, a schedule's and a webhook's runs are told apart."""
    daemon = agentd("""
        agents: { actor: { plugin: PLUGIN(actor) } }
        events: { e: { input: "say x" } }
        cron: { c: { schedule: "0 0 29 2 *", input: "fail x" } }
        webhooks: { w: { path: /w, input: "{{ body.do }}" } }
    """).wait_ready()
    assert daemon.request("POST", "/events/e").status == daemon.request("POST", "/cron/c/run").status == 202
    assert daemon.request("POST", "/w", {"do": "say x"}).status == 200

    def counted():
        return {key[2:]: count for key, count in metrics(daemon).items() if key[0] == "agentd_runs_total" and count != [0]}
    expected = {("event(e)", "succeeded"): [1], ("cron(0 0 29 2 *)", "failed"): [1], ("POST /w", "succeeded"): [1]}
    wait_for("all to be counted", lambda: counted() == expected)


def test_a_slow_run_is_in_its_bucket(actor):
    """`le` is the upper end of a bucket, in seconds."""
    actor.run("timer 300")
    text = actor.get("/metrics").body.decode()
    assert 'agentd_run_duration_seconds_bucket{agent="actor",le="0.25"} 0\n' in text
    assert 'agentd_run_duration_seconds_bucket{agent="actor",le="300"} 1\n' in text
    assert 0.29 < value(actor, "agentd_run_duration_seconds_sum", "actor") < 60


def test_what_waits(agentd):
    """Queue depth, and places that are taken."""
    daemon = agentd("agents: { actor: { plugin: PLUGIN(actor), concurrency: 1 } }").wait_ready()
    hanging = [daemon.start_run("hang") for _ in range(3)]
    wait_for("two to wait", lambda: value(daemon, "agentd_runs_queued", "actor") == 2)
    assert value(daemon, "agentd_runs_running", "actor") == 1
    for connection in hanging:
        connection.close()


def test_restarts_and_processes(agentd):
    """Each agent has its own samples; a crash is a restart, and the new process is measured."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor), workers: 2 } }
        default_agent: a
        supervision: { backoff_min: 50ms, backoff_max: 100ms }
    """).wait_ready()
    found = metrics(daemon)
    assert found["agentd_agent_ready", "a"] == found["agentd_agent_ready", "b"] == [1]
    assert all(memory > 100_000 for memory in found["agentd_host_resident_memory_bytes", "b"])
    assert len(found["agentd_host_cpu_seconds_total", "b"]) == 2
    assert daemon.run("crash", agent="a").status == 502
    wait_for("a restart", lambda: value(daemon, "agentd_agent_restarts_total", "a") == 1)
    daemon.wait_ready()
    assert value(daemon, "agentd_agent_restarts_total", "b") == 0
    assert ended(daemon, "a") == [0, 1, 0] and ended(daemon, "b") == [0, 0, 0]
    assert len(metrics(daemon)["agentd_host_resident_memory_bytes", "a"]) == 1


def test_http(actor):
    """Answers by class; connections that are open."""
    def answers(kind):
        return value(actor, "agentd_http_responses_total", kind)
    before = answers("4xx")
    for _ in range(2):
        actor.get("/nothing")
    assert answers("4xx") == before + 2
    connections = value(actor, "agentd_http_connections")
    held = [actor.connect() for _ in range(5)]
    for connection in held:
        connection.request("GET", "/health")
        connection.getresponse().read()
    assert value(actor, "agentd_http_connections") == connections + 5
    for connection in held:
        connection.close()


def test_the_store(actor):
    """Commits and their time; a run that succeeded took at least one."""
    before = value(actor, "agentd_store_commit_duration_seconds_count")
    assert actor.run("say x").status == 200
    found = metrics(actor)
    assert found["agentd_store_commit_duration_seconds_count",][0] > before
    assert found["agentd_store_commit_duration_seconds_sum",][0] > 0
    assert found["agentd_store_size_bytes",][0] > 4096


def test_without_a_store(agentd):
    """What there is not is not measured."""
    daemon = agentd("agents: { actor: { plugin: PLUGIN(actor) } }\nstore: { enabled: false }").wait_ready()
    daemon.run("say x")
    assert ended(daemon) == [1, 0, 0]
    assert not [key for key in metrics(daemon) if "store" in key[0]]


def test_agentd_itself(actor):
    """The names that dashboards know."""
    found = metrics(actor)
    assert found["process_resident_memory_bytes",][0] > 1_000_000
    assert found["process_cpu_seconds_total",][0] >= 0
    assert [key for key in found if key[0] == "agentd_build_info"]


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("POST", 405)])
def test_methods(actor, method, status):
    """As any other route."""
    assert actor.request(method, "/metrics").status == status


def test_interfaces_and_hooks(agentd):
    """Messages by what became of them, what waits, who serves, restarts; and what their processes take."""
    line = Line()
    daemon = agentd(f"""
        agents: {{ bot: {{ plugin: PLUGIN(actor) }} }}
        interfaces: {{ tel: {line.config("agent: bot", "open: true", "hooks: [ gate ]")} }}
        hooks: {{ gate: {{ plugin: PLUGIN(gate) }} }}
        supervision: {{ backoff_min: 50ms, backoff_max: 100ms }}
    """).wait_ready()
    line.wait("UP")
    for text in ("say x", "say refuse before", "fail x"):
        line.message(text)
    line.replies(2)

    def counts():
        return [value(daemon, "agentd_interface_messages_total", "tel", what) for what in ("received", "answered", "failed")]
    wait_for("all to be counted", lambda: counts() == [3, 2, 1])
    assert value(daemon, "agentd_hook_calls_total", "gate") == daemon.get("/hooks/gate").json["calls"] >= 7
    wait_for("nothing to wait", lambda: value(daemon, "agentd_interface_waiting", "tel") == 0)
    assert value(daemon, "agentd_hook_waiting", "gate") == 0
    line.order("crash")
    wait_for("the restart", lambda: value(daemon, "agentd_interface_restarts_total", "tel") == 1)
    line.wait("UP", 2)
    wait_for("both to serve", lambda: value(daemon, "agentd_interface_ready", "tel") == value(daemon, "agentd_hook_ready", "gate") == 1)
    assert value(daemon, "agentd_hook_restarts_total", "gate") == 0
    for name in ("bot", "tel", "gate"):
        assert value(daemon, "agentd_host_resident_memory_bytes", name) > 100000
        assert ("agentd_host_cpu_seconds_total", name) in metrics(daemon)
    line.close()


def test_the_docs_name_each(agentd):
    """The table in docs/http-api.md is what there is, neither more nor less, with its labels."""
    line = Line()
    daemon = agentd(f"""
        agents: {{ bot: {{ plugin: PLUGIN(actor) }} }}
        interfaces: {{ tel: {line.config("open: true", "hooks: [ gate ]")} }}
        hooks: {{ gate: {{ plugin: PLUGIN(gate) }} }}
        cron: {{ c: {{ schedule: "0 0 29 2 *", input: x }} }}
    """).wait_ready()
    daemon.run("say x")
    there = {family.name + "_total" * (family.type == "counter"):
             {label for sample in family.samples for label in sample.labels} - {"le"}
             for family in text_string_to_metric_families(daemon.get("/metrics").body.decode())}
    table = (ROOT / "docs" / "http-api.md").read_text().split("## Metrics")[1]
    rows = [[re.findall("`(.*?)`", cell) for cell in row.split("|")[1:3]] for row in re.findall("(?m)^[|] `.*", table)]
    assert {name: set(labels) for names, labels in rows for name in names} == there
    line.close()


def test_whether_the_config_is_served(agentd):
    """Under Prometheus' own names: a bad config that is not reloaded is seen, and that it is good again; when the one that
    is served was read."""
    config = "agents: { actor: { plugin: PLUGIN(actor) } }\n"
    daemon = agentd(config).wait_ready()

    def served():
        return [value(daemon, f"agentd_config_last_reload_success{end}") for end in ("ful", "_timestamp_seconds")]
    good, began = served()
    assert good == 1 and 0 <= time.time() - began < 60
    assert reload(daemon, config + "agent: x\n").status == 422
    assert served() == [0, began]
    assert reload(daemon, config).status == 200
    good, then = served()
    assert good == 1 and then > began
