"""The kinds of plugin: each has its section, and says what it is, in `agentd --probe`, with -t and in the drop-in
folder."""
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, errors, plugin, run_agentd

COMMON = """
    #include <agentd/plugin.h>
    static int open_it(const struct agentd_host *host, const struct agentd_options *options, void **self)
    { (void)host; (void)options; (void)self; return 0; }
"""
INTERFACE = COMMON + """
    static int start(void *self) { (void)self; return 0; }
    static int stop(void *self) { (void)self; return 0; }
    static int http(void *self, const struct agentd_http_request *request) { (void)self; (void)request; return -1; }
    static int send_it(void *self, const struct agentd_reply *reply) { (void)self; (void)reply; return -1; }
    static const struct agentd_interface_ops ops = {
        .size = sizeof(ops), .open = open_it, .start = start, .stop = stop, .send = send_it, .http = http };
    static const struct agentd_option options[] = {
        { .key = "bot_token", .type = AGENTD_SECRET, .required = REQUIRED },
        { .key = "mode", .type = AGENTD_STRING, .fallback = "polling", .choices = "polling|webhook" },
        { .key = "webhook_path", .type = AGENTD_STRING, .fallback = "/webhook/bot" },
    };
    static const struct agentd_path paths[] = {
        { .method = "POST", .path = "$webhook_path", .when = "mode=webhook" }, { .method = "GET", .path = PATH } };
    const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_INTERFACE, .name = "bot",
        .version = "1", .summary = "a bot", .options = options, .option_count = 3, .interface = &ops,
        AGENTD_PATHS(paths) };
"""
HOOK = COMMON + """
    static int on_message(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
    { (void)self; (void)call; (void)exchange; return 0; }
    static const struct agentd_hook_ops ops = { .size = sizeof(ops), .open = open_it, .on_message = on_message };
    const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_HOOK, .name = "watcher",
        .version = "1", .summary = "a hook", .hook = &ops };
"""
AGENT = "agents: { a: { plugin: PLUGIN(actor) } }\n"
STAFF = 'auth: { k: { type: api_key, keys: [ "sha256:%s" ] }, staff: { type: allowlist, users: [ x ], ' \
        'platforms: [ bot ] }, any: { type: composite, of: [ k, staff ] } }\n' % ("ab" * 32)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Paths of an interface, one that needs an option, one with a bad path, and a hook."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, text, required, path in (("bot", INTERFACE, 0, "/bot"), ("hungry", INTERFACE, 1, "/bot"),
                                       ("greedy", INTERFACE, 0, "/run"), ("watcher", HOOK, 0, "/")):
        (folder / f"{name}.c").write_text(text)
        subprocess.run(["cc", "-shared", "-fPIC", f"-DREQUIRED={required}", f'-DPATH="{path}"', f"-I{ROOT}/include",
                        "-o", folder / f"{name}.so", folder / f"{name}.c"], check=True)
    return folder


@pytest.mark.parametrize("name, says", [
    ("bot", "kind: interface, ABI 1"), ("watcher", "kind: hook, ABI 1"),
    ("bot", "paths:\n  POST, where the option webhook_path says, if mode=webhook\n  GET /bot\n"),
])
def test_a_probe_shows_the_kind_and_the_paths(built, tmp_path, name, says):
    """Promise: what a plugin is, and where it would be called, is known before a config names it."""
    result = run_agentd("--probe", str(built / f"{name}.so"), cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert says in result.stdout


def test_each_kind_in_its_section(built, check):
    """Promise: -t loads interfaces and hooks as it does agents, and checks their own options."""
    config = AGENT + f"hooks: {{ w: {{ plugin: {built}/watcher.so }} }}\n" \
        f"interfaces:\n  t: {{ plugin: {built}/hungry.so, open: true, hooks: [ w ], MORE }}\n"
    result = check(config.replace("MORE", "bot_token: x, mode: webhook"))
    assert (result.returncode, result.stderr) == (0, "")
    [missing, mode] = errors(check(config.replace("MORE", "mode: pooling")))
    assert missing == 'agent.conf:4: interfaces.t: the required option "bot_token" is missing'
    assert mode.startswith("agent.conf:4: interfaces.t.mode: expected one of polling|webhook")


@pytest.mark.parametrize("section, name, is_a, belongs", [
    ("agents", "bot", "an interface", "interfaces"), ("agents", "watcher", "a hook", "hooks"),
    ("interfaces", "watcher", "a hook", "hooks"), ("hooks", "bot", "an interface", "interfaces"),
    ("interfaces", None, "an agent", "agents"), ("hooks", None, "an agent", "agents"),
])
def test_a_plugin_in_the_wrong_section(built, check, section, name, is_a, belongs):
    """Promise: who puts a plugin where it does not belong is told what it is, and where it does."""
    path = str(built / f"{name}.so") if name else plugin("actor")
    more = ", open: true" if section == "interfaces" else ""
    base = "" if section == "agents" else AGENT
    [line] = errors(check(base + f"{section}:\n  x: {{ plugin: {path}{more} }}\n"))
    number = 2 if section == "agents" else 3
    assert line == f"agent.conf:{number}: {section}.x.plugin: {path} is {is_a}: it belongs in the section {belongs}"


def test_without_a_config_only_agents(built, tmp_path):
    """Promise: `agentd ./bot.so` says why that is nothing to run."""
    [line] = errors(run_agentd("--listen", "127.0.0.1:0", str(built / "bot.so"), cwd=tmp_path))
    assert line == f"agents.bot.plugin: {built}/bot.so is an interface: it needs a config, where it belongs in " \
                   "the section interfaces"


def test_print_config_shows_interfaces(built, check):
    """Promise: what is printed is the same config again, without its secrets."""
    config = AGENT + f"hooks: {{ w: {{ plugin: {built}/watcher.so }} }}\n" \
        "auth: { staff: { type: allowlist, users: [ x ] } }\n" \
        f"interfaces:\n  t: {{ plugin: {built}/bot.so, auth: staff, hooks: [ w ], bot_token: hush }}\n" \
        "identity: { ann: [ 'telegram:1', 'discord:2' ], b@x: 'telegram:$${x' }\n" \
        "cron: { m: { schedule: '@daily', deliver: { interface: t, chat: '12' } } }\n"
    printed = check(config, "--print-config").stdout
    assert "hush" not in printed and 'bot_token: "***"' in printed
    assert 'session_ttl: 1h' in printed and 'timeout: 10s' in printed and 'hooks: [ "w" ]' in printed
    assert 'identity:\n  "ann": [ "telegram:1", "discord:2" ]\n  "b@x": [ "telegram:$${x" ]\n' in printed
    assert '    deliver:\n      interface: "t"\n      chat: "12"\n' in printed
    assert check(printed, "--print-config").stdout == printed


DROPPED = [  # (files, the config beside the folder, the note, what is served as an interface)
    (["bot"], STAFF + "http: { auth: any }\n", None, ["bot"]),
    (["bot"], "", r"bot\.so is not served: .*nobody may write: name an allowlist", []),
    (["bot"], "http: { auth: any }\nstore: { enabled: false }\n" + STAFF,
     r"bot\.so is not served: .*an interface needs the store", []),
    (["hungry"], STAFF + "http: { auth: any }\n",
     r"hungry\.so is available, and not served: it needs options \(bot_token\); name it in a section of interfaces", []),
    (["greedy"], STAFF + "http: { auth: any }\n", r"greedy\.so is not served: .*/run is a path of agentd's own API", []),
    (["watcher"], "", r"watcher\.so is available: it is a hook; name it in a section of hooks", []),
    # The first by its name has the path.
    (["bot", "bot2"], STAFF + "http: { auth: any }\n", r"bot2\.so is not served: .*GET /bot is that of interface bot already",
     ["bot"]),
    (["bot"], "interfaces: { bot: { plugin: PLUGIN_bot2, open: true } }\n",
     r'bot\.so is not served: there is an interface "bot" with another plugin', ["bot"]),
]


@pytest.mark.parametrize("files, more, note, served", DROPPED)
def test_the_drop_in_folder(built, check, tmp_path, files, more, note, served):
    """Promise: an interface in the folder is served if it needs no option and somebody may write to it; whatever
    is not served is a note that says why, and keeps nobody else from being served."""
    (tmp_path / "drop").mkdir()
    for name in files:
        shutil.copy(built / f"{name.rstrip('2')}.so", tmp_path / "drop" / f"{name}.so")
    shutil.copy(built / "bot.so", tmp_path / "other.so")
    config = "plugins: { dir: drop }\n" + AGENT + more.replace("PLUGIN_bot2", "./other.so")
    result = check(config)
    assert (result.returncode, result.stdout) == (0, "agent.conf is good\n"), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == (1 if note else 0), lines
    if note:
        assert re.search(note, lines[0]), lines
    printed = check(config, "--print-config").stdout
    section = re.search(r"^interfaces:\n((?: .*\n)*)", printed, re.M)
    assert re.findall(r"^  (\w+):", section.group(1) if section else "", re.M) == served
