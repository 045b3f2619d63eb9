"""JSON Web Tokens as a way in: signed here by another implementation (PyJWT), and forged in every way that is known
(RFC 8725). Each refusal is a 401 that says why."""
import base64
import hashlib
import hmac
import json
import os
import re
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from conftest import Reply, run_agentd, wait_for
from credentials import AUTH, HTTP, as_, bearer
from line import Line
from test_auth import assert_refused

SECRET = "k" * 64
RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
CURVES = {"ES256": ("P-256", ec.SECP256R1()), "ES384": ("P-384", ec.SECP384R1()), "ES512": ("P-521", ec.SECP521R1())}
EC = {name: ec.generate_private_key(curve) for name, (_, curve) in CURVES.items()}


def private_for(algorithm):
    return SECRET if algorithm[0] == "H" else EC[algorithm] if algorithm[0] == "E" else RSA[0]


def pem(private):
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def b64(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(private, kid=None, **more):
    public = private.public_key().public_numbers()
    if isinstance(private, rsa.RSAPrivateKey):
        key = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
    else:
        size = (private.curve.key_size + 7) // 8
        name = {256: "P-256", 384: "P-384", 521: "P-521"}[private.curve.key_size]
        key = {"kty": "EC", "crv": name, "x": number(public.x, size), "y": number(public.y, size)}
    return {**key, **({"kid": kid} if kid else {}), **more}


def claims(**more):
    return {"sub": "ann", "exp": int(time.time()) + 600, **more}


def sign(private, algorithm, payload=None, **headers):
    return jwt.encode(claims() if payload is None else payload, private, algorithm, headers or None)


@pytest.fixture
def serve(agentd, tmp_path):
    """serve(options, files) → a daemon whose way in are tokens; files lie in the folder `keys`."""
    folder = tmp_path / "keys"
    folder.mkdir()

    def start(options, **files):
        for name, text in files.items():
            (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
        return agentd(f"""
            http: {{ listen: [ "127.0.0.1:0" ], auth: sso }}
            auth: {{ sso: {{ type: jwt, {options} }} }}
            agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
        """)
    start.folder = folder
    return start


def user(daemon, token):
    """Who the agent is told it is."""
    reply = bearer(daemon, token).run("request")
    assert reply.status == 200, reply.body
    return re.search("user_id=(.*)", reply.json["content"])[1]


# Good ones.

@pytest.mark.parametrize("algorithm", [f"{kind}{bits}" for kind in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)])
def test_each_algorithm(serve, algorithm):
    """Tokens of another implementation are good, by secret, PEM and JWKS, and their user and claims get to the agent."""
    private = private_for(algorithm)
    if algorithm[0] == "H":
        sources = [f"secret: {SECRET}"]
    else:
        sources = ["key_file: keys/pem", "jwks_file: keys/jwks"]
    for source in sources:
        files = {} if algorithm[0] == "H" else {"pem": pem(private), "jwks": {"keys": [jwk(private, "one", use="sig")]}}
        daemon = serve(f"algorithms: [ {algorithm} ], {source}", **files)
        given = claims(team="x", nested={"a": [1, None, "é"]})
        headers = {"kid": "one"} if "jwks" in source else {}
        content = bearer(daemon, sign(private, algorithm, given, **headers)).run("request").json["content"]
        assert "user_id=ann\n" in content and json.loads(re.search("claims=(.*)", content)[1]) == given
        daemon.stop()


@pytest.fixture
def hs(serve):
    return serve(f"algorithms: [ HS256, HS512 ], secret: {SECRET}, leeway: 5s")


@pytest.mark.parametrize("given, name", [
    ({"sub": "ann"}, "ann"), ({"sub": "ann", "user_id": "x", "id": "y"}, "ann"), ({"user_id": "bob", "id": "y"}, "bob"), ({"id": "eve"}, "eve"),
    ({"sub": "", "user_id": "bob"}, "bob"), ({"sub": "ä b|c/d"}, "ä b|c/d"), ({"sub": "x" * 256}, "x" * 256),
    ({"user_id": 7, "id": "eve"}, "eve")], ids=str)
def test_the_user(hs, given, name):
    """sub, else user_id, else id, as in the original."""
    assert user(hs, sign(SECRET, "HS256", {"exp": time.time() + 60, **given})) == name


@pytest.mark.parametrize("given", [
    {}, {"sub": ""}, {"user_id": 7}, {"id": None}, {"sub": "x" * 257}, {"sub": "a\nb"}, {"sub": "a\x7f"}, {"name": "ann"}], ids=str)
def test_a_token_of_nobody(hs, given):
    """A token that names nobody, or nobody that can be written down, lets nobody in."""
    assert_refused(bearer(hs, sign(SECRET, "HS256", {"exp": time.time() + 60, **given})).get("/agents"), "names no user")


def test_a_token_of_another_kind_of_user(agentd):
    """An issuer that lets people choose their sub cannot name the users of keys, of this machine, or of chats."""
    line = Line()
    try:
        daemon = agentd(f"""
            http: {{ listen: [ "127.0.0.1:0" ], auth: sso }}
            auth: {{ sso: {{ type: jwt, algorithms: [ HS256 ], secret: {SECRET} }} }}
            agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
            interfaces: {{ tel: {line.config("open: true")} }}
        """)
        for name in ("apikey_0123456789ab", "unix_root", "line:7", "line:"):
            token = sign(SECRET, "HS256", claims(sub=name))
            assert_refused(bearer(daemon, token).get("/agents"), "begins as one of")
        for name in ("line", "liner:7", "tel:7", "other:line:7", "LINE:7"):
            assert user(daemon, sign(SECRET, "HS256", claims(sub=name))) == name
    finally:
        line.close()


# Forged ones.

def raw(header, payload, signature=b"x" * 32):
    return f"{b64(header)}.{b64(payload)}.{b64(signature)}"


def raw_hs(header, payload=None, secret=SECRET.encode()):
    """Signed, whatever the header says."""
    text = f"{b64(header)}.{b64(claims() if payload is None else payload)}"
    return text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


HEADER = {"alg": "HS256", "typ": "JWT"}
FORGED = [  # (token, why)
    (lambda: raw({"alg": "none"}, claims(), b""), "not signed"),
    (lambda: raw({"alg": "none"}, claims()), "algorithm is not allowed"),
    (lambda: raw({"alg": "NONE"}, claims()), "algorithm is not allowed"),
    (lambda: raw_hs({"alg": "hs256"}), "algorithm is not allowed"),
    (lambda: raw_hs({"alg": ["HS256"]}), "algorithm is not allowed"),
    (lambda: raw_hs({"typ": "JWT"}), "algorithm is not allowed"),
    (lambda: sign(SECRET, "HS384"), "algorithm is not allowed"),
    (lambda: sign(RSA[0], "RS256"), "algorithm is not allowed"),
    (lambda: sign("x" * 64, "HS256"), "signature is wrong"),
    (lambda: raw_hs({"alg": "HS512"}), "signature is wrong"),
    (lambda: sign(SECRET, "HS256")[:-4], "signature is wrong|base64url"),
    (lambda: sign(SECRET, "HS256") + "=", "base64url"),
    (lambda: sign(SECRET, "HS256") + "AAAA", "signature is wrong"),
    (lambda: ".".join([sign(SECRET, "HS256").split(".")[0], b64(claims(sub="root")), sign(SECRET, "HS256").split(".")[2]]),
     "signature is wrong"),
    (lambda: raw_hs({**HEADER, "crit": ["exp"]}), "critical"),
    (lambda: raw_hs({**HEADER, "crit": ["x"], "x": 1}), "critical"),
    (lambda: raw_hs({**HEADER, "b64": False}), "critical"),
    (lambda: raw_hs({**HEADER, "jwk": {"kty": "oct", "k": b64(SECRET.encode())}}), "brings its own key"),
    (lambda: raw_hs({**HEADER, "x5c": ["x"]}), "brings its own key"),
    (lambda: raw_hs({**HEADER, "jku": "https://evil.example"}), "says where its key is"),
    (lambda: raw_hs({**HEADER, "x5u": "https://evil.example"}), "says where its key is"),
    (lambda: raw_hs({**HEADER, "zip": "DEF"}), "compressed"),
    (lambda: raw_hs({**HEADER, "enc": "A128GCM"}), "encrypted"),
    (lambda: raw_hs({**HEADER, "typ": "secevent+jwt"}), "another type"),
    (lambda: raw_hs({**HEADER, "kid": 7}), "kid"),
    (lambda: raw_hs(HEADER, b"[]"), "not a JSON object"),
    (lambda: raw_hs(HEADER, b'{"sub":"ann","exp":9999999999,"sub":"root"}'), "duplicates"),
    (lambda: raw_hs(b'{"alg":"HS256","alg":"none"}'), "duplicates"),
    (lambda: sign(SECRET, "HS256", claims(exp=int(time.time()) - 60)), "expired"),
    (lambda: sign(SECRET, "HS256", {"sub": "ann"}), "has no exp"),
    (lambda: raw_hs(HEADER, claims(exp="9999999999")), "not a number"),
    (lambda: raw_hs(HEADER, claims(exp=None)), "not a number"),
    (lambda: raw_hs(HEADER, b'{"sub":"ann","exp":1e999}'), "not a JSON object|not a number"),
    (lambda: sign(SECRET, "HS256", claims(nbf=int(time.time()) + 60)), "not valid yet"),
    (lambda: raw_hs(HEADER, claims(iat=int(time.time()) + 60)), "future"),
    (lambda: raw_hs(HEADER, claims(sub=["ann"])), "not a string"),
    (lambda: raw_hs(HEADER, claims(aud={"x": 1})), "aud"),
    (lambda: sign(SECRET, "HS256", claims(pad="x" * 9000)), "8 KiB"),
    (lambda: "..", "empty part"),
    (lambda: "a.b.", "not signed"),
    (lambda: "a.b.c", "base64url|JSON"),
    (lambda: "nonsense", "no token"),
    (lambda: "a.b.c.d.e", "no token"),
    (lambda: sign(SECRET, "HS256") + " " + sign(SECRET, "HS256"), "three parts|no token|base64url"),
]


@pytest.mark.parametrize("forged, why", FORGED, ids=[f"{n}-{why}" for n, (_, why) in enumerate(FORGED)])
def test_a_forged_token(hs, forged, why):
    """401, with why."""
    assert_refused(bearer(hs, forged()).get("/agents"), why)


def test_a_public_key_is_no_secret(serve):
    """HS256 with the public key as the secret, as who has no private key can sign (RFC 8725, section 3.1)."""
    public = pem(RSA[0])
    daemon = serve("algorithms: [ RS256 ], key_file: keys/pem", pem=public)
    for secret in (public.encode(), public.strip().encode(), RSA[0].public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)):
        assert_refused(bearer(daemon, raw_hs(HEADER, secret=secret)).get("/agents"), "algorithm is not allowed")
    assert_refused(bearer(daemon, sign(RSA[0], "PS256")).get("/agents"), "algorithm is not allowed")
    assert_refused(bearer(daemon, sign(RSA[1], "RS256")).get("/agents"), "signature is wrong")
    assert user(daemon, sign(RSA[0], "RS256")) == "ann"


def test_a_set_of_keys(serve):
    """The token says which key; it is judged by that one alone, and by what that may be used for."""
    daemon = serve("algorithms: [ RS256, PS256, ES256 ], jwks_file: keys/jwks", jwks={"keys": [
        jwk(RSA[0], "one", alg="RS256"), jwk(RSA[1], "two"), jwk(EC["ES256"], "three"), {"kty": "OKP", "kid": "four"},
        jwk(EC["ES384"], "five", use="enc")]})

    def says(private, algorithm, **headers):
        reply = bearer(daemon, sign(private, algorithm, **headers)).get("/agents")
        return reply.json.get("detail", "good")
    assert says(RSA[0], "RS256", kid="one") == says(RSA[1], "PS256", kid="two") == says(EC["ES256"], "ES256", kid="three") == "good"
    assert says(EC["ES256"], "ES256") == "good"  # the only one that fits
    assert "which key" in says(RSA[0], "RS256")
    assert "signature" in says(RSA[0], "RS256", kid="two")
    assert "not for its key" in says(RSA[0], "PS256", kid="one")
    assert "not for its key" in says(RSA[0], "RS256", kid="three")
    for kid in ("other", "four", "five", "ONE", "", "../one"):
        assert "key is not known" in says(RSA[0], "RS256", kid=kid)


@pytest.mark.parametrize("size, statuses", [(12_000, {401}), (1 << 20, {400})])
def test_a_very_long_token(hs, size, statuses):
    """What is too long is refused: by its length, or by that of the head, before anybody looks into it."""
    with hs.socket() as sock:
        try:
            sock.sendall(f"GET /agents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {'a' * size}.b.c\r\n\r\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not be read to its end
        try:
            answer = sock.recv(65536)
        except ConnectionResetError:
            answer = b""
    assert not answer or int(answer.split()[1]) in statuses
    assert hs.get("/health").status == 200


# Rules.

def test_issuer_and_audience(serve):
    """iss must be the one, aud one of those that are listed; without them in the config both may be anything."""
    daemon = serve(f"algorithms: [ HS256 ], secret: {SECRET}, issuer: https://id.example, audience: [ agentd, other ]")

    def says(**more):
        return bearer(daemon, sign(SECRET, "HS256", claims(**more))).get("/agents").json.get("detail", "good")
    good = {"iss": "https://id.example", "aud": "agentd"}
    assert says(**good) == says(**{**good, "aud": ["x", "other"]}) == "good"
    for iss in ("https://id.example/", "HTTPS://id.example", "https://evil.example", ""):
        assert "another issuer" in says(**{**good, "iss": iss})
    assert "another issuer" in says(aud="agentd")
    for aud in ("x", "agentd ", [], ["x"], "", "agent"):
        assert "another audience" in says(**{**good, "aud": aud})
    assert "another audience" in says(iss=good["iss"])


def test_without_issuer_and_audience(hs):
    """Defect 19 of the original: a token with aud failed where none was configured."""
    assert user(hs, sign(SECRET, "HS256", claims(aud="somebody", iss="anybody"))) == "ann"


def test_leeway(serve):
    """Clocks may differ by so much, and not by more."""
    for options, ago, status in (("leeway: 60s", 30, 200), ("leeway: 60s", 90, 401), ("leeway: 0s", 2, 401), ("leeway: 1h", 3000, 200),
                                 ("", 30, 200)):
        daemon = serve(f"algorithms: [ HS256 ], secret: {SECRET}" + (options and ", " + options))
        now = int(time.time())
        for payload in (claims(exp=now - ago), claims(nbf=now + ago), claims(iat=now + ago)):
            token = jwt.encode(payload, SECRET, "HS256")
            assert bearer(daemon, token).get("/agents").status == status, (options, ago, payload)
        daemon.stop()


def test_a_token_that_expires_meanwhile(serve):
    """Each request is judged when it comes; a run that has begun goes on."""
    daemon = serve(f"algorithms: [ HS256 ], secret: {SECRET}, leeway: 0s")
    ann = bearer(daemon, sign(SECRET, "HS256", claims(exp=int(time.time()) + 2)))
    started = ann.start_run("timer 3000")
    wait_for("it to expire", lambda: ann.get("/agents").status == 401)
    assert Reply(started.getresponse()).json["content"] == "timer"


def test_admins(serve):
    """Users of `admins` see everything and may use the operator's routes; what their tokens say of it does not matter."""
    daemon = serve(f"algorithms: [ HS256 ], secret: {SECRET}, admins: [ root, op ]")
    ann, op, claimed = (bearer(daemon, sign(SECRET, "HS256", claims(**more))) for more in (
        {"sub": "ann"}, {"sub": "op"}, {"sub": "eve", "admin": True, "role": "admin", "user_id": "op", "id": "root"}))
    run_id = ann.run("say x").json["run_id"]
    for client, status, restart in ((ann, 200, 403), (op, 200, 202), (claimed, 403, 403)):
        assert client.get(f"/runs/{run_id}").status == status
        assert client.request("POST", "/agents/a/restart").status == restart


def test_the_rate_of_a_provider(serve):
    """Each user has a bucket of their own, whichever token they come with."""
    daemon = serve(f"algorithms: [ HS256 ], secret: {SECRET}, rate: 2/m")
    for name in ("ann", "bob"):
        statuses = [bearer(daemon, sign(SECRET, "HS256", claims(sub=name, n=n))).get("/agents").status for n in range(3)]
        assert statuses == [200, 200, 429]


# Keys that change.

def put(path, text, how):
    text = text if isinstance(text, str) else json.dumps(text)
    if how == "rename":
        path.with_suffix(".new").write_text(text)
        os.rename(path.with_suffix(".new"), path)
    elif how == "symlink":
        target = path.with_name(f"{path.name}-{time.time_ns()}")
        target.write_text(text)
        link = path.with_suffix(".link")
        link.symlink_to(target)
        os.rename(link, path)
    else:
        path.write_text(text)


@pytest.mark.parametrize("how", ["write", "rename", "symlink"])
@pytest.mark.parametrize("source", ["key_file", "jwks_file"])
def test_keys_are_rotated(serve, source, how):
    """A file that is replaced counts within two seconds, without a restart: the new key is good, the old one is not."""
    def content(private):
        return pem(private) if source == "key_file" else {"keys": [jwk(private, "k")]}
    daemon = serve(f"algorithms: [ RS256 ], {source}: keys/f", f=content(RSA[0]))
    old, new = (bearer(daemon, sign(private, "RS256", kid="k")) for private in RSA)
    for first, second, private in ((old, new, RSA[1]), (new, old, RSA[0])):
        assert (first.get("/agents").status, second.get("/agents").status) == (200, 401)
        put(serve.folder / "f", content(private), how)
        wait_for("the new key", lambda: second.get("/agents").status == 200, 2)
        assert first.get("/agents").status == 401
    daemon.wait_log(r"auth sso: new keys from \S*keys/f$")


BROKEN = {"empty": "", "words": "nonsense", "no key": '{"keys":[]}', "half a key": '{"keys":[{"kty":"RSA"}]}',
          "half PEM": "-----BEGIN PUBLIC KEY-----\nAAAA\n", "private": "PRIVATE", "long": " " * 300_000}


@pytest.mark.parametrize("source, broken", [(source, broken) for source in ("key_file", "jwks_file") for broken in BROKEN
                                            if (source, broken) != ("jwks_file", "private")])  # its members are not read
def test_a_file_that_breaks(serve, source, broken):
    """It leaves the old keys, and is an error in the log, said once; once it is good again it counts."""
    def content(private):
        return pem(private) if source == "key_file" else {"keys": [jwk(private)]}
    text = BROKEN[broken]
    if text == "PRIVATE":
        text = RSA[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()).decode()
    daemon = serve(f"algorithms: [ RS256 ], {source}: keys/f", f=content(RSA[0]))
    old, new = (bearer(daemon, sign(private, "RS256")) for private in RSA)
    assert old.get("/agents").status == 200
    put(serve.folder / "f", text, "rename")

    def said():
        assert old.get("/agents").status == 200
        return [line for line in daemon.log if re.search(r"auth sso: cannot read \S*keys/f: .*; the keys stay", line["message"])]
    [line] = wait_for("the error", said, 3)
    assert line["level"] == "error" and "MII" not in line["message"]
    put(serve.folder / "f", content(RSA[1]), "rename")
    wait_for("the new key", lambda: new.get("/agents").status == 200, 3)
    assert len([m for m in daemon.messages() if "sso: cannot read" in m]) == 1


def test_a_pipe_in_the_place_of_a_file(serve):
    """Bug: agentd waited for somebody to write into it, and did nothing else."""
    daemon = serve("algorithms: [ RS256 ], key_file: keys/f", f=pem(RSA[0]))
    old = bearer(daemon, sign(RSA[0], "RS256"))
    assert old.get("/agents").status == 200
    (serve.folder / "f").unlink()
    os.mkfifo(serve.folder / "f")

    def said():
        assert old.get("/agents").status == 200
        return any("sso: cannot read" in m and "a pipe" in m for m in daemon.messages())
    wait_for("the error", said, 3)


def test_a_file_that_is_away(serve):
    """A file that is taken away leaves the keys; one that comes again counts."""
    daemon = serve("algorithms: [ RS256 ], key_file: keys/f", f=pem(RSA[0]))
    old, new = (bearer(daemon, sign(private, "RS256")) for private in RSA)
    (serve.folder / "f").unlink()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert old.get("/agents").status == 200
    put(serve.folder / "f", pem(RSA[1]), "write")
    wait_for("the new key", lambda: new.get("/agents").status == 200, 3)


# What `agentd -t` finds.

@pytest.mark.parametrize("source, text, says", [
    ("key_file", None, "No such file"), ("key_file", "", ""), ("key_file", "nonsense", ""), ("key_file", "DIRECTORY", "directory"), ("jwks_file", "PIPE", "pipe"),
    ("key_file", "PRIVATE", "private"), ("jwks_file", "{", ""), ("jwks_file", "{}", ""), ("jwks_file", '{"keys":[]}', "no key"),
    ("jwks_file", '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}', ""), ("jwks_file", "EC", "key")])
def test_keys_that_are_no_good(tmp_path, source, text, says):
    """A mistake of the config, at its line, before anything is started."""
    path = tmp_path / "f"
    if text == "DIRECTORY":
        path.mkdir()
    elif text == "PIPE":
        os.mkfifo(path)
    elif text is not None:
        private = RSA[0].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()).decode()
        path.write_text({"PRIVATE": private, "EC": json.dumps({"keys": [jwk(EC["ES256"])]})}.get(text, text))
    (tmp_path / "agent.conf").write_text(
        f"auth:\n  sso:\n    type: jwt\n    algorithms: [ RS256 ]\n    {source}: f\nhttp: {{ auth: sso }}\nagents: {{ e: {{ plugin: echo }} }}\n")
    done = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
    assert done.returncode == 78, done
    [line] = done.stderr.splitlines()
    assert re.match(rf"agent\.conf:[45]: auth\.sso\.({source}|algorithms).*: .*({says})", line), line
    assert "MII" not in line


def test_files_are_beside_the_file_that_names_them(agentd, tmp_path):
    """key_file is relative to the file that says it, also an included one."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "id.pem").write_text(pem(RSA[0]))
    (tmp_path / "conf.d" / "auth.conf").write_text("auth: { sso: { type: jwt, algorithms: [ RS256 ], key_file: id.pem } }\n")
    daemon = agentd('include: conf.d/*.conf\nhttp: { listen: [ "127.0.0.1:0" ], auth: sso }\n'
                    "agents: { a: { plugin: PLUGIN(actor) } }\n")
    assert user(daemon, sign(RSA[0], "RS256")) == "ann"


def test_a_plugin_cannot_change_the_keys(agentd, tmp_path):
    """Bug: a plugin could write to key_file and jwks_file, and so make itself tokens of an admin."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "jwks").write_text(json.dumps({"keys": [jwk(RSA[0])]}))
    (folder / "pem").write_text(pem(RSA[0]))
    daemon = agentd(HTTP.replace("keys", "any") + AUTH + f"""
  one: {{ type: jwt, algorithms: [ RS256 ], jwks_file: {folder}/jwks }}
  two: {{ type: jwt, algorithms: [ RS256 ], key_file: {folder}/pem }}
  any: {{ type: composite, of: [ keys, one, two ] }}
agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
""")
    root = as_(daemon, "root").wait_ready()
    before = {path.name: path.read_text() for path in folder.iterdir()}
    said = {name: root.run(f"write {folder}/{name}").json["content"] for name in ("jwks", "pem")}
    assert {path.name: path.read_text() for path in folder.iterdir()} == before, said
