"""latency.py SHARED HOST BASE RUNS: how long the real client's commands take with the daemon at HOST and with a real Docker.

The oracle's latency.py measures both, one after the other on the same machine; a command passes when its median is at
most half of the real Docker's. Prints checks, with every figure in a line that begins with `#`.
"""
import atexit
import os
import re
import shutil
import subprocess
import sys

SHARED, HOST, BASE, RUNS = sys.argv[1:5]
REAL = os.path.join(os.environ.get("ORACLE_STATE", "/tmp/oracle"), "latency")
LINE = re.compile(r"^(.*?)\s+min\s+[\d.]+\s+median\s+([\d.]+)")


def oracle(action):
    return subprocess.run(
        ["bash", f"{SHARED}/oracle/daemon.sh", action, "latency"], stdout=subprocess.DEVNULL, timeout=300
    ).returncode


def measure(host):
    done = subprocess.run(
        ["python3", f"{SHARED}/oracle/latency.py", host, RUNS], stdout=subprocess.PIPE, text=True, timeout=3000
    )
    found = {}
    for line in done.stdout.splitlines():
        if match := LINE.match(line):
            found[match[1].strip()] = float(match[2])
    return found


def main():
    needed = ("dockerd", "docker-registry", "unshare", "openssl")
    missing = [tool for tool in needed if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        print(f"skipped: a real Docker needs {', '.join(missing) or 'root'}")
        return
    if oracle("start") != 0:
        print("skipped: the real Docker does not start here")
        return
    atexit.register(oracle, "stop")
    env = dict(os.environ, DOCKER_HOST=f"unix://{REAL}/docker.sock")
    subprocess.run(["docker", "load", "-q", "-i", BASE], env=env, stdout=subprocess.DEVNULL, check=True)
    theirs = measure(f"unix://{REAL}/docker.sock")
    ours = measure(HOST)
    for name, real in theirs.items():
        if "start-up only" in name:
            continue
        own = ours.get(name)
        figures = f"{'-' if own is None else f'{own:.1f}'} ms, real Docker {real:.1f} ms"
        print(f"# {name}: {figures}")
        if own is not None and own * 2 <= real:
            print(f"ok {name}")
        else:
            print(f"not ok {name}\n    {figures}", flush=True)


main()
