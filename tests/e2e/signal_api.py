"""A stand-in for signal-cli-rest-api (bbernhard's), in the test's own process.

It keeps to what its clients can see: receiving takes messages away for good. In mode native each receive is a
signal-cli of its own, one at a time: it ends with max_messages, or when nothing has come for `timeout` seconds, is
answered when it ends, and goes on when its client is gone. In mode json-rpc the same path is a WebSocket, and what
comes while nobody is connected is gone. Nearly every error is a 400 whose words say what it is, with all that
signal-cli has printed; a group is "group." and base64 of its internal id, which is base64 of 32 bytes.

`plan(route, *answers)` says how the next calls of a route go: a status or (status, body, headers), CUT (the
connection breaks without an answer), HALF (in the middle of one; a receive waits for messages then), a threading.Event that it waits for, or
bytes, which are the body of a 200.
"""
import base64
import hashlib
import json
import re
import struct
import threading
import time
from collections import defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import MSG_DONTWAIT, MSG_PEEK

CUT, HALF = "cut", "half"

ME, ANN, BOB = "+4915100000000", "+4915111111111", "+4915122222222"
GROUP = base64.b64encode(bytes(range(32))).decode()


def recipient_of(group):
    """The id by which the API knows a group."""
    return "group." + base64.b64encode(group.encode()).decode()


RECIPIENT = recipient_of(GROUP)


class SignalApi:
    def __init__(self, mode="native", accounts=(ME,), second=1.0, knows_max=True):
        """second: how long one is to signal-cli. knows_max: it is new enough to obey max_messages."""
        self.mode, self.accounts, self.second, self.knows_max = mode, list(accounts), second, knows_max
        self.lock = threading.Condition()
        self.account = threading.Lock()  # one signal-cli at a time
        self.waiting = deque()        # JSON of what has not been received
        self.sent = []                # bodies of /v2/send that were taken
        self.calls = []               # (method, path) of all
        self.typing = []              # (method, recipient)
        self.trust = {}
        self.attachments = {}
        self.receives = 0             # how often it was asked
        self.receiving = 0            # that go on, also after their clients
        self.given = []               # what each receive had in it, if anything; whether somebody waited for it
        self.unheard = []             # what came while no socket was open
        self.failures = deque()       # what signal-cli says at the end of the next receives that bring something
        self.sockets = []             # that are open
        self.plans = defaultdict(deque)
        self.clock = int(time.time() * 1000)
        self.server = Server(("127.0.0.1", 0), type("H", (Handler,), {"api": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.close_sockets()

    def plan(self, route, *answers):
        with self.lock:
            self.plans[route].extend(answers)

    def planned(self, route):
        """How many of the answers are still to come."""
        with self.lock:
            return len(self.plans[route])

    # What people do.

    def envelope(self, text, sender=ANN, group=None, name="Ann", timestamp=None, **data):
        self.clock += 1
        timestamp = timestamp or self.clock
        message = {"timestamp": timestamp, "message": text, "expiresInSeconds": 0, "viewOnce": False, **data}
        if group:
            message["groupInfo"] = {"groupId": group, "type": "DELIVER"}
        number = sender if sender.startswith("+") else None
        return {"envelope": {"source": sender, "sourceNumber": number,
                             "sourceUuid": "7ccae375-cd51-4c82-8b1e-7be3280aa485" if number else sender,
                             "sourceName": name, "sourceDevice": 1, "timestamp": timestamp,
                             "dataMessage": message}, "account": ME}

    def say(self, text, **more):
        """Somebody writes; the timestamp."""
        envelope = self.envelope(text, **more)
        self.arrive(json.dumps(envelope))
        return envelope["envelope"]["timestamp"]

    def arrive(self, *lines):
        """What signal-cli would print."""
        with self.lock:
            if self.mode == "json-rpc":
                for line in lines:
                    self.push(line)
            else:
                self.waiting.extend(lines)
            self.lock.notify_all()

    def push(self, line):
        """To who is connected. Who is gone hears nothing, and nobody is told of it."""
        self.unheard += [] if self.sockets else [line]
        for socket in list(self.sockets):
            try:
                socket.send_text(line)
            except OSError:
                pass

    # What the test looks at.

    def texts(self, recipient=None):
        return [body["message"] for body in list(self.sent) if recipient in (None, *body["recipients"])]

    def called(self, method, path):
        return list(self.calls).count((method, path))

    def close_sockets(self):
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for socket in sockets:
            socket.drop()


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that left before its answer


class Socket:
    """The server's side of a WebSocket."""

    def __init__(self, connection):
        self.connection, self.lock = connection, threading.Lock()

    def send(self, opcode, payload):
        n = len(payload)
        head = (bytes([0x80 | opcode, n]) if n < 126 else
                bytes([0x80 | opcode, 126]) + struct.pack(">H", n) if n < 65536 else
                bytes([0x80 | opcode, 127]) + struct.pack(">Q", n))
        with self.lock:
            self.connection.sendall(head + payload)

    def send_text(self, text):
        self.send(1, text.encode())

    def drop(self):
        try:
            self.connection.shutdown(2)
        except OSError:
            pass

    def serve(self, stream):
        """Reads until the client is gone; answers its close."""
        while True:
            head = stream.read(2)
            if len(head) < 2:
                return
            n = head[1] & 0x7f
            n = struct.unpack(">H", stream.read(2))[0] if n == 126 else n
            mask = stream.read(4)
            payload = bytes(b ^ mask[i % 4] for i, b in enumerate(stream.read(n)))
            if head[0] & 0xf == 8:
                self.send(8, payload[:2])
                return


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body go together, and at once, as with the real one
    disable_nagle_algorithm = True
    api = None

    ROUTES = [  # name, method, path, what answers
        ("about", "GET", r"/v1/about", "about"),
        ("accounts", "GET", r"/v1/accounts", "accounts"),
        ("settings", "POST", r"/v1/configuration/([^/]+)/settings", "settings"),
        ("receive", "GET", r"/v1/receive/([^/]+)", "receive"),
        ("send", "POST", r"/v2/send", "send"),
        ("typing", "PUT", r"/v1/typing-indicator/([^/]+)", "typing"),
        ("typing", "DELETE", r"/v1/typing-indicator/([^/]+)", "typing"),
        ("attachment", "GET", r"/v1/attachments/([^/]+)", "attachment"),
    ]

    def log_message(self, *_):
        pass

    def handle_any(self):
        path, _, query = self.path.partition("?")
        path = re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m.group(1), 16)), path)
        self.query = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        self.raw_body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.half = False
        self.api.calls.append((self.command, path))
        for name, method, pattern, handler in self.ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                if not self.planned(name):
                    getattr(self, "on_" + handler)(*match.groups())
                return
        self.answer(404, {"error": "404 page not found"})

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def planned(self, route):
        """Answers as planned. False: as ever."""
        with self.api.lock:
            plan = self.api.plans[route].popleft() if self.api.plans[route] else None
        if plan is None:
            return False
        if isinstance(plan, threading.Event):
            plan.wait(60)
            return False
        if plan == CUT:
            self.drop()
        elif plan == HALF:
            self.half = True
            return False
        elif isinstance(plan, bytes):
            self.answer(200, plan)
        else:
            self.answer(*(plan if isinstance(plan, tuple) else (plan, {"error": "planned"})))
        return True

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def answer(self, status, body=b"", headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.half:
            self.wfile.write(data[:len(data) * 3 // 4])
            self.wfile.flush()
            self.drop()
        elif status != 204:
            self.wfile.write(data)

    def json_body(self):
        try:
            return json.loads(self.raw_body)
        except ValueError:
            self.answer(400, {"error": "Couldn't process request - invalid request"})
            return None

    def on_about(self):
        self.answer(200, {"versions": ["v1", "v2"], "build": 2, "mode": self.api.mode, "version": "0.96",
                          "capabilities": {"v2/send": ["quotes", "mentions"]}})

    def on_accounts(self):
        self.answer(200, self.api.accounts)

    def on_settings(self, number):
        if self.api.mode == "json-rpc":
            self.answer(400, {"error": "Not supported in json-rpc mode, use the environment variable "
                                       "JSON_RPC_TRUST_NEW_IDENTITIES instead!"})
            return
        body = self.json_body()
        if body is not None and body.get("trust_mode") in ("on-first-use", "always", "never"):
            self.api.trust[number] = body["trust_mode"]
            self.answer(204)
        elif body is not None:
            self.answer(400, {"error": "Invalid trust mode"})

    def on_receive(self, number):
        if self.api.mode == "json-rpc":
            self.on_socket()
            return
        if number not in self.api.accounts:
            self.answer(400, {"error": f"User {number} is not registered.\n"})
            return
        with self.api.lock:
            self.api.receives += 1
            self.api.receiving += 1
            self.api.lock.notify_all()
        with self.api.account:
            lines = self.receive()
        with self.api.lock:
            self.api.receiving -= 1
            self.api.given += [(lines, not self.is_alone())] if lines else []
            failure = self.api.failures.popleft() if lines and self.api.failures else None
        if failure is None:
            self.answer(200, ("[" + ",".join(lines) + "]").encode())
        else:
            self.answer(400, {"error": "\n".join([*lines, failure, ""])})

    def receive(self):
        """What one signal-cli prints, in all."""
        most = int(self.query.get("max_messages", 0)) if self.api.knows_max else 0
        seconds = int(self.query.get("timeout", 1)) * self.api.second
        lines = []
        with self.api.lock:
            while not most or len(lines) < most:
                patience = 60 if self.half and not lines else seconds
                if not self.api.lock.wait_for(lambda: self.api.waiting, timeout=patience):
                    break
                lines.append(self.api.waiting.popleft())
        return lines

    def is_alone(self):
        """Whether the client has left. Like the API, nobody asks before messages are taken away."""
        try:
            return self.connection.recv(1, MSG_PEEK | MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def on_socket(self):
        key = self.headers.get("Sec-WebSocket-Key")
        if not key or self.headers.get("Upgrade", "").lower() != "websocket":
            self.answer(400, b"Bad Request\n")
            return
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        socket = Socket(self.connection)
        with self.api.lock:
            self.api.sockets.append(socket)
        try:
            socket.serve(self.rfile)
        except OSError:
            pass
        finally:
            with self.api.lock:
                if socket in self.api.sockets:
                    self.api.sockets.remove(socket)

    def on_send(self):
        body = self.json_body()
        if body is None:
            return
        error = self.send_error_of(body)
        if error:
            self.answer(400, {"error": error})
            return
        with self.api.lock:
            self.api.sent.append(body)
            self.api.lock.notify_all()
        self.answer(201, {"timestamp": str(int(time.time() * 1000))})

    def send_error_of(self, body):
        if not body.get("recipients"):
            return "Couldn't process request - please provide at least one recipient"
        if body.get("number") not in self.api.accounts:
            return f"User {body.get('number')} is not registered.\n"
        for recipient in body["recipients"]:
            if recipient.startswith("group."):
                try:
                    internal = base64.b64decode(recipient[6:], validate=True)
                    if len(base64.b64decode(internal, validate=True)) != 32:
                        return "Invalid Signal group size"
                except ValueError:
                    return "Invalid identifier " + recipient
            elif not re.fullmatch(r"\+\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", recipient):
                return "Failed to send message: User does not exist"
        for attachment in body.get("base64_attachments", []):
            if not re.fullmatch(r"data:[^;,]+;filename=[^;,]+;base64,[A-Za-z0-9+/]*=*", attachment):
                return "illegal base64 data"
        return None

    def on_typing(self, number):
        body = self.json_body()
        if body is not None:
            self.api.typing.append((self.command, body.get("recipient")))
            self.answer(204)

    def on_attachment(self, name):
        if name in self.api.attachments:
            self.answer(200, self.api.attachments[name], {"Content-Type": "application/octet-stream"})
        else:
            self.answer(404, {"error": "No attachment with that name found"})
