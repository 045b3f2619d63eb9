"""Where the token of a bot must not be (done when 5): a daemon that logs all it can, works and fails in every way, and then
everything that anybody sees of it is searched: the log, what agents were told, every route, the store's files, the spool,
and what /proc shows of all processes."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import discord_api
from conftest import BUILD, wait_for
from discord_api import DIRECT, DiscordApi
from front import DOWN, TROUBLES, Front, http
from telegram_api import TelegramApi
from test_telegram_webhook import free_port

TELEGRAM, DISCORD = "98765:Zq3xTELEGRAMmarkOfTheToken_7w", "OTg3NjU0.Zq3xDi.DISCORDmarkOfTheToken-7w"
AGENTS = "agents: { bot: { plugin: PLUGIN(actor) } }"


class Kit:
    """One platform, behind a front, with an interface `chat` to it."""
    port = 0

    def __init__(self, token, api, port, texts):
        self.token, self.api, self.front, self.texts = token, api, Front(port), texts
        self.marks = [token, token.split(":" if ":" in token else ".")[-1]]

    def config(self, secret):
        return f"""
            http: {{ listen: [ "127.0.0.1:{self.port}" ], docs: true }}
            {AGENTS}
            log: {{ level: debug }}
            interfaces:
              chat: {{ plugin: PLUGIN({self.plugin}), agent: bot, open: true, bot_token: '{secret}', {', '.join(self.options)} }}
            supervision: {{ backoff_min: 50ms, backoff_max: 200ms }}
        """


class Telegram(Kit):
    plugin = "telegram"

    def __init__(self):
        api = TelegramApi(token=TELEGRAM).__enter__()
        super().__init__(TELEGRAM, api, api.port, lambda: [m["text"] for m in list(api.sent)])
        self.stop = api.__exit__
        self.options = [f"api_base: 'http://127.0.0.1:{self.front.port}'", "polling_timeout: 1s",
                        "polling_interval: 10ms", "parse_mode: none"]

    def say(self, text):
        self.api.say(text)

    def say_with_file(self):
        file = self.api.add_file(b"\xff\xd8 jpeg", "photos/file_1.jpg")
        self.api.say(caption="attached", photo=[{"file_id": file, "file_size": 9}])
        lost = self.api.add_file(b"lost", "documents/lost.txt")
        self.api.fail("file", 404, f"no such file: /file/bot{self.token}/documents/lost.txt", times=9)
        self.api.say(caption="say lost", document={"file_id": lost, "file_name": "lost.txt"})

    def fail_replies(self):
        self.api.drop("sendMessage")
        self.api.cut("sendMessage")
        self.api.garbage("sendMessage", f"<a href='/bot{self.token}/sendMessage'>moved</a>".encode(), 302)
        self.api.fail("sendMessage", 500, f"POST /bot{self.token}/sendMessage is out of order")
        self.api.fail("sendMessage", 403, f"Forbidden: {self.token} may not")


class Hooked(Telegram):
    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.options += ["mode: webhook", f"webhook_url: 'http://127.0.0.1:{self.port}/webhook/telegram'"]


class Discord(Kit):
    plugin = "discord"

    def __init__(self):
        api = DiscordApi(token=DISCORD)
        super().__init__(DISCORD, api, api.port, lambda: [m["content"] for m in list(api.messages)])
        self.stop = api.stop
        api.port = self.front.port
        self.options = [f"api_base: 'http://127.0.0.1:{self.front.port}/api/v10'", "connect_timeout: 1s"]

    def say(self, text):
        self.api.message(text, guild=None, channel=DIRECT)

    def say_with_file(self):
        self.api.message("attached", guild=None, channel=DIRECT, attachments=[
            {"id": "1", "filename": "cat.png", "size": 5, "content_type": "image/png",
             "url": "https://cdn.discordapp.com/attachments/1/2/cat.png?ex=1&is=2&hm=3"}])

    def fail_replies(self):
        says = f"Authorization: Bot {self.token}"
        self.api.close(4000, f"{says} is odd")
        self.api.wait("a RESUME", lambda: self.api.resumes)
        self.api.faults = [discord_api.cut, discord_api.cut_answer, discord_api.garbage, discord_api.html,
                           discord_api.answer(500, 0, says), discord_api.answer(403, 50001, says)]


KITS = pytest.mark.parametrize("kind", [Telegram, Hooked, Discord])


@pytest.fixture
def kit(kind):
    one = kind()
    yield one
    one.front.stop()
    one.stop()


def state(daemon):
    return daemon.get("/interfaces/chat").json["state"]


def pages(daemon):
    """What every GET of the API says, path by path."""
    run = daemon.get("/runs").json["runs"][0]
    values = {"id": run["run_id"], "name": "chat", "run_id": run["run_id"], "session_id": run["session_id"]}
    for path in daemon.get("/openapi.json").json["paths"]:
        for name in ("chat", "bot"):
            values["name"] = name
            url = re.sub(r"\{(\w+)\}", lambda m: values.get(m.group(1), "x"), path)
            yield url, daemon.get(url).body
    for url in ("/openapi.json", "/sessions/" + run["session_id"], "/outbox?limit=100", "/runs?limit=100"):
        yield url, daemon.get(url).body


def processes(*but):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                if int(pid) not in (os.getpid(), *but):
                    yield f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                pass


def files(daemon):
    for folder in ("state", "run"):
        for path in (daemon.cwd / folder).rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


def search(kit, *sources):
    """Where it is, of many pairs of a name and bytes; and that there was something to search."""
    count = 0
    for source in sources:
        for name, data in source:
            count += 1
            for mark in kit.marks:
                assert mark.encode() not in data, f"{mark} is in {name}: {data[:300]}"
    return count


@KITS
def test_the_token_is_nowhere(agentd, kit):
    """Promise: whatever works and whatever fails, with the URLs and headers that are in errors."""
    daemon = agentd(kit.config(kit.token)).wait_ready()
    wait_for("it to be ready", lambda: state(daemon) == "ready")
    for text in ("request", "env"):
        kit.say(text)
    kit.say_with_file()
    wait_for("answers", lambda: len(kit.texts()) >= (4 if kit.plugin == "telegram" else 3), 20)
    spools = search(kit, files(daemon))
    kit.fail_replies()
    kit.say("say unlucky")
    wait_for("a reply that is set aside", lambda: any(r["aside"] for r in daemon.get("/outbox").json["replies"]), 40)
    for pid in [daemon.pid, *daemon.get("/interfaces/chat").json["pids"], *daemon.get("/agents/bot").json["pids"]]:
        assert re.search(r"Max core file size +0 +0", Path(f"/proc/{pid}/limits").read_text()) or pid == daemon.pid
    told = "\n".join(kit.texts())
    assert "metadata=" in told and "source=interface chat" in told
    for trouble in (DOWN, TROUBLES["no HTTP"], http(302, b"", "text/html", f"Location: https://x/bot{kit.token}/getMe"),
                    http(500, {"ok": False, "error_code": 500, "description": kit.token, "message": kit.token})):
        kit.front.be(trouble)
        daemon.request("POST", "/interfaces/chat/restart")
        wait_for("it to be down", lambda: state(daemon) == "backoff")
        assert search(kit, pages(daemon)) > 20
    daemon.terminate(signal.SIGUSR1)
    daemon.wait_log("state: interface chat")
    assert search(kit, [("the log", "\n".join(daemon.raw).encode())], [("agents", told.encode())], pages(daemon),
                  files(daemon), processes()) > 40 and spools
    assert any('"level":"debug"' in line for line in daemon.raw)
    shown = subprocess.run([BUILD / "agentd", "-c", "agent.conf", "--print-config"], cwd=daemon.cwd, capture_output=True)
    search(kit, [("--print-config", shown.stdout + shown.stderr)])
    assert b"bot_token" in shown.stdout


@KITS
def test_a_refused_token_is_nowhere(agentd, kit):
    """The same of what is said when it is the token that is wrong."""
    kit.api.token = "1:other"
    daemon = agentd(kit.config(kit.token))
    wait_for("it to have failed", lambda: state(daemon) == "failed")
    search(kit, [("the log", "\n".join(daemon.raw).encode())], [("/interfaces", daemon.get("/interfaces").body)])


@pytest.mark.parametrize("kind", [Telegram, Discord])
def test_a_token_of_the_environment(agentd, kit):
    """Promise: agentd hands its environment to nobody: a token that comes from there is in no other process."""
    daemon = agentd(kit.config("${BOT_TOKEN}"), env={"BOT_TOKEN": kit.token}).wait_ready()
    wait_for("it to be ready", lambda: state(daemon) == "ready")
    kit.say("env")
    wait_for("an answer", kit.texts)
    search(kit, processes(daemon.pid), [("agents", "\n".join(kit.texts()).encode())], files(daemon))
