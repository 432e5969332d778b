#!/usr/bin/env python3
"""Scores recorded scenarios: score.py ORACLE_DIR GOLDEN_DIR OUT_DIR, prints JSON.

The comparison is the oracle's own (transcript.py). A step that differs is compared again after the changes that
differences.toml documents for it were made to the golden answer; when it is equal then, it counts as identical. So a
listed step must still answer exactly what its source says.
"""
import collections, difflib, json, os, re, sys, tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = ("out", "err")


def is_step(pattern, step):
    """Whether the step is meant: by its command, or after `re:` by a regular expression for it."""
    if pattern.startswith("re:"):
        return re.fullmatch(pattern[3:], step, flags=re.S) is not None
    return pattern == step


def listed(scenario, step, table):
    """The entries of differences.toml for the step."""
    return [
        entry
        for entry in table
        if any(re.fullmatch(s[0], scenario) and is_step(s[1], step) for s in entry["steps"])
    ]


def changed(step, entries):
    """The golden step as today's Docker would have answered."""
    step = dict(step)
    for entry in entries:
        for field in FIELDS:
            for was, now in entry.get(field, []):
                # a TOML literal has no escapes: \\n in it is a line's end
                step[field] = re.sub(was, now, step[field], flags=re.M | re.S)
        step["rc"] = entry.get("rc", step["rc"])
    return arranged(step, entries)


def arranged(step, entries):
    """The step without what the entries say is of no account: applied to both sides."""
    step = dict(step)
    for entry in entries:
        if entry.get("sorted"):
            step["kind"] = "sort"
        if entry.get("layout"):
            words = re.findall(r"^ +(?:-\w, )?--.*?(?=^ +(?:-\w, )?--|\Z)", step["out"], flags=re.M | re.S)
            step["out"] = "\n".join(" ".join(option.split()) for option in words)
        if entry.get("json"):
            try:
                step["out"] = json.dumps(json.loads(step["out"]), indent=1, sort_keys=True)
            except ValueError:
                pass  # not a document: compared as it is
    return step


def compare(oracle, golden, ours):
    """Per step: identical or not, ids unified over the whole scenario."""
    return [same for _, same, _ in oracle.compare(golden, ours)]


def difference(oracle, golden, ours, a, b):
    """A unified diff of a step, normalised."""
    lines = [] if a["rc"] == b["rc"] else [f"-exit code {a['rc']}", f"+exit code {b['rc']}"]
    for field in FIELDS:
        x, y = (
            oracle.TOK.sub(r"\1", oracle.normalise(step[field], recording, golden["norm"])).split("\n")
            for step, recording in ((a, golden), (b, ours))
        )
        if x != y:
            lines += difflib.unified_diff(x, y, f"docker std{field}", f"bottleship std{field}", lineterm="", n=1)
    return "\n".join(lines[:200])


def score(oracle, golden, ours, table):
    """The part of the report about a scenario."""
    scored = [step["kind"] != "hide" for step in golden["steps"]]
    before = compare(oracle, golden, ours)
    entries = [listed(golden["name"], step["cmd"], table["difference"]) for step in golden["steps"]]
    today = dict(golden, steps=[changed(s, e) for s, e in zip(golden["steps"], entries)])
    mine = dict(ours, steps=[arranged(s, e) for s, e in zip(ours["steps"], entries)])
    # a recording made with an older file of the scenario has other steps: none of them can be listed
    after = compare(oracle, today, mine) if len(golden["steps"]) == len(ours["steps"]) else before
    cases, passed = [], 0
    indices = [i for i, counts in enumerate(scored) if counts]
    for i, was, now in zip(indices, before, after):
        passed += was or now
        if was:
            continue
        step = golden["steps"][i]
        reasons = [f"{e['reason']} ({e['source']})" for e in entries[i]] if now else [
            gap["reason"] for gap in listed(golden["name"], step["cmd"], table["gap"])
        ]
        answer = ours["steps"][i] if i < len(ours["steps"]) else {"rc": None, "out": "", "err": ""}
        cases.append({
            "what": step["cmd"],
            "passed": bool(now),
            "reason": "; ".join(reasons),
            "diff": difference(oracle, golden, ours, step, answer),
        })
    return {"name": golden["name"], "passed": passed, "total": len(indices), "cases": cases}


def main():
    oracle_dir, golden_dir, out_dir = sys.argv[1:]
    sys.dont_write_bytecode = True
    sys.path.insert(0, oracle_dir)
    import transcript as oracle
    with open(os.path.join(HERE, "differences.toml"), "rb") as file:
        table = collections.defaultdict(list, tomllib.load(file))
    golden, recorded = oracle.load(golden_dir), oracle.load(out_dir)
    missing = sorted(set(recorded) - set(golden))
    if missing:
        sys.exit(f"no golden transcript of {', '.join(missing)}")
    json.dump([score(oracle, golden[n], recorded[n], table) for n in sorted(recorded)], sys.stdout)


if __name__ == "__main__":
    main()
