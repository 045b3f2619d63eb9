// Makes cron_vectors.gz: what croner (github.com/Hexagon/croner) says comes next, for test_cron_croner.c.
//
//     mkdir /tmp/vectors && cd /tmp/vectors && npm install croner@11.0.1
//     node …/make_cron_vectors.mjs | gzip -9n > …/cron_vectors.gz
//
// Which schedules follow the clock through a change, croner and cron_expr.h decide in two ways: croner
// (fixedTimeRule "no-wildcard") by a * or / in any of seconds, minutes and hours, we by the hours alone. So
// croner is asked in a spelling of the same times that it takes as we do: "0,15,30,45 2" for "*/15 2". Not
// made are L-3 and ranges such as 22-6, which croner does not know, and 0-SUN: Sunday for us, 0-7 for croner.
//
// What croner then still answers otherwise than the rules of cron_expr.h is not left out. The rules are
// applied here a second time, as slowly and plainly as can be: local times one by one, from croner in
// UTC, each put on the zone's clock. Where that differs from croner's own answer, the reason is looked
// for in `reasons`, and the vector is written with it, and with what the rules say. A difference without
// a reason ends the program.
//
// The file: "#" comments; "Z zone [time offset]…" with its changes in 2023-2044, by Node's ICU, so that the
// test can leave out a zone of which the system's tzdata says something else; "E zone schedule" with a
// line of "after delta [reason]" below it. Numbers are in base 36, times in seconds.
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
const { Cron } = require("croner");

const COUNT = 100000, EACH = 6, DAY = 86400;
const FROM = Date.UTC(2024, 0) / 1e3, TO = Date.UTC(2036, 0) / 1e3;
const KNOWN_FROM = Date.UTC(2023, 0) / 1e3, KNOWN_TO = Date.UTC(2045, 0) / 1e3;
const ZONES = `UTC America/New_York America/Los_Angeles America/Chicago America/St_Johns America/Havana
    America/Santiago America/Asuncion America/Sao_Paulo America/Nuuk America/Scoresbysund America/Miquelon
    America/Port-au-Prince America/Mexico_City Europe/Berlin Europe/London Europe/Dublin Europe/Lisbon
    Europe/Helsinki Europe/Chisinau Europe/Istanbul Atlantic/Azores Africa/Casablanca Africa/El_Aaiun Africa/Cairo
    Africa/Lagos Asia/Beirut Asia/Jerusalem Asia/Gaza Asia/Tehran Asia/Kolkata Asia/Kathmandu Asia/Almaty
    Asia/Tokyo Australia/Sydney Australia/Lord_Howe Australia/Adelaide Pacific/Chatham Pacific/Apia
    Pacific/Easter Antarctica/Troll`.split(/\s+/);

let seed = 20240229; // mulberry32
function random() {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
}
const upTo = n => Math.floor(random() * n), pick = list => list[upTo(list.length)];

// Zones.

function changesOf(zone) {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    const offset = t => {
        const name = format.formatToParts(t * 1e3).find(p => p.type === "timeZoneName").value;
        const m = /([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(name);
        return m ? (m[1] === "-" ? -1 : 1) * (m[2] * 3600 + m[3] * 60 + (m[4] | 0)) : 0;
    };
    const changes = [{ at: -Infinity, before: offset(KNOWN_FROM), offset: offset(KNOWN_FROM) }];
    for (let t = KNOWN_FROM; t < KNOWN_TO; t += DAY) {
        if (offset(t) === offset(t + DAY)) continue;
        let low = t, high = t + DAY;
        while (high - low > 1) {
            const middle = Math.floor((low + high) / 2);
            if (offset(middle) === offset(t)) low = middle; else high = middle;
        }
        changes.push({ at: high, before: offset(t), offset: offset(high) });
    }
    return changes;
}
const changes = Object.fromEntries(ZONES.map(zone => [zone, changesOf(zone)]));

// All instants at which a zone's clocks show a local time; of one in a gap, the gap's end.
function instantsOf(zone, local) {
    const found = [];
    changes[zone].forEach((change, i) => {
        const t = local - change.offset, next = changes[zone][i + 1];
        if (t >= change.at && (!next || t < next.at)) found.push(t);
        if (t < change.at && local - change.before >= change.at) return found.push({ gap: change.at });
    });
    return found;
}

// Schedules.

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
const DAYS = "SUN MON TUE WED THU FRI SAT".split(" ");
const anyCase = word => pick([word, word.toLowerCase(), word[0] + word.slice(1).toLowerCase()]);

function item(min, max, name) {
    const value = n => name && random() < 0.4 ? anyCase(name(n)) : String(n);
    const a = min + upTo(max - min + 1), b = a + upTo(max - a + 1), kind = random();
    if (kind < 0.6 || a === b) return value(a);
    return kind < 0.85 ? `${value(a)}-${a || b < 7 ? value(b) : b}` : `${a}-${b}/${1 + upTo(Math.min(6, max - min))}`;
}
function field(min, max, all, name) {
    const kind = random();
    if (kind < all) return random() < 0.05 ? "?" : "*";
    if (kind < all + (1 - all) * 0.15) return `*/${pick([2, 3, 4, 5, 7, 10].filter(n => n <= max - min))}`;
    return Array.from({ length: pick([1, 1, 1, 2, 3]) }, () => item(min, max, name)).join(",");
}
function day() {
    if (random() < 0.75) return field(1, 31, 0.7);
    return pick(["L", "LW", `${1 + upTo(31)}W`, `${1 + upTo(28)},L`, `1W,${2 + upTo(29)}W`, `L,${1 + upTo(31)}W`]);
}
function weekday() {
    const d = upTo(7);
    if (random() < 0.75) return field(0, 7, 0.65, n => DAYS[n % 7]);
    return pick([`${d}#${1 + upTo(5)}`, `${DAYS[d]}#${1 + upTo(5)}`, `${d}L`, `${d}#1,${(d + 3) % 7}#3`, "5L,2#1",
        "MON-FRI", "1-5"]);
}
// Most hours are those at which clocks are changed.
const hour = () => random() < 0.5 ? String(pick([0, 1, 2, 3, 23, 22, 4])) : field(0, 23, 0.35);
function schedule() {
    if (random() < 0.02) return pick(["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@midnight"]);
    const fields = [field(0, 59, 0.15), hour(), day(), field(1, 12, 0.85, n => MONTHS[n - 1]), weekday()];
    if (random() < 0.15) fields.unshift(field(0, 59, 0.1));
    return fields.join(" ");
}

// croner's spelling.

const followsClock = hours => hours.split(",").some(i => /^[*?]/.test(i) || /^0-23($|\/)/.test(i));
function listOf(text, max) {
    const set = new Set();
    for (const part of text.split(",")) {
        const [range, step] = part.split("/"), [a, b] = /^[*?]/.test(range) ? [0, max] : range.split("-").map(Number);
        for (let i = a; i <= (b ?? a); i += Number(step ?? 1)) set.add(i);
    }
    return [...set].sort((a, b) => a - b).join(",");
}
function spell(text) {
    const fields = text.replace(/\?/g, "*").split(" ");
    if (fields.length === 1) return { fixed: text !== "@hourly", spelled: text };
    const hours = fields.length - 4, fixed = !followsClock(fields[hours]);
    for (let i = 0; i <= hours && fixed; i++) fields[i] = listOf(fields[i], i === hours ? 23 : 59);
    return { fixed, spelled: fields.join(" ") };
}

// The rules once more.

function nextByRules(plain, fixed, zone, after) {
    const offsets = changes[zone].map(c => c.offset), least = Math.min(...offsets), most = Math.max(...offsets);
    let best = Infinity;
    for (let local = after + least - 1; ; ) {
        const run = plain.nextRun(new Date(local * 1e3));
        if (!run) return best;
        local = run.getTime() / 1e3;
        if (local - most > best) return best;
        const instants = instantsOf(zone, local);
        for (const t of fixed ? instants.slice(0, 1) : instants.filter(t => !t.gap)) {
            const when = t.gap ?? t;
            if (when > after && when < best) best = when;
        }
    }
}
const dayOf = local => Math.floor(local / DAY);
const reasons = {
    // The gap ends on another day: croner drops what was left out, we come when it ends.
    g: (near, after, next) => near.some(c => c.at === next && dayOf(c.at + c.before) !== dayOf(c.at + c.offset)),
};

function instant(zone) {
    const known = changes[zone].filter(c => c.at > FROM && c.at < TO);
    if (!known.length || random() < 0.4) return FROM + upTo(TO - FROM);
    const near = random() < 0.6 ? 3 * 3600 : 30 * 3600;
    return pick(known).at + upTo(2 * near) - near - (random() < 0.3 ? 0 : upTo(2));
}

const b36 = n => n.toString(36);
console.log(`# make_cron_vectors.mjs; croner ${require("croner/package.json").version}, tzdata ${process.versions.tz}.`);
for (const zone of ZONES)
    console.log(["Z", zone, ...changes[zone].slice(1).map(c => `${b36(c.at)} ${b36(c.offset)}`)].join(" "));
const counts = {};
let made = 0, unknown = 0;
while (made < COUNT) {
    const zone = pick(ZONES), text = schedule(), { fixed, spelled } = spell(text), found = [];
    const cron = new Cron(spelled, { timezone: zone, fixedTimeRule: "no-wildcard" });
    const plain = new Cron(spelled, { timezone: "UTC" });
    if (!plain.nextRun(new Date(FROM * 1e3))) continue;
    for (let i = 0; i < EACH; i++) {
        const after = instant(zone), next = nextByRules(plain, fixed, zone, after);
        const run = cron.nextRun(new Date(after * 1e3)), said = run ? run.getTime() / 1e3 : Infinity;
        if (next >= KNOWN_TO - 2 * DAY) continue;
        let reason = "";
        if (next !== said) {
            const near = changes[zone].filter(c => c.at > after && c.at <= next);
            reason = Object.keys(reasons).find(key => reasons[key](near, after, next));
            if (!reason) {
                console.error(`${zone} "${text}" after ${new Date(after * 1e3).toISOString()}: croner ` +
                    `${new Date(said * 1e3).toISOString()}, rules ${new Date(next * 1e3).toISOString()}`);
                unknown++;
                continue;
            }
            counts[reason] = (counts[reason] ?? 0) + 1;
        }
        found.push(`${b36(after)} ${b36(next - after)}${reason && " " + reason}`);
    }
    if (!found.length) continue;
    made += found.length;
    console.log(`E ${ZONES.indexOf(zone)} ${text}\n${found.join(",")}`);
}
console.log(`# ${made} vectors; not as croner: ${JSON.stringify(counts)}.`);
process.exitCode = unknown ? 1 : 0;
