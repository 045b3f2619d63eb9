"""What stands before a platform of the tests, at one address: lets through, or answers as networks, proxies and platforms
in trouble do. TROUBLES names the ways."""
import json
import socket
import threading


def http(status, body, kind="application/json", *more):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} Status", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more,
            "Connection: close", "", ""]
    return "\r\n".join(head).encode() + body


def busy(seconds):
    """429, as each of the platforms says it."""
    what = f"Too Many Requests: retry after {seconds}"
    return http(429, {"ok": False, "error_code": 429, "description": what, "parameters": {"retry_after": seconds},
                      "message": what, "retry_after": seconds, "global": False, "error": what},
                "application/json", f"Retry-After: {seconds}")


HTML = b"<html><body>We are down for maintenance</body></html>"
# What is said to whoever connects, whatever they ask. DOWN: nobody listens. SLOW: nothing is said.
DOWN, SLOW_ONE = "down", "slow"
TROUBLES = {
    "down": DOWN,
    "hangs up": b"",
    "busy": busy(1),
    "html": http(200, HTML, "text/html"),
    "nothing": http(200, b""),
    "another shape": http(200, [1, {"ok": [], "result": None}, "url"]),
    "other types": http(200, {"ok": True, "result": {"id": "x", "username": [7]}, "url": 5, "mode": {}, "error": 5}),
    "502": http(502, HTML, "text/html"),
    "500": http(500, {"ok": False, "error_code": 500, "description": "Internal Server Error", "message": "no",
                      "error": "no"}),
    "no HTTP": b"\x00\x16\xff 220 mail.example.org ESMTP\r\n\r\n",
}


class Front:
    def __init__(self, port):
        self.target, self.way, self.lock = port, None, threading.Lock()
        self.sockets, self.asked = set(), 0
        self.listener = self._bind(0)
        self.port = self.listener.getsockname()[1]
        self.be(None)

    def _bind(self, port):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        return listener

    def be(self, way):
        """None: lets through. What was connected is cut."""
        with self.lock:
            self.way = way
            self._close()
            self.listener = self._bind(self.port)  # so that nobody else gets it
            if way != DOWN:
                self.listener.listen(100)
                threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        with self.lock:
            self._close()

    def _close(self):
        for one in (self.listener, *self.sockets):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
        self.sockets.clear()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.asked += 1
                self.sockets.add(client)
                way = self.way
            threading.Thread(target=self._serve, args=(client, way), daemon=True).start()

    def _serve(self, client, way):
        try:
            if way is None:
                self._forward(client)
            elif way != SLOW_ONE:
                client.settimeout(10)
                client.recv(1 << 16)
                client.sendall(way)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
            else:
                while client.recv(1 << 16):
                    pass
        except OSError:
            pass
        finally:
            with self.lock:
                self.sockets.discard(client)
            client.close()

    def _forward(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        with self.lock:
            self.sockets.add(server)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join()
        with self.lock:
            self.sockets.discard(server)
        server.close()

    @staticmethod
    def _copy(source, to):
        try:
            while data := source.recv(1 << 16):
                to.sendall(data)
        except OSError:
            pass
        try:
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass
