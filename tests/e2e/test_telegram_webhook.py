"""Telegram by a webhook: brought to agentd's own listener by the Bot API's stand-in."""
import os
import re
import signal
import socket

import pytest

from conftest import wait_for
from telegram_api import ANN
from test_telegram import api, bot, texts  # noqa: F401


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def hooked(bot, api):
    def start(path=None, **options):
        port = free_port()
        daemon = bot(mode="webhook", webhook_url=f"http://127.0.0.1:{port}{path or '/webhook/telegram'}", port=port,
                     webhook_path=path, **options)
        api.wait_call("setWebhook")
        return daemon
    return start


def test_a_webhook_brings_messages(hooked, api):
    hooked(webhook_secret="s3cret-of-ours")
    assert api.wait_call("setWebhook")[0] == {
        "url": api.webhook["url"], "secret_token": "s3cret-of-ours", "allowed_updates": ["message"]}
    update = api.say("say hooked")
    assert texts(api.wait_sent()) == ["hooked"]
    api.wait_confirmed(update)
    assert api.count("getUpdates") == 0
    # Brought again, it is known (defect 13).
    assert api.deliver(update) == 200
    api.say("say second")
    assert texts(api.wait_sent(2)) == ["hooked", "second"]


def test_who_does_not_know_the_secret_is_refused(hooked, api):
    """Defect 36: no secret was required. One that is not given is made."""
    hooked()
    assert len(api.webhook["secret"]) >= 32
    update = {"update_id": 1, "message": {"message_id": 1, "chat": {"id": 7}, "from": ANN, "text": "say forged"}}
    wait_for("the webhook to be open", lambda: api.deliver(update, secret="wrong") == 403)
    assert api.deliver(update, secret="") == 403
    assert api.deliver(b"{", secret=api.webhook["secret"]) == 400
    assert api.deliver(b"[]", secret=api.webhook["secret"]) == 400
    api.say("say genuine")
    assert texts(api.wait_sent()) == ["genuine"]


def test_what_a_dead_plugin_did_not_take_is_brought_again(hooked, api):
    """Defects 12 and 30: a message is answered with 200 when it is stored, and not before."""
    daemon = hooked()
    line = daemon.wait_log(r"interface telegram: ready")
    os.kill(int(re.search(r"pid (\d+)", line["message"]).group(1)), signal.SIGKILL)
    update = api.say("say brought again")
    assert texts(api.wait_sent()) == ["brought again"]
    api.wait_confirmed(update)
    assert [status for _, status in api.deliveries].count(200) == 1


def test_telegram_is_away(hooked, api):
    """Promise: with a webhook it is replies that show it: after eight in a row that are not taken the interface is down,
    with the reason, and not ready before Telegram answers; then they are sent, once."""
    daemon = hooked()
    wait_for("it to be ready", lambda: daemon.get("/interfaces/telegram").json["state"] == "ready")
    api.fail("sendMessage", 502, "Bad Gateway", times=8)
    api.fail("getMe", 502, "Bad Gateway", times=2)
    for i in range(8):
        api.say(f"say {i}", user={"id": 100 + i, "is_bot": False, "first_name": "X"})
    daemon.wait_log("interface telegram: replies are not taken: 502 Bad Gateway; restart 1")
    daemon.wait_log("interface telegram: getMe fails: 502 Bad Gateway; restart 3")
    assert sorted(texts(api.wait_sent(8))) == [str(i) for i in range(8)]


def test_a_stop_leaves_the_webhook(hooked, api):
    """Defect 36 of the original: it was deleted at each stop, and what came meanwhile with it. Its URL is what is said,
    with nothing put behind it."""
    daemon = hooked()
    wait_for("it to be ready", lambda: daemon.get("/interfaces/telegram").json["state"] == "ready")
    assert api.webhook["url"].endswith("/webhook/telegram") and api.webhook["url"].count("/webhook") == 1
    daemon.terminate()
    assert daemon.wait(20) == 0
    assert api.webhook and api.count("deleteWebhook") == 0


def test_another_path(hooked, api):
    hooked(path="/of-mine/t")
    api.say("say there")
    assert texts(api.wait_sent()) == ["there"]
