"""A worker for the tests of exec: it does what the input of a run says, as tests/plugins/actor.c does.

    say TEXT         finishes with TEXT
    deltas A B C     says each word as a delta, and finishes without content
    request          finishes with what it was sent
    read             finishes with the texts of the files that came along
    file NAME TEXT   finishes with a file of that text, and a picture by its URL
    finish JSON      finishes with those fields
    line TEXT        writes TEXT as a line, with ID replaced by the run's id, then finishes
    hold             waits for a "release", which says a delta for each, and then finishes each
    hang             never finishes, but heeds cancel
    ignore           never finishes, and ignores cancel, until "late", which says it all too late
    flood N          N bytes of deltas
    big N            N bytes in one delta
    endless N        N bytes in one line that does not end
    print TEXT       writes TEXT to stderr, then finishes
    fork             leaves a child that sleeps; finishes with its pid
    farewell TEXT    finishes with TEXT, in a line without its newline, and exits
    sleep N          finishes after N seconds
    exit N           exits
    die              SIGKILLs itself
    close            closes stdout, and sleeps
    deaf             closes stdin, and sleeps
    leave            closes stdout, and exits a moment later
"""
import json
import os
import signal
import subprocess
import sys
import time

held, ignored = [], []


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def say(type, id, **fields):
    write(json.dumps({"type": type, "id": id, **fields}) + "\n")


def flood(id, total):
    for start in range(0, total, 30000):
        say("delta", id, text="x" * min(30000, total - start))
    say("finish", id)


def release():
    for turn in range(2):
        for other in held:
            say("delta", other, text=f"{turn}")
    for other in reversed(held):
        say("finish", other)
    held.clear()


def late():
    for other in ignored:
        say("delta", other, text="late")
        say("finish", other, content="late")
    ignored.clear()


def run(id, act, rest, request):
    if act == "deltas":
        for word in rest.split():
            say("delta", id, text=word)
        say("finish", id)
    elif act == "finish":
        say("finish", id, **json.loads(rest))
    elif act == "file":
        name, text = rest.split(" ", 1)
        path = os.path.join(request["spool"], name)
        with open(path, "w") as file:
            file.write(text)
        say("finish", id, content="here", attachments=[{"path": path, "name": name, "mime_type": "text/plain"},
                                                       {"type": "image", "url": "https://example.com/a.png"}])
    elif act == "hold":
        held.append(id)
    elif act == "ignore":
        ignored.append(id)
    elif act == "flood":
        flood(id, int(rest))
    elif act == "big":
        say("delta", id, text="x" * int(rest))
        say("finish", id)
    elif act == "endless":
        write("x" * int(rest))
    elif act == "farewell":
        write(json.dumps({"type": "finish", "id": id, "content": rest}))
        sys.exit()
    elif act == "exit":
        sys.exit(int(rest))
    elif act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act in ("close", "deaf"):
        os.close(1 if act == "close" else 0)
        time.sleep(60)
    elif act == "leave":
        os.close(1)
        time.sleep(0.1)
        os._exit(0)
    elif act != "hang":
        say("finish", id, content=answer(id, act, rest, request))


def answer(id, act, rest, request):
    if act == "say":
        return rest
    if act == "request":
        return json.dumps(request)
    if act == "read":
        return "".join(open(file["path"]).read() for file in request["attachments"])
    if act == "line":
        write(rest.replace("ID", id) + "\n")
    elif act == "release":
        release()
    elif act == "late":
        late()
    elif act == "sleep":
        time.sleep(float(rest))
    elif act == "print":
        print(rest, file=sys.stderr, flush=True)
    elif act == "fork":
        return str(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid)
    return "ok"


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "cancel":
            if message["id"] not in ignored:
                say("finish", message["id"], status="cancelled")
            continue
        act, _, rest = message["input"].partition(" ")
        run(message["id"], act, rest, message)


main()
