"""agentctl cron next: what a schedule means, and when it comes, without a daemon."""
import datetime
import json
import os
import subprocess
import zoneinfo
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import BUILD, SANITIZED, SLOW

CTL = str(BUILD / "agentctl")
OK, USAGE = 0, 64


def cron(*arguments, env=None):
    done = subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=30 * SLOW,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
    return done


def cron_next(*arguments, **more):
    return cron("cron", "next", *arguments, **more)


def test_words_and_times():
    """The schedule in words, then its times with the zone's offset, and why one is not what the fields say."""
    done = cron_next("30 2 * * *", "--tz", "America/New_York", "--after", "2026-03-07T00:00:00-05:00", "-n", "3")
    assert (done.returncode, done.stderr) == (OK, "")
    assert done.stdout == (
        "at 02:30, every day (America/New_York)\n"
        "2026-03-07T02:30:00-05:00  Sat\n"
        "2026-03-08T03:00:00-04:00  Sun  (clocks are set forward over its time)\n"
        "2026-03-09T02:30:00-04:00  Mon\n")


def test_defaults():
    """Five times, in UTC, after now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    done = cron_next("* * * * *", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["timezone"], answer["explanation"]) == (OK, "UTC", "every minute")
    times = [datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%S%z") for t in answer["next"]]
    assert len(times) == 5 and all(t.endswith("Z") for t in answer["next"])
    assert datetime.timedelta(0) < times[0] - now < datetime.timedelta(minutes=2)
    assert all(b - a == datetime.timedelta(minutes=1) for a, b in zip(times, times[1:]))


def test_json():
    """One document, which has the question too."""
    done = cron_next("0 9 * * MON", "--tz", "Asia/Kathmandu", "--after", "2026-01-01", "-n", "1", "--json")
    assert json.loads(done.stdout) == {
        "schedule": "0 9 * * MON", "timezone": "Asia/Kathmandu", "explanation": "at 09:00, Monday",
        "next": ["2026-01-05T09:00:00+05:45"]}


@pytest.mark.parametrize("schedule, after, zone, expected", [
    ("0 0 * * *", "2026-03-29", "Europe/Berlin", "2026-03-30T00:00:00+02:00"),
    ("0 * * * *", "2026-03-29 02:30", "Europe/Berlin", "2026-03-29T04:00:00+02:00"),  # not there: 03:00
    ("*/10 * * * *", "2026-10-25T02:30", "Europe/Berlin", "2026-10-25T02:40:00+02:00"),  # twice: the first
    ("* * * * *", "2026-01-01T12:00:59.999+02:00", "UTC", "2026-01-01T10:01:00Z"),
    ("0 0 1 1 *", "1960-06-01", "UTC", "1961-01-01T00:00:00Z"),
    ("0 12 * * *", "1970-01-01", "Africa/Monrovia", "1970-01-01T12:00:30-00:44"),  # it was 00:44:30
    ("@every 1500ms", "2026-01-01", "UTC", "2026-01-01T00:00:01.500Z"),
])
def test_after(schedule, after, zone, expected):
    """A time with an offset, or one of the zone's clocks."""
    done = cron_next(schedule, "--after", after, "--tz", zone, "-n", "1", "--json")
    assert json.loads(done.stdout)["next"] == [expected]


def test_reboot():
    """It has no times to tell."""
    assert cron_next("@reboot").stdout == "once, when agentd starts (UTC)\n"
    assert json.loads(cron_next("@reboot", "--json").stdout)["next"] == []


@pytest.mark.parametrize("arguments, says", [
    (["61 * * * *"], 'minute "61": 61 is above 59; expected 0-59'),
    (["0 0 30 2 *"], "this never comes"),
    (["* * * *"], "found 4"),
    (["\x1b[2J * * * *"], "this is no minute"),
    (["@daily", "--tz", "Europe/Nowhere"], 'there is no time zone "Europe/Nowhere"'),
    (["@daily", "--tz", "../localtime"], "there is no time zone"),
    (["@daily", "--after", "tomorrow"], 'not "tomorrow"'),
    (["@daily", "--after", "2026-02-30"], 'not "2026-02-30"'),
    (["@daily", "--after", "2026-02-03T"], "--after takes a time"),
    (["@daily", "--after", "2026-02-03T10:00:00Zulu"], "--after takes a time"),
    (["@daily", "-n", "0"], "--count takes a number, 1 to 1000"),
    (["@daily", "-n", "2x"], "--count takes a number, 1 to 1000"),
    (["0", "9", "x"], 'does not take "9"; put quotes around the schedule'),
    ([], "cron next needs SCHEDULE"),
])
def test_mistakes(arguments, says):
    """What is wrong, on stderr and in JSON, and exit code 64."""
    done = cron_next(*arguments)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert says in done.stderr and "\x1b" not in done.stderr
    assert says in json.loads(cron_next(*arguments, "--json").stdout)["error"]


def test_without_tzdata(tmp_path):
    """UTC is there without it."""
    assert cron_next("@daily", env={"TZDIR": str(tmp_path)}).returncode == OK
    assert cron_next("@daily", "--tz", "Europe/Berlin", env={"TZDIR": str(tmp_path)}).returncode == USAGE


def test_help_and_completion():
    """The command is in help, and its name and options are completed."""
    assert "cron next SCHEDULE" in cron("help").stdout
    assert "--tz ZONE" in cron("help", "cron", "next").stdout
    assert "cron\t" in cron("complete", "--", "cr").stdout
    assert "next\t" in cron("complete", "--", "cron", "").stdout
    assert "--after\t" in cron("complete", "--", "cron", "next", "--").stdout


@pytest.mark.parametrize("after, schedule", [
    ("2024-01-01T00:00:00Z", "0 */6 * * 0,1"),  # clocks are changed on Sundays, mostly
    ("2075-01-01T00:00:00Z", "0 12 */3 * *"),
])
def test_all_zones(after, schedule):
    """Offsets are those of Python's zoneinfo: of all zones that tzdata has."""
    zones = sorted(zone for zone in zoneinfo.available_timezones() if zone != "localtime")
    assert len(zones) > 300
    zones = zones[::10] if SANITIZED else zones  # each is a process

    def check(zone):
        answer = json.loads(cron_next(schedule, "--tz", zone, "--after", after, "-n", "400", "--json").stdout)
        for text in answer["next"]:
            time = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
            assert time.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() == time.utcoffset(), (zone, text)
        return len(answer["next"])

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(check, zones)) == 400 * len(zones)
