"""The drop-in folder: a plugin that lies in plugins.dir is served; one that cannot be harms nobody."""
import re
import shutil

import pytest

from conftest import HEAD, plugin, run_agentd


@pytest.fixture
def folder(tmp_path):
    """folder(name, plugin) puts a plugin into plugins.dir under that name."""
    (tmp_path / "drop").mkdir()

    def put(name, source):
        path = tmp_path / "drop" / name
        shutil.copy(plugin(source), path)
        return path
    return put


def names(daemon):
    return [agent["name"] for agent in daemon.get("/agents").json["agents"]]


def test_what_lies_in_the_folder_is_served_under_its_files_name(agentd, folder):
    """Promise: a file in plugins.dir is an agent, beside those of the config; names are in order."""
    folder("zeta.so", "actor")
    folder("alpha.so", "echo")
    daemon = agentd("plugins: { dir: drop }\nagents: { named: { plugin: PLUGIN(actor) } }").wait_ready()
    assert names(daemon) == ["named", "alpha", "zeta"]
    assert daemon.run("say hello", agent="zeta").json["content"] == "hello"
    assert daemon.run("hello", agent="alpha").json["content"] == "hello"


def test_one_plugin_alone_is_the_default_agent(agentd, folder):
    """Promise: a folder with one plugin and a config of two lines is a server."""
    folder("hello.so", "actor")
    daemon = agentd("plugins: { dir: drop }").wait_ready()
    assert daemon.get("/health").json["agent"] == "hello"
    assert daemon.run("say hello").json["content"] == "hello"


def test_the_default_agent_may_be_one_of_the_folder(agentd, folder):
    """Promise: default_agent names any agent, wherever it comes from."""
    folder("one.so", "actor")
    folder("two.so", "actor")
    daemon = agentd("plugins: { dir: drop }\ndefault_agent: two").wait_ready()
    assert daemon.get("/health").json["agent"] == "two"


def test_a_file_that_a_section_names_is_not_served_twice(agentd, folder, tmp_path):
    """Promise: a section for the same file, by whatever path, is how to give it options."""
    folder("mine.so", "actor")
    (tmp_path / "link").symlink_to(tmp_path / "drop")
    daemon = agentd("plugins: { dir: drop }\nagents: { a: { plugin: ./link/mine.so } }").wait_ready()
    assert names(daemon) == ["a"]


@pytest.mark.parametrize("name, content, reason", [
    ("broken.so", b"this is no shared object", r"broken\.so is not served: .*cannot be loaded"),
    ("empty.so", b"", r"empty\.so is not served: empty"),
    ("no good.so", None, r"no good\.so is not served: its name cannot be an agent's"),
    ("good.so", None, r"good\.so is not served: there is an agent \"good\" with another plugin"),
    ("hungry.so", "hungry", r"hungry\.so is available, and not served: it needs options \(key, model\)"),
])
def test_what_cannot_be_served_is_said_and_passed_over(agentd, folder, tmp_path, name, content, reason):
    """Promise: a bad file in the folder never keeps the others from being served; the log and -t say
    which, and why."""
    path = folder(name, "actor")
    if content == "hungry":
        make_hungry(path)
    elif content is not None:
        path.write_bytes(content)
    config = "plugins: { dir: drop }\nagents: { good: { plugin: PLUGIN(echo) } }\n"
    daemon = agentd(config).wait_ready()
    line = daemon.wait_log(reason)
    assert line["level"] == "warn"
    assert names(daemon) == ["good"]
    done = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "agent.conf is good\n")
    assert re.search(reason, done.stderr)


def make_hungry(path):
    """A plugin that must be given options."""
    import subprocess
    from conftest import ROOT
    path.unlink()
    source = path.with_suffix(".c")
    source.write_text("""
        #include <agentd/plugin.h>
        static int run(void *self, struct agentd_run *run, const struct agentd_request *request)
        { (void)self; (void)run; (void)request; return -1; }
        static const struct agentd_agent_ops agent = { .size = sizeof(agent), .run = run };
        static const struct agentd_option options[] = {
            { .key = "key", .type = AGENTD_SECRET, .required = 1 },
            { .key = "spare", .type = AGENTD_STRING },
            { .key = "model", .type = AGENTD_STRING, .required = 1 },
        };
        const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, .name = "hungry",
            .version = "1", .summary = "", .options = options, .option_count = 3, .agent = &agent };
    """)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", path, source], check=True)
    source.unlink()


def test_what_is_no_plugin_is_not_looked_at(agentd, folder, tmp_path):
    """Promise: hidden files (an editor's, a copy's) and files of other kinds are left alone."""
    folder("good.so", "actor")
    for name in (".good.so.swp", ".hidden.so", "README", "good.so.bak", "agent.conf"):
        (tmp_path / "drop" / name).write_text("not for agentd")
    daemon = agentd("plugins: { dir: drop }").wait_ready()
    assert names(daemon) == ["good"]
    assert not [line for line in daemon.log if line["level"] == "warn"]


def test_a_file_that_others_may_write_is_not_served(agentd, folder):
    """Promise: who may write a plugin runs as agentd; so nobody else may."""
    folder("open.so", "actor").chmod(0o777)
    daemon = agentd("plugins: { dir: drop }\nagents: { good: { plugin: PLUGIN(echo) } }").wait_ready()
    daemon.wait_log(r"open\.so is not served: may be written by others")


@pytest.mark.parametrize("config, error", [
    ("plugins: { dir: nowhere }\nagents: { a: { plugin: echo } }\n",
     r"agent\.conf:2: plugins\.dir: nowhere: No such file"),
    ("plugins: { dir: drop }\n", r"agent\.conf:1: nothing to run"),
    ("plugins: { dir: drop }\ndefault_agent: ecco\nagents: { echo: { plugin: echo } }\n",
     r'agent\.conf:3: default_agent: there is no agent "ecco"; did you mean "echo"'),
])
def test_mistakes(folder, tmp_path, config, error):
    """Promise: a folder that is not there, and one that is empty with nothing else to run, are said."""
    (tmp_path / "agent.conf").write_text(HEAD + config if "dir: nowhere" in config or "ecco" in config else config)
    done = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
    assert done.returncode == 78 and re.search(error, done.stderr), done.stderr
