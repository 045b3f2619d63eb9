"""ABI 1 is frozen: plugins that were built on its first day run in this agentd, and nothing has moved in its structs.
tests/abi/1 has the header of that day, and plugins that were built against it; neither is ever changed."""
import re
import subprocess

import pytest

from conftest import BUILD, ROOT, wait_for

FROZEN = ROOT / "tests" / "abi" / "1"
NOW = ROOT / "include"


def structs(header):
    """{struct: [members]} of a header."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    found = {}
    for name, body in re.findall(r"^struct (agentd_\w+) \{\n(.*?)^\};", text, re.S | re.M):
        body = re.sub(r"#if.*?#endif", "", body, flags=re.S)
        members = []
        for statement in body.split(";"):
            function = re.search(r"\(\*(\w+)\)", statement)
            names = [function.group(1)] if function else re.findall(r"(\w+)(?=\s*(?:,|$))", statement.strip())
            members += names
        found[name] = members
    return found


def layout(folder, wanted, tmp_path):
    """Where each member is, and how large, as the compiler has it."""
    lines = [f'printf("{s}.{m} %zu %zu\\n", offsetof(struct {s}, {m}), sizeof(((struct {s} *)0)->{m}));'
             for s, members in wanted.items() for m in members]
    defines = re.findall(r"^#define (AGENTD_[A-Z0-9_]+) +[0-9x]", (FROZEN / "agentd" / "plugin.h").read_text(), re.M)
    lines += [f'printf("{d} %llu\\n", (unsigned long long){d});' for d in defines]
    (tmp_path / "layout.c").write_text("#include <agentd/plugin.h>\n#include <stdio.h>\nint main(void)\n{\n"
                                       + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run(["cc", f"-I{folder}", "-o", "layout", "layout.c"], cwd=tmp_path, check=True)
    return subprocess.run(["./layout"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()


def test_nothing_has_moved(tmp_path):
    """Promise: members stay where they are, and numbers what they are; structs grow at their end only."""
    wanted = structs(FROZEN / "agentd" / "plugin.h")
    assert len(wanted) > 20 and all(wanted.values())
    then = layout(FROZEN, wanted, tmp_path)
    assert len(then) > 200 and then == layout(NOW, wanted, tmp_path)


@pytest.mark.parametrize("name, says", [("shout", "kind: agent, ABI 1"), ("mailbox", "kind: interface, ABI 1"),
                                        ("sign", "kind: hook, ABI 1")])
def test_they_are_what_they_were(name, says):
    """They describe themselves as ever."""
    probe = subprocess.run([BUILD / "agentd", "--probe", BUILD / "tests" / "abi" / "1" / f"{name}.so"],
                           capture_output=True, text=True)
    assert probe.stdout.splitlines()[1] == says, probe.stderr


def test_they_work(agentd, tmp_path):
    """An agent, an interface and a hook of the first day do all that they did."""
    letters = tmp_path / "letters"
    letters.mkdir()
    folder = BUILD / "tests" / "abi" / "1"
    daemon = agentd(f"""
        agents: {{ loud: {{ plugin: {folder}/shout.so }} }}
        hooks: {{ sign: {{ plugin: {folder}/sign.so, signature: "as ever" }} }}
        interfaces: {{ post: {{ plugin: {folder}/mailbox.so, hooks: [ sign ], open: true, folder: letters }} }}
    """).wait_ready()
    assert daemon.run("hello").json["content"] == "HELLO"
    (letters / "ann.1.tmp").write_text("hello")
    (letters / "ann.1.tmp").rename(letters / "ann.1.msg")
    answer = letters / "ann.txt"
    wait_for("the answer", lambda: answer.exists() and answer.read_text() == "HELLO\nas ever\n")
    wait_for("the letter to be confirmed", lambda: not list(letters.glob("*.msg")))
