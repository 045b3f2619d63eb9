"""Telegram: the interface through the front door, against a Bot API of our own (telegram_api.py)."""
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import threading

import pytest

from conftest import SLOW, wait_for
from telegram_api import ANN, TOKEN, TelegramApi, utf16

BOB = {"id": 8, "is_bot": False, "first_name": "Bob"}


@pytest.fixture
def api():
    with TelegramApi() as api:
        yield api


@pytest.fixture
def bot(agentd, api):
    """bot(key=value…) → a daemon with an agent and an interface "telegram" at the stand-in. Options are given
    as text."""
    def start(agent="actor", ready=True, port=0, **options):
        options = {"bot_token": TOKEN, "api_base": api.base, "polling_timeout": "1s", "polling_interval": "50ms",
                   "open": "true", **options}
        keys = "\n".join(f"            {key}: {value}" for key, value in options.items() if value is not None)
        daemon = agentd(f"""
        http: {{ listen: [ "127.0.0.1:{port}" ] }}
        agents:
          {agent}: {{ plugin: PLUGIN({agent}) }}
        interfaces:
          telegram:
            plugin: PLUGIN(telegram)
{keys}
        supervision: {{ backoff_min: 100ms, backoff_max: 400ms }}
        """.replace("\n        ", "\n"))
        if ready:
            daemon.wait_log(r"interface telegram: ready")
            assert "it is @test_bot (123456)" in daemon.messages()
        return daemon
    return start


def texts(sent):
    return [message["text"] for message in sent]


# Options that no other test has.


@pytest.mark.parametrize("mode, says, text", [
    ("HTML", "<b>1</b>", "1"), ("MarkdownV2", "*1*", "1"), ("Markdown", "*1*", "1"), ("none", "*<b>1", "*<b>1")])
def test_parse_mode(bot, api, mode, says, text):
    bot(parse_mode=mode)
    api.say("say " + says)
    sent = api.wait_sent()[0]
    assert (sent["raw"], sent["text"], sent["parse_mode"]) == (says, text, None if mode == "none" else mode)


@pytest.mark.parametrize("options, timeout, updates", [
    ({"polling_timeout": "2s"}, 2, ["message"]), ({"polling_timeout": None}, 30, ["message"]),
    ({"answer_edits": "true"}, 1, ["message", "edited_message"])])
def test_what_is_asked_for(bot, api, options, timeout, updates):
    """polling_timeout, and allowed_updates; the offset is behind what is stored. The first question does not wait."""
    bot(**options)
    update = api.say("say x")
    api.wait_confirmed(update)
    def asked():
        return [parameters for name, parameters, _ in api.calls if name == "getUpdates"]
    wanted = {"timeout": timeout, "allowed_updates": updates, "offset": update["update_id"] + 1}
    api.wait(wanted, lambda: wanted in asked())
    assert asked()[0] == {"timeout": 0, "allowed_updates": updates}


def test_polling_interval(bot, api):
    """The first delay before another try, and no less than that less a fifth."""
    bot(polling_interval="1s", polling_timeout="30s")
    api.wait("a poller", lambda: api.poller)
    api.fail("getUpdates", 502, "Bad Gateway")
    update = api.say("say x")  # ends the question that waits; the next one fails
    api.wait_confirmed(update)
    times = [when for name, asked, when in api.calls if name == "getUpdates" and asked.get("offset") == update["update_id"] + 1]
    assert times[1] - times[0] >= 0.8


def test_max_message_length(bot, api):
    bot(parse_mode="none", max_message_length="100")
    api.say("say " + "x" * 250)
    assert [len(text) for text in texts(api.wait_sent(3))] == [100, 100, 50]


@pytest.mark.parametrize("options, says", [
    ({"bot_token": "nonsense"}, "bot_token is none"),
    ({"webhook_secret": "'not this: ä'"}, "webhook_secret must be 1 to 256 of"),
    ({"allowed_user_ids": "[ ann ]"}, 'allowed_user_ids: "ann" is not the number of a user or chat'),
    ({"allowed_chat_ids": '[ "1 " ]'}, 'allowed_chat_ids: "1 " is not the number of a user or chat')])
def test_settings_that_are_wrong(bot, api, options, says):
    daemon = bot(ready=False, **options)
    daemon.wait_log(f"{says}.*not started again")
    assert api.calls == [] and "nonsense" not in "\n".join(daemon.raw)


def test_what_the_agent_is_told(bot, api):
    """Who wrote (by first name who has no other), where, which message, and what it answers."""
    bot(parse_mode="none")
    first = api.say("say x")
    api.wait_sent()  # in another chat, so in no order with the next
    for n, user in ((2, ANN), (3, BOB)):
        update = api.say("request", user=user, chat={"id": -9, "type": "group"}, reply_to_message=first["message"])
        told = dict(line.split("=", 1) for line in api.wait_sent(n)[-1]["text"].split("\n") if "=" in line)
        assert json.loads(told["metadata"]) == {
            "interface": "telegram", "platform": "telegram", "platform_user_id": str(user["id"]), "chat_id": "-9",
            "user_name": "@ann" if user is ANN else "Bob", "message_id": str(update["message"]["message_id"]),
            "reply_to": str(first["message"]["message_id"])}


# Receiving.


def test_a_message_is_answered(bot, api):
    """From the platform to the agent and back: the reply refers to the message, typing is shown before it."""
    bot()
    update = api.say("say hello")
    sent = api.wait_sent()[0]
    assert (sent["text"], sent["chat_id"]) == ("hello", ANN["id"])
    assert sent["reply_to"] == update["message"]["message_id"]
    api.wait_confirmed(update)
    # Defect 38: shown after the agent had run.
    names = [name for name, _, _ in api.calls]
    assert names.index("sendChatAction") < names.index("sendMessage")
    assert names[:2] == ["getMe", "deleteWebhook"]


def test_a_name_is_resolved(bot, api):
    """In the sandbox, too; and the server listens on 127.0.0.1 only, whatever else the name is."""
    bot(api_base=f"http://localhost:{api.port}/")
    api.say("say found")
    assert texts(api.wait_sent()) == ["found"]


def test_messages_of_a_chat_keep_their_order(bot, api):
    bot()
    for i in range(20):
        api.say(f"say {i}")
    assert texts(api.wait_sent(20)) == [str(i) for i in range(20)]


def test_what_was_said_before_the_start_is_answered(bot, api):
    api.say("say early")
    bot()
    assert texts(api.wait_sent()) == ["early"]


def test_a_message_survives_the_death_of_the_plugin(bot, api):
    """Defect 30: the offset moves only past stored messages, and what is stored is answered once."""
    daemon = bot()
    api.say("say one")
    api.wait_sent(1)
    gate = api.hold("sendMessage")
    api.say("say two")
    api.wait_call("sendMessage", 2)
    pid = int(re.search(r"pid (\d+)", daemon.wait_log(r"interface telegram: ready")["message"]).group(1))
    os.kill(pid, signal.SIGKILL)
    gate.set()
    api.say("say three")
    api.wait(f"three, have {texts(api.sent)}", lambda: "three" in texts(api.sent))
    assert texts(api.sent)[0] == "one" and set(texts(api.sent)) == {"one", "two", "three"}
    assert texts(api.sent).count("one") == texts(api.sent).count("three") == 1


def test_an_edit_is_not_answered(bot, api):
    """Defect 37."""
    bot()
    api.say("say edited", edited=True)
    api.say("say new")
    api.wait_confirmed(api.say("say last"))
    assert texts(api.wait_sent(2)) == ["new", "last"]


def test_an_edit_is_answered_if_told(bot, api):
    bot(answer_edits="true")
    api.say("say edited", edited=True)
    assert texts(api.wait_sent()) == ["edited"]


@pytest.mark.parametrize("option", ["allowed_user_ids: [ 7 ]", "allowed_chat_ids: [ 7 ]"])
def test_others_get_no_answer(bot, api, option):
    key, value = option.split(": ", 1)
    daemon = bot(**{key: value})
    api.say("say bob", user=BOB)
    api.say("say ann")
    assert texts(api.wait_sent()) == ["ann"]
    daemon.wait_log(r"is left out: its user or chat is not allowed")


def test_messages_that_say_nothing_do_no_harm(bot, api):
    bot()
    api.say(new_chat_title="a title")
    api.say(location={"latitude": 1.0, "longitude": 2.0})
    last = api.say("say fine")
    api.wait_confirmed(last)
    assert texts(api.wait_sent()) == ["fine"]


def test_files_are_fetched(bot, api):
    """Defect 29: the agent gets the bytes, and never a URL, which would have the token in it."""
    daemon = bot(agent="courier", parse_mode="none")
    photo = api.add_file(b"\xff\xd8 large", "photos/file_3.jpg")
    api.say(caption="look", photo=[{"file_id": "small", "file_size": 1}, {"file_id": photo, "file_size": 9}])
    voice = api.add_file(b"OggS", "voice/file_4.oga")
    api.say(voice={"file_id": voice, "duration": 1})
    document = api.add_file(b"%PDF", "documents/file 5?.pdf")
    api.say("ignored", document={"file_id": document, "file_name": "a.pdf", "mime_type": "application/pdf"})
    assert texts(api.wait_sent(3)) == ["look\n1 file_3.jpg image/jpeg \ufffd\ufffd large",
                                       "2 file_4.oga audio/ogg OggS", "ignored\n0 a.pdf application/pdf %PDF"]
    assert TOKEN.split(":")[1] not in "\n".join(daemon.raw)


def test_a_file_that_cannot_be_had_is_named(bot, api):
    bot(parse_mode="none")
    big = api.add_file(b"x" * ((20 << 20) + 1), "videos/file_6.mp4")
    api.say(caption="say see", video={"file_id": big, "file_name": "holiday.mp4", "mime_type": "video/mp4"})
    assert texts(api.wait_sent()) == [
        "see\n[holiday.mp4 (video/mp4) could not be fetched: 400 Bad Request: file is too big]"]


def test_a_file_is_tried_again(bot, api):
    bot(agent="courier", parse_mode="none")
    document = api.add_file(b"whole")
    api.cut("file")
    api.fail("getFile", 502, "Bad Gateway")
    api.say(document={"file_id": document, "file_name": "a.txt", "mime_type": "text/plain"})
    assert texts(api.wait_sent()) == ["0 a.txt text/plain whole"]


def test_a_slow_file_holds_up_nobody_else(bot, api):
    """And its message is not confirmed meanwhile, nor overtaken in its own chat."""
    bot(agent="courier", parse_mode="none")
    gate = api.hold("file")
    document = api.add_file(b"slow")
    slow = api.say(document={"file_id": document, "file_name": "s.txt", "mime_type": "text/plain"})
    behind = api.say("behind")
    api.wait_call("getFile")
    for i in range(3):
        api.say(f"bob {i}", user=BOB)
        api.wait_sent(i + 1)
    assert not {slow["update_id"], behind["update_id"]} & set(api.confirmed)
    gate.set()
    assert texts(api.wait_sent(5)) == ["bob 0", "bob 1", "bob 2", "0 s.txt text/plain slow", "behind"]
    api.wait_confirmed(slow, behind)
    assert api.count("getFile") == 1


# Trouble.


@pytest.mark.parametrize("token", ["1:" + "A" * 35, "12:AB"], ids=["401", "404"])
def test_a_bad_token_is_fatal_at_once(bot, api, token):
    """Defect 6: retried for ever."""
    daemon = bot(bot_token=token, ready=False)
    daemon.wait_log(r"the bot token is refused by Telegram: (401 Unauthorized|404 Not Found)")
    assert daemon.get("/health").status == 200
    assert api.calls == []


def test_trouble_is_said_once_and_ends(bot, api):
    """Defects 2 and 38: a poller that fails is seen, and waits longer each time. Bug: another reason than the first was
    not seen."""
    daemon = bot()
    api.wait_call("getUpdates")
    api.fail("getUpdates", 502, "Bad Gateway", times=2)
    api.garbage("getUpdates")
    api.cut("getUpdates")
    api.garbage("getUpdates", json.dumps({"ok": True, "result": [{"x": 1}]}).encode())
    api.fail("getUpdates", 409, "Conflict: terminated by other getUpdates request")
    api.say("say after")
    assert texts(api.wait_sent()) == ["after"]
    daemon.wait_log(r"getUpdates works again, after \d failures")
    fails = [re.search(r"getUpdates fails: (.*); the next try", m).group(1) for m in daemon.messages() if "getUpdates fails" in m]
    assert fails.count("502 Bad Gateway") == 1 and fails[0] == "502 Bad Gateway"
    assert fails[-1].startswith("409 another program asks") and all(a != b for a, b in zip(fails, fails[1:]))
    assert sum("getUpdates works again" in m for m in daemon.messages()) == 1


def test_telegram_says_how_long_to_wait(bot, api):
    bot()
    api.wait_call("getUpdates")
    api.fail("getUpdates", 429, "Too Many Requests: retry after 1", retry_after=1)
    api.wait_confirmed(api.say("say later"))
    times = [when for name, _, when in api.calls if name == "getUpdates"]
    assert any(b - a >= 1 for a, b in zip(times, times[1:]))


def test_two_bots_of_one_token_are_told(bot, api):
    daemon = bot()
    api.wait("a poller", lambda: api.poller)
    with api.lock:
        api.poller.ended = True
        api.lock.notify_all()
    daemon.wait_log(r"getUpdates fails: 409 another program asks for this bot's messages")
    api.say("say still here")
    assert texts(api.wait_sent()) == ["still here"]


def test_telegram_may_be_away_at_the_start(bot, api):
    api.fail("getMe", 500, "Internal Server Error", times=2)
    api.fail("deleteWebhook", 502, "Bad Gateway")
    api.garbage("getUpdates")
    daemon = bot()
    api.say("say up")
    assert texts(api.wait_sent()) == ["up"]
    for method in ("getMe", "deleteWebhook", "getUpdates"):
        daemon.wait_log(rf"interface telegram: {method} fails: .*; restart \d in")


def test_a_certificate_that_nobody_signed_is_refused(bot, tmp_path):
    """TLS is verified; and no error has the token in it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                    "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        daemon = bot(api_base=f"https://127.0.0.1:{server.server_address[1]}", ready=False)
        daemon.wait_log(r"getMe fails: .*certificate")
        assert TOKEN.split(":")[1] not in "\n".join(daemon.raw)
    finally:
        server.shutdown()
        server.server_close()


# Sending.


def test_a_long_reply_comes_in_parts(bot, api):
    """Defects 28 and 38: parts are never empty, fit as Telegram counts, and only the first refers."""
    bot(parse_mode="none")
    text = " " + "x" * 5000 + "\n" + "😀" * 3000
    api.say("say " + text)
    sent = api.wait_sent(4)
    assert [message["reply_to"] is not None for message in sent] == [True, False, False, False]
    assert all(0 < utf16(message["raw"]) <= 4096 for message in sent)
    assert "".join(texts(sent)) == text.replace("\n", "").strip()


def test_markup_is_not_cut_in_half(bot, api):
    bot()
    api.say("say <b>" + "word " * 2000 + "</b>")
    sent = api.wait_sent(3)
    assert all(m["parse_mode"] == "HTML" and m["raw"].startswith("<b>") and m["raw"].endswith("</b>") for m in sent)


def test_bad_markup_is_sent_as_it_is(bot, api):
    bot()
    api.say("say 1 < 2")
    sent = api.wait_sent()[0]
    assert (sent["text"], sent["parse_mode"]) == ("1 < 2", None)


def test_another_try_begins_behind_what_was_sent(bot, api):
    """429 in the middle: nothing is sent twice, and not before Telegram says."""
    bot(parse_mode="none")
    api.wait_call("getUpdates")
    gate = api.hold("sendMessage")
    api.say("say " + "a" * 4096 + "b" * 4096 + "c")
    api.wait_call("sendMessage")
    api.fail("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
    gate.set()
    sent = api.wait_sent(3)
    assert [text[0] for text in texts(sent)] == ["a", "b", "c"]
    assert sent[1]["time"] - sent[0]["time"] >= 1


def test_a_reply_is_tried_until_it_is_taken(bot, api):
    bot()
    api.fail("sendMessage", 500, "Internal Server Error", times=2)
    api.say("say at last")
    assert texts(api.wait_sent()) == ["at last"]


def test_a_blocked_bot_gives_up(bot, api):
    daemon = bot()
    api.blocked.add(ANN["id"])
    api.say("say nobody hears")
    daemon.wait_log(r"403 Forbidden: bot was blocked by the user")
    api.say("say bob", user=BOB)
    assert texts(api.wait_sent()) == ["bob"]
    assert api.count("sendMessage") == 2


def test_a_group_that_became_another_is_found(bot, api):
    group = {"id": -5, "type": "group", "title": "g"}
    bot()
    gate = api.hold("sendMessage")
    api.say("say moved", chat=group)
    api.wait_call("sendMessage")
    api.moved[-5], api.messages[-1005] = -1005, {}
    gate.set()
    assert api.wait_sent()[0]["chat_id"] == -1005


FORUM = {"id": -1007, "type": "supergroup", "title": "f", "is_forum": True}


def test_an_answer_stays_in_its_topic(bot, api):
    """Promise: all of its parts, and its files; the chat is the forum. What is no topic (comments) has none."""
    api.topics.add((-1007, 70))
    bot(agent="courier", parse_mode="none")
    topic = api.say("send\n0 text/plain a.txt words\n1 https://example.org/cat.jpg", chat=FORUM, message_thread_id=70,
                    is_topic_message=True)
    sent = api.wait_sent(3)
    assert [(m["chat_id"], m["thread"], m["reply_to"]) for m in sent] == [
        (-1007, 70, topic["message"]["message_id"]), (-1007, 70, None), (-1007, 70, None)]
    comment = api.say("hello", chat=FORUM, message_thread_id=71)
    general = api.say("hello", chat=FORUM)
    assert [(m["thread"], m["reply_to"]) for m in api.wait_sent(5)[3:]] == [
        (0, u["message"]["message_id"]) for u in (comment, general)]


def test_a_topic_that_is_gone(bot, api):
    bot()
    api.say("say anyway", chat=FORUM, message_thread_id=70, is_topic_message=True)
    sent = api.wait_sent()[0]
    assert (sent["text"], sent["thread"], sent["parse_mode"]) == ("anyway", 0, "HTML")


def test_files_are_sent(bot, api):
    """Defect 39: dropped. A photo that Telegram does not take as one is a document, a URL that it cannot fetch
    is text."""
    bot(agent="courier")
    api.say("send\n1 image/bmp cat.bmp BM cat\n1 image/png dog.png nothing\n1 https://example.org/cat.jpg\n"
            "2 audio/ogg a.oga OggS\n3 https://example.org/v.mp4\n0 text/plain a.txt words\n"
            "2 audio/mpeg a.mp3 ID3\n1 image/gif a.gif GIF8\n0 https://example.org/broken.zip")
    text, *sent, link = api.wait_sent(10)
    assert text["text"] == "here" and text["reply_to"] is not None
    assert [(m["method"], m.get("name"), m.get("url") or m["data"]) for m in sent] == [
        ("sendPhoto", "cat.bmp", b"BM cat"),
        ("sendDocument", "dog.png", b"nothing"),
        ("sendPhoto", None, "https://example.org/cat.jpg"),
        ("sendVoice", "a.oga", b"OggS"),
        ("sendVideo", None, "https://example.org/v.mp4"),
        ("sendDocument", "a.txt", b"words"),
        ("sendAudio", "a.mp3", b"ID3"),
        ("sendAnimation", "a.gif", b"GIF8")]
    assert link["text"] == "https://example.org/broken.zip"


@pytest.mark.parametrize("kind", ["none", "directory"])
def test_a_file_that_cannot_be_read(bot, api, kind):
    """Bug: an answer with a file that is none was tried again and again, and held up its chat for minutes; it counted as
    an outage of Telegram, which with a webhook ended the interface."""
    daemon = bot(agent="courier")
    api.say(f"send\n0 inode/{kind} notes.txt x")
    daemon.wait_log("kept aside: the file cannot be read: notes.txt")
    api.say("next")
    assert texts(api.wait_sent(2)) == ["here", "next"]


def test_a_webhook_needs_its_url(bot, api):
    daemon = bot(mode="webhook", ready=False)
    daemon.wait_log(r"mode: webhook needs webhook_url")
    assert api.calls == []


# Its end.


def test_the_token_is_nowhere(bot, api, tmp_path):
    daemon = bot()
    api.drop("getUpdates", 2)
    api.fail("sendMessage", 400, f"Bad Request: the token {TOKEN} is odd", times=2)
    api.say("say x")
    daemon.wait_log(r"it has the bot token in it")
    for agent in ("/agents", "/interfaces", "/status"):
        assert TOKEN not in daemon.get(agent).body.decode()
    assert TOKEN.split(":")[1] not in "\n".join(daemon.raw)


def test_a_stop_loses_nothing(bot, api):
    """Defect 5: what is in flight is answered, or is after the next start."""
    daemon = bot()
    for i in range(10):
        api.say(f"say {i}")
    api.wait_sent(1)
    daemon.terminate()
    assert daemon.wait(30) == 0
    bot()
    api.wait(f"all ten, have {texts(api.sent)}", lambda: set(texts(api.sent)) == {str(i) for i in range(10)})
    assert sorted(texts(api.sent)) == [str(i) for i in range(10)]


def test_whatever_is_killed_each_message_is_answered(bot, api):
    """Defects 1 and 30: the plugin dies again and again, at whatever it is doing, and comes back."""
    daemon = bot(parse_mode="none")
    for i in range(6):
        api.say(f"say {i}")
        line = daemon.wait_log(rf"interface telegram: ready \(pid \d+, generation {i + 1}\)")
        api.wait_call("getUpdates", api.count("getUpdates") + (i % 2))
        os.kill(int(re.search(r"pid (\d+)", line["message"]).group(1)), signal.SIGKILL)
    api.wait(f"all six, have {texts(api.sent)}", lambda: set(texts(api.sent)) == {str(i) for i in range(6)})


# Many at once.


def test_a_hundred_chats(bot, api):
    """Defects 31 and 35: a hundred chats at once are answered each in its order, with typing shown before each answer
    that takes a while; nobody's history has anything of another's; sessions survive a restart of agentd, and a kill."""
    people = [{"id": 1000 + i, "is_bot": False, "first_name": f"U{i}"} for i in range(100)]
    lives, want = 3, {person["id"]: [] for person in people}
    for life in range(lives):
        daemon = bot(parse_mode="none", rate_limit_messages_per_minute="0", max_concurrent_requests="100")
        before, said = len(api.calls), [f"{life}.{i}" for i in range(3)]
        for i, text in enumerate(said):
            for person in people:
                mine = f"{person['id']}.{text}"
                asked = f"after {1000 * SLOW} {mine}" if i == 0 else f"say {mine}"
                api.say(asked, user=person)
                want[person["id"]] += [("user", asked), ("assistant", mine)]
        for person in people:
            api.say("history", user=person)
        api.wait_sent(len(people) * (life + 1) * (len(said) + 1), 60 * SLOW)
        calls = [(name, int(parameters["chat_id"])) for name, parameters, _ in api.calls[before:] if "chat_id" in parameters]
        for person in people:
            mine = [message["text"] for message in api.sent if message["chat_id"] == person["id"]][-len(said) - 1:]
            assert mine[:-1] == [f"{person['id']}.{text}" for text in said]
            turns = want[person["id"]]
            history = f"{len(turns)}\n" + "".join(f"{role}:{text}::\n" for role, text in turns)
            assert mine[-1] == history.strip()
            turns += [("user", "history"), ("assistant", history)]
            assert calls.index(("sendChatAction", person["id"])) < calls.index(("sendMessage", person["id"]))
        wait_for("all to be written down", lambda: daemon.get("/interfaces").json["interfaces"][0]["waiting"] == 0)
        if life == 0:
            daemon.terminate()
            assert daemon.wait(30) == 0
        else:
            daemon.process.kill()
            daemon.wait()
