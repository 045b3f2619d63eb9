"""A Telegram of its own, for tests: a server on loopback that behaves as the Bot API does.

It keeps the rules that matter to a bot: an offset confirms what is before it; of two pollers the first is told
409, and so is one while a webhook is set; a webhook is called again until it says 200, with the secret in its
header; texts have a length, counted in UTF-16 units, and markup that must parse; a token that is wrong is 401,
one that is none is 404. Besides, it fails on demand: `fail`, `drop`, `cut`, `garbage`, `hold`.

    with TelegramApi() as api:
        api.say("hello")            a message of Ann's, in her chat
        api.wait_sent()             what the bot sent
"""
import html
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"
ANN = {"id": 7, "is_bot": False, "first_name": "Ann", "username": "ann"}
TOO_BIG = 20 << 20  # of a file that a bot may fetch


class Refused(Exception):
    """What a method answers if it does not do it."""

    def __init__(self, code, description, **parameters):
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def bad(what):
    return Refused(400, f"Bad Request: {what}")


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


# Markup. Each gives the text without it, or refuses.

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "code", "pre",
        "blockquote", "tg-emoji"}


def parse_html(text):
    plain, open_tags, at = [], [], 0
    while at < len(text):
        if text[at] != "<":
            plain.append(text[at])
            at += 1
            continue
        offset = len(text[:at].encode())
        tag = re.compile(r"""</?([a-zA-Z-]*)((?:\s+[\w-]+(?:=(?:"[^"]*"|'[^']*'|[^\s>"']+))?)*)\s*>""").match(text, at)
        if not tag:
            name = re.match(r"</?([^\s>]*)", text[at:]).group(1)
            raise bad(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {offset}')
        name = tag.group(1).lower()
        if text.startswith("</", at):
            if not open_tags:
                raise bad(f"can't parse entities: Unexpected end tag at byte offset {offset}")
            if open_tags.pop() != name:
                raise bad(f"can't parse entities: Unmatched end tag at byte offset {offset}")
        else:
            if name not in TAGS:
                raise bad(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {offset}')
            open_tags.append(name)
        at = tag.end()
    if open_tags:
        raise bad(f'can\'t parse entities: Can\'t find end tag corresponding to start tag "{open_tags[-1]}"')
    return html.unescape("".join(plain))


def parse_markdown_v2(text):
    plain, stack, at = [], [], 0
    while at < len(text):
        in_code = bool(stack) and stack[-1] in ("`", "```")
        if text[at] == "\\" and at + 1 < len(text):
            plain.append(text[at + 1])
            at += 2
            continue
        token = next((t for t in ("```", "||", "__", "*", "_", "~", "`") if text.startswith(t, at)), None)
        if token and in_code and token != stack[-1]:
            token = None
        if token:
            if stack and stack[-1] == token:
                stack.pop()
            else:
                stack.append(token)
            at += len(token)
            continue
        link = re.compile(r"\[([^\]]*)\]\(([^)]*)\)").match(text, at)
        if link and not in_code:
            plain.append(parse_markdown_v2(link.group(1)))
            at = link.end()
            continue
        if text[at] in "_*[]()~`>#+-=|{}.!" and not in_code:
            raise bad(f"can't parse entities: Character '{text[at]}' is reserved and must be escaped "
                      "with the preceding '\\'")
        plain.append(text[at])
        at += 1
    if stack:
        raise bad(f"can't parse entities: Can't find end of the entity starting with {stack[-1]}")
    return "".join(plain)


def parse_markdown(text):
    plain, at = [], 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1:at + 2] in tuple("_*`["):
            plain.append(text[at + 1])
            at += 2
            continue
        token = next((t for t in ("```", "`", "*", "_") if text.startswith(t, at)), None)
        if not token:
            plain.append(text[at])
            at += 1
            continue
        end = text.find(token, at + len(token))
        if end < 0:
            raise bad("can't parse entities: Can't find end of the entity starting at byte offset "
                      f"{len(text[:at].encode())}")
        plain.append(text[at + len(token):end])
        at = end + len(token)
    return "".join(plain)


PARSERS = {"html": parse_html, "markdownv2": parse_markdown_v2, "markdown": parse_markdown}


def read_multipart(content_type, body):
    """The fields of a form, and its files: (name, type, bytes) by field."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        if part.get_filename() is None:
            fields[name] = data.decode()
        else:
            files[name] = (part.get_filename(), part.get_content_type(), data)
    return fields, files


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        """Bots go as they like: a connection that is closed is no error."""


class Poller:
    def __init__(self):
        self.ended = False


class TelegramApi:
    def __init__(self, token=TOKEN, webhook_retry=0.05):
        self.token, self.webhook_retry = token, webhook_retry
        self.lock = threading.Condition()
        self.me = {"id": int(token.split(":")[0]), "is_bot": True, "first_name": "Bot", "username": "test_bot"}
        self.calls, self.sent, self.deliveries = [], [], []
        self.pending, self.confirmed = [], []  # updates, ids
        self.next_update, self.next_message = 1000, 1
        self.messages = {}  # of each chat that there is, by id
        self.blocked, self.moved = set(), {}
        self.topics = set()  # (chat, thread)
        self.files = {}  # path and bytes by file_id
        self.faults = {}  # by method, in order
        self.webhook, self.poller, self.closed = None, None, False
        self.server = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"api": self}))
        self.port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"
        for run in (self.server.serve_forever, self._deliver):
            threading.Thread(target=run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.lock:
            self.closed = True
            self.lock.notify_all()
        self.server.shutdown()
        self.server.server_close()

    # What tests do.

    def say(self, text=None, user=ANN, chat=None, edited=False, **fields):
        """A message to the bot; its update."""
        with self.lock:
            chat = chat or {"id": user["id"], "type": "private", "first_name": user["first_name"]}
            message = {"message_id": self.next_message, "date": int(time.time()), "chat": chat, "from": user,
                       **({"text": text} if text is not None else {}), **fields}
            self.next_message += 1
            self.messages.setdefault(chat["id"], {})[message["message_id"]] = message
            update = {"update_id": self.next_update, "edited_message" if edited else "message": message}
            self.next_update += 1
            self.pending.append(update)
            self.lock.notify_all()
            return update

    def add_file(self, data, path="documents/file_1.txt"):
        file_id = f"file{len(self.files)}"
        self.files[file_id] = (path, data)
        return file_id

    def fail(self, method, code=500, description="Internal Server Error", times=1, **parameters):
        """The next calls of the method are refused so. "file" is the method of fetching a file."""
        self._fault(method, Refused(code, description, **parameters), times)

    def drop(self, method, times=1):
        """The connection is closed without a word."""
        self._fault(method, "drop", times)

    def cut(self, method, times=1):
        """It is closed in the middle of the answer. What was asked for is done."""
        self._fault(method, "cut", times)

    def garbage(self, method, body=b"<html>it works</html>", status=200, times=1):
        self._fault(method, (status, body), times)

    def hold(self, method):
        """The next call waits until the event that is returned is set."""
        event = threading.Event()
        self._fault(method, event, 1)
        return event

    def _fault(self, method, fault, times):
        with self.lock:
            self.faults.setdefault(method, []).extend([fault] * times)

    def wait(self, what, probe, seconds=20):
        with self.lock:
            assert self.lock.wait_for(probe, seconds), \
                f"waited {seconds} s for {what}\nsent: {self.sent}\ncalls: {[c[:2] for c in self.calls]}"
            return probe()

    def wait_sent(self, count=1, seconds=20):
        """The first so many messages that were sent."""
        return self.wait(f"{count} messages", lambda: len(self.sent) >= count and list(self.sent), seconds)

    def wait_confirmed(self, *updates, seconds=20):
        ids = {update["update_id"] for update in updates}
        self.wait(f"{ids} to be confirmed", lambda: ids <= set(self.confirmed), seconds)

    def wait_call(self, method, count=1, seconds=20):
        """The parameters of the first so many calls of a method."""
        def probe():
            calls = [parameters for name, parameters, _ in self.calls if name == method]
            return len(calls) >= count and calls
        return self.wait(f"{count} calls of {method}", probe, seconds)

    def count(self, method):
        with self.lock:
            return sum(name == method for name, _, _ in self.calls)

    # What bots do. Each is called without the lock.

    def getMe(self, _):
        return {**self.me, "can_join_groups": True, "can_read_all_group_messages": False,
                "supports_inline_queries": False}

    def deleteWebhook(self, parameters):
        with self.lock:
            self.webhook = None
            if parameters.get("drop_pending_updates"):
                self._confirm(lambda _: True)
            self.lock.notify_all()
        return True

    def setWebhook(self, parameters):
        url, secret = parameters.get("url", ""), parameters.get("secret_token")
        if not url:
            return self.deleteWebhook(parameters)
        if not re.match(r"https://|http://127\.0\.0\.1[:/]", url):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if secret is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains illegal characters")
        with self.lock:
            self.webhook = {"url": url, "secret": secret, "allowed": parameters.get("allowed_updates")}
            if self.poller:
                self.poller.ended = True
            self.lock.notify_all()
        return True

    def getWebhookInfo(self, _):
        with self.lock:
            return {"url": self.webhook["url"] if self.webhook else "", "has_custom_certificate": False,
                    "pending_update_count": len(self.pending)}

    def _confirm(self, which):
        self.confirmed += [u["update_id"] for u in self.pending if which(u)]
        self.pending = [u for u in self.pending if not which(u)]

    def getUpdates(self, parameters):
        offset, limit = int(parameters.get("offset") or 0), int(parameters.get("limit") or 100)
        allowed = parameters.get("allowed_updates")
        mine = Poller()
        with self.lock:
            if self.webhook:
                raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; "
                                   "use deleteWebhook to delete the webhook first")
            if self.poller:
                self.poller.ended = True
            self.poller = mine
            self.lock.notify_all()
            if offset < 0:
                keep = {u["update_id"] for u in self.pending[offset:]}
                self._confirm(lambda u: u["update_id"] not in keep)
            else:
                self._confirm(lambda u: u["update_id"] < offset)
            self.lock.notify_all()
            if allowed:
                self.pending = [u for u in self.pending if set(u) & set(allowed)]
            self.lock.wait_for(lambda: self.pending or mine.ended or self.closed,
                               min(float(parameters.get("timeout") or 0), 50))
            if mine.ended:
                raise Refused(409, "Conflict: terminated by other getUpdates request; "
                                   "make sure that only one bot instance is running")
            self.poller = None
            return self.pending[:min(limit, 100)]

    def getFile(self, parameters):
        if parameters.get("file_id") not in self.files:
            raise bad("wrong file_id or the file is temporarily unavailable")
        path, data = self.files[parameters["file_id"]]
        if len(data) > TOO_BIG:
            raise bad("file is too big")
        return {"file_id": parameters["file_id"], "file_unique_id": "u" + parameters["file_id"],
                "file_size": len(data), "file_path": path}

    def _chat(self, parameters):
        """The chat that is written to; whether it may be."""
        chat_id = parameters.get("chat_id")
        if chat_id in (None, ""):
            raise bad("chat_id is empty")
        chat_id = int(chat_id)
        if chat_id in self.moved:
            raise Refused(400, "Bad Request: group chat was upgraded to a supergroup chat",
                          migrate_to_chat_id=self.moved[chat_id])
        if chat_id in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat_id not in self.messages:
            raise bad("chat not found")
        if parameters.get("message_thread_id") and (chat_id, int(parameters["message_thread_id"])) not in self.topics:
            raise bad("message thread not found")
        return chat_id

    def _check_reply(self, chat_id, parameters):
        reply = parameters.get("reply_parameters") or {}
        if isinstance(reply, str):
            reply = json.loads(reply)
        message_id = reply.get("message_id", parameters.get("reply_to_message_id"))
        lenient = reply.get("allow_sending_without_reply", parameters.get("allow_sending_without_reply"))
        if message_id is not None and int(message_id) not in self.messages[chat_id] and not lenient:
            raise bad("message to be replied not found")
        return int(message_id) if message_id is not None else None

    def _parse(self, text, parameters, most):
        mode = parameters.get("parse_mode")
        if mode:
            if mode.lower() not in PARSERS:
                raise bad("unsupported parse_mode")
            text = PARSERS[mode.lower()](text)
        if utf16(text) > most:
            raise bad("message is too long")
        return text.strip()

    def _add(self, method, chat_id, parameters, **fields):
        with self.lock:
            message = {"message_id": self.next_message, "date": int(time.time()), "from": self.me,
                       "chat": {"id": chat_id, "type": "private" if chat_id > 0 else "group"}}
            self.next_message += 1
            self.messages[chat_id][message["message_id"]] = message
            self.sent.append({"method": method, "chat_id": chat_id, "time": time.monotonic(),
                              "reply_to": self._check_reply(chat_id, parameters),
                              "thread": int(parameters.get("message_thread_id") or 0),
                              "parse_mode": parameters.get("parse_mode"), **fields})
            self.lock.notify_all()
        return message

    def sendMessage(self, parameters):
        chat_id = self._chat(parameters)
        self._check_reply(chat_id, parameters)
        raw = parameters.get("text") or ""
        text = self._parse(raw, parameters, 4096)
        if not text:
            raise bad("message text is empty")
        return {**self._add("sendMessage", chat_id, parameters, text=text, raw=raw), "text": text}

    def _send_file(self, field, parameters):
        method = "send" + field.capitalize()
        chat_id = self._chat(parameters)
        self._check_reply(chat_id, parameters)
        given = parameters.get(field)
        if isinstance(given, tuple):
            name, mime_type, data = given
            if not data:
                raise bad("file must be non-empty")
            if field == "photo" and not data.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"BM")):
                raise bad("IMAGE_PROCESS_FAILED")
            return self._add(method, chat_id, parameters, name=name, mime_type=mime_type, data=data)
        if not given:
            raise bad(f"there is no {field} in the request")
        if not re.match(r"https?://[^/]+", given) or "broken" in given:
            raise bad("wrong file identifier/HTTP URL specified")
        return self._add(method, chat_id, parameters, url=given)

    def sendPhoto(self, parameters):
        return self._send_file("photo", parameters)

    def sendDocument(self, parameters):
        return self._send_file("document", parameters)

    def sendAudio(self, parameters):
        return self._send_file("audio", parameters)

    def sendVideo(self, parameters):
        return self._send_file("video", parameters)

    def sendVoice(self, parameters):
        return self._send_file("voice", parameters)

    def sendAnimation(self, parameters):
        return self._send_file("animation", parameters)

    def sendChatAction(self, parameters):
        self._chat(parameters)
        if parameters.get("action") not in ("typing", "upload_photo", "upload_document"):
            raise bad("wrong parameter action in request")
        return True

    # The webhook: one update after the other, each until it is answered with 200.

    def _deliver(self):
        while True:
            with self.lock:
                self.lock.wait_for(lambda: self.closed or (self.webhook and self.pending))
                if self.closed:
                    return
                webhook, update = dict(self.webhook), self.pending[0]
                if webhook["allowed"] and not set(update) & set(webhook["allowed"]):
                    self.pending.pop(0)
                    continue
            status = self.deliver(update, webhook)
            with self.lock:
                self.deliveries.append((update["update_id"], status))
                if status == 200:
                    self._confirm(lambda u: u["update_id"] == update["update_id"])
                else:
                    self.lock.wait_for(lambda: self.closed, self.webhook_retry)
                self.lock.notify_all()

    def deliver(self, update, webhook=None, secret=None):
        """Brings an update to the webhook once; the status of the answer, 0 if there is none."""
        webhook = webhook or self.webhook
        secret = secret if secret is not None else webhook["secret"]
        body = update if isinstance(update, bytes) else json.dumps(update).encode()
        request = urllib.request.Request(webhook["url"], body, {
            "Content-Type": "application/json", **({"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {})})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


class Handler(BaseHTTPRequestHandler):
    """Requests: /bot<TOKEN>/<method>, /file/bot<TOKEN>/<path>."""
    api = None
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body go together, and at once, as with the real one
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body, cut=False):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def refuse(self, refused):
        self.answer(refused.code, {"ok": False, "error_code": refused.code, "description": refused.description,
                                   **({"parameters": refused.parameters} if refused.parameters else {})})

    def parameters(self, query):
        values = {k: v[-1] for k, v in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while (size := int(self.rfile.readline(), 16)):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        content_type = self.headers.get("Content-Type") or ""
        if content_type.startswith("application/json") and body:
            values.update(json.loads(body))
        elif content_type.startswith("multipart/form-data"):
            fields, files = read_multipart(content_type, body)
            values.update(fields)
            # As in "attach://photo", which names another part.
            values.update({k: files[v[9:]] for k, v in fields.items() if v.startswith("attach://")})
            values.update(files)
        elif body:
            values.update({k: v[-1] for k, v in urllib.parse.parse_qs(body.decode()).items()})
        return values

    def fault(self, method):
        with self.api.lock:
            faults = self.api.faults.get(method)
            fault = faults.pop(0) if faults else None
        if isinstance(fault, threading.Event):
            fault.wait(60)
            return None
        return fault

    def do(self, method, run):
        """Runs a method, unless it is to fail."""
        fault = self.fault(method)
        if fault == "drop":
            self.close_connection = True
        elif isinstance(fault, tuple):
            self.answer(*fault)
        elif isinstance(fault, Refused):
            self.refuse(fault)
        else:
            try:
                self.answer(200, run(), fault == "cut")
            except Refused as refused:
                self.refuse(refused)
            except ValueError as error:
                self.refuse(bad(f"wrong parameter: {error}"))

    def do_POST(self):
        path, _, query = self.path.partition("?")
        parameters = self.parameters(query)
        found = re.fullmatch(r"(/file)?/bot([^/]*)/(.+)", path)
        if not found or not re.fullmatch(r"\d+:[A-Za-z0-9_-]{10,}", found.group(2)):
            self.refuse(Refused(404, "Not Found"))
        elif found.group(2) != self.api.token:
            self.refuse(Refused(401, "Unauthorized"))
        elif found.group(1):
            self.do("file", lambda: self.file(urllib.parse.unquote(found.group(3))))
        else:
            method = found.group(3)
            run = getattr(self.api, method, None) if re.match(r"(get|set|delete|send)[A-Z]", method) else None
            with self.api.lock:
                self.api.calls.append((method, parameters, time.monotonic()))
                self.api.lock.notify_all()
            if run:
                self.do(method, lambda: {"ok": True, "result": run(parameters)})
            else:
                self.refuse(Refused(404, "Not Found: method not found"))

    do_GET = do_POST

    def file(self, path):
        for known, data in self.api.files.values():
            if known == path:
                return data
        raise Refused(404, "Not Found")
