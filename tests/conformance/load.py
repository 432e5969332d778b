"""load.py HOST PID [SECONDS [CLIENTS]]: many clients at once, each on its own: create, start, wait, logs, remove.

Checks that nothing fails, that nothing is left, and that the daemon (process PID) is as big after a second round as
after the first. HOST is unix://PATH or tcp://HOST:PORT; the daemon has the image busybox.
"""
import http.client
import json
import os
import socket
import sys
import threading
import time

from checks import check, equal, run

HOST, PID = sys.argv[1], int(sys.argv[2])
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 60
CLIENTS = int(sys.argv[4]) if len(sys.argv) > 4 else 200
del sys.argv[1:]

# Growth that is not a leak: allocators keep some, and events and exit codes are remembered for a while.
SLACK = 1.1
SLACK_BYTES = 16 << 20


class Connection(http.client.HTTPConnection):
    def __init__(self):
        scheme, _, address = HOST.partition("://")
        self.path = address if scheme == "unix" else None
        host, _, port = address.rpartition(":") if scheme == "tcp" else ("localhost", "", "0")
        super().__init__(host, int(port), timeout=300)

    def connect(self):
        if self.path is None:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(connection, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status >= 400:
        raise RuntimeError(f"{method} {path}: {response.status} {data!r}")
    return data


def once(number, turn):
    connection = Connection()
    name = f"load-{number}-{turn}"
    config = {"Image": "busybox", "Cmd": ["echo", name], "HostConfig": {"NetworkMode": "none"}}
    ident = json.loads(ask(connection, "POST", f"/containers/create?name={name}", config))["Id"]
    # The answer's head comes at once, its body when the container ends.
    waiting = Connection()
    waiting.request("POST", f"/containers/{ident}/wait?condition=next-exit")
    response = waiting.getresponse()
    ask(connection, "POST", f"/containers/{ident}/start")
    result = json.loads(response.read())
    waiting.close()
    logs = ask(connection, "GET", f"/containers/{ident}/logs?stdout=1")
    ask(connection, "DELETE", f"/containers/{ident}?v=1")
    connection.close()
    if result["StatusCode"] != 0 or logs[8:] != f"{name}\n".encode():
        raise RuntimeError(f"{name}: {result} {logs!r}")


def round_of(seconds):
    end = time.time() + seconds
    errors, counts = [], []

    def client(number):
        turn = 0
        try:
            while time.time() < end:
                once(number, turn)
                turn += 1
        except Exception as error:
            errors.append(f"client {number}, turn {turn}: {error!r}")
        counts.append(turn)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, f"{len(errors)} clients failed; {errors[0]}"
    return sum(counts)


def memory():
    with open(f"/proc/{PID}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) << 10
    raise RuntimeError("no VmRSS")


def descriptors():
    return len(os.listdir(f"/proc/{PID}/fd"))


@check
def clients_at_once_without_an_error_or_a_leak():
    time.sleep(1)
    open_before = descriptors()
    warm = round_of(SECONDS / 3)
    time.sleep(2)
    before = memory()
    done = round_of(SECONDS)
    time.sleep(2)
    after = memory()
    print(
        f"# {CLIENTS} clients, {warm} + {done} containers, {done / SECONDS:.1f} a second; "
        f"{before >> 20} MiB before, {after >> 20} MiB after",
        flush=True,
    )
    assert done >= CLIENTS, f"only {done} containers"
    equal(json.loads(ask(Connection(), "GET", "/containers/json?all=1")), [])
    deadline = time.time() + 60
    while descriptors() > open_before and time.time() < deadline:
        time.sleep(0.1)
    assert descriptors() <= open_before, f"{descriptors()} descriptors, {open_before} before"
    assert after <= before * SLACK + SLACK_BYTES, f"memory grew from {before} to {after} bytes"


if __name__ == "__main__":
    run()
