"""Each message is answered, has exactly one recorded run, and comes in its chat's order: SIGKILL for the interface's
process, the agent's and agentd itself, at random moments, while people write in several chats; for each platform.

An answer that the platform has taken is sent again if a kill comes before that is known, unless the platform knows it
by its nonce (Discord): so twice, and once more for each further kill at such a moment.

AGENTD_CHAOS_MESSAGES says how many are written (`make chaos`: 1000), AGENTD_CHAOS_SEED repeats the choices of a run,
though not its timing.

What Signal has given to a receive whose process was killed is nowhere: what is missing there must have been on its
way in one answer for each such kill, and is counted. So is what it pushed while nobody was connected.
"""
import json
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from conftest import SANITIZED, SLOW, wait_for
from discord_api import ANN, CHANNEL, GUILD, TOKEN, DiscordApi
from line import Line
from signal_api import ME, SignalApi
from telegram_api import TelegramApi
from test_chaos import Reader, list_all

MESSAGES = int(os.environ.get("AGENTD_CHAOS_MESSAGES", 60 if SANITIZED else 150))
SEED = int(os.environ.get("AGENTD_CHAOS_SEED", 0)) or random.randrange(1, 1 << 32)
CHATS = 8
PAUSE = (0.0, 0.08)  # seconds between two messages
CALM = (0.15, 0.6)   # and between two kills
KILLS = ("interface", "interface", "agent", "agentd")  # what is killed, as often
SORRY = "sorry, something went wrong"

CONFIG = """
    agents: {{ bot: {{ plugin: PLUGIN(actor), history: 10000 }} }}
    interfaces:
      chat: {{ agent: bot, open: true, rate_limit_messages_per_minute: 0, error_message: "{sorry}", {options} }}
    supervision: {{ backoff_min: 20ms, backoff_max: 60ms }}
    log: {{ access: false }}
"""


# The platforms. Each says what is written in a chat, by its number, and has what was answered there: (chat, text).

class LineChats:
    def __init__(self):
        self.line = Line()
        self.options = f"plugin: PLUGIN(line), port: {self.line.port}"

    def say(self, chat, text):
        self.line.message(text, user=f"u{chat}", chat=f"c{chat}", message_id=text)

    def answers(self):
        return [(int(fields[3][1:]), fields[5]) for fields in self.line.all("SEND")]

    def is_empty(self):
        """Each message has an answer: what agentd knows to be sent need not have been read here."""
        return len({fields[4] for fields in self.line.all("SEND")}) >= MESSAGES

    def close(self):
        self.line.close()


class TelegramChats:
    def __init__(self):
        self.api = TelegramApi()
        self.options = (f"plugin: PLUGIN(telegram), bot_token: \"{self.api.token}\", api_base: \"{self.api.base}\", "
                        "polling_timeout: 1s, polling_interval: 20ms, parse_mode: none")

    def say(self, chat, text):
        self.api.say(text, user={"id": 100 + chat, "is_bot": False, "first_name": f"U{chat}"})

    def answers(self):
        with self.api.lock:
            return [(message["chat_id"] - 100, message["text"]) for message in self.api.sent]

    def is_empty(self):
        with self.api.lock:
            return not self.api.pending

    def close(self):
        self.api.__exit__()


class DiscordChats:
    FIRST = 300000000000000100

    def __init__(self):
        self.api = DiscordApi()
        self.api.channels |= {str(self.FIRST + chat) for chat in range(CHATS)}
        self.options = f"plugin: PLUGIN(discord), bot_token: \"{TOKEN}\", api_base: \"{self.api.base}\""

    def begin(self):
        """Discord tells nobody of what was before their first session."""
        self.api.wait_listening()

    def say(self, chat, text):
        self.api.message(text, author=str(int(ANN) + chat), name=f"u{chat}", channel=str(self.FIRST + chat), guild=GUILD)

    def answers(self):
        with self.api.changed:
            return [(int(message["channel_id"]) - self.FIRST, message["content"]) for message in self.api.messages]

    def is_empty(self):
        """It cannot be seen what the bot has stored; so, that each message has an answer."""
        with self.api.changed:
            return len({message["message_reference"]["message_id"] for message in self.api.messages}) >= MESSAGES

    def close(self):
        self.api.stop()
        assert self.api.violations == []


class SignalChats:
    mode = "native"

    def __init__(self):
        self.api = SignalApi(self.mode)
        self.options = (f"plugin: PLUGIN(signal), api_base_url: \"{self.api.url}\", phone_number: \"{ME}\", "
                        f"polling_interval: 10ms, mode: {self.mode}")
        self.receives = None

    def say(self, chat, text):
        self.api.say(text, sender=f"+49160000000{chat}", name=f"U{chat}")

    def answers(self):
        with self.api.lock:
            return [(int(body["recipients"][0][-1]), body["message"]) for body in self.api.sent]

    def is_empty(self):
        """Nothing is received before what was is in the store: so it is with the second receive from now."""
        with self.api.lock:
            if self.receives is None and not self.api.waiting:
                self.receives = self.api.receives
            return self.receives is not None and self.api.receives >= self.receives + 2

    def lost(self, missing, kills):
        """What is said of the missing messages; None: they cannot have been lost by kills."""
        receives = [(lines, heard) for lines, heard in self.api.given if missing & set(map(self.text_of, lines))]
        if sum(len(lines) for lines, _ in receives) < len(missing) or len(receives) > kills:
            return None
        return f"in {len(receives)} receives, of which {sum(heard for _, heard in receives)} before the kill"

    @staticmethod
    def text_of(line):
        return json.loads(line)["envelope"]["dataMessage"]["message"]

    def close(self):
        self.api.stop()


class SignalPushedChats(SignalChats):
    mode = "json-rpc"
    QUIET = 1.0  # seconds in which what was pushed is stored
    since = None

    def begin(self):
        wait_for("it to be connected", lambda: self.api.sockets)

    def is_empty(self):
        """It cannot be seen what the bot has stored; so, that somebody is connected for a while after the last."""
        if self.since is None and self.api.sockets:
            self.since = time.monotonic()
        return self.since is not None and time.monotonic() - self.since > self.QUIET * SLOW

    def lost(self, missing, kills):
        unheard = missing & set(map(self.text_of, self.api.unheard))
        cut = missing - unheard  # with the connection
        if len(cut) > kills * CHATS:
            return None
        return f"{len(unheard)} while nobody was connected, {len(cut)} in a connection that a kill ended"


PLATFORMS = {"line": LineChats, "telegram": TelegramChats, "discord": DiscordChats, "signal": SignalChats,
             "signal_pushed": SignalPushedChats}


@pytest.fixture(params=PLATFORMS)
def platform(request):
    chats = PLATFORMS[request.param]()
    yield chats
    chats.close()


# What people do.

class People(threading.Thread):
    """Write, each in a chat of their own, whatever happens to agentd. `said`: (chat, input, answer), in order."""

    def __init__(self, platform):
        super().__init__()
        self.platform, self.chance, self.said, self.failure = platform, random.Random(f"{SEED}/people"), [], None
        self.over = threading.Event()

    def run(self):
        try:
            for i in range(MESSAGES):
                chat, mark = self.chance.randrange(CHATS), f"m{i}"
                ms = self.chance.choice((1, 5, 30, 150))
                text, answer = self.chance.choice(((f"say {mark}", mark), (f"say {mark}", mark),
                                                   (f"deltas a {mark}", "a" + mark), (f"thread {mark}", "from " + mark),
                                                   (f"after {ms} {mark}", mark)))
                self.said.append((chat, text, answer))
                self.platform.say(chat, text)
                if self.chance.random() < 0.7:  # else it comes with the next
                    time.sleep(self.chance.uniform(*PAUSE) * SLOW)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure
        finally:
            self.over.set()


def pids_of(daemon, path, name):
    return daemon.get(path).json[name][0]["pids"]


def kill(what, chance, daemon):
    """SIGKILL for agentd, or for a process of its; which it was. None: there was none."""
    if what == "agentd":
        daemon.process.kill()
        daemon.process.wait()
        return what
    pids = pids_of(daemon, *(("/agents", "agents") if what == "agent" else ("/interfaces", "interfaces")))
    if not pids:
        return None
    try:
        os.kill(chance.choice(pids), signal.SIGKILL)
    except ProcessLookupError:
        return None  # it was on its way out
    return what


def is_quiet(platform, daemon):
    """All is stored, run, and sent."""
    if not platform.is_empty():
        return False
    return daemon.get("/interfaces").json["interfaces"][0]["waiting"] == 0 and \
        not any(daemon.get(f"/runs?status={status}").json["runs"] for status in ("queued", "running"))


# What must be true afterwards.

def check_runs(runs, said, problems):
    """Each message has one run, and that is over; what is missing."""
    made = Counter(run["input"] for run in runs)
    problems += [f"has {n} runs: {text}" for text, n in made.items() if n > 1]
    problems += [f"nobody wrote {text}" for text in set(made) - {text for _, text, _ in said}]
    for run in runs:
        if run["status"] == "failed" and (run["code"] not in ("agent_crashed", "interrupted") or run["attempts"] < 2):
            problems.append(f"failed without a reason: {run}")
        elif run["status"] not in ("succeeded", "failed"):
            problems.append(f"is not over: {run}")
    return {text for _, text, _ in said} - set(made)


def check_chat(chat, said, answers, runs, problems):
    """What a chat was answered: what its runs say, in the order of its messages, and apologies for those that failed."""
    failed = [text for _, text, _ in said if runs[text]["status"] == "failed"]
    want = [answer for _, text, answer in said if text not in failed]
    first = [text for text in dict.fromkeys(answers) if text != SORRY]
    if first != want:
        problems.append(f"chat {chat} was answered {first}, and not {want}")
    if not len(failed) <= answers.count(SORRY) <= 2 * len(failed):
        problems.append(f"chat {chat} was told {answers.count(SORRY)} times that {failed} failed")
    sessions = {runs[text]["session_id"] for _, text, _ in said}
    if len(sessions) > 1:
        problems.append(f"chat {chat} has {len(sessions)} sessions")
    return sessions


def check_session(messages, said, runs, problems):
    """The history of a chat is what was said in it, in its order."""
    want = [turn for _, text, answer in said if runs[text]["status"] == "succeeded"
            for turn in (("user", text), ("assistant", answer))]
    have = [(message["role"], message["content"]) for message in messages]
    if have != want:
        problems.append(f"a session has {have}, and not {want}")


def check_everything(daemon, platform, said):
    reader, problems = Reader(daemon), []
    listed = list_all(reader, "/runs", "runs")
    missing = check_runs(listed, said, problems)
    runs, answers = {run["input"]: run for run in listed}, platform.answers()
    said = [one for one in said if one[1] not in missing]
    for chat in range(CHATS):
        mine = [one for one in said if one[0] == chat]
        for session in check_chat(chat, mine, [text for to, text in answers if to == chat], runs, problems):
            check_session(reader.get(f"/sessions/{session}").json["messages"], mine, runs, problems)
    aside = reader.get("/outbox").json["replies"]
    problems += [f"is not sent: {reply}" for reply in aside]
    return listed, answers, missing, problems


def test_kill_9(agentd, platform, request, capsys, tmp_path):
    """SIGKILL of the interface, the agent and agentd while messages come in: each is answered in its order, and has
    exactly one run; an answer is sent again only for a kill that came between the platform and the store."""
    name = request.node.callspec.params["platform"]
    config, chance, killed = CONFIG.format(options=platform.options, sorry=SORRY), random.Random(f"{SEED}/{name}"), Counter()
    started, people, begun = agentd(config), People(platform), time.monotonic()
    getattr(platform, "begin", lambda: None)()
    people.start()
    while not people.over.wait(chance.uniform(*CALM) * SLOW):
        what = kill(chance.choice(KILLS) if killed else "agentd", chance, started)
        killed[what or "nothing"] += 1
        if what == "agentd":
            started.stop()
            started = agentd(config)
        assert started.process.poll() is None, started.raw[-20:]
    people.join()
    assert people.failure is None, people.failure
    assert killed["interface"] or killed["agentd"], killed
    wait_for("all to be answered", lambda: is_quiet(platform, started), 60)
    took = time.monotonic() - begun

    runs, answers, missing, problems = check_everything(started, platform, people.said)
    times = Counter(answer for answer in answers if answer[1] != SORRY)
    again = sorted(Counter(n for n in times.values() if n > 1).items())
    failed = sum(run["status"] == "failed" for run in runs)
    kills = killed["interface"] + killed["agentd"]
    lost = platform.lost(missing, kills) if missing and hasattr(platform, "lost") else None
    with capsys.disabled():
        print(f"\nchaos, {name}: seed {SEED}, {MESSAGES} messages in {CHATS} chats, {took:.1f} s, killed {dict(killed)}; "
              f"{len(runs)} runs, {failed} failed; answers that came more than once: "
              f"{', '.join(f'{count} came {n} times' for n, count in again) or 'none'}; {len(missing)} messages lost on "
              f"the wire{': ' + lost if lost else ''}")
    if missing and not lost:
        problems.append(f"never had a run: {missing}")
    extra = sum(times.values()) - len(times)
    if extra > kills * CHATS:
        problems.append(f"{extra} answers were sent again, with {kills} kills")
    assert not problems, f"seed {SEED}: {len(problems)} problems\n" + "\n".join(map(str, problems[:20]))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("received-")]
