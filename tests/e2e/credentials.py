"""What the tests of auth share: keys, and a daemon as somebody with a key, or at its control socket, sees it."""
import hashlib
import http.client
import socket

from conftest import Agentd

KEYS = {name: f"{name}-4f9d2c71e6a80b35" for name in ("alice", "bob", "root")}  # root is an admin


def hash_of(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def user_of(name):
    return "apikey_" + hashlib.sha256(KEYS[name].encode()).hexdigest()[:12]


# `auth` with those three.
AUTH = f"""
auth:
  keys:
    type: api_key
    keys:
      - {{ name: alice, hash: "{hash_of(KEYS['alice'])}" }}
      - "{hash_of(KEYS['bob'])}"
      - {{ name: root, hash: "{hash_of(KEYS['root'])}", admin: true }}
"""
HTTP = 'http: { listen: [ "127.0.0.1:0" ], auth: keys }\n'
# With one agent that does what its input says.
CONFIG = HTTP + AUTH + """
agents: { a: { plugin: PLUGIN(actor) } }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
"""


class Connection(http.client.HTTPConnection):
    given = {}  # headers of every request

    def request(self, method, url, body=None, headers={}, **more):
        super().request(method, url, body, {**self.given, **headers}, **more)


class UnixConnection(Connection):
    path = None

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client(Agentd):
    """A daemon as it is for who sends these headers."""

    def __init__(self, daemon, **headers):
        self.__dict__ = dict(daemon.__dict__)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def connect(self, timeout=30):
        connection = Connection(*self.address, timeout=timeout)
        connection.given = self.headers
        return connection


class Control(Client):
    """The same over the control socket."""

    def connect(self, timeout=30):
        connection = UnixConnection("localhost", timeout=timeout)
        connection.given, connection.path = self.headers, self.control
        return connection


def as_(daemon, name):
    return Client(daemon, X_API_Key=KEYS[name])


def bearer(daemon, token):
    return Client(daemon, Authorization="Bearer " + token)
