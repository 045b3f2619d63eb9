"""Discord, as far as a bot knows it: the gateway (v10, JSON) and the HTTP API, on loopback.

It is as strict as Discord is: what Discord refuses is refused here, with its codes. Checked against
discord.js 14, which logs in, resumes, reads and answers here as there. What goes wrong there from time to
time is done on demand: `faults` for answers to messages, and the methods and fields of DiscordApi.
"""
import email.parser
import email.policy
import http.server
import itertools
import json
import re
import threading
import time

from websocket import Closed, WebSocket

TOKEN = "MTIzNDU2.GaBcDe.the-secret-of-the-bot_0123456789"
BOT, GUILD, CHANNEL, DIRECT = "100000000000000001", "200000000000000001", "300000000000000001", "300000000000000009"
ANN = "400000000000000001"
FORBIDDEN_CHANNEL = "300000000000000403"
INTENTS_KNOWN = 0x3fffff | 3 << 24
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1, 1 << 9, 1 << 12, 1 << 15
CONTENT_MAX, FILE_MAX, FRAME_MAX = 2000, 10 << 20, 4096


def user(id, name, bot=False):
    return {"id": id, "username": name, "global_name": name.title(), "discriminator": "0", "avatar": None,
            "bot": bot}


class Refused(Exception):
    def __init__(self, status, code, message, errors=None):
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "code": code}
        if errors:
            self.body["errors"] = errors


def invalid(field, message):
    return Refused(400, 50035, "Invalid Form Body",
                   {field: {"_errors": [{"code": "BASE_TYPE_BAD", "message": message}]}})


class Session:
    def __init__(self, id, intents):
        self.id, self.intents, self.sequence, self.events, self.connection = id, intents, 0, [], None

    def dispatch(self, name, data, pieces=1):
        """Counts it, keeps it for a RESUME, and says it if somebody listens."""
        self.sequence += 1
        text = json.dumps({"t": name, "s": self.sequence, "op": 0, "d": data})
        self.events.append((self.sequence, text))
        if self.connection:
            self.connection.send(text, pieces)


class DiscordApi:
    def __init__(self, token=TOKEN):
        self.token = token
        self.changed = threading.Condition()  # guards all that follows
        self.ids = itertools.count(500000000000000001)
        self.requests = []     # (method, path, headers)
        self.identifies = []   # (time, d)
        self.resumes = []      # (path, d)
        self.greeted = 0       # when HELLO was said
        self.heartbeats = []   # (time, d)
        self.closes = []       # codes with which the bot has closed connections
        self.paths = []        # of connections
        self.messages = []     # that were written by the bot
        self.typing = []       # channels
        self.sessions = {}
        self.nonces = {}
        self.channels = {CHANNEL, DIRECT}  # that there are
        self.violations = []   # what no bot may do
        # On demand.
        self.acknowledges = True
        self.heartbeat_interval = 41250
        self.gateway_faults = []   # answers to GET /gateway/bot: (status, body)
        self.identify_close = None  # (code, reason), for each IDENTIFY
        self.invalid_sessions = []  # op 9 with that, to an IDENTIFY or RESUME each
        self.identify_delays = []   # so many seconds an IDENTIFY each is on its way
        self.late_resumes = []      # an Event each: a RESUME is not answered before it
        self.hello = True
        self.resume_port = None    # that READY names; None: its own
        self.remaining, self.reset_after = 1000, 0
        self.granted = GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES | MESSAGE_CONTENT
        self.guild_bytes = 0       # of the GUILD_CREATE after READY; 0: a small one
        self.faults = []           # for requests to …/messages: functions of the handler, True: it has answered
        self.faulted = []          # those that have answered
        self.bucket = (1000, 1.0)  # messages of a channel, in so many seconds
        self.buckets = {}          # channel → (window's end, left)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}/api/v10"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.cut()
        self.server.shutdown()
        self.server.server_close()

    # What happens on Discord.

    def message(self, content, author=ANN, name="ann", bot=False, channel=CHANNEL, guild=GUILD, **fields):
        """Somebody writes. Its id."""
        with self.changed:
            id = str(next(self.ids))
            data = {"id": id, "channel_id": channel, "author": user(author, name, bot), "content": content,
                    "timestamp": "2026-01-01T00:00:00.000000+00:00", "edited_timestamp": None, "tts": False,
                    "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [],
                    "embeds": [], "pinned": False, "type": 0, "flags": 0, **fields}
            if guild:
                data["guild_id"] = guild
                data["member"] = {"nick": None, "roles": [], "joined_at": "2026-01-01T00:00:00+00:00",
                                  "deaf": False, "mute": False, "flags": 0}
            for session in self.sessions.values():
                if not session.intents & (GUILD_MESSAGES if guild else DIRECT_MESSAGES):
                    continue
                shown = dict(data)
                if guild and not session.intents & MESSAGE_CONTENT:
                    shown["content"], shown["attachments"] = "", []
                session.dispatch("MESSAGE_CREATE", shown)
            return id

    def dispatch(self, name, data, pieces=1):
        with self.changed:
            for session in self.sessions.values():
                session.dispatch(name, data, pieces)

    def say(self, payload):
        """To all who listen: any text, or anything as JSON."""
        for connection in self.connections():
            connection.send(payload if isinstance(payload, str) else json.dumps(payload))

    def connections(self):
        with self.changed:
            return [s.connection for s in self.sessions.values() if s.connection]

    def reconnect(self):
        self.say({"op": 7, "d": None})

    def close(self, code, reason=""):
        for connection in self.connections():
            connection.close(code, reason)

    def cut(self):
        for connection in self.connections():
            connection.cut()

    def forget_sessions(self):
        with self.changed:
            self.sessions.clear()

    # What tests wait for.

    def wait(self, what, probe, seconds=20):
        end = time.monotonic() + seconds
        with self.changed:
            while not probe():
                left = end - time.monotonic()
                assert left > 0, (f"Discord waited {seconds} s for {what}; messages: "
                                  f"{[m['content'][:40] for m in self.messages]}")
                self.changed.wait(min(left, 0.2))

    def wait_listening(self, sessions=1, seconds=20):
        self.wait("a session", lambda: sum(s.connection is not None for s in self.sessions.values()) >= sessions,
                  seconds)

    def wait_messages(self, count, seconds=20):
        """What the bot has written, when it is so much."""
        self.wait(f"{count} messages", lambda: len(self.messages) >= count, seconds)
        return list(self.messages)

    # The gateway.

    def _note(self, where, what):
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    def _guild(self):
        guild = {"id": GUILD, "name": "guild", "owner_id": ANN, "unavailable": False, "member_count": 2,
                 "large": False, "joined_at": "2026-01-01T00:00:00+00:00", "features": [], "emojis": [],
                 "stickers": [], "presences": [], "threads": [], "voice_states": [], "stage_instances": [],
                 "guild_scheduled_events": [], "soundboard_sounds": [],
                 "roles": [{"id": GUILD, "name": "@everyone", "permissions": str(1 << 10 | 1 << 11 | 1 << 16),
                            "position": 0, "color": 0, "hoist": False, "managed": False, "mentionable": False,
                            "flags": 0}],
                 "channels": [{"id": CHANNEL, "type": 0, "name": "general", "position": 0,
                               "permission_overwrites": []}],
                 "members": [{"user": user(BOT, "bot", True), "roles": [], "deaf": False, "mute": False,
                              "joined_at": "2026-01-01T00:00:00+00:00", "flags": 0}]}
        if self.guild_bytes:
            guild["description"] = "größer " * (self.guild_bytes // 17)  # as JSON: \u00f6, \u00df
        return guild

    def _begin(self, connection, data):
        """IDENTIFY."""
        if self.identify_close:
            connection.close(*self.identify_close)
        elif data.get("token") != self.token:
            connection.close(4004, "Authentication failed.")
        elif data["intents"] & ~INTENTS_KNOWN:
            connection.close(4013, "Invalid intent(s).")
        elif data["intents"] & ~self.granted:
            connection.close(4014, "Disallowed intent(s).")
        else:
            self.remaining -= 1
            session = Session(f"session-{len(self.identifies)}", data["intents"])
            session.connection = connection
            self.sessions[session.id] = session
            session.dispatch("READY", {
                "v": 10, "user": user(BOT, "robot", True), "guilds": [{"id": GUILD, "unavailable": True}],
                "session_id": session.id, "resume_gateway_url": f"ws://127.0.0.1:{self.resume_port or self.port}/resume",
                "application": {"id": BOT, "flags": 0}, "session_type": "normal", "private_channels": []})
            if session.intents & GUILDS:
                session.dispatch("GUILD_CREATE", self._guild(), pieces=3)
            return session
        return None

    def _resume(self, connection, data):
        session = self.sessions.get(data["session_id"])
        if data.get("token") != self.token:
            connection.close(4004, "Authentication failed.")
        elif not session:
            connection.send(json.dumps({"op": 9, "d": False}))
        elif data["seq"] > session.sequence:
            connection.close(4007, "Invalid seq.")
        else:
            for sequence, text in session.events:
                if sequence > data["seq"]:
                    connection.send(text)
            session.connection = connection
            session.dispatch("RESUMED", {})
            session.events.pop()  # it is said to this connection only
            return session
        return None

    def _resume_late(self, connection, data, answered):
        """RESUME, for which there is a long time nothing but the connection; then all that was missed, and its end."""
        with self.changed:
            self.resumes.append((self.paths[-1], data))
            missed = [text for sequence, text in self.sessions[data["session_id"]].events if sequence > data["seq"]]
            self.changed.notify_all()
        answered.wait()
        for text in missed:
            connection.send(text)
        connection.close(4009, "Session timed out.")

    def _serve_gateway(self, handler):
        connection, session = WebSocket(handler), None
        with self.changed:
            self.paths.append(handler.path)
            hello = self.hello
        if hello:
            self.greeted = time.monotonic()
            connection.send(json.dumps({"op": 10, "s": None, "t": None,
                                        "d": {"heartbeat_interval": self.heartbeat_interval}}))
        try:
            while True:
                text = connection.receive()
                if len(text) > FRAME_MAX:
                    connection.close(4002, "Error while decoding payload.")
                    continue
                payload = json.loads(text)
                if payload["op"] == 2 and self.identify_delays:
                    time.sleep(self.identify_delays.pop(0))  # it is what a slow network does
                if payload["op"] == 6 and self.late_resumes:
                    self._resume_late(connection, payload["d"], self.late_resumes.pop(0))
                    continue
                with self.changed:
                    session = self._hear(connection, session, payload["op"], payload.get("d"))
                    self.changed.notify_all()
        except Closed as closed:
            with self.changed:
                self.closes.append(closed.code)
                if session and session.connection is connection:
                    session.connection = None
                    if closed.code in (1000, 1001) and not connection.closed_first:
                        self.sessions.pop(session.id, None)
                self.changed.notify_all()

    def _hear(self, connection, session, op, data):
        if op == 1:
            self.heartbeats.append((time.monotonic(), data))
            if data is not None and session and data > session.sequence:
                connection.close(4007, "Invalid seq.")
            elif self.acknowledges:
                connection.send(json.dumps({"op": 11}))
        elif op in (2, 6):
            if session:
                connection.close(4005, "Already authenticated.")
                return session
            now = time.monotonic()
            if op == 2 and self.identifies and now - self.identifies[-1][0] < 5:
                self.violations.append("two IDENTIFYs within five seconds")
            if op == 2:
                self.identifies.append((now, data))
            else:
                self.resumes.append((self.paths[-1], data))
            if self.invalid_sessions:
                connection.send(json.dumps({"op": 9, "d": self.invalid_sessions.pop(0)}))
                return None
            return self._begin(connection, data) if op == 2 else self._resume(connection, data)
        elif not session:
            connection.close(4003, "Not authenticated.")
        elif op not in (3, 4, 8):
            connection.close(4001, "Unknown opcode.")
        return session

    # The HTTP API.

    def _limit(self, channel):
        """Takes one from the channel's bucket: (headers, how long to wait or None)."""
        limit, seconds = self.bucket
        now = time.monotonic()
        end, left = self.buckets.get(channel, (0, 0))
        if end <= now:
            end, left = now + seconds, limit
        self.buckets[channel] = (end, left - 1 if left else 0)
        headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": max(left - 1, 0),
                   "X-RateLimit-Reset": f"{time.time() + end - now:.3f}",
                   "X-RateLimit-Reset-After": f"{end - now:.3f}", "X-RateLimit-Bucket": f"messages-{limit}"}
        return headers, None if left else end - now

    def _create(self, channel, body, files):
        """POST /channels/{id}/messages: the message."""
        if not isinstance(body, dict):
            raise Refused(400, 50109, "The request body contains invalid JSON.")
        content, embeds = body.get("content") or "", body.get("embeds") or []
        if len(content) > CONTENT_MAX:
            raise invalid("content", "Must be 2000 or fewer in length.")
        if len(embeds) > 10 or len(files) > 10:
            raise invalid("embeds", "Must be 10 or fewer in length.")
        for embed in embeds:
            if not re.match(r"https?://", embed.get("image", {}).get("url", "http://")):
                raise invalid("embeds", "Scheme must be one of ('http', 'https').")
        if not content.strip() and not embeds and not files:
            raise Refused(400, 50006, "Cannot send an empty message")
        if sum(len(file["data"]) for file in files) > FILE_MAX:
            raise Refused(413, 40005, "Request entity too large")
        if len(str(body.get("nonce", ""))) > 25:
            raise invalid("nonce", "Must be 25 or fewer in length.")
        reference = body.get("message_reference")
        if reference and not reference.get("message_id", "").isdigit():
            raise invalid("message_reference", "Value is not snowflake.")
        if body.get("enforce_nonce") and body.get("nonce") in self.nonces:
            return self.nonces[body["nonce"]]
        message = {"id": str(next(self.ids)), "channel_id": channel, "author": user(BOT, "robot", True),
                   "content": content.strip(), "embeds": embeds, "attachments": [
                       {"id": str(i), "filename": file["name"], "size": len(file["data"]),
                        "content_type": file["type"], "url": "https://cdn.example/x"}
                       for i, file in enumerate(files)],
                   "timestamp": "2026-01-01T00:00:00.000000+00:00", "edited_timestamp": None, "tts": False,
                   "mention_everyone": False, "mentions": [], "mention_roles": [], "pinned": False,
                   "type": 19 if reference else 0, "flags": 0, "nonce": body.get("nonce")}
        if reference:
            message["message_reference"] = {"message_id": reference["message_id"], "channel_id": channel}
        self.messages.append({**message, "asked": body, "files": files, "time": time.monotonic()})
        if body.get("enforce_nonce"):
            self.nonces[body["nonce"]] = message
        for session in self.sessions.values():  # its author hears of it, too
            session.dispatch("MESSAGE_CREATE", {**message, "guild_id": GUILD})
        return message

    def _handler(api):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            wbufsize = 1 << 16  # head and body go together
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def answer(self, status, body=None, headers=None):
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, str(value))
                if status != 204:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            def answer_429(self, seconds, headers=None, is_global=False):
                more = {"Retry-After": max(1, round(seconds)), "X-RateLimit-Scope": "global" if is_global else "user"}
                if is_global:
                    more["X-RateLimit-Global"] = "true"
                self.answer(429, {"message": "You are being rate limited.", "retry_after": seconds,
                                  "global": is_global}, {**(headers or {}), **more})

            def body(self):
                size = self.headers["Content-Length"]
                if size is None:
                    raise Refused(411, 0, "Length Required")
                return self.rfile.read(int(size))

            def form(self, data):
                """What is in the body: the JSON, and files."""
                kind = self.headers["Content-Type"] or ""
                try:
                    if kind.startswith("application/json"):
                        return json.loads(data), []
                    if kind.startswith("multipart/form-data"):
                        head = f"Content-Type: {kind}\r\n\r\n".encode()
                        parser = email.parser.BytesParser(policy=email.policy.HTTP)
                        fields, files = None, []
                        for part in parser.parsebytes(head + data).iter_parts():
                            name = part.get_param("name", header="content-disposition")
                            if name == "payload_json":
                                fields = json.loads(part.get_payload(decode=True))
                            elif re.fullmatch(r"files\[\d+\]", name):
                                files.append({"name": part.get_filename(), "type": part.get_content_type(),
                                              "data": part.get_payload(decode=True)})
                        return fields, files
                except ValueError as error:
                    raise Refused(400, 50109, "The request body contains invalid JSON.") from error
                raise Refused(400, 50035, "Unsupported Content-Type")

            def do_GET(self):
                if self.headers.get("Upgrade"):
                    self.close_connection = True
                    if "v=10" not in self.path or "encoding=json" not in self.path:
                        api._note(api.violations, f"a gateway at {self.path}")
                    api._serve_gateway(self)
                    return
                self.serve()

            def do_POST(self):
                self.serve()

            def serve(self):
                data = b""
                try:
                    if self.command == "POST":
                        data = self.body()
                    api._note(api.requests, (self.command, self.path, dict(self.headers)))
                    if self.headers["Authorization"] != f"Bot {api.token}":
                        raise Refused(401, 0, "401: Unauthorized")
                    if not (self.headers["User-Agent"] or "").startswith("DiscordBot ("):
                        raise Refused(403, 40333, "internal network error")  # as its proxies answer
                    self.route(data)
                except Refused as refused:
                    self.answer(refused.status, refused.body)

            def route(self, data):
                what = (self.command, self.path.removeprefix("/api/v10"))
                channel = re.fullmatch(r"/channels/(\d+)/(messages|typing)", what[1])
                if what == ("GET", "/gateway/bot"):
                    self.gateway()
                elif what[0] == "POST" and channel:
                    if channel.group(1) == FORBIDDEN_CHANNEL:
                        raise Refused(403, 50001, "Missing Access")
                    if channel.group(1) not in api.channels:
                        raise Refused(404, 10003, "Unknown Channel")
                    if channel.group(2) == "typing":
                        api._note(api.typing, channel.group(1))
                        self.answer(204)
                    else:
                        self.message(channel.group(1), data)
                else:
                    raise Refused(404, 0, "404: Not Found")

            def gateway(self):
                with api.changed:
                    fault = api.gateway_faults.pop(0) if api.gateway_faults else None
                if fault:
                    self.answer(*fault)
                    return
                self.answer(200, {"url": f"ws://127.0.0.1:{api.port}/gateway", "shards": 1,
                                  "session_start_limit": {"total": 1000, "remaining": api.remaining,
                                                          "reset_after": api.reset_after,
                                                          "max_concurrency": 1}})

            def message(self, channel, data):
                with api.changed:
                    fault = api.faults.pop(0) if api.faults else None
                if fault and fault(self):
                    api._note(api.faulted, fault)
                    return
                fields, files = self.form(data)
                with api.changed:
                    headers, wait = api._limit(channel)
                    if wait is None:
                        created = api._create(channel, fields, files)
                        api.changed.notify_all()
                    else:
                        api.violations.append(f"a message before the rate limit's {wait:.3f} s")
                if getattr(self, "cut_answer", False):
                    self.cut()
                elif getattr(self, "answer_502", False):
                    self.answer_502 = False  # the connection goes on
                    self.answer(502, {"message": "502: Bad Gateway", "code": 0})
                elif wait is not None:
                    self.answer_429(wait, headers)
                else:
                    self.answer(200, created, headers)

            def cut(self):
                self.close_connection = True
                self.connection.shutdown(2)

        return Handler


# Faults.

def answer(status, code=0, message="", headers=None):
    def fault(handler):
        handler.answer(status, {"message": message, "code": code}, headers)
        return True
    return fault


def too_many(seconds, is_global=False):
    def fault(handler):
        handler.answer_429(seconds, is_global=is_global)
        return True
    return fault


def cut(handler):
    """The connection ends, and nothing has been written."""
    handler.cut()
    return True


def cut_answer(handler):
    """The message is written, and the answer gets lost."""
    handler.cut_answer = True
    return False


def done_but_502(handler):
    """The message is written, and the answer says that it is not."""
    handler.answer_502 = True
    return False


def garbage(handler):
    handler.close_connection = True
    handler.connection.sendall(b"\x00\x01garbage\r\n\r\n")
    return True


def html(handler):
    """As the proxies before Discord's servers do in an outage."""
    handler.close_connection = True
    handler.connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n"
                               b"<html></html>")
    return True


def banned(seconds):
    """A 429 of the proxies, who are tired of all that comes from there: no JSON."""
    def fault(handler):
        handler.send_response(429)
        handler.send_header("Retry-After", str(seconds))
        handler.send_header("Content-Length", "16")
        handler.end_headers()
        handler.wfile.write(b"error code: 1015")
        handler.wfile.flush()
        return True
    return fault


def slow(seconds):
    """Answered, but late."""
    def fault(_):
        time.sleep(seconds)  # it is what a slow server does
        return False
    return fault
