"""The interface to Discord (plugins/discord), against a Discord of the tests' own (discord_api.py)."""
import os
import signal
import threading
import time

import pytest

import discord_api as discord
from conftest import wait_for
from discord_api import ANN, BOT, CHANNEL, DIRECT, FORBIDDEN_CHANNEL, TOKEN, DiscordApi

AGENTD_IMAGE = 1


@pytest.fixture
def api():
    api = DiscordApi()
    yield api
    api.stop()
    assert api.violations == []


@pytest.fixture
def bot(agentd, api):
    """Starts an agentd whose agent is a bot there: bot("option: value", …)."""
    daemons = []

    def start(*options, token=TOKEN, listening=True, connected="connected to Discord as robot", agent="actor"):
        lines = ["plugin: PLUGIN(discord)", "agent: bot", "open: true", *options]
        lines += [line for line in (f"bot_token: {token}", f'api_base: "{api.base}"')
                  if line.split(":")[0] not in [option.split(":")[0] for option in options]]
        daemon = agentd('http: { listen: [ "127.0.0.1:0" ] }\n'
                        f"agents: {{ bot: {{ plugin: PLUGIN({agent}) }} }}\n"
                        f"interfaces: {{ discord: {{ {', '.join(lines)} }} }}\n").wait_ready()
        daemons.append(daemon)
        if listening:
            api.wait_listening()
            daemon.wait_log(connected)
        return daemon

    yield start
    for daemon in daemons:
        daemon.stop()
        assert TOKEN not in "\n".join(daemon.raw)


def texts(api):
    return [message["content"] for message in api.messages]


def lines_of(daemon, level="info"):
    """What the plugin has logged since it was connected for the first time."""
    ours = [line for line in daemon.log if line.get("from") == "interface discord"]
    first = next(i for i, line in enumerate(ours) if "connected to Discord as" in line["message"])
    return [(line["level"], line["message"]) for line in ours[first + 1:] if line["level"] in ("warn", "info", level)]


def resumed(api, count=1):
    api.wait("a RESUME", lambda: len(api.resumes) >= count, 30)
    api.wait_listening()


# Messages and answers.

def test_a_message_is_answered(bot, api):
    """Promise: the answer goes to the channel, refers to the message, and pings nobody; typing comes before it (defect
    38 of the original: behind it)."""
    daemon = bot()
    id = api.message("after 500 hello @everyone")
    message = api.wait_messages(1)[0]
    assert (message["channel_id"], message["content"]) == (CHANNEL, "hello @everyone")
    assert message["message_reference"]["message_id"] == id
    assert message["asked"]["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert message["asked"]["message_reference"]["fail_if_not_exists"] is False
    assert api.typing == [CHANNEL]
    order = [path.rsplit("/", 1)[1] for method, path, _ in api.requests if method == "POST"]
    assert order == ["typing", "messages"]
    runs = daemon.request("GET", "/runs").json["runs"]
    assert [(run["source"], run["user_id"]) for run in runs] == [("interface discord", f"discord:{ANN}")]


def test_direct_messages_and_attachments(bot, api):
    """Promise: a direct message is answered in its channel. Its attachments are URLs without a secret."""
    bot()
    api.message("attached", guild=None, channel=DIRECT, attachments=[
        {"id": "1", "filename": "cat.png", "size": 5, "content_type": "image/png",
         "url": "https://cdn.discordapp.com/attachments/1/2/cat.png?ex=1&is=2&hm=3"}])
    message = api.wait_messages(1)[0]
    assert message["channel_id"] == DIRECT
    assert message["content"] == (
        f"1\n{AGENTD_IMAGE}:cat.png:image/png:https://cdn.discordapp.com/attachments/1/2/cat.png?ex=1&is=2&hm=3")


@pytest.mark.parametrize("options, ignored, answered", [
    ((), [dict(author=BOT, name="robot", bot=True), dict(bot=True), dict(type=7), dict(webhook_id="6")], {}),
    (("respond_to_bots: true",), [dict(author=BOT, name="robot", bot=True)], dict(bot=True)),
    (("allowed_guild_ids: [ 200000000000000001 ]",),
     [dict(guild="200000000000000002"), dict(guild=None, channel=DIRECT)], {}),
    (('allowed_channel_ids: [ "%s" ]' % DIRECT,), [{}], dict(guild=None, channel=DIRECT)),
    (('command_prefix: "!bot"',), [{}], dict(content="!bot  say yes")),
    (("intents_message_content: false",), [{}], dict(guild=None, channel=DIRECT)),
])
def test_who_is_answered(bot, api, options, ignored, answered):
    """Promise: own messages, other bots', other guilds' and channels', and those without the prefix are no
    messages; there is an option for each."""
    bot(*options)
    for fields in ignored:
        api.message(**{"content": "say no", **fields})
    api.message(**{"content": "say yes", **answered})  # behind them: it is answered when they have been read
    assert [m["content"] for m in api.wait_messages(1)] == ["yes"]


def test_a_message_that_comes_twice_is_answered_once(bot, api):
    """Promise: the message's id is its key."""
    bot()
    id = api.message("say once")
    api.wait_messages(1)
    api.message("say once", id=id)
    api.message("say next")
    api.wait_messages(2)
    assert texts(api) == ["once", "next"]


# Long answers, files, rate limits.

def test_a_long_answer_is_several_messages(bot, api):
    """Promise: each part is at most 2000 long, in order; the first refers to the message. No request is made
    before the rate limit has room for it (a violation else)."""
    api.bucket = (2, 1.0)
    bot()
    words = " ".join(f"{i:04}" for i in range(1900))
    api.message(f"say {words}")
    messages = api.wait_messages(5)
    assert " ".join(m["content"] for m in messages) == words
    assert all(len(m["content"]) <= 2000 for m in messages)
    assert [("message_reference" in m) for m in messages] == [True, False, False, False, False]
    assert messages[4]["time"] - messages[0]["time"] >= 1.9


def test_max_message_length(bot, api):
    """And defect 28 of the original: a text that begins with white space and has none further on is cut all the same."""
    bot("max_message_length: 100")
    api.message("say  \n" + "x" * 250)
    assert [len(m["content"]) for m in api.wait_messages(3)] == [100, 100, 50]


def test_files_of_an_answer(bot, api):
    """Defect 39 of the original (dropped): behind the text, a file of this machine is uploaded, and an image's URL is shown; a file that Discord
    refuses is not tried again."""
    daemon = bot()
    api.message("file notes.txt what was said")
    text, file = api.wait_messages(2)
    assert text["content"] == "here it is" and "message_reference" not in file
    assert [(f["name"], f["data"], f["type"]) for f in file["files"]] == [("notes.txt", b"what was said", "text/plain")]
    api.message("link https://example.com/cat.png")
    image = api.wait_messages(4)[3]
    assert image["embeds"] == [{"image": {"url": "https://example.com/cat.png"}}]
    api.faults = [lambda _: False, discord.answer(413, 40005, "Request entity too large")]
    api.message("file large.txt x")
    daemon.wait_log(r"413: Request entity too large \(40005\)")
    api.message("say next")
    assert [m["content"] for m in api.wait_messages(6)[4:]] == ["here it is", "next"]


@pytest.mark.parametrize("kind", ["none", "directory"])
def test_a_file_that_cannot_be_read(bot, api, kind):
    """Bug: a folder in the place of a file was tried again and again, and held up its chat for minutes."""
    daemon = bot(agent="courier")
    api.message(f"send\n0 inode/{kind} notes.txt x")
    daemon.wait_log("kept aside: the file cannot be read: notes.txt")
    api.message("next")
    assert [m["content"] for m in api.wait_messages(2)] == ["here", "next"]


@pytest.mark.parametrize("fault, for_all", [(discord.too_many(3), False), (discord.too_many(1.2, True), True),
                                            (discord.banned(2), True)])
def test_too_many_requests(bot, api, fault, for_all):
    """Promise: a 429 is waited out; the global one, and one that is not of the API itself, by all channels."""
    bot()
    api.faults = [fault]
    begun = time.monotonic()
    api.message("say one")
    api.wait("the 429", lambda: api.faulted)
    api.message("say two", guild=None, channel=DIRECT)
    messages = api.wait_messages(2)
    took = {m["content"]: m["time"] - begun for m in messages}
    assert took["one"] >= 1.2
    assert took["two"] >= 1.0 if for_all else messages[0]["content"] == "two"


@pytest.mark.parametrize("fault", [discord.cut, discord.cut_answer, discord.done_but_502, discord.html,
                                   discord.garbage, discord.answer(500, 0, "500: Internal Server Error")])
def test_an_answer_that_gets_lost(bot, api, fault):
    """Promise: what fails is tried again, from the part that was not taken, and nothing is said twice."""
    bot("max_message_length: 64")
    api.faults = [lambda _: False, fault]
    words = " ".join(f"{i:04}" for i in range(36))
    api.message(f"say {words}")
    messages = api.wait_messages(3, 30)
    assert " ".join(m["content"] for m in messages) == words
    api.message("say next")
    api.wait_messages(4)
    assert " ".join(texts(api)) == words + " next"


def test_an_answer_that_is_refused(bot, api):
    """Promise: what Discord will never take is not tried again, and holds nothing else up."""
    daemon = bot()
    api.message("say no", channel=FORBIDDEN_CHANNEL)
    daemon.wait_log(r"403: Missing Access \(50001\)")
    api.message("say no", channel="399")
    daemon.wait_log(r"404: Unknown Channel \(10003\)")
    api.message("say yes")
    api.wait_messages(1)
    tries = [path for method, path, _ in api.requests if path.endswith("/messages")]
    assert [tries.count(f"/api/v10/channels/{c}/messages") for c in (FORBIDDEN_CHANNEL, "399", CHANNEL)] == [1, 1, 1]


# The gateway.

def test_what_is_missed_is_delivered_after_a_resume(bot, api):
    """Promise: a connection that breaks is resumed at the URL that READY named, from the last event; one line
    when it breaks, one when it is back."""
    daemon = bot()
    api.message("say before")
    api.wait_messages(1)
    api.cut()
    api.wait("the cut", lambda: not any(s.connection for s in api.sessions.values()))
    api.message("say meanwhile")
    api.wait_messages(2)
    assert texts(api) == ["before", "meanwhile"]
    assert len(api.identifies) == 1 and len(api.resumes) == 1
    path, data = api.resumes[0]
    assert path.startswith("/resume") and data["token"] == TOKEN and data["session_id"] in api.sessions
    daemon.wait_log("connected to Discord again")
    lines = lines_of(daemon)
    assert [level for level, _ in lines] == ["warn", "info"] and "no connection to Discord" in lines[0][1]


def test_a_message_that_is_not_stored_is_delivered_again(bot, api):
    """Promise: the sequence moves only past messages that are in the store: while agentd is stopped (SIGSTOP)
    nothing is, so that a RESUME asks for the message again, and it is answered, once."""
    daemon = bot()
    api.message("say before")
    api.wait_messages(1)
    before = max(s.sequence for s in api.sessions.values())
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        api.message("say stored late")
        api.cut()
        resumed(api)
        assert api.resumes[0][1]["seq"] == before
        os.kill(daemon.pid, signal.SIGCONT)
        api.wait_messages(2)
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    api.message("say next")
    api.wait_messages(3)
    assert texts(api) == ["before", "stored late", "next"]


def kept_session(daemon):
    return next((daemon.cwd / "state").rglob("agentd.db-spool")) / "in-discord" / "session"


def end_process(api, daemon, what):
    """SIGKILL for the interface or for agentd; Discord has seen it."""
    if what == "agentd":
        daemon.process.kill()
        daemon.wait()
    else:
        os.kill(daemon.get("/interfaces").json["interfaces"][0]["pids"][0], signal.SIGKILL)
    api.wait("its end", lambda: not any(s.connection for s in api.sessions.values()))


@pytest.mark.parametrize("what", ["interface", "agentd"])
def test_what_is_missed_is_delivered_to_the_next_process(bot, api, what):
    """Promise: a process that is killed leaves its session to the next, which resumes it: what was written meanwhile is
    answered, also what the bot itself must not answer is known. No new session begins."""
    daemon = bot()
    api.message("say before")
    api.wait_messages(1)
    end_process(api, daemon, what)
    api.message("say meanwhile")
    api.message("say not to myself", author=BOT, name="robot")
    if what == "agentd":
        daemon = bot(connected="in the session of the process that was before")
    else:
        daemon.wait_log("in the session of the process that was before")
    api.message("say after")
    api.wait_messages(3)
    assert texts(api) == ["before", "meanwhile", "after"]
    assert len(api.identifies) == 1 and len(api.resumes) == 1
    assert TOKEN not in kept_session(daemon).read_text()


def test_a_resume_that_takes_too_long(bot, api):
    """Bug: a process that took up a session, and was not resumed in time, left that connection open beside the next. What
    came there later was heard, and its end was taken for the end of the next."""
    daemon = bot()
    api.message("say before")
    api.wait_messages(1)
    end_process(api, daemon, "agentd")
    api.message("say meanwhile")
    answered = threading.Event()
    api.late_resumes = [answered]
    daemon = bot("connect_timeout: 5s", connected="in the session of the process that was before")
    api.wait_messages(2)
    closes = len(api.closes)
    answered.set()
    api.wait("the end of the first connection", lambda: len(api.closes) > closes)
    api.message("say after")
    api.wait_messages(3)
    assert texts(api) == ["before", "meanwhile", "after"]
    assert len(api.identifies) == 1 and len(api.resumes) == 2
    lines = [line["message"] for line in daemon.log if "no connection to Discord" in line["message"]]
    assert len(lines) == 1 and "took too long" in lines[0]


@pytest.mark.parametrize("change", ["forged", "old", "intents", "over"])
def test_a_session_that_is_not_taken_up(bot, api, change):
    """Promise: what is kept of a session is no session if somebody else wrote it (the token would go to the URL in it),
    if it is old, or of other intents; and one that Discord does not know any more is followed by a new one."""
    daemon = bot()
    path = kept_session(daemon)
    end_process(api, daemon, "agentd")
    if change == "forged":
        path.write_text(path.read_text().replace("/resume", "/thief!"))
    elif change == "old":
        os.utime(path, (0, time.time() - 700))
    elif change == "over":
        api.forget_sessions()
    bot(*(["intents_message_content: false"] if change == "intents" else []))
    api.violations.clear()  # IDENTIFYs of two processes within five seconds
    assert len(api.identifies) == 2 and len(api.resumes) == (change == "over")
    assert not [p for p in api.paths if "thief" in p]
    api.message("say new", guild=None, channel=DIRECT)
    api.wait_messages(1)


def test_discord_asks_for_a_new_connection(bot, api):
    """Promise: RECONNECT is followed by a RESUME, and is no trouble."""
    daemon = bot()
    api.reconnect()
    resumed(api)
    api.message("say still here")
    api.wait_messages(1)
    assert 4000 in api.closes and len(api.identifies) == 1
    assert lines_of(daemon) == []


def test_a_session_that_has_ended(bot, api):
    """Promise: INVALID_SESSION (false) ends the session; a new one is begun, not within five seconds of that
    before (a violation else)."""
    bot()
    api.invalid_sessions = [False]
    api.cut()
    api.wait("a second IDENTIFY", lambda: len(api.identifies) == 2, 30)
    api.wait_listening()
    api.message("say hello again")
    api.wait_messages(1)


def test_a_session_that_can_be_resumed(bot, api):
    """Promise: INVALID_SESSION (true) is resumed, after a while."""
    bot()
    api.invalid_sessions = [True]
    api.cut()
    resumed(api, 2)
    assert len(api.identifies) == 1


@pytest.mark.parametrize("code, identifies", [(4000, 1), (4007, 2), (4009, 2), (1001, 1)])
def test_close_codes_that_pass(bot, api, code, identifies):
    """Promise: what another try can help is tried again: resumed, or, where the session has ended, begun anew."""
    bot()
    api.close(code, "x")
    if identifies == 1:
        resumed(api)
    else:
        api.wait("another IDENTIFY", lambda: len(api.identifies) == 2, 30)
        api.wait_listening()
    assert len(api.identifies) == identifies
    api.message("say back")
    api.wait_messages(1)


def test_an_identify_that_is_long_on_its_way(bot, api):
    """Promise: between two IDENTIFYs are five seconds where Discord hears them (a violation else), not where they are
    said."""
    api.identify_delays = [1.5]
    bot()
    api.close(4007, "x")
    api.wait("another IDENTIFY", lambda: len(api.identifies) == 2, 30)
    api.wait_listening()


def test_heartbeats(bot, api):
    """Promise: beats come at the interval, with the sequence; one that is not answered ends the connection, and
    the session is resumed."""
    api.heartbeat_interval = 300
    daemon = bot()
    api.wait("five beats", lambda: len(api.heartbeats) >= 5)
    assert api.heartbeats[4][0] - api.greeted >= 4 * 0.3 - 0.05  # later is a busy machine, more often a fault
    assert api.heartbeats[-1][1] == 2  # READY and GUILD_CREATE
    api.acknowledges = False
    resumed(api)
    api.acknowledges = True
    assert 4000 in api.closes
    assert "a heartbeat was not answered" in daemon.wait_log("no connection to Discord")["message"]
    daemon.wait_log("connected to Discord again")


def test_a_beat_that_is_asked_for(bot, api):
    bot()
    api.say({"op": 1, "d": None})
    api.wait("a beat", lambda: len(api.heartbeats) == 1)


def test_a_large_guild(bot, api):
    """Promise: a GUILD_CREATE of eight megabytes, in three frames, is read."""
    api.guild_bytes = 8 << 20
    bot()
    api.message("say read it all")
    api.wait_messages(1)


def test_garbage_on_the_gateway(bot, api):
    """Promise: what is no event ends the connection, not the process."""
    daemon = bot()
    api.say("no json")
    resumed(api)
    api.say('{"op": 0, "t": "MESSAGE_CREATE", "s": 9999, "d": [1, {"content": 5}]}')
    api.say('{"op": 99}')
    api.say('{"op": 10, "d": {"heartbeat_interval": -1}}')
    api.wait("another RESUME", lambda: len(api.resumes) == 2, 30)
    assert len([line for line in daemon.messages() if "killed" in line or "crash" in line]) == 0


def test_sessions_that_may_begin(bot, api):
    """Promise: with none left for today, none is begun before there are new ones."""
    api.remaining, api.reset_after = 0, 1500
    daemon = bot(listening=False)
    daemon.wait_log("as many sessions as Discord allows")
    begun = time.monotonic()
    with api.changed:
        assert api.identifies == []
        api.remaining = 1000
    api.wait_listening()
    assert api.identifies[0][0] - begun >= 1.3


def test_discord_is_away_at_the_start(bot, api):
    """Promise: errors of GET /gateway/bot are tried again, later each time, by agentd, which says why."""
    api.gateway_faults = [(503, {}), (500, {"message": "x"}), (200, {"url": "ftp://x"})]
    daemon = bot()
    for nth, reason in enumerate(("GET /gateway/bot: 503", "GET /gateway/bot: 500: x", "no URL that can be used"), 1):
        daemon.wait_log(rf"no connection to Discord: .*{reason}.*; restart {nth} in")


def test_a_gateway_that_says_nothing(bot, api):
    """Promise: no HELLO within connect_timeout, and it is tried anew."""
    api.hello = False
    daemon = bot("connect_timeout: 1s", listening=False)
    daemon.wait_log("took too long")
    with api.changed:
        api.hello = True
    api.wait_listening()


@pytest.mark.parametrize("what", ["forgotten", "its server is gone"])
def test_an_old_session_at_the_start(bot, api, what):
    """Promise: a process that takes up a session which cannot be resumed, or not there, does not fail for that: it begins
    anew, or resumes it elsewhere."""
    api.resume_port = 1 if what == "its server is gone" else None
    daemon = bot()
    api.message("say before")
    api.wait_messages(1)
    if what == "forgotten":
        daemon.terminate()
        daemon.wait()
        api.forget_sessions()
        daemon = bot(listening=False)
    else:
        daemon.request("POST", "/interfaces/discord/restart")
    wait_for("the next process", lambda: daemon.get("/interfaces/discord").json["generation"] == (1 if what == "forgotten" else 2))
    wait_for("it to be ready", lambda: daemon.get("/interfaces/discord").json["state"] == "ready", 20)
    api.message("say after")
    api.wait_messages(2)
    assert len(api.identifies) == (2 if what == "forgotten" else 1) and len(api.resumes) == 1
    assert not [line for line in daemon.log if line["level"] == "error"]
    api.violations.clear()  # two IDENTIFYs within five seconds, of two processes: Discord would answer with op 9


# What another try cannot help.

FATAL = [(4004, "Authentication failed.", "refuses the bot token"), (4010, "", "shard"), (4011, "", "sharded"),
         (4012, "", "version"), (4013, "", "intents"), (4014, "", "Message Content Intent")]


@pytest.mark.parametrize("code, reason, said", FATAL)
def test_close_codes_that_are_fatal(bot, api, code, reason, said):
    """Promise: these end the interface at once, with a line that says what to do; it is not started again."""
    api.identify_close = (code, reason)
    daemon = bot(listening=False)
    daemon.wait_log(said, 5)
    daemon.wait_log(rf"{code}.*not started again")
    assert len(api.identifies) == 1


def test_a_wrong_token(bot, api):
    """Defects 6 and 7 of the original, which waits thirty seconds, and tries for ever: 401 is fatal at once, and the
    token is in no line."""
    daemon = bot(token="MTIzNDU2.wrong.token", listening=False)
    wait_for("the end", lambda: [m for m in daemon.messages() if "refuses the bot token (401)" in m], 5)
    assert "MTIzNDU2.wrong.token" not in "\n".join(daemon.raw)
    assert len(api.requests) == 1 and api.identifies == []


def test_a_token_that_is_revoked(bot, api):
    """Promise: a 401 to an answer is fatal, too; the answer is not lost by that: with a good token it is sent."""
    daemon = bot()
    api.faults = [discord.answer(401, 0, "401: Unauthorized")]
    api.message("say kept")
    daemon.wait_log(r"refuses the bot token \(401\)")
    daemon.stop()
    bot(connected="in the session of the process that was before")
    assert [m["content"] for m in api.wait_messages(1)] == ["kept"]


@pytest.mark.parametrize("option, says", [
    ("allowed_guild_ids: [ general ]", 'allowed_guild_ids: "general" is no id'),
    ("allowed_channel_ids: [ '#general' ]", 'allowed_channel_ids: "#general" is no id'),
    ("api_base: 'ftp://127.0.0.1'", "api_base: neither https:// nor http://"),
    ("bot_token: 'two words'", "bot_token: empty, or with characters that no token has")])
def test_settings_that_are_wrong(bot, api, option, says):
    daemon = bot(option, listening=False)
    daemon.wait_log(f"{says}.*not started again")


def test_the_end(bot, api):
    """Promise: a stop closes the connection, after the answers that are under way, and not the session (1000 would):
    what is written until the next start is answered then."""
    daemon = bot()
    api.faults = [discord.slow(0.5)]
    api.message("say last words")
    api.wait("the request", lambda: not api.faults)
    daemon.terminate()
    assert daemon.wait() == 0
    assert texts(api) == ["last words"]
    api.wait("the close", lambda: 4000 in api.closes)
    api.message("say meanwhile")
    bot(connected="in the session of the process that was before")
    api.wait_messages(2)
    assert texts(api) == ["last words", "meanwhile"]


def test_the_end_of_an_idle_bot(bot, api):
    """Promise: Discord hears of it although nothing else is under way."""
    daemon = bot()
    daemon.terminate()
    assert daemon.wait() == 0
    api.wait("the close", lambda: 4000 in api.closes)
