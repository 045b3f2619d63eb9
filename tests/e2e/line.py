"""The platform of tests/plugins/line.c: lines with tabs between their fields, over TCP. Like a platform that gives a
message again until it is confirmed, it sends what has not been acknowledged to each process that comes."""
import itertools
import socket
import threading
import time


class Line:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.changed = threading.Condition()
        self.said = []  # lists of fields, of all processes
        self.unacked = {}  # key: line
        self.keys = itertools.count(1)
        self.connection = None
        self.pids = []
        self.open = True
        threading.Thread(target=self.serve, daemon=True).start()

    def config(self, *more):
        """A section of interfaces; with `more` lines."""
        lines = ["plugin: PLUGIN(line)", f"port: {self.port}", *more]
        return "{ " + ", ".join(lines) + " }"

    def close(self):
        self.open = False
        self.listener.close()
        if self.connection:
            self.connection.close()

    def serve(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.read, args=(connection,), daemon=True).start()

    def read(self, connection):
        try:
            for line in connection.makefile("r", newline="\n", encoding="utf-8", errors="replace"):
                self.take(line.rstrip("\n").split("\t"), connection)
        except (OSError, ValueError):
            pass

    def take(self, fields, connection):
        with self.changed:
            self.said.append(fields)
            if fields[0] == "UP":
                self.pids.append(int(fields[1]))
                self.connection = connection  # not before: what is said now comes behind what was said
                for line in self.unacked.values():
                    self.write(line, connection)
            elif fields[0] == "ACK" and fields[2] == "0":
                self.unacked.pop(fields[1], None)
            elif fields[0] == "ACK" and fields[1] in self.unacked:  # not stored: again
                line = self.unacked[fields[1]]
                threading.Timer(0.2, self.write, (line, connection)).start()
            self.changed.notify_all()

    def write(self, line, connection=None):
        try:
            (connection or self.connection).sendall((line + "\n").encode())
        except (OSError, AttributeError):
            pass  # the next process gets it

    def order(self, *fields):
        """Tells the process that is there, once there has been one, what to do."""
        self.wait("UP")
        self.write("\t".join(("X",) + fields))

    def message(self, text, user="ann", chat="c1", key=None, name="", message_id="", reply_to="", file=None):
        """Says something, and returns its key."""
        key = key or f"k{next(self.keys)}"
        fields = ["M", key, user, name, chat, message_id, reply_to, text] + ([file] if file else [])
        with self.changed:
            self.unacked[key] = "\t".join(fields)
            self.write(self.unacked[key])
        return key

    def sent(self, reply, status=0, parts=0, retry_after=0, error=""):
        self.write(f"S\t{reply}\t{status}\t{parts}\t{retry_after}\t{error}")

    def all(self, what):
        with self.changed:
            return [fields for fields in self.said if fields[0] == what]

    def wait(self, what, count=1, timeout=10):
        """Until that has been said so often; all of it."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [fields for fields in self.said if fields[0] == what]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"waited {timeout} s for {count} of {what}; said: {self.said[-20:]}"
                self.changed.wait(left)

    def replies(self, count=1, timeout=10):
        """The texts of that many replies, as (chat, text)."""
        return [(fields[3], fields[5].replace("\r", "\n")) for fields in self.wait("SEND", count, timeout)]
