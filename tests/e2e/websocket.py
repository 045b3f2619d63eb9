"""A WebSocket, on the side of the server (RFC 6455), over a socket that has asked for it by HTTP.

Written out, so that tests can also do what no library would: cut frames, and send what is none.
"""
import base64
import hashlib
import struct
import threading

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def accept_key(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


class Closed(Exception):
    """The peer has closed it, or has gone (1006)."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    """`receive` is for one thread, the others for any."""

    def __init__(self, handler):
        """Answers the upgrade of an http.server handler."""
        self.socket, self.file = handler.connection, handler.rfile
        self.lock, self.closed, self.closed_first = threading.Lock(), False, False
        key = handler.headers["Sec-WebSocket-Key"]
        assert handler.headers["Upgrade"].lower() == "websocket"
        assert handler.headers["Sec-WebSocket-Version"] == "13"
        assert len(base64.b64decode(key)) == 16
        self.socket.sendall((
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n").encode())

    def send_bytes(self, data):
        with self.lock:
            try:
                self.socket.sendall(data)
            except OSError:
                self.closed = True

    def send_frame(self, opcode, data, final=True):
        head = bytes([opcode | (0x80 if final else 0)])
        if len(data) < 126:
            head += bytes([len(data)])
        elif len(data) < 1 << 16:
            head += struct.pack("!BH", 126, len(data))
        else:
            head += struct.pack("!BQ", 127, len(data))
        self.send_bytes(head + data)

    def send(self, text, pieces=1):
        """A message, in so many frames."""
        data = text.encode()
        size = -(-len(data) // pieces) or 1
        for i in range(0, max(len(data), 1), size):
            self.send_frame(TEXT if i == 0 else 0, data[i:i + size], final=i + size >= len(data))

    def close(self, code=1000, reason=""):
        self.send_frame(CLOSE, struct.pack("!H", code) + reason.encode())
        self.closed = self.closed_first = True

    def cut(self):
        """Ends the connection without a word."""
        self.closed = True
        try:
            self.socket.shutdown(2)
        except OSError:
            pass

    def _read(self, size):
        try:
            data = self.file.read(size)
        except OSError as error:
            raise Closed(1006, str(error)) from error
        if len(data) < size:
            raise Closed(1006, "gone")
        return data

    def receive(self):
        """The next message. A client's frames must be masked."""
        message = b""
        while True:
            first, second = self._read(2)
            size = second & 0x7f
            if size == 126:
                size, = struct.unpack("!H", self._read(2))
            elif size == 127:
                size, = struct.unpack("!Q", self._read(8))
            if not second & 0x80:
                self.close(1002, "not masked")
                raise Closed(1002, "not masked")
            mask = self._read(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self._read(size)))
            opcode = first & 0x0f
            if opcode == PING:
                self.send_frame(PONG, data)
            elif opcode == CLOSE:
                code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
                if not self.closed:
                    self.send_frame(CLOSE, data[:2])
                self.closed = True
                raise Closed(code, data[2:].decode())
            elif opcode != PONG:
                message += data
                if first & 0x80:
                    return message.decode()
