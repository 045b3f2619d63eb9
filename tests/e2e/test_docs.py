"""GET /docs: the page that shows the API and tries it, in a real browser (headless Chromium)."""
import hashlib
import json
import shutil

import pytest
from conftest import wait_for

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("no Chromium", allow_module_level=True)

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --window-size=1200,900""".split()
KEY = "s3cret-k'ey"

# An agent that says "one", and "two" once its folder has a file "go".
TWO_WORDS = """\
import json, os, sys, time

for line in sys.stdin:
    id = json.loads(line)["id"]
    print(json.dumps({"type": "delta", "id": id, "text": "one"}), flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    print(json.dumps({"type": "delta", "id": id, "text": " two"}), flush=True)
    print(json.dumps({"type": "finish", "id": id}), flush=True)
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """One browser for all tests, with a profile of its own."""
    options = webdriver.ChromeOptions()
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    yield driver
    driver.quit()


class Page:
    """/docs of a daemon. The tests find things as a reader does: by what is written there."""

    def __init__(self, driver, daemon):
        self.driver, self.origin = driver, "http://{}:{}".format(*daemon.address)
        self.open("")

    def open(self, operation):
        """The page anew, with a route open; that route."""
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)  # reading empties it
        self.driver.get(f"{self.origin}/docs" + (f"#{operation}" if operation else ""))
        wait_for("the routes", lambda: self.all("details.route"))
        if operation:
            self.route = wait_for("the form", lambda: self.all("details.route[open] form"))[0]
        return self

    def all(self, selector, within=None):
        return (within or self.driver).find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return [found.text for found in self.all(selector, self.route)]

    def write(self, label, text, within=None):
        """Fills in the field whose label has that text."""
        found = next(found for found in self.all("label", within) if label in found.text)
        field = self.all("input, textarea", found)[0]
        field.clear()
        field.send_keys(text)

    def send(self, body=None):
        """Sends the open route's form, with that body."""
        if body is not None:
            self.write("Body", json.dumps(body), self.route)
        self.all("button.main", self.route)[0].click()
        return self

    def done(self):
        """Waits until the answer is there; its status line."""
        def probe():
            line = self.texts("form [role=status]")
            return line and line[0].endswith(" ms") and line[0]
        return wait_for("the answer", probe)

    def requests(self):
        """What the browser has sent since the page was opened: CDP's Network.Request objects."""
        sent = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [message["params"] for message in sent if message["method"] == "Network.requestWillBeSent"]

    def complaints(self):
        """The console's errors and warnings, those of the Content-Security-Policy among them."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture
def daemon(agentd, tmp_path):
    (tmp_path / "two_words.py").write_text(TWO_WORDS)
    return agentd("""
        http: { listen: [ "127.0.0.1:0" ], docs: true }
        agents:
          echo: { plugin: echo }
          actor: { plugin: PLUGIN(actor) }
          two: { plugin: exec, command: [ python3, two_words.py ], mode: worker }
        default_agent: echo
    """).wait_ready()


@pytest.fixture
def page(chromium, daemon):
    return Page(chromium, daemon)


def test_every_route(page, daemon):
    """Each operation of /openapi.json is a line with its method and path, and opens without a complaint."""
    paths = daemon.get("/openapi.json").json["paths"]
    wanted = {(method.upper(), path) for path, item in paths.items()
              for method in item if method in ("get", "post", "put", "patch", "delete")}
    lines = page.all("details.route > summary")
    assert {tuple(line.text.split()[:2]) for line in lines} == wanted and len(lines) == len(wanted)
    for line in lines:
        line.click()
    wait_for("all to be open", lambda: len(page.all("details.route form")) == len(wanted))
    assert page.complaints() == []
    text = page.all("main")[0].text
    assert "[object" not in text and "undefined" not in text and "any, always" not in text


def test_talks_to_its_daemon_only(page):
    """Nothing is loaded from anywhere else, and nothing but itself and the document from there."""
    assert [params["request"]["url"].removeprefix(page.origin) for params in page.requests()
            if not params["request"]["url"].startswith("data:")] == ["/docs", "/openapi.json"]
    entries = page.driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in entries if not name.startswith("data:")] == [f"{page.origin}/openapi.json"]
    assert page.complaints() == []


def test_in_no_frame_of_another_page(page, tmp_path):
    """A page cannot put it into a frame, and have people click there what they do not see."""
    (tmp_path / "other.html").write_text(f'<iframe src="{page.origin}/docs"></iframe>')
    page.driver.get(f"file://{tmp_path}/other.html")
    wait_for("the complaint", lambda: any("frame-ancestors" in text for text in page.complaints()))
    page.driver.switch_to.frame(0)
    assert not page.all("details.route")
    page.driver.switch_to.default_content()


def test_filter(page):
    """Leaves the routes that have every word; "/" goes there."""
    page.all("body")[0].send_keys("/")
    page.driver.switch_to.active_element.send_keys("post cancel")
    lines = [line.text for line in page.all("details.route > summary") if line.is_displayed()]
    assert [line.split()[:2] for line in lines] == [["POST", "/runs/{id}/cancel"]]


def test_run(page):
    """The body that is there already is a good one, and what is sent is answered by the agent."""
    page.open("run").send()
    assert page.done().startswith("200 OK")
    page.send({"input": "it's <b>me</b>"}).done()
    assert json.loads(page.texts(".output pre")[0])["content"] == "it's <b>me</b>"
    assert page.complaints() == []


def test_stream(page, tmp_path):
    """Deltas are shown while the run goes on, and put together; the end is an event like the others."""
    page.open("run")
    page.all("input[value='text/event-stream']", page.route)[0].click()
    page.send({"input": "x", "agent": "two"})
    wait_for("the first word", lambda: page.texts(".answer") == ["one"])
    assert "run.finished" not in page.texts(".events")[0] and page.texts("form [role=status]")[0].endswith("receiving …")
    (tmp_path / "go").touch()
    page.done()
    assert page.texts(".answer") == ["one two"]
    assert page.texts(".events b") == ["run.started", "run.delta", "run.delta", "run.finished"]
    assert page.complaints() == []


def test_ids_of_answers_are_offered(page, daemon):
    """What an answer had need not be copied by hand: runs, sessions and agents are offered where they are asked for."""
    page.open("run").send()
    page.done()
    run = json.loads(page.texts(".output pre")[0])
    page.all("input[value='text/event-stream']", page.route)[0].click()
    page.send({"input": "x", "session_id": "mine"}).done()

    def offered(operation):
        return page.driver.execute_script("""
            const route = shown.get(arguments[0]);
            route.open = true;
            return new Promise(done => route.addEventListener("toggle", () => setTimeout(() =>
                done([...route.querySelector("form input[required]").list.options].map(option => option.value)))));
            """, operation)
    runs = [run["run_id"] for run in daemon.get("/runs").json["runs"]]
    assert run["run_id"] in runs and offered("getRun") == runs
    assert offered("getSession") == ["mine", run["session_id"]]
    assert offered("getAgent") == ["echo"]
    page.open("listAgents").send().done()
    assert sorted(offered("getAgent")) == ["actor", "echo", "two"]
    assert page.complaints() == []


def test_cancel(page, daemon):
    """The button ends the request, and with it the run."""
    page.open("run").send({"input": "hang", "agent": "actor"})
    wait_for("the run", lambda: daemon.load("actor") == (1, 0))
    next(button for button in page.all("button", page.route) if button.text == "Cancel").click()
    wait_for("word of it", lambda: "Cancelled" in page.texts("form [role=status]")[0])
    wait_for("the run's end", lambda: [run["status"] for run in daemon.get("/runs").json["runs"]] == ["cancelled"])
    assert page.send({"input": "again"}).done().startswith("200 OK")


def test_a_failed_build(chromium, agentd, tmp_path):
    """In dev mode the compiler's words are at the top, and gone with the next success: whoever comes back to the page sees
    it, without loading it again."""
    (tmp_path / "src").write_text("echo 'x.c:1: error: <b>no</b>' >&2; exit 2")
    daemon = agentd("""
        http: { listen: [ "127.0.0.1:0" ] }
        agents: { echo: { plugin: echo } }
        dev: { build: [ sh, src ], sources: [ src ] }
    """, ["--dev"])
    page = Page(chromium, daemon)
    shown = page.all("#build")[0]
    assert shown.text == ""
    (tmp_path / "src").write_text("echo 'x.c:2: error: <b>no</b>' >&2; exit 2")
    daemon.wait_log("^build: exited with code 2")
    page.driver.execute_script("dispatchEvent(new Event('focus'))")
    wait_for("the failure", lambda: shown.text)
    assert shown.text.startswith("The build has failed: exited with code 2\nsh src")
    assert shown.text.endswith("x.c:2: error: <b>no</b>")
    before = shown.text
    assert page.open("").all("#build")[0].text == before
    (tmp_path / "src").write_text("true")
    daemon.wait_log("^build: done")
    page.driver.execute_script("dispatchEvent(new Event('focus'))")
    wait_for("it to be gone", lambda: page.all("#build")[0].text == "")
    assert page.complaints() == []


def test_problem(page):
    """A refused body is shown with the daemon's own words."""
    page.open("run").send({"input": ""})
    assert page.done().startswith("400 Bad Request")
    assert page.texts(".problem") == ['Bad Request bad_request\n"input" is required: a string that is not empty']


def test_credentials(page):
    """What is typed in is sent as the header its scheme names; curl is shown without it, and quoted."""
    page.open("listRuns")
    next(line for line in page.all("summary") if line.text.startswith("Credentials")).click()
    page.write("X-API-Key", KEY)
    page.write("session_id", "it's", page.route)
    page.send().done()
    sent = next(p["request"] for p in page.requests() if "/runs" in p["request"]["url"])
    assert sent["headers"]["X-API-Key"] == KEY and sent["url"].endswith("/runs?session_id=it%27s")
    curl = page.texts("form > pre")[0]
    assert curl == f"curl '{page.origin}/runs?session_id=it%27s' \\\n  -H \"X-API-Key: $AGENTD_API_KEY\""
    assert KEY not in page.all("body")[0].text


def test_credentials_are_found_by_who_is_refused(chromium, agentd):
    """A 401 leads to where they are filled in; the next try has them."""
    daemon = agentd("""
        http: { listen: [ "127.0.0.1:0" ], docs: true, auth: k }
        auth: { k: { type: api_key, keys: [ "sha256:%s" ] } }
        agents: { echo: { plugin: echo } }
    """ % hashlib.sha256(KEY.encode()).hexdigest())
    page = Page(chromium, daemon).open("run")
    assert page.send().done().startswith("401 Unauthorized")
    next(button for button in page.all("button", page.route) if button.text == "Fill in credentials").click()
    page.driver.switch_to.active_element.send_keys(KEY)
    assert page.send().done().startswith("200 OK")
    page.all("header details button")[0].click()  # forgets it: the browser is everybody's here
