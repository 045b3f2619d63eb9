"""Reload when memory is out while a config that has been read takes effect."""
import pytest

from conftest import SANITIZED
from line import Line
from test_memory import NONE, Memory, ask
from test_reload import reloaded, write

pytestmark = pytest.mark.skipif(SANITIZED, reason="its memory is not ours")

MANY = 1000000

ONE = """
    agents:
      a: {{ plugin: PLUGIN(actor), text: one }}
      b: {{ plugin: PLUGIN(actor), workers: 2 }}
    default_agent: {a}
    interfaces:
      i: {line}
      j: {{ plugin: PLUGIN(line), port: {port}, agent: a, open: true }}
    hooks: {{ g: {{ plugin: PLUGIN(gate) }} }}
    cron: {{ c: {{ schedule: "0 0 29 2 *", agent: a, input: x }}, d: {{ schedule: "0 0 29 2 *", agent: b, input: x }} }}
    events: {{ e: {{ agent: b, input: "say x" }} }}
    supervision: {{ backoff_min: 10ms, backoff_max: 20ms, drain: 200ms, kill: 200ms, ready: 1s }}
"""
OTHER = """
    agents:
      a: {{ plugin: PLUGIN(actor), text: two }}
      c: {{ plugin: PLUGIN(echo) }}
    default_agent: {a}
    interfaces:
      i: {line}
      k: {{ plugin: PLUGIN(line), port: {port}, agent: a, open: true, hooks: [ h ] }}
    hooks: {{ h: {{ plugin: PLUGIN(gate) }} }}
    cron: {{ c: {{ schedule: "0 1 29 2 *", agent: c, input: x }}, f: {{ schedule: "0 0 29 2 *", agent: c, input: x }} }}
    webhooks: {{ w: {{ path: /w, agent: c, input: "say x", auth: none }} }}
    supervision: {{ backoff_min: 10ms, backoff_max: 20ms, drain: 300ms, kill: 200ms, ready: 1s }}
"""


LAST = 100  # allocations of each reload: about as many as are made once the config has been read


def test_the_last_allocations_of_a_reload(agentd, tmp_path):
    """Promise: there and back, with one allocation failing each time, from the last on: either all of the config is
    served, or who asks is told; agentd goes on, and the same again is whole."""
    memory = Memory(tmp_path / "memory")
    line = Line()
    configs = [text.format(a="a", port=line.port, line=line.config("agent: a", "open: true", "auto: true", limits))
               for text, limits in ((ONE, "limits: { files: 64 }"), (OTHER, "limits: { files: 65 }"))]
    daemon = agentd(configs[0], env={**memory.env, "MALLOC_PERTURB_": "165"}).wait_ready()

    def reload(which, count):
        write(daemon, configs[which])
        memory.left = count
        answer = ask(daemon, "POST", "/reload", None)
        left, memory.left = memory.left, NONE
        assert daemon.process.poll() is None, (count, which, daemon.raw[-10:])
        return answer, left

    totals, details = [0, 0], set()
    for which in (1, 0, 1, 0):
        answer, left = reload(which, MANY)
        assert answer.status == 200
        totals[which] = MANY - left
        daemon.wait_ready()
    for back in range(1, LAST):
        for which in (1, 0):
            answer, _ = reload(which, totals[which] - back)
            if answer and answer.status != 200:
                details.add(answer.json["detail"])
            assert daemon.run("say on", agent="a").json["content"] == "on", (back, which)
            reloaded(daemon)
            names = [agent["name"] for agent in daemon.get("/agents").json["agents"]]
            assert names == [["a", "b"], ["a", "c"]][which]
            daemon.wait_ready()
    assert "out of memory: some of the config is not served" in details, details
    line.message("say hi")
    assert line.wait("SEND")
    line.close()
