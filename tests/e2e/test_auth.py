"""Who may come in: keys, several providers beside each other, what they may use, what the config refuses, and
what the log says. Tokens: test_tokens.py; who sees what: test_isolation.py."""
import json
import re
import time
from pathlib import Path

import jwt
import pytest

from conftest import errors, Reply, assert_problem, plugin, run_agentd, wait_for
from credentials import AUTH, CONFIG, HTTP, KEYS, Client, Control, as_, bearer, hash_of, user_of

SECRET = "a-secret-of-at-least-32-bytes-0000"


def token(sub="ann", secret=SECRET, **claims):
    return jwt.encode({"sub": sub, "exp": int(time.time()) + 60, **claims}, secret, "HS256")


@pytest.fixture
def daemon(agentd):
    daemon = agentd(CONFIG)
    as_(daemon, "root").wait_ready()
    return daemon


def assert_refused(reply, says, sent=True):
    """A 401 as all of them are (RFC 6750, section 3; RFC 9457; the original's `error`)."""
    body = assert_problem(reply, 401, "unauthorized")
    assert body["error"] == "Unauthorized" and re.search(says, body["detail"]), body
    challenge = reply.headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="agentd"' + (', error="invalid_token"' if sent else ""), challenge
    assert reply.headers["X-Request-Id"]


# Keys.

KEY = KEYS["alice"]


@pytest.mark.parametrize("headers", [
    {"X-API-Key": KEY}, {"x-api-key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer {KEY}"},
    {"authorization": f"BEARER   {KEY}"}, {"X-API-Key": KEY, "Authorization": "Bearer other"}, {"X-API-Key": "",
     "Authorization": f"Bearer {KEY}"}], ids=str)
def test_a_key_is_taken(daemon, headers):
    """In its header, or as a bearer token in any case; the user is named after the key's hash, as in the original."""
    reply = daemon.request("POST", "/run", {"input": "request"}, headers)
    assert reply.status == 200 and f"user_id={user_of('alice')}\n" in reply.json["content"]
    assert re.fullmatch("apikey_[0-9a-f]{12}", user_of("alice"))


@pytest.mark.parametrize("headers, says, sent", [
    ({}, "does not say who", False),
    ({"X-API-Key": ""}, "does not say who", False),
    ({"X-API-Key": "unknown"}, "key is not known", True),
    ({"X-API-Key": KEY + "x"}, "key is not known", True),
    ({"X-API-Key": KEY[:-1]}, "key is not known", True),
    ({"X-API-Key": KEY.upper()}, "key is not known", True),
    ({"X-API-Key": f"Bearer {KEY}"}, "key is not known", True),
    ({"X-API-Key": hash_of(KEY)}, "key is not known", True),
    ({"X-API-Key": hash_of(KEY)[7:]}, "key is not known", True),
    ({"X-API-Key": "k" * 2048}, "key is not known", True),
    ({"X-API-Key": "k" * 1025}, "key is not known", True),
    ({"X-API-Key": f"{KEY}, {KEY}"}, "key is not known", True),
    ({"X-API-Key": "unknown", "Authorization": f"Bearer {KEY}"}, "key is not known", True),
    ({"Authorization": KEY}, "Bearer", True),  # the original took the whole value
    ({"Authorization": f"Basic {KEY}"}, "Bearer", True),
    ({"Authorization": f"Bearer{KEY}"}, "Bearer", True),
    ({"Authorization": "Bearer"}, "Bearer", True),
    ({"Authorization": "Bearer   "}, "Bearer", True),
    ({"Authorization": "Bearer unknown"}, "key is not known", True),
    ({"Authorization": "Bearer a.b.c"}, "key is not known", True),
    ({"Authorization": f"Bearer {KEY} {KEY}"}, "key is not known", True),
    ({"Cookie": f"X-API-Key={KEY}"}, "does not say who", False),
    ({"X-Other": KEY}, "does not say who", False),
], ids=lambda v: str(v)[:40])
def test_a_key_is_refused(daemon, headers, says, sent):  # defect 18 of the original
    """401 says why; error="invalid_token" is there if something was sent, and only then."""
    assert_refused(daemon.get("/agents", headers=headers), says, sent)


@pytest.mark.parametrize("lines", [
    [f"X-API-Key: {KEY}", f"X-API-Key: {KEY}"], [f"X-API-Key: {KEY}", "x-api-key: other"], [f"X-API-Key: {KEY}", "X-API-Key:"],
    [f"Authorization: Bearer {KEY}", f"Authorization: Bearer {KEY}"]], ids=str)
def test_a_key_that_is_sent_twice(daemon, lines):
    """Defect 17 of the original: of two values one was taken. What a proxy read may have been the other."""
    head = "\r\n".join(["GET /agents HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""])
    with daemon.socket() as sock:
        sock.sendall(head.encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ") and b"twice" in answer


@pytest.mark.parametrize("header", ["X-My-Key", "apikey", "Authorization"])
def test_another_header(agentd, header):
    """auth.NAME.header is where the key is, besides Authorization: Bearer, which always is."""
    daemon = agentd(CONFIG.replace("type: api_key", f"type: api_key\n    header: {header}"))
    assert daemon.get("/agents", headers={"Authorization": f"Bearer {KEY}"}).status == 200
    if header != "Authorization":
        assert daemon.get("/agents", headers={header: KEY}).status == 200
        assert_refused(daemon.get("/agents", headers={"X-API-Key": KEY}), "does not say who", False)
    else:
        assert_refused(daemon.get("/agents", headers={header: KEY}), "Bearer")


# What is open, and in which order things are checked.

@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_what_is_open(daemon, method, path):
    """/health and /ready need no key, and do not mind a wrong one."""
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "nonsense"}):
        assert daemon.request(method, path, headers=headers).status == 200


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/nothing", 404), ("GET", "/agents/", 404), ("POST", "/health/", 404), ("DELETE", "/run", 405), ("PUT", "/agents", 405),
    ("OPTIONS", "/run", 204), ("OPTIONS", "/nothing", 404), ("HEAD", "/agents", 200), ("HEAD", "/nothing", 404),
    ("GET", "/openapi.json", 404), ("GET", "/docs", 404), ("POST", "/health", 405), ("GET", "/metrics", 200),
    ("GET", "/agents/none", 404), ("GET", "/runs/none", 404), ("GET", "/agents/%61", 200)])
def test_who_may_not_come_in_is_not_told_what_there_is(daemon, method, path, status):
    """Without a key every path but the open ones is 401, with one it is what it is."""
    reply = daemon.request(method, path)
    assert reply.status == 401 and "Allow" not in reply.headers, reply.body
    assert reply.headers["WWW-Authenticate"] and reply.headers["X-Request-Id"]
    assert as_(daemon, "alice").request(method, path).status == status


def test_the_order_of_the_checks(daemon):
    """Framing, Host, auth, route: each 4xx hides those behind it."""
    def ask(*lines):
        with daemon.socket() as sock:
            sock.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        return int(answer.split(b" ")[1])
    key = f"X-API-Key: {KEY}"
    assert ask("GET /nothing HTTP/1.1", "Host: evil.example", "Content-Length: 1", "Content-Length: 2") == 400
    assert ask("GET /nothing HTTP/1.1", "Host: evil.example") == 403
    assert ask("GET /nothing HTTP/1.1", "Host: evil.example", key) == 403
    assert ask("GET /nothing HTTP/1.1", "Host: localhost", "Origin: https://evil.example", key) == 403
    assert ask("GET /nothing HTTP/1.1", "Host: localhost") == 401
    assert ask("GET /nothing HTTP/1.1", "Host: localhost", key) == 404
    assert ask("DELETE /run HTTP/1.1", "Host: localhost", key) == 405


def test_a_body_is_not_looked_at_without_a_key(daemon):
    """Neither its type nor its syntax are talked about with who may not come in."""
    for headers in ({}, {"Content-Type": "image/png"}):
        assert_refused(daemon.request("POST", "/run", "{ broken", headers), "does not say who", False)


def test_a_refusal_keeps_the_connection(daemon):
    """401 does not cost the connection; what follows on it is judged anew."""
    connection = daemon.connect()
    for name, status in ((None, 401), ("alice", 200), (None, 401), ("bob", 200)):
        connection.request("GET", "/agents", headers={"X-API-Key": KEYS[name]} if name else {})
        assert Reply(connection.getresponse()).status == status
    connection.close()


def test_preflight(agentd):
    """A browser's preflight carries no key; it learns which header may bring it, and 401 can be read."""
    daemon = agentd(CONFIG.replace("auth: keys }", 'auth: keys, cors_origins: [ "https://app.example" ] }'))
    given = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    reply = daemon.request("OPTIONS", "/run", headers=given)
    assert reply.status == 204 and "X-API-Key" in reply.headers["Access-Control-Allow-Headers"]
    assert "Authorization" in reply.headers["Access-Control-Allow-Headers"]
    assert daemon.request("OPTIONS", "/run", headers={"Origin": "https://app.example"}).status == 401
    reply = daemon.request("POST", "/run", {"input": "x"}, {"Origin": "https://app.example"})
    assert reply.status == 401 and reply.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "WWW-Authenticate" in reply.headers["Access-Control-Expose-Headers"]


# Agents.

LIMITED = HTTP + f"""
auth:
  keys:
    type: api_key
    keys:
      - {{ name: all, hash: "{hash_of(KEYS['alice'])}" }}
      - {{ name: some, hash: "{hash_of(KEYS['bob'])}", agents: [ one, two ] }}
      - {{ name: op, hash: "{hash_of(KEYS['root'])}", agents: [ one ], admin: true }}
agents:
  one: {{ plugin: PLUGIN(actor) }}
  two: {{ plugin: PLUGIN(actor) }}
  three: {{ plugin: PLUGIN(actor) }}
default_agent: three
"""


def test_a_key_for_some_agents(agentd):
    """403 for the others, in whatever way they are named, also of an admin's key; they are not listed."""
    daemon = agentd(LIMITED)
    every, some, op = (as_(daemon, name) for name in ("alice", "bob", "root"))
    every.wait_ready()
    for client, names in ((every, ["one", "two", "three"]), (some, ["one", "two"]), (op, ["one"])):
        assert [agent["name"] for agent in client.get("/agents").json["agents"]] == names
        for name in ("one", "two", "three"):
            replies = [client.run("say x", agent=name), client.get(f"/agents/{name}"),
                       client.request("POST", f"/agents/{name}/run", {"input": "say x"}),
                       client.request("POST", f"/agents/{name}/run", {"input": "say x", "background": True}),
                       client.request("POST", "/run", {"input": "say x", "agent": name, "stream": True})]
            for reply in replies:
                if name in names:
                    assert reply.status in (200, 202)
                else:
                    assert "not for the agent" in assert_problem(reply, 403, "forbidden")["detail"]
    assert_problem(some.run("say x"), 403, "forbidden")  # the default agent
    assert_problem(op.request("POST", "/agents/two/restart"), 403, "forbidden")
    assert op.request("POST", "/agents/one/restart").status == 202
    assert_problem(some.get("/agents/none"), 404, "not_found")


# Rates.

def rated(agentd, rate="2/s", rest=""):
    return agentd(HTTP + f"""
auth:
  keys:
    type: api_key
    {rest}
    keys:
      - {{ name: alice, hash: "{hash_of(KEYS['alice'])}", rate: {rate} }}
      - "{hash_of(KEYS['bob'])}"
      - {{ name: root, hash: "{hash_of(KEYS['root'])}", admin: true }}
agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
""")


def test_a_rate(agentd):
    """429 with a Retry-After that is true; the key's own, whatever the connection; others are not affected."""
    daemon = rated(agentd, "3/m")
    alice, bob = as_(daemon, "alice"), as_(daemon, "bob")
    assert [alice.get("/agents").status for _ in range(3)] == [200] * 3
    refused = alice.get("/agents")
    assert "3 requests in 60 s" in assert_problem(refused, 429, "rate_limited")["detail"]
    assert 15 <= int(refused.headers["Retry-After"]) <= 20 and refused.reason == "Too Many Requests"
    for reply in (alice.run("say x"), alice.get("/nothing"), alice.request("DELETE", "/run"), alice.get("/metrics"),
                  bearer(daemon, KEYS["alice"]).get("/agents")):
        assert reply.status == 429
    assert daemon.get("/health").status == alice.get("/health").status == 200
    assert all(bob.get("/agents").status == 200 for _ in range(20))
    assert_refused(daemon.get("/agents", headers={"X-API-Key": "unknown"}), "not known")
    assert any(line.get("refused") == "too many requests" for line in daemon.log)


def test_after_the_wait_it_works(agentd):
    """Who comes back when Retry-After says is let in."""
    daemon = rated(agentd, "1/s")
    alice = as_(daemon, "alice")
    for _ in range(3):
        refused = wait_for("a refusal", lambda: (reply := alice.get("/agents")).status == 429 and reply)
        assert refused.headers["Retry-After"] == "1"
        time.sleep(int(refused.headers["Retry-After"]))  # what is tested is this very time
        assert alice.get("/agents").status == 200


def test_the_rate_of_a_provider_is_each_users(agentd):
    """`rate` of a provider bounds each of its users; a key's own takes its place; also for admins."""
    daemon = rated(agentd, "4/m", "rate: 2/m")
    for name, most in (("alice", 4), ("bob", 2), ("root", 2)):
        statuses = [as_(daemon, name).get("/agents").status for _ in range(6)]
        assert statuses == [200] * most + [429] * (6 - most), name


# Several.

COMPOSITE = HTTP.replace("keys", "any") + AUTH + f"""
  sso: {{ type: jwt, algorithms: [ HS256 ], secret: "{SECRET}" }}
  staff: {{ type: allowlist, users: [ "12345" ] }}
  any: {{ type: composite, of: [ OF ] }}
agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
"""


@pytest.mark.parametrize("order", ["keys, sso", "sso, keys", "staff, keys, sso"])
def test_keys_and_tokens_side_by_side(agentd, order):
    """Each way in works, in whichever order; a refusal says what was wrong with what was sent."""
    daemon = agentd(COMPOSITE.replace("OF", order))

    def user(**headers):
        return re.search("user_id=(.*)", Client(daemon, **headers).run("request").json["content"])[1]
    assert user(X_API_Key=KEY) == user(Authorization=f"Bearer {KEY}") == user_of("alice")
    assert user(Authorization=f"Bearer {token()}") == "ann"
    assert user(Authorization=f"Bearer {token(secret='x' * 32)}", X_API_Key=KEY) == user_of("alice")
    ask = lambda **headers: Client(daemon, **headers).get("/agents")  # noqa: E731
    assert_refused(ask(), "does not say who|not a chat", False)
    assert_refused(ask(X_API_Key="unknown"), "key is not known")
    assert_refused(ask(Authorization="Bearer unknown"), "key is not known")
    assert_refused(ask(Authorization=f"Bearer {token(secret='x' * 32)}"), "signature is wrong")
    assert_refused(ask(Authorization=f"Bearer {token(exp=1)}"), "expired")
    assert_refused(ask(Authorization=KEY), "Bearer")


# The config.

GOOD = f"agents: {{ a: {{ plugin: {plugin('actor')} }} }}\n"
HASH = "sha256:" + "0" * 64
JWT = "  t:\n    type: jwt\n"


def keys(*lines):
    return "auth:\n  k:\n    type: api_key\n" + "".join(f"    {line}\n" for line in lines)


MISTAKES = [  # (config, line and message)
    ("auth: [ x ]\n", r"1: auth: must be a section of auth providers"),
    ("auth: { k: x }\n", r'1: auth\.k: expected a section'),
    ("auth: { k: { header: x } }\n", r"1: auth\.k: expected a type api_key, jwt, allowlist or composite"),
    ("auth: { k: { type: apikey } }\n", r'1: auth\.k\.type: expected type api_key, jwt, allowlist or composite, found "apikey"; did you mean "api_key"\?'),
    ("http: { auth: k }\nauth: { k: { type: apikey } }\n", r"2: auth\.k\.type: expected type"),
    ("auth: { k: { type: [ jwt ] } }\n", r"1: auth\.k\.type: expected type"),
    (f'auth: {{ "a b": {{ type: api_key, keys: [ "{HASH}" ] }} }}\n', r"1: auth\.a b: a name may have letters"),
    (keys(), r"2: auth\.k: keys must be a list of keys"),
    (keys("keys: []"), r"4: auth\.k\.keys: keys must be a list of keys"),
    (keys(f'keys: "{HASH}"'), r"4: auth\.k\.keys: keys must be a list of keys"),
    (keys(f'keys: [ "{HASH.replace("0", "A")}" ]'), r"4: auth\.k\.keys\[0\]: expected sha256: and 64 hexadecimal digits in lower case"),
    (keys(f'keys: [ "{HASH}0" ]'), r"4: auth\.k\.keys\[0\]: expected sha256: and 64"),
    (keys(f'keys: [ "{HASH[7:]}" ]'), r"4: auth\.k\.keys\[0\]: expected sha256: and 64"),
    (keys("keys:", f'  - "{HASH}"', "  - { name: x }"), r'6: auth\.k\.keys\[1\]: expected a hash, such as'),
    (keys("keys:", f'  - "{HASH}"', "  - { plain-key-of-somebody }"), r'6: auth\.k\.keys\[1\]: expected a hash, such as [^p]*$'),
    (keys("keys:", f'  - "{HASH}"', f'  - {{ hash: "{HASH}" }}'), r"6: auth\.k\.keys\[1\]\.hash: the same key is listed twice"),
    (keys(f'keys: [ {{ hash: "{HASH}", amdin: true }} ]'), r'4: auth\.k\.keys\[0\]\.amdin: unknown option; did you mean "admin"'),
    (keys(f'keys: [ {{ hash: "{HASH}", admin: maybe }} ]'), r"4: auth\.k\.keys\[0\]\.admin: expected"),
    (keys(f'keys: [ {{ hash: "{HASH}", agents: [ a, b ] }} ]'), r'4: auth\.k\.keys\[0\]\.agents\[1\]: there is no agent "b"'),
    *[(keys(f'keys: [ {{ hash: "{HASH}", rate: "{rate}" }} ]'), r"4: auth\.k\.keys\[0\]\.rate: expected a rate such as 60/m")
      for rate in ("60", "0/m", "-1/m", "60/w", "60/", "/m", "1000001/s", "6 0/m", "1.5/s", "60/mm", "9" * 30 + "/s")],
    (keys(f'keys: [ "{HASH}" ]', "rate: lots"), r'5: auth\.k\.rate: expected a rate such as 60/m .*found "lots"'),
    (keys(f'keys: [ "{HASH}" ]', 'header: "X Key"'), r'5: auth\.k\.header: "X Key" is not the name of a header'),
    (keys(f'keys: [ "{HASH}" ]', 'header: ""'), r'5: auth\.k\.header: "" is not the name of a header'),
    (keys(f'keys: [ "{HASH}" ]', "heder: x"), r'5: auth\.k\.heder: unknown option; did you mean "header"'),
    ("auth:\n" + JWT + "    secret: " + SECRET + "\n", r'2: auth\.t: (the required option "algorithms" is missing|algorithms must name)'),
    ("auth:\n" + JWT + "    algorithms: [ HS256 ]\n", r"2: auth\.t: expected one of secret, key_file, jwks_file and jwks_url, found 0"),
    ("auth:\n" + JWT + f"    algorithms: [ HS256 ]\n    secret: {SECRET}\n    jwks_url: https://x\n", r"2: auth\.t: expected one of .*, found 2"),
    ("auth:\n" + JWT + f"    algorithms: [ HS256, HS512 ]\n    secret: {SECRET}\n", r"[45]: auth\.t\.(algorithms|secret).*(HS512|64)"),
    ("auth:\n" + JWT + f"    algorithms: [ RS256 ]\n    secret: {SECRET}\n", r"4: auth\.t\.algorithms: RS256 needs a public key"),
    ("auth:\n" + JWT + "    algorithms: [ HS256 ]\n    jwks_url: https://id.example/keys\n", r"4: auth\.t\.algorithms: HS256 needs a secret"),
    ("auth:\n" + JWT + f"    algorithms: [ none ]\n    secret: {SECRET}\n", r"4: auth\.t\.algorithms.*: expected one of HS256"),
    ("auth:\n" + JWT + "    algorithms: [ HS256 ]\n    secret: short\n", r"5: auth\.t\.secret: .*(short|bytes)"),
    *[("auth:\n" + JWT + f'    algorithms: [ RS256 ]\n    jwks_url: "{url}"\n', r"5: auth\.t\.jwks_url: must be https://")
      for url in ("http://id.example/k", "https://", "http://127.0.0.1.evil/k", "http://localhost.evil/k", "http://127.0.0.1@evil/k",
                  "http://127.0.0.1:80@evil/k", "http://localhost:x@evil/k", "file:///etc/k", "id.example", "HTTP://localhost/k")],
    ("auth:\n" + JWT + "    algorithms: [ RS256 ]\n    key_file: away.pem\n", r"5: auth\.t\.key_file: .*away\.pem: No such file"),
    ("auth:\n" + JWT + "    algorithms: [ RS256 ]\n    jwks_file: away.json\n", r"5: auth\.t\.jwks_file: .*away\.json: No such file"),
    ("auth:\n" + JWT + f"    algorithms: [ HS256 ]\n    secret: {SECRET}\n    leeway: 2h\n", r"6: auth\.t\.leeway: must be between 0s? and 1h"),
    ("auth: { s: { type: allowlist } }\n", r"1: auth\.s: expected users, chats, or both"),
    ("auth: { s: { type: allowlist, platforms: [ telegram ] } }\n", r"1: auth\.s: expected users, chats, or both"),
    ("auth: { c: { type: composite } }\n", r'1: auth\.c: (the required option "of" is missing|of must name)'),
    ("auth: { c: { type: composite, of: [] } }\n", r"1: auth\.c.*of must name at least one other"),
    (keys(f'keys: [ "{HASH}" ]') + "  c: { type: composite, of: [ k, kk ] }\n", r'5: auth\.c\.of\[1\]: there is no auth "kk"; did you mean "k"\?'),
    (keys(f'keys: [ "{HASH}" ]') + "  c: { type: composite, of: [ k, c ] }\n", r"5: auth\.c\.of\[1\]: is a composite itself"),
    ("http: { auth: kesy }\n" + keys(f'keys: [ "{HASH}" ]').replace("  k:", "  keys:"),
     r'1: http\.auth: there is no auth "kesy"; did you mean "keys"\?'),
    ("http: { auth: s }\nauth: { s: { type: allowlist, users: [ x ] } }\n", r'1: http\.auth: "s" is an allowlist, which knows chats only'),
    ("http: { auth: c }\nauth:\n  s: { type: allowlist, users: [ x ] }\n  c: { type: composite, of: [ s ] }\n",
     r'1: http\.auth: "c" is an allowlist'),
    ("http: { metrics_auth: all }\n", r"1: http\.metrics_auth: expected one of none\|user\|admin"),
    ('http: { listen: [ "0.0.0.0:0" ], auth: none }\n', r"1: http\.listen\[0\]: .*there is no auth"),
    ("control: { admins: [ root, nobody-of-that-name ] }\n",
     r'1: control\.admins\[1\]: there is no user "nobody-of-that-name" on this machine'),
    ("control: { socket: none }\nhttp: { enabled: false }\n", r"2: http\.enabled: without HTTP, and without a control socket"),
    (f'http: {{ auth: none }}\nauth: {{ none: {{ type: api_key, keys: [ "{HASH}" ] }} }}\n', r"2: auth\.none: .*none"),
]


@pytest.mark.parametrize("config, error", MISTAKES, ids=[error[:60] for _, error in MISTAKES])
def test_a_mistake_has_one_line(check, config, error):
    """One mistake, one line, at its place."""
    [line] = errors(check(config + GOOD))
    assert re.match("agent.conf:" + error, line), line


PLAIN = "my-plain-key-0123456789"


@pytest.mark.parametrize("lines", [
    f"keys: [ {PLAIN} ]", f"keys: [ {{ hash: {PLAIN} }} ]", f'keys: [ "sha256:{PLAIN}" ]', f"keys: {PLAIN}", f"keys: {{ {PLAIN}: x }}",
    f"keys: [ {{ key: {PLAIN} }} ]", f"keys: [ [ {PLAIN} ] ]", f"keys: [ {{ hash: [ {PLAIN} ] }} ]", f"keys: [ {{ ci: {PLAIN} }} ]",
    f"keys: [ {{ {PLAIN} }} ]"])
@pytest.mark.parametrize("argument", ["-t", "--print-config", None])
def test_a_plain_key_in_the_config_is_refused_and_not_shown(check, lines, argument):  # defect 18 of the original
    """A key belongs to who has it: the config has its hash. What is in its place is not printed into a log."""
    result = check(keys(lines) + GOOD, argument)
    assert result.returncode == 78 and PLAIN not in result.stderr + result.stdout, result


@pytest.mark.parametrize("lines", [f"secret: {PLAIN[:20]}", f"secret: [ {PLAIN} ]", f"secret: {{ {PLAIN}: x }}"])
def test_a_secret_is_not_shown_in_a_message(check, lines):
    """Nor is one that is too short, or no text."""
    result = check("auth:\n" + JWT + f"    algorithms: [ HS256 ]\n    {lines}\n" + GOOD)
    assert result.returncode == 78 and PLAIN[:20] not in result.stderr.replace("secret.my", "")


def test_auth_that_nothing_uses(check):
    """Bug class: an auth section that is silently ignored. Without http.auth that is said."""
    result = check(keys(f'keys: [ "{HASH}" ]') + GOOD)
    assert "http.auth" in result.stderr


@pytest.mark.parametrize("listen, auth, code", [
    ("0.0.0.0:0", "k", 0), ("[::]:0", "k", 0), ("example.org:0", "k", 0), ("0.0.0.0:0", "none", 78), ("127.0.0.1:0", "none", 0)])
def test_listening_beyond_this_machine(check, listen, auth, code):
    """With auth it is fine, without it is refused."""
    text = f'http: {{ listen: [ "{listen}" ], auth: {auth} }}\n' + keys(f'keys: [ "{HASH}" ]') + GOOD
    assert check(text).returncode == code


def test_listening_by_default(check):
    """Defect 16 of the original: it bound every address without auth. Nothing said is this machine only."""
    text = check(GOOD, "--print-config").stdout
    assert 'listen: [ "127.0.0.1:8000" ]' in text, text


def test_print_config(check):
    """Effective settings with defaults, no secret; the output is the same config once they are put back."""
    text = COMPOSITE.replace("OF", "keys, sso") + "control: { admins: [ root ] }\n"
    text = text.replace("admin: true", "admin: true, rate: 60/m, agents: [ a ]")
    first = check(text, "--print-config")
    assert (first.returncode, first.stderr) == (0, "")
    assert SECRET not in first.stdout and not any(hash_of(key)[7:] in first.stdout for key in KEYS.values())
    for line in ('header: "X-API-Key"', 'leeway: 1m', 'admin: true', 'rate: "60/m"', 'auth: "any"', 'metrics_auth: "user"'):
        assert line in first.stdout, first.stdout
    hashes = iter([hash_of(key) for key in KEYS.values()])
    again = re.sub(r'hash: "\*\*\*"', lambda _: f'hash: "{next(hashes)}"', first.stdout).replace('"***"', f'"{SECRET}"')
    second = check(again, "--print-config")
    assert second.returncode == 0, second.stderr
    assert second.stdout.replace("        admin: false\n", "") == first.stdout.replace("        admin: false\n", "")


@pytest.mark.parametrize("word, nobody, user, admin", [("none", 200, 200, 200), ("user", 401, 200, 200), ("admin", 401, 403, 200)])
def test_metrics_auth(agentd, word, nobody, user, admin):
    """Who may read /metrics; with nothing said, any user."""
    daemon = agentd(CONFIG.replace("auth: keys }", f"auth: keys, metrics_auth: {word} }}"))
    assert (daemon.get("/metrics").status, as_(daemon, "bob").get("/metrics").status,
            as_(daemon, "root").get("/metrics").status) == (nobody, user, admin)


# What is said about it, and what is not.

def line_of(daemon, path, **wanted):
    return wait_for(f"the line of {path}", lambda: next(
        (line for line in daemon.log if line["message"].endswith(path) and all(line.get(k) == v for k, v in wanted.items())), None))


def test_the_access_log(daemon):
    """Who it was and by which key, or why not; the same ids as in the answer."""
    reply = as_(daemon, "alice").get("/agents?n=1")
    line = line_of(daemon, "/agents?n=1")
    assert (line["user"], line["key"], line["status"]) == (user_of("alice"), "alice", 200)
    assert line["request_id"] == reply.headers["X-Request-Id"] and "refused" not in line
    as_(daemon, "bob").get("/agents?n=2")
    line = line_of(daemon, "/agents?n=2")
    assert line["user"] == user_of("bob") and "key" not in line
    for n, headers, why in ((3, {}, "does not say who"), (4, {"X-API-Key": "unknown"}, "key is not known")):
        daemon.get(f"/agents?n={n}", headers=headers)
        line = line_of(daemon, f"/agents?n={n}")
        assert why in line["refused"] and line["status"] == 401 and "user" not in line
    as_(daemon, "bob").request("POST", "/agents/a/restart?n=5")
    assert "admin" in line_of(daemon, "/agents/a/restart?n=5")["refused"]


def test_a_name_cannot_forge_the_log(agentd):
    """In text, for a terminal: a user's name ends where it ends, and neither colours anything nor turns it about."""
    daemon = agentd(COMPOSITE.replace("OF", "sso") + "log: { format: text }\n", listening=False)
    host, port = daemon.wait_log(r"listening on").get("message").split("http://")[1].split(" ")[0].split(":")
    daemon.address = host, int(port)
    for name, shown in (("a b\\", r'"a b\\"'), ('a" key=root', r'"a\" key=root"'), ("a\\", "a\\"), ("e\x9b31m", r"e\u009b31m"),
                        ("\u202eevil", r"\u202eevil"), ("é x", '"é x"')):
        assert bearer(daemon, token(sub=name)).get("/agents").status == 200
        daemon.wait_log("GET /agents .*" + re.escape(f" user={shown} request_id="))


def test_secrets_are_nowhere_to_be_read(agentd, tmp_path):
    """No key, token or secret in the log, in what the API shows, or in what `ps e` shows of the processes."""
    daemon = agentd(COMPOSITE.replace("OF", "keys, sso").replace(f'"{SECRET}"', '"${SECRET}"') + "log: { level: debug }\n",
                    env={"SECRET": SECRET})
    good, bad = token(), token(secret="x" * 32)
    root, control = as_(daemon, "root").wait_ready(), Control(daemon)
    shown = []
    for client in (root, control, as_(daemon, "alice"), bearer(daemon, good), bearer(daemon, KEYS["bob"])):
        assert client.run("say x").status == 200
        shown += [client.get(path).body for path in ("/agents", "/agents/a", "/metrics", "/runs", "/sessions")]
    for headers in ({"X-API-Key": "not-" + KEYS["alice"]}, {"Authorization": f"Bearer {bad}"}, {"Authorization": good}):
        shown.append(daemon.get("/agents", headers=headers).body)
    assert root.run("env").status == 200
    shown.append(root.run("env").body)
    for pid in root.agent("a")["pids"]:
        shown += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    shown.append(Path(f"/proc/{daemon.pid}/cmdline").read_bytes())
    stored = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    daemon.terminate()
    daemon.wait()
    everything = b"\n".join(shown + stored) + "\n".join(daemon.raw).encode()
    for secret in (*KEYS.values(), SECRET, good, bad, good.split(".")[2], bad.split(".")[2], "not-" + KEYS["alice"]):
        assert secret.encode() not in everything, secret


# What a plugin is told.

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("given, passed", [
    (CALLER, True), (CALLER[:-2] + "00", True), ("", False), ("nonsense", False), (CALLER + "-more", False), (CALLER[:-1], False),
    (CALLER.upper(), False), (CALLER.replace("-", "_"), False), (" " * 3 + CALLER, True), ("ff" + CALLER[2:], False),
    ("00-" + "0" * 32 + CALLER[35:], False), (CALLER[:36] + "0" * 16 + CALLER[52:], False), (CALLER.replace("a", "g"), False)])
def test_traceparent(daemon, given, passed):
    """W3C Trace Context, section 3.2.2: a trace goes on in the agent; what is no traceparent does not get there."""
    reply = as_(daemon, "alice").request("POST", "/run", {"input": "traceparent"}, {"traceparent": given})
    assert reply.json["content"] == (given.strip() if passed else "")


def test_claims_after_a_crash(agentd):
    """A run that is begun again, in another process or in another life of agentd, knows who asked for it."""
    text = COMPOSITE.replace("OF", "sso, keys") + "supervision: { backoff_min: 50ms }\n"
    daemon = agentd(text)
    claims = {"sub": "ann", "team": "é", "exp": int(time.time()) + 600}
    ann = bearer(daemon, jwt.encode(claims, SECRET, "HS256"))
    ann.wait_ready()
    first = ann.run("request").json["content"]
    assert 'claims={"' in first and "user_id=ann\n" in first
    told = json.loads(re.search("claims=(.*)", first)[1])
    assert told == claims
    run_id = ann.run("attempt", background=True).json["run_id"]
    wait_for("it to run", lambda: ann.load("a") == (1, 0) and ann.get(f"/runs/{run_id}").json["attempts"] == 1)
    daemon.process.kill()
    daemon.wait()
    ann = Client(agentd(text), **ann.headers)
    content = wait_for("its end", lambda: ann.get(f"/runs/{run_id}").json["content"], 20)
    assert "attempt=2" in content and json.loads(re.search("claims=(.*)", content)[1]) == claims
    assert as_(ann, "alice").run("request").json["content"].count("claims=\n") == 1  # a key has none


def test_an_allowlist_beside_is_asked_in_vain(agentd):
    """An allowlist in a composite lets nobody in over HTTP, whatever the headers say."""
    daemon = agentd(COMPOSITE.replace("OF", "staff, sso"))
    for headers in ({"X-User-Id": "12345"}, {"X-API-Key": "12345"}, {"Authorization": "Bearer 12345"}):
        assert daemon.get("/agents", headers=headers).status == 401
