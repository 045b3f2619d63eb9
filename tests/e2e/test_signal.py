"""Signal: messages from a stand-in for signal-cli-rest-api (signal_api.py) through the real agentd and back.

What it must not inherit from the original, by the numbers in its list of defects: messages lost once they
were received (30), a trust setting that never worked (33), groups that were answered at the wrong id and a
mode that could not be used (34), direct messages past a list of groups and no typing (35).
"""
import base64
import json
import os
import re
import sqlite3
import textwrap
import threading
import time
from signal import SIGKILL

import pytest

from conftest import BUILD, ROOT, SLOW, run_agentd, wait_for
from signal_api import ANN, BOB, CUT, GROUP, HALF, ME, RECIPIENT, SignalApi, recipient_of

UUID = "7ccae375-cd51-4c82-8b1e-7be3280aa485"


@pytest.fixture
def api():
    """Makes stand-ins: api(mode) → one."""
    made = []

    def make(mode="native", **more):
        made.append(SignalApi(mode, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def signal(agentd, api):
    """signal(options, agent=…, mode=…) → (a daemon that listens, the API). What `options` says comes last."""
    def start(options="", agent="echo", server=None, said=None, ready=True, **more):
        server = server or api(**more)
        daemon = agentd(f"""
            http: {{ listen: [ "127.0.0.1:0" ] }}
            agents:
              a: {{ plugin: PLUGIN({agent}) }}
            interfaces:
              phone:
                plugin: PLUGIN(signal)
                open: true
                api_base_url: {server.url}
                phone_number: {ME}
                {"" if "polling_interval" in options else "polling_interval: 20ms"}
                mode: {said or server.mode}
                {options}
            supervision: {{ backoff_min: 50ms, backoff_max: 200ms }}
        """)
        if ready:
            wait_for("it to receive", lambda: server.receives or server.sockets)
        return daemon, server
    return start


class Have:
    """What there is when a wait is given up."""

    def __init__(self, wanted, probe):
        self.wanted, self.probe = wanted, probe

    def __format__(self, _):
        return f"{self.wanted}, have {self.probe()}"


def wait_texts(api, *texts, recipient=None):
    wait_for(Have(texts, lambda: api.texts(recipient)), lambda: api.texts(recipient) == list(texts))


BOTH = pytest.mark.parametrize("mode", ["native", "json-rpc"])


@BOTH
def test_a_message_is_answered_where_it_was_written(signal, mode):
    """A direct message, and one in a group (defect 34): with the account's number, quoting what it answers."""
    _, api = signal(mode=mode)
    first = api.say("hello")
    wait_texts(api, "hello")
    second = api.say("hello all", sender=BOB, group=GROUP)
    wait_texts(api, "hello", "hello all")
    assert api.sent == [
        {"message": "hello", "number": ME, "recipients": [ANN], "text_mode": "normal",
         "quote_timestamp": first, "quote_author": ANN},
        {"message": "hello all", "number": ME, "recipients": [RECIPIENT], "text_mode": "normal",
         "quote_timestamp": second, "quote_author": BOB}]
    assert RECIPIENT == recipient_of(GROUP) and RECIPIENT != GROUP


@BOTH
def test_somebody_who_hides_their_number_is_answered(signal, mode):
    _, api = signal(mode=mode)
    api.say("hi", sender=UUID)
    wait_texts(api, "hi", recipient=UUID)


@BOTH
def test_what_is_no_message_is_not_answered(signal, mode):
    """Receipts, typing, reactions, edits, what the account itself wrote, another account's messages."""
    _, api = signal(mode=mode)
    base = {"source": ANN, "sourceNumber": ANN, "timestamp": 1}
    others = [{"receiptMessage": {"when": 1}}, {"typingMessage": {"action": "STARTED"}},
              {"syncMessage": {"sentMessage": {"message": "mine"}}},
              {"editMessage": {"targetSentTimestamp": 1, "dataMessage": {"message": "edited"}}}]
    api.arrive(*(json.dumps({"envelope": {**base, **other}, "account": ME}) for other in others))
    api.say(None, reaction={"emoji": "+", "targetAuthor": ME, "targetSentTimestamp": 1})
    api.say("to myself", sender=ME)
    other = api.envelope("for another account")
    api.arrive(json.dumps({**other, "account": BOB}))
    api.say("now")
    wait_texts(api, "now")


def test_the_order_of_a_chat_is_kept(signal):
    _, api = signal()
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(25)))
    wait_texts(api, *map(str, range(25)))


def test_the_same_message_is_answered_once(signal):
    """A message that comes again, after a restart too, has the same sender and timestamp."""
    daemon, api = signal()
    again = json.dumps(api.envelope("once"))
    api.arrive(again, again)
    api.say("after it")
    wait_texts(api, "once", "after it")


# Starting.

def test_trust_all_keys_is_set_with_the_call_that_exists(signal):
    """Defect 33."""
    _, api = signal()
    assert api.trust == {ME: "always"}
    assert api.called("POST", f"/v1/configuration/{ME}/settings") == 1


def test_trust_is_left_alone_if_so_told(signal):
    _, api = signal("trust_all_keys: no")
    assert api.trust == {}


def test_json_rpc_is_told_where_trust_is_set(signal):
    """There the API refuses the call: the line says what to do instead, and nothing fails."""
    daemon, api = signal(mode="json-rpc")
    daemon.wait_log("JSON_RPC_TRUST_NEW_IDENTITIES=always")
    assert api.called("POST", f"/v1/configuration/{ME}/settings") == 0


def stays_down(daemon, reason):
    daemon.wait_log(reason)
    daemon.wait_log("failed|stays down|not started again|until")


@BOTH
def test_an_unknown_number_is_fatal(signal, api, mode):
    """It says which, and is not tried again."""
    server = api(mode, accounts=[BOB])
    daemon, _ = signal(server=server, ready=False)
    stays_down(daemon, rf"knows no account \{ME}: register or link it there first")
    assert server.called("GET", "/v1/about") == 1


def test_an_unknown_number_is_fatal_with_an_api_that_lists_none(signal, api):
    """An old one: then the first receive says so."""
    server = api(accounts=[BOB])
    server.plan("accounts", 404)
    daemon, _ = signal(server=server, ready=False)
    stays_down(daemon, rf"cannot receive: status 400: User \{ME} is not registered")


@pytest.mark.parametrize("is_, said", [("native", "json-rpc"), ("json-rpc", "native")])
def test_another_mode_is_fatal(signal, api, is_, said):
    """Nothing is received then: a handshake in mode native would take messages away, and lose them."""
    server = api(is_)
    server.say("not lost")
    daemon, _ = signal(server=server, said=said, ready=False)
    stays_down(daemon, f"signal-cli-rest-api runs in mode {is_}, and the option mode says {said}")
    assert server.called("GET", f"/v1/receive/{ME}") == 0


@pytest.mark.parametrize("answer, said", [((404, b"nginx"), "status 404"), (b"<html></html>", "its answer is none of that"),
                                          (b"[1]", "its answer is none of that")])
def test_what_is_no_such_api_is_said_and_tried_again(signal, api, answer, said):
    """It may be a proxy before it."""
    server = api()
    server.plan("about", answer)
    daemon, _ = signal(server=server)
    daemon.wait_log(f"what is at api_base_url is no signal-cli-rest-api, or not now: {said}; restart 1")
    server.say("hello")
    wait_texts(server, "hello")


def test_a_trust_setting_that_is_refused_is_not_passed_over(signal, api):
    server = api()
    server.plan("settings", (404, {"error": "404 page not found"}))
    daemon, _ = signal(server=server, ready=False)
    stays_down(daemon, r"trust_all_keys cannot be set for \+\d+: status 404.*trust_all_keys: no")


def test_an_api_that_is_not_there_yet_is_waited_for(signal, api):
    """Errors that pass are tried again, with a delay."""
    server = api()
    server.plan("about", CUT, 503)
    daemon, _ = signal(server=server)
    daemon.wait_log("signal-cli-rest-api does not answer: status 503")
    server.say("hello")
    wait_texts(server, "hello")


def test_where_messages_are_pushed_the_process_itself_tries_again(signal, api):
    """While it waits for agentd to start it, nobody would listen."""
    server = api("json-rpc")
    server.plan("about", CUT, 503, (404, b"nginx"))
    daemon, _ = signal(server=server)
    daemon.wait_log("signal-cli-rest-api does not answer: status 503: planned; again in")
    server.say("hello")
    wait_texts(server, "hello")
    assert not [line for line in daemon.log if "restart 1" in line["message"]]


@pytest.mark.parametrize("options, reason", [
    ("phone_number: 4915100000000", r"phone_number is not \+ and digits"),
    ("phone_number: '+49x'", r"phone_number is not \+ and digits"),
    ("api_base_url: 'http://me:secret@127.0.0.1:1'", "api_base_url is no http:// or https:// URL, without a user"),
])
def test_options_that_cannot_work_are_fatal(agentd, options, reason):
    key = options.split(":")[0]
    rows = [f"{k}: {v}" for k, v in [("phone_number", ME), ("api_base_url", "http://127.0.0.1:1")] if k != key]
    daemon = agentd(f"""
        http: {{ listen: [ "127.0.0.1:0" ] }}
        agents: {{ a: {{ plugin: PLUGIN(echo) }} }}
        interfaces:
          phone:
            plugin: PLUGIN(signal)
            open: true
            {rows[0]}
            {options}
    """)
    stays_down(daemon, reason)
    assert not any("secret" in line for line in daemon.raw)


# Receiving.

def test_what_was_received_outlives_a_cut_connection(signal):
    """Defect 30: the API has given it away. What came whole before the connection broke is answered, and what
    was cut is said to be lost. An API too old to know max_messages gives several at once."""
    daemon, api = signal(knows_max=False)
    api.plan("receive", HALF)
    wait_for("it to ask", lambda: api.planned("receive") == 0)
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(3)))
    wait_texts(api, "0", "1")
    daemon.wait_log("bytes that were received cannot be read")
    daemon.wait_log("what was still to come of its messages is lost")
    api.say("and on")
    wait_texts(api, "0", "1", "and on")


def test_garbage_takes_no_message_with_it(signal):
    daemon, api = signal()
    good = json.dumps(api.envelope("good")).encode()
    api.plan("receive", b"[WARN  no JSON,{\"envelope\":{]," + good + b"]", b"\xff\xfe<html>", b"", b"null", b"{")
    wait_texts(api, "good")
    wait_for("the garbage to be read", lambda: api.planned("receive") == 0)
    api.say("and on")
    wait_texts(api, "good", "and on")


def test_receiving_fails_and_works_again(signal):
    daemon, api = signal()
    api.plan("receive", 500, (429, {"error": "slow down"}, {"Retry-After": "1"}), CUT,
             (400, {"error": "Connection closed"}))
    api.say("patience")
    wait_texts(api, "patience")
    daemon.wait_log("cannot receive: status 500: planned; again in")
    daemon.wait_log("cannot receive: status 429: slow down; again in 1")
    daemon.wait_log("receiving works again")


def test_an_account_that_goes_away_for_a_while_is_not_fatal(signal):
    """signal-cli says so of itself now and then, until it is restarted."""
    _, api = signal()
    api.plan("receive", *[(400, {"error": "Specified account does not exist"})] * 2)
    api.say("still here")
    wait_texts(api, "still here")


@BOTH
def test_a_receiver_that_fails_for_long_is_noticed(signal, mode):
    """Defect 2: a dead receiver that nobody sees. It ends, is started again, and the log says why."""
    daemon, api = signal(mode=mode)
    api.plan("receive", *[500] * (9 if mode == "native" else 16))
    api.close_sockets()
    abouts = api.called("GET", "/v1/about")
    wait_for("a new process", lambda: api.called("GET", "/v1/about") > abouts, 20)
    wait_for("the plan to be over", lambda: api.planned("receive") == 0)
    wait_for("it to receive", lambda: api.mode == "native" or api.sockets)
    api.say("back")
    wait_texts(api, "back")


def test_what_signal_cli_had_received_before_it_failed_is_answered(signal):
    """It is in the error's words, between its complaints; these are logged, and what people wrote is not."""
    daemon, api = signal(knows_max=False)
    api.failures.append("WARN  no route\nError: Connection closed")
    api.arrive(*(json.dumps(api.envelope(f"secret {i}")) for i in range(2)))
    wait_texts(api, "secret 0", "secret 1")
    daemon.wait_log("cannot receive: status 400: WARN  no route Error: Connection closed; again in")
    api.say("and on")
    wait_texts(api, "secret 0", "secret 1", "and on")
    assert not any("secret" in line for line in daemon.raw)


def test_what_an_error_had_in_it_outlives_a_kill(signal, tmp_path):
    daemon, api = signal(knows_max=False)
    lock = kept_back(tmp_path)
    api.failures.append("Error: Connection closed")
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(2)))
    daemon.wait_log("cannot receive: status 400: Error: Connection closed")
    daemon.process.kill()
    daemon.wait()
    lock.execute("ROLLBACK")
    signal(server=api)
    wait_texts(api, "0", "1")


def test_one_message_is_asked_for_and_the_next_at_once(signal):
    """What a receive is given is lost with its process, so it is given little; who writes much does not wait for that."""
    _, api = signal("polling_interval: 60s")
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(5)))
    wait_texts(api, *map(str, range(5)))
    assert [len(lines) for lines, _ in api.given] == [1] * 5


def test_a_receive_whose_process_was_killed_takes_one_message_with_it(signal):
    """signal-cli goes on when nobody waits for it; the next receive comes when it has ended."""
    daemon, api = signal(second=3)
    os.kill(pid_of(daemon), SIGKILL)
    wait_for("it to be gone", lambda: daemon.get("/interfaces/phone").json["restarts"] == 1)
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(3)))
    wait_texts(api, "1", "2")


def pid_of(daemon):
    return int(re.search(r"pid (\d+)", daemon.wait_log("interface phone: ready")["message"]).group(1))


def test_the_websocket_is_opened_again(signal):
    daemon, api = signal(mode="json-rpc")
    for i in range(3):
        api.close_sockets()
        daemon.wait_log("the WebSocket has ended")
        wait_for("it to connect", lambda: api.sockets)
        api.say(str(i))
        wait_texts(api, *map(str, range(i + 1)))


def test_the_websocket_is_opened_again_at_once(signal):
    """Whatever the interval: what comes meanwhile is lost. If that fails, a second later, and it is no other process."""
    daemon, api = signal("polling_interval: 60s", mode="json-rpc")
    time.sleep(1.1)  # it has held for a second
    api.close_sockets()
    daemon.wait_log("; again in 0 ms$")
    wait_for("it to connect", lambda: api.sockets)
    api.plan("receive", 500, 500, 500)
    api.close_sockets()
    wait_for("it to connect", lambda: api.planned("receive") == 0 and api.sockets, 20)
    assert api.called("GET", "/v1/about") == 1


def test_the_websocket_is_open_while_the_store_is_away(signal, tmp_path):
    """Nobody waits for what was received before, in this process or in one that was killed; the order is kept."""
    daemon, api = signal(mode="json-rpc")
    lock = kept_back(tmp_path)
    api.say("0")
    wait_for("it to be received", lambda: journals(tmp_path) == {"received-0": 1})
    api.close_sockets()
    wait_for("it to connect", lambda: api.sockets)
    api.say("1")
    wait_for("it to be received", lambda: journals(tmp_path) == {"received-0": 2})
    os.kill(pid_of(daemon), SIGKILL)
    wait_for("it to be gone", lambda: not api.sockets)
    wait_for("it to connect", lambda: api.sockets)
    api.say("2")
    wait_for("it to be received", lambda: journals(tmp_path) == {"received-1": 3})
    lock.execute("ROLLBACK")
    wait_texts(api, "0", "1", "2")
    wait_for("the file to go", lambda: not journals(tmp_path))


def test_more_than_fits_is_left_in_the_connection(signal, tmp_path):
    """With 64 MiB that the store has not taken nothing more is read, and nothing is lost."""
    _, api = signal("rate_limit_messages_per_minute: 0", agent="actor", mode="json-rpc")
    lock = kept_back(tmp_path)
    said = [api.envelope("timer 0 " + "x" * 250000) for _ in range(400)]
    people = threading.Thread(target=lambda: [api.push(json.dumps(envelope)) for envelope in said])
    people.start()
    have = wait_for("it to be full", lambda: stays(lambda: sum(journals(tmp_path).values())), 30)
    assert 200 < have < 300 and people.is_alive()
    lock.execute("ROLLBACK")
    people.join(60)
    wait_for("the answers", lambda: len(api.sent) == len(said), 60)
    assert [body["quote_timestamp"] for body in api.sent] == [one["envelope"]["timestamp"] for one in said]


def stays(probe):
    """What it is, if that is something and the same a second later."""
    before = probe()
    time.sleep(1 * SLOW)
    return before if before == probe() else 0


def test_errors_over_the_websocket_are_logged(signal):
    daemon, api = signal(mode="json-rpc")
    api.arrive(json.dumps({"error": "no route to Signal"}), "no JSON", "[]", "7")
    daemon.wait_log("signal-cli-rest-api says: no route to Signal")
    api.say("still there")
    wait_texts(api, "still there")


def test_nothing_is_received_before_the_rest_is_in_the_store(signal, tmp_path):
    """A message whose store is locked stays with the interface, which asks for no other, and it is answered
    when the store is back."""
    daemon, api = signal()
    lock = kept_back(tmp_path)
    api.say("kept")
    wait_for("it to be received", lambda: not api.waiting)
    receives = api.receives
    api.say("later")
    time_of_lock = time.monotonic()
    wait_for("a second", lambda: time.monotonic() - time_of_lock > 1)
    assert api.receives == receives and len(api.waiting) == 1
    lock.execute("ROLLBACK")
    wait_texts(api, "kept", "later")


def kept_back(tmp_path):
    """Locks the store, so that nothing goes into it until that is rolled back."""
    lock = sqlite3.connect(next((tmp_path / "state").rglob("*.db")), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    return lock


def journals(tmp_path):
    """How many messages each has, by its name."""
    have = {}
    for path in (tmp_path / "state").rglob("received-*"):
        try:
            have[path.name] = path.read_text().count('"envelope"')
        except FileNotFoundError:
            pass  # it has just gone
    return have


@BOTH
@pytest.mark.parametrize("what", ["interface", "agentd"])
def test_what_was_received_outlives_a_kill(signal, tmp_path, mode, what):
    """SIGKILL after the receive and before the store, of the interface and of agentd: what is nowhere else is
    answered by the next process, once, in its order, and before what came later. Nothing is left of the file."""
    daemon, api = signal(mode=mode, knows_max=False)
    lock = kept_back(tmp_path)
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(3)))
    wait_for("them to be received", lambda: journals(tmp_path) == {"received-0": 3})
    abouts = api.called("GET", "/v1/about")
    if what == "agentd":
        daemon.process.kill()
        daemon.wait()
        api.say("3") if mode == "native" else None
        lock.execute("ROLLBACK")
        daemon, _ = signal(server=api)
    else:
        os.kill(pid_of(daemon), SIGKILL)
        wait_for("the next process", lambda: api.called("GET", "/v1/about") > abouts)
        lock.execute("ROLLBACK")
    daemon.wait_log("bytes were received before the last end and not stored")
    wait_for("it to receive", lambda: mode == "native" or api.sockets)
    api.say("last")
    wait_texts(api, "0", "1", "2", *(["3"] if what == "agentd" and mode == "native" else []), "last")
    wait_for("the file to go", lambda: not journals(tmp_path))


def test_half_a_message_that_was_written_down_harms_nothing(signal, tmp_path):
    """A kill in the middle of an answer: what is whole in the file is taken."""
    daemon, api = signal(knows_max=False)
    lock = kept_back(tmp_path)
    api.plan("receive", HALF)
    wait_for("it to ask", lambda: api.planned("receive") == 0)
    api.arrive(*(json.dumps(api.envelope(str(i))) for i in range(3)))
    daemon.wait_log("what was still to come of its messages is lost")
    daemon.process.kill()
    daemon.wait()
    lock.execute("ROLLBACK")
    signal(server=api)
    wait_texts(api, "0", "1")
    api.say("and on")
    wait_texts(api, "0", "1", "and on")


def test_a_receive_that_brings_no_message_leaves_nothing(signal, tmp_path):
    """Also one whose only message is refused for what it is, with another behind it."""
    _, api = signal()
    api.arrive(json.dumps({"envelope": {"source": ANN, "timestamp": 1, "receiptMessage": {"when": 1}}, "account": ME}),
               json.dumps(api.envelope("x" * 300000)), json.dumps(api.envelope("good")))
    wait_texts(api, "good")
    wait_for("the file to go", lambda: not journals(tmp_path))


# Who may write.

@pytest.mark.parametrize("options, answered", [
    ("", {"ann", "bob", "ann in group", "bob in group", "in another"}),
    (f'allowed_phone_numbers: [ "{ANN}" ]', {"ann", "ann in group", "in another"}),
    (f'allowed_phone_numbers: [ "{UUID}" ]', {"ann", "bob", "ann in group", "bob in group", "in another"}),
    (f'allowed_group_ids: [ "{GROUP}" ]', {"ann in group", "bob in group"}),
    (f'allowed_group_ids: [ "{RECIPIENT}" ]', {"ann in group", "bob in group"}),
    (f'allowed_group_ids: [ "{GROUP}" ]\n                allowed_phone_numbers: [ "{ANN}" ]', {"ann in group"}),
])
def test_who_is_heard(signal, options, answered):
    """Defect 35: with a list of groups, direct messages are not heard. All that is given must match."""
    _, api = signal(options)
    other = base64.b64encode(b"o" * 32).decode()
    for text, sender, group in [("ann", ANN, None), ("bob", BOB, None), ("ann in group", ANN, GROUP),
                                ("bob in group", BOB, GROUP), ("in another", ANN, other)]:
        api.say(text, sender=sender, group=group)
    last = json.dumps(api.envelope("end", sender=ANN, group=GROUP if "group" in options else None))
    api.arrive(last)
    wait_for("the last", lambda: "end" in api.texts())
    wait_for(Have(answered, api.texts), lambda: set(api.texts()) == answered | {"end"})


def test_polling_interval(signal):
    """From the end of a receive, which takes a second when there is nothing, to the next one."""
    _, api = signal("polling_interval: 1500ms")
    times = []
    for n in (1, 2):
        wait_for(f"receive {n}", lambda: api.receives >= n)
        times.append(time.monotonic())
    assert times[1] - times[0] >= 2.3


# Sending.

def test_a_long_answer_is_sent_in_parts(signal):
    """Bytes are counted; only the first part quotes. Defect 28 of the original: no part is empty, and each goes on."""
    _, api = signal("max_message_length: 10")
    text = "één twee drie vier\nvijf " + "x" * 25
    api.say(text)
    wait_for("all of it", lambda: "".join(api.texts()).endswith("x" * 5))
    wait_for("all of it", lambda: sum(t.count("x") for t in api.texts()) == 25)
    assert all(0 < len(t.encode()) <= 10 for t in api.texts())
    assert "".join("".join(api.texts()).split()) == "".join(text.split())
    assert ["quote_timestamp" in body for body in api.sent] == [True] + [False] * (len(api.sent) - 1)


def test_a_part_that_is_not_taken_is_sent_again_and_no_other(signal):
    _, api = signal("max_message_length: 4")
    gate = threading.Event()
    gate.set()
    api.plan("send", gate, CUT, (429, {"error": "slow down"}, {"Retry-After": "1"}), 500)
    api.say("aaaa bbbb cccc")
    wait_texts(api, "aaaa", "bbbb", "cccc")


def test_what_can_never_be_sent_is_not_tried_again(signal):
    daemon, api = signal()
    api.plan("send", (400, {"error": "Invalid group id"}))
    api.say("no")
    wait_for("it to be refused", lambda: api.planned("send") == 0)
    api.say("yes")
    wait_texts(api, "yes")
    assert api.called("POST", "/v2/send") == 2


def test_typing_is_shown_before_the_answer_and_taken_back(signal):
    """Defects 35 and 38: it was never shown on Signal, and elsewhere after the answer."""
    _, api = signal(agent="actor")
    api.say("timer 300", group=GROUP)
    wait_for("it to be shown", lambda: api.typing == [("PUT", RECIPIENT)])
    assert api.sent == []
    wait_for("it to be taken back", lambda: api.typing[-1] == ("DELETE", RECIPIENT))
    assert len(api.sent) == 1


def test_typing_that_comes_late_is_not_shown_after_the_answer(signal):
    """It is taken back when the API has dealt with it, not before, which would leave it there."""
    _, api = signal(agent="actor")
    gate = threading.Event()
    api.plan("typing", gate)
    api.say("timer 200")
    wait_for("the answer", lambda: len(api.sent) == 1)
    assert api.typing == []
    gate.set()
    wait_for("both", lambda: api.typing == [("PUT", ANN), ("DELETE", ANN)])


def test_typing_that_fails_harms_nothing(signal):
    _, api = signal()
    api.plan("typing", 500, CUT, 404, 400)
    api.say("one")
    api.say("two")
    wait_texts(api, "one", "two")


# Files.

def test_attachments_are_handed_on_as_files(signal):
    """Not as URLs; with what is known of them."""
    _, api = signal(agent="filer")
    api.attachments = {"a-1.jpg": b"a picture", "note.txt": b"a note"}
    api.say("look", attachments=[
        {"contentType": "image/jpeg", "filename": "me.jpg", "id": "a-1.jpg", "size": 9},
        {"contentType": "text/plain", "filename": None, "id": "note.txt", "size": 6}])
    wait_texts(api, "2 files\nimage me.jpg image/jpeg 9 a picture\nfile  text/plain 6 a note")


def test_an_attachment_without_text_is_a_message(signal):
    _, api = signal(agent="filer")
    api.attachments = {"v": b"voice"}
    api.say(None, attachments=[{"contentType": "audio/aac", "id": "v"}])
    wait_texts(api, "1 files\naudio  audio/aac 5 voice")


def test_attachments_that_cannot_be_fetched_are_left_out(signal):
    """The message is answered all the same, and the log says what is missing."""
    daemon, api = signal(agent="filer")
    api.attachments = {"good": b"good"}
    api.plan("attachment", CUT, 500)
    api.say("look", attachments=[{"contentType": "a/b", "id": "good"}, {"contentType": "a/b", "id": "gone"},
                                 {"contentType": "a/b", "id": "../v1/about"},
                                 {"contentType": "a/b", "id": "big", "size": 40 << 20}])
    wait_texts(api, "1 files\nfile  a/b 4 good")
    daemon.wait_log("attachment gone is left out: status 404")
    daemon.wait_log("attachment ../v1/about is left out: status 404")
    daemon.wait_log("attachment big is left out: it has more than 32 MiB")
    assert api.called("GET", "/v1/about") == 1


def test_a_message_that_was_only_an_attachment_is_answered_without_it(signal):
    _, api = signal()
    api.say(None, attachments=[{"contentType": "image/png", "id": "gone"}])
    wait_texts(api, "(an attachment that could not be fetched)")


def test_files_of_an_answer_are_sent(signal):
    """Defect 39 of the original: dropped, but for some."""
    _, api = signal(agent="filer")
    api.say("file a;b.txt text/plain a note")
    wait_texts(api, "here", "")
    data = base64.b64encode(b"a note").decode()
    assert api.sent[1]["base64_attachments"] == [f"data:text/plain;filename=a_b.txt;base64,{data}"]
    assert api.sent[1]["recipients"] == [ANN]
    api.say("link http://127.0.0.1/x.png")
    wait_texts(api, "here", "", "here", "http://127.0.0.1/x.png")


def test_a_big_file_is_sent_whole(signal):
    _, api = signal(agent="filer")
    api.say("big b.bin 5000000")
    wait_for("the file", lambda: len(api.sent) == 2, 30)
    head, _, data = api.sent[1]["base64_attachments"][0].partition("base64,")
    assert head == "data:application/octet-stream;filename=b.bin;"
    assert base64.b64decode(data) == b"big " * 1250000


# Ends.

def test_what_comes_while_it_stops_is_kept(signal, agentd):
    """A receive that is under way when agentd stops brings messages that nobody else has: they are stored, and
    answered after the next start."""
    daemon, api = signal()
    gate = threading.Event()
    api.plan("receive", gate)
    wait_for("it to ask", lambda: api.planned("receive") == 0)
    api.say("last minute")
    daemon.terminate()
    daemon.wait_log("draining|stopping|TERM")
    gate.set()
    daemon.wait(40)
    again, _ = signal(server=api)
    wait_texts(api, "last minute")


def test_kill_loses_no_message_that_was_stored(signal, agentd):
    daemon, api = signal(agent="actor")
    api.say("hang")
    wait_for("it to run", lambda: daemon.load("a")[0] == 1)
    api.say("say one", sender=BOB)
    wait_texts(api, "one")
    daemon.process.kill()
    daemon.wait()
    daemon, _ = signal(server=api, agent="echo")
    # What was on its way to Signal may be sent once more.
    wait_for(Have("the other", api.texts), lambda: set(api.texts()) == {"hang", "one"})


def test_the_example_of_the_docs(tmp_path):
    """Defect 35 of the original (a container that everybody reached): whoever copies ours gets one that only this machine
    reaches. The config passes -t."""
    text = (ROOT / "docs" / "interfaces.md").read_text()
    section = text[text.index("\n## Signal\n"):]
    config = textwrap.dedent(re.search(r"```yaml agent.conf\n(.*?)```", section, re.S).group(1))
    (tmp_path / "agent.conf").write_text(f"{config}plugins: {{ path: [ {BUILD / 'plugins'} ] }}\n")
    done = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    published = re.findall(r"[\d.:]*8080:8080", section)
    assert len(published) == 2 and all(one.startswith("127.0.0.1:") for one in published)
