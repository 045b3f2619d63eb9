"""Reloads of random configs, with agents, interfaces, hooks, schedules, events, webhooks, keys and listeners that come,
change and go while runs, streams, background runs and chats go on; each daemon is ended at a random moment, some just
after a SIGHUP or a SIGUSR2.

Every answer is one that is allowed, the daemon ends by itself with 0, and a sanitizer has nothing to say.
AGENTD_CHAOS_ROUNDS says how many daemons, AGENTD_CHAOS_SEED repeats the choices, though not their timing.
"""
import http.client
import json
import os
import random
import signal
import threading
import time

import pytest

from credentials import hash_of
from line import Line
from test_reload import write

ROUNDS = int(os.environ.get("AGENTD_CHAOS_ROUNDS", 2))
SEED = int(os.environ.get("AGENTD_CHAOS_SEED", 0)) or random.randrange(1, 1 << 32)
KEY = "k" * 32
ADMIN = {"Authorization": "Bearer " + KEY}
ALLOWED = {200, 202, 400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503, 504}
INPUTS = ["say x", "deltas a b c", "after 30 x", "after 700 x", "flood 300000", "crash", "ignore", "hang", "fail no",
          "exit 3", "event x {}", "block 20"]


def any_config(dice, lines, address, folder):
    """A config at random: mostly good."""
    def some(names, chance):
        return [name for name in names if dice.random() < chance]

    agents = some("abcd", 0.6) or ["a"]
    rows = []
    for name in agents:
        start = dice.choice(["ready"] * 8 + ["fail", "later", "exit78", "never"])
        rows.append(f"  {name}: {{ plugin: PLUGIN(actor), workers: {dice.choice([1, 1, 2, 3])}, start: {start}, "
                    f"text: t{dice.randrange(3)}, timeout: {dice.choice(['1s', '300ms'])}, concurrency: {dice.randrange(1, 9)}, "
                    f"queue: 20, on_busy: {dice.choice(['enqueue', 'reject', 'interrupt'])} }}")
    hooks = some(["g", "h"], 0.6)
    interfaces = some(range(len(lines)), 0.6)
    keys = dice.random() < 0.5
    listen = [f"127.0.0.1:{address}"] if address else ["127.0.0.1:0"]
    if dice.random() < 0.3:
        listen.append(f"unix:{folder}/more.sock")
    text = f"http: {{ listen: [ {', '.join(repr(a) for a in listen)} ]{', auth: keys' if keys else ''} }}\n"
    text += "agents:\n" + "\n".join(rows) + f"\ndefault_agent: {dice.choice(agents)}\n"
    if keys:
        text += f"auth: {{ keys: {{ type: api_key, keys: [ {{ name: ann, hash: '{hash_of(KEY)}', admin: true }} ] }} }}\n"
    if interfaces:
        text += "interfaces:\n"
        for i in interfaces:
            more = [f"agent: {dice.choice(agents)}", "open: true", f"auto: {dice.choice(['true', 'true', 'false'])}"]
            if hooks and dice.random() < 0.7:
                more.append(f"hooks: [ {', '.join(hooks)} ]")
            text += f"  l{i}: {lines[i].config(*more)}\n"
    if hooks:
        text += "hooks:\n" + "".join(
            f"  {name}: {{ plugin: PLUGIN(gate), timeout: {dice.choice(['1s', '300ms'])}, limits: {{ files: {dice.choice([64, 65])} }} }}\n"
            for name in hooks)
    crons = some(["p", "q"], 0.6)
    if crons:
        text += "cron:\n" + "".join(
            f"  {name}: {{ schedule: '@every 1s', agent: {dice.choice(agents)}, input: '{dice.choice(['say c', 'after 1500 c', 'fail x'])}', "
            f"overlap: {dice.choice(['allow', 'skip', 'queue'])}" +
            (f", deliver: {{ interface: l{dice.choice(interfaces)}, chat: c1 }}" if interfaces and dice.random() < 0.5 else "") +
            " }\n" for name in crons)
    if dice.random() < 0.6:
        text += f"events: {{ e: {{ agent: {dice.choice(agents)}, input: 'after 50 e' }} }}\n"
    if dice.random() < 0.6:
        text += f"webhooks: {{ w: {{ path: /w, agent: {dice.choice(agents)}, input: 'say w', auth: none }} }}\n"
    text += ("supervision: { backoff_min: 20ms, backoff_max: 100ms, kill: 300ms, drain: 2s, ready: 2s }\n"
             "log: { access: false }\n")
    if dice.random() < 0.1:
        text += "agents: { nmber: 1\n"
    return text


class Clients:
    """They ask for anything, until they are told to stop."""

    def __init__(self, daemon, lines, dice):
        self.daemon, self.lines, self.over, self.bad, self.seen = daemon, lines, threading.Event(), [], {}
        self.runs = []
        self.threads = [threading.Thread(target=self.work, args=(work, random.Random(dice.random())), daemon=True)
                        for work in (self.ask, self.ask, self.stream, self.background, self.look, self.chat, self.reload)]
        for thread in self.threads:
            thread.start()

    def work(self, what, dice):
        while not self.over.is_set():
            try:
                what(dice)
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                time.sleep(0.01)  # it stops, or the address is not open now

    def request(self, method, path, body=None, **headers):
        reply = self.daemon.request(method, path, body, headers={**ADMIN, **headers})
        self.seen[reply.status] = self.seen.get(reply.status, 0) + 1
        if reply.status not in ALLOWED:
            self.bad.append((method, path, reply.status, reply.body))
        return reply

    def ask(self, dice):
        body = {"input": dice.choice(INPUTS)}
        if dice.random() < 0.6:
            body["agent"] = dice.choice("abcd")
        if dice.random() < 0.4:
            body["session_id"] = dice.choice(["s1", "s2", "s3"])
        more = {"Idempotency-Key": f"i{dice.randrange(200)}"} if dice.random() < 0.3 else {}
        connection = self.daemon.connect(timeout=5)
        try:
            connection.request("POST", "/run", json.dumps(body), {**ADMIN, **more})
            if dice.random() < 0.8:
                connection.getresponse().read()
        finally:
            connection.close()

    def stream(self, dice):
        stream = self.daemon.stream(dice.choice(INPUTS), agent=dice.choice("abcd"))
        for _ in stream:
            if dice.random() < 0.1:
                break
        stream.close()

    def background(self, dice):
        body = {"input": dice.choice(INPUTS), "background": True, "agent": dice.choice("abcd")}
        reply = self.request("POST", "/run", body)
        if reply.status == 202:
            self.runs.append(reply.json["run_id"])

    def look(self, dice):
        path = dice.choice(["/agents", "/metrics", "/ready", "/triggers", "/runs?limit=20", "/interfaces", "/hooks",
                            "/outbox", "/runs/" + (dice.choice(self.runs) if self.runs else "x"), "/openapi.json"])
        self.request("GET", path)
        self.request("POST", dice.choice(["/events/e", "/w", "/cron/p/run", "/cron/q/pause", "/cron/q/resume",
                                          f"/agents/{dice.choice('abcd')}/restart", f"/interfaces/l{dice.randrange(2)}/restart",
                                          f"/hooks/{dice.choice('gh')}/restart"]), {"data": "x"})
        time.sleep(0.005)

    def chat(self, dice):
        line = dice.choice(self.lines)
        line.message(dice.choice(["say hi", "after 300 later", "crash", "say refuse before", "say later message",
                                  "say crash before", "say never after", "say change"]),
                     user=dice.choice(["u1", "u2", "u3"]), chat=dice.choice(["c1", "c2"]))
        if dice.random() < 0.05 and line.pids:
            line.order(dice.choice(["crash", "emit", "rest"]), "e")
        time.sleep(0.03)

    def reload(self, dice):
        if dice.random() < 0.5:
            self.request("POST", "/reload")
        time.sleep(0.05)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)


@pytest.mark.parametrize("round", range(ROUNDS))
def test_random_reloads(agentd, tmp_path, round):
    """Promise: whatever the configs are, and whatever goes on, agentd goes on, and ends when it is told to."""
    dice = random.Random(f"{SEED} {round}")
    lines = [Line(), Line()]
    daemon = agentd(any_config(dice, lines, 0, tmp_path).replace("agents: { nmber: 1\n", ""))
    port = daemon.address[1]
    clients = Clients(daemon, lines, dice)
    upgraded = False
    try:
        end = time.monotonic() + dice.uniform(2, 12)
        while time.monotonic() < end and daemon.process.poll() is None:
            write(daemon, any_config(dice, lines, port, tmp_path))
            if dice.random() < 0.6:
                daemon.terminate(signal.SIGHUP)
            if dice.random() < 0.03:
                upgraded = True  # with what the config has become since it was checked, which may be bad
                daemon.terminate(signal.SIGUSR2)
            time.sleep(dice.choice([0, 0.01, 0.05, 0.2, 0.6]))
        for number in dice.choice([[], [signal.SIGHUP], [signal.SIGUSR2], [signal.SIGHUP, signal.SIGUSR2],
                                   [signal.SIGUSR2, signal.SIGHUP]]):
            upgraded = upgraded or number == signal.SIGUSR2
            daemon.terminate(number)
            time.sleep(dice.choice([0, 0, 0.01, 0.1]))
        daemon.terminate()
        code = daemon.wait(20)
        # Between two programs nobody heeds a TERM: it ends what has been stopped already.
        assert code == 0 or (code in (78, -signal.SIGTERM) and upgraded), (SEED, round)
    finally:
        clients.stop()
        for line in lines:
            line.close()
        # What acts leave behind in hosts that end in the middle of them is their own, and is in the log.
        daemon.raw[:] = [text for text in daemon.raw if not text.startswith("{")]
    assert not clients.bad, (SEED, round, clients.bad[:3])
    assert not daemon.raw or code == 78, (SEED, round, daemon.raw[:40])
    print(SEED, round, clients.seen)
