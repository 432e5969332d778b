"""docker-py against the daemon at DOCKER_HOST: what its methods send and what they make of the answers.

The daemon has the images busybox and hello-world.
"""
import io
import json
import os
import socket
import struct
import tarfile
import tempfile
import threading
import time

import docker
import docker.errors
from docker.types import EndpointConfig, Healthcheck, IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit

from checks import check, contains, equal, run

client = docker.from_env(timeout=60)
api = client.api
IMAGE = "busybox"


class Things:
    """What a check makes; gone after it."""

    def __init__(self):
        self.made = []

    def container(self, command="sleep 100", start=True, **options):
        container = client.containers.create(IMAGE, command, **options)
        self.made.append(lambda: container.remove(force=True, v=True))
        if start:
            container.start()
        return container

    def network(self, name, **options):
        network = client.networks.create(name, **options)
        self.made.append(network.remove)
        return network

    def volume(self, name, **options):
        volume = client.volumes.create(name, **options)
        self.made.append(lambda: volume.remove(force=True))
        return volume

    def image(self, reference):
        self.made.append(lambda: client.images.remove(reference, force=True))

    def clean(self):
        for remove in reversed(self.made):
            try:
                remove()
            except docker.errors.APIError:
                pass


def things(function):
    def checked():
        made = Things()
        try:
            function(made)
        finally:
            made.clean()

    checked.__name__ = function.__name__
    return check(checked)


def fails(status, words, call):
    try:
        call()
    except docker.errors.APIError as error:
        equal(error.response.status_code, status)
        contains(error.explanation, words)
    else:
        raise AssertionError(f"nothing failed, {status} was expected")


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def wait_until(condition, seconds=30):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it did not come true"
        time.sleep(0.05)


# System


@check
def ping_version_and_info():
    assert client.ping()
    version = client.version()
    contains(version, "ApiVersion")
    equal(version["Os"], "linux")
    info = client.info()
    contains(info, "Containers")
    equal(info["OSType"], "linux")


@check
def old_and_unknown_api_versions():
    for version in ("1.24", "1.30", "1.41", "1.44", "1.51"):
        old = docker.APIClient(os.environ["DOCKER_HOST"], version=version)
        assert old.ping()
        assert isinstance(old.containers(all=True), list)
        old.close()
    new = docker.APIClient(os.environ["DOCKER_HOST"], version="1.99")
    fails(400, "client version 1.99 is too new", new.containers)
    new.close()


@things
def events_of_a_container(made):
    since = int(time.time()) - 1
    container = made.container("true")
    container.wait()
    events = client.events(
        since=since, until=int(time.time()) + 1, decode=True, filters={"container": container.id}
    )
    actions = [event["Action"] for event in events if event["Type"] == "container"]
    equal(actions, ["create", "start", "die"])


@check
def events_stop_when_closed():
    stream = client.events(decode=True)
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(stream))
    reader.start()
    time.sleep(0.2)
    stream.close()
    reader.join(10)
    assert not reader.is_alive()


@things
def disk_usage(made):
    made.container()
    usage = client.df()
    assert usage["Containers"] and usage["Images"]
    contains(usage, "Volumes")


@check
def login_with_bad_credentials():
    fails(500, "", lambda: client.login("someone", "wrong", registry="127.0.0.1:1"))


# Containers


@check
def run_gives_output():
    equal(client.containers.run(IMAGE, "echo hello", remove=True), b"hello\n")


@check
def run_with_an_error():
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
    except docker.errors.ContainerError as error:
        equal((error.exit_status, error.stderr), (3, b"bad\n"))
    else:
        raise AssertionError("no error")


@check
def run_an_image_that_does_not_exist():
    try:
        api.create_container("no-such-image-here", "true")
    except docker.errors.ImageNotFound as error:
        contains(error.explanation, "No such image: no-such-image-here:latest")


@check
def run_streams_output():
    out = client.containers.run(IMAGE, ["sh", "-c", "echo a; echo b"], stream=True, remove=True)
    equal(b"".join(out), b"a\nb\n")


@things
def create_and_inspect(made):
    container = made.container(
        ["sleep", "100"],
        name="docker-py-inspect",
        environment={"A": "1", "EMPTY": ""},
        labels={"a.b": "c"},
        working_dir="/tmp",
        hostname="h1",
        user="1:2",
        mem_limit="64m",
        memswap_limit="128m",
        pids_limit=20,
        cap_add=["NET_ADMIN"],
        cap_drop=["CHOWN"],
        dns=["10.0.0.1"],
        extra_hosts={"other": "10.0.0.2"},
        ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        stop_signal="SIGINT",
        tmpfs={"/scratch": "size=1m"},
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
        read_only=True,
        init=True,
        shm_size="2m",
        start=False,
    )
    found = api.inspect_container("docker-py-inspect")
    config, host = found["Config"], found["HostConfig"]
    equal(found["Id"], container.id)
    equal(found["Name"], "/docker-py-inspect")
    equal(found["State"]["Status"], "created")
    contains(config["Env"], "A=1")
    contains(config["Env"], "EMPTY=")
    equal(config["Labels"], {"a.b": "c"})
    equal((config["WorkingDir"], config["Hostname"], config["User"]), ("/tmp", "h1", "1:2"))
    equal(config["StopSignal"], "SIGINT")
    equal((host["Memory"], host["MemorySwap"], host["PidsLimit"]), (64 << 20, 128 << 20, 20))
    equal((host["CapAdd"], host["CapDrop"]), (["NET_ADMIN"], ["CHOWN"]))
    equal((host["Dns"], host["ExtraHosts"]), (["10.0.0.1"], ["other:10.0.0.2"]))
    equal(host["Ulimits"], [{"Name": "nofile", "Soft": 100, "Hard": 200}])
    equal(host["RestartPolicy"], {"Name": "on-failure", "MaximumRetryCount": 2})
    equal((host["Tmpfs"], host["ReadonlyRootfs"], host["Init"]), ({"/scratch": "size=1m"}, True, True))
    equal(host["ShmSize"], 2 << 20)


@things
def list_with_filters(made):
    one = made.container(name="docker-py-one", labels={"kind": "x"})
    two = made.container("true", name="docker-py-two", labels={"kind": "y"})
    two.wait()
    ids = lambda **options: {c.id for c in client.containers.list(**options)} & {one.id, two.id}
    equal(ids(), {one.id})
    equal(ids(all=True), {one.id, two.id})
    equal(ids(all=True, filters={"label": "kind=y"}), {two.id})
    equal(ids(all=True, filters={"status": "exited", "name": "docker-py"}), {two.id})
    equal(ids(all=True, filters={"exited": 0, "ancestor": IMAGE}), {two.id})
    equal(ids(all=True, filters={"name": "docker-py-one"}), {one.id})
    equal(ids(all=True, filters={"before": "docker-py-two"}), {one.id})
    equal(ids(all=True, filters={"since": "docker-py-one"}), {two.id})
    equal(len(client.containers.list(all=True, limit=1)), 1)
    fails(400, "invalid filter", lambda: client.containers.list(filters={"nonsense": "1"}))


@things
def start_stop_restart_kill(made):
    container = made.container(["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done"])
    container.stop(timeout=20)
    equal(container.wait()["StatusCode"], 7)
    container.start()
    container.restart(timeout=0)
    container.reload()
    equal(container.status, "running")
    container.kill("SIGKILL")
    equal(container.wait()["StatusCode"], 137)
    fails(409, "is not running", container.kill)


@things
def pause_and_unpause(made):
    container = made.container()
    container.pause()
    container.reload()
    equal(container.status, "paused")
    fails(409, "is paused", lambda: container.exec_run("true"))
    container.unpause()
    container.reload()
    equal(container.status, "running")


@things
def rename_and_update(made):
    container = made.container(name="docker-py-before")
    container.rename("docker-py-after")
    container.reload()
    equal(container.name, "docker-py-after")
    container.update(mem_limit="32m", memswap_limit="64m", restart_policy={"Name": "unless-stopped"})
    container.reload()
    equal(container.attrs["HostConfig"]["Memory"], 32 << 20)
    equal(container.attrs["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped")


@things
def remove_needs_force(made):
    container = made.container()
    fails(409, "container is running", container.remove)
    container.remove(force=True)
    fails(404, "No such container", lambda: client.containers.get(container.id))


@things
def names_are_unique(made):
    first = made.container(name="docker-py-name", start=False)
    fails(
        409,
        f'The container name "/docker-py-name" is already in use by container "{first.id}"',
        lambda: made.container(name="docker-py-name", start=False),
    )
    fails(400, "Invalid container name", lambda: made.container(name="a/b", start=False))


@things
def wait_has_conditions(made):
    container = made.container("sh -c 'exit 5'", start=False)
    result = {}
    waiter = threading.Thread(target=lambda: result.update(container.wait(condition="next-exit")))
    waiter.start()
    time.sleep(0.2)
    container.start()
    waiter.join(30)
    equal(result["StatusCode"], 5)


@things
def logs_in_every_way(made):
    script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three"
    container = made.container(["sh", "-c", script])
    container.wait()
    equal(sorted(container.logs().splitlines()), [b"one", b"three", b"two"])
    equal(container.logs(stderr=False), b"one\nthree\n")
    equal(container.logs(stdout=False), b"two\n")
    equal(container.logs(stderr=False, tail=1), b"three\n")
    equal(container.logs(until=1), b"")
    equal(container.logs(since=int(time.time()) + 100), b"")
    stamped = container.logs(stderr=False, timestamps=True).splitlines()
    assert stamped[0].endswith(b" one") and stamped[0][4:5] == b"-", stamped


@things
def logs_follow(made):
    container = made.container(["sh", "-c", "echo a; sleep 0.3; echo b"])
    equal(b"".join(container.logs(stream=True, follow=True)), b"a\nb\n")


@things
def log_drivers(made):
    silent = made.container("echo x", log_config=LogConfig(type=LogConfig.types.NONE))
    silent.wait()
    fails(501, "configured logging driver does not support reading", silent.logs)
    defaulted = made.container(
        "true", start=False, log_config=LogConfig(type="", config={"max-file": "100"})
    )
    found = api.inspect_container(defaulted.id)["HostConfig"]["LogConfig"]
    equal(found, {"Type": "json-file", "Config": {"max-file": "100"}})
    fails(
        400,
        "no log driver named 'nonsense'",
        lambda: made.container("true", log_config=LogConfig(type="nonsense")),
    )


@things
def top_and_stats(made):
    container = made.container(["sleep", "77"])
    top = container.top()
    contains(top["Titles"], "CMD")
    assert any("sleep 77" in " ".join(process) for process in top["Processes"]), top
    stats = container.stats(stream=False)
    for key in ("cpu_stats", "memory_stats", "pids_stats", "networks"):
        contains(stats, key)
    stream = container.stats(decode=True)
    next(stream)
    contains(next(stream), "precpu_stats")


@things
def changes(made):
    container = made.container(["sh", "-c", "echo x > /new; rm /bin/ls; mkdir -p /etc; echo y > /etc/more"])
    container.wait()
    found = {change["Path"]: change["Kind"] for change in container.diff()}
    equal(found["/new"], 1)
    equal(found["/etc"], 0)
    equal(found["/etc/more"], 1)


@things
def archives(made):
    container = made.container()
    assert container.put_archive("/tmp", tar_of({"dir/file": b"content"}))
    data, stat = container.get_archive("/tmp/dir")
    equal(stat["name"], "dir")
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as tar:
        equal(tar.extractfile("dir/file").read(), b"content")
    fails(404, "Could not find the file /nowhere", lambda: container.get_archive("/nowhere"))
    fails(404, "Could not find the file /nowhere", lambda: container.put_archive("/nowhere", tar_of({})))
    try:
        container.put_archive("/tmp", b"this is no tar at all" * 100)
    except docker.errors.APIError:
        pass
    else:
        raise AssertionError("nonsense was unpacked")


@things
def archives_of_a_container_that_never_ran(made):
    made.volume("docker-py-archive")
    container = made.container("cat /vol/file", start=False, volumes=["docker-py-archive:/vol"])
    container.put_archive("/vol", tar_of({"file": b"kept"}))
    container.start()
    container.wait()
    equal(container.logs(), b"kept")


@things
def export(made):
    container = made.container("sh -c 'echo x > /exported'")
    container.wait()
    data = b"".join(container.export())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        equal(tar.extractfile("exported").read(), b"x\n")


@things
def commit(made):
    container = made.container(["sh", "-c", "echo x > /committed"])
    container.wait()
    image = container.commit("docker-py-commit", "v1", message="m", author="a", changes='CMD ["cat", "/committed"]')
    made.image("docker-py-commit:v1")
    contains(image.tags, "docker-py-commit:v1")
    equal(client.containers.run("docker-py-commit:v1", remove=True), b"x\n")


@things
def resize(made):
    container = made.container(tty=True)
    container.resize(40, 120)
    exec_id = api.exec_create(container.id, "stty size", tty=True)["Id"]
    api.exec_start(exec_id, tty=True)


@check
def prune_containers():
    container = client.containers.create(IMAGE, "true", labels={"docker-py": "prune"})
    report = client.containers.prune(filters={"label": "docker-py=prune"})
    equal(report["ContainersDeleted"], [container.id])


@things
def healthchecks(made):
    test = Healthcheck(test=["CMD-SHELL", "test -e /healthy"], interval=200_000_000, retries=1)
    container = made.container(healthcheck=test)
    health = lambda: api.inspect_container(container.id)["State"]["Health"]["Status"]
    wait_until(lambda: health() == "unhealthy")
    container.exec_run("touch /healthy")
    wait_until(lambda: health() == "healthy")


@things
def restart_policies(made):
    container = made.container("false", restart_policy={"Name": "on-failure", "MaximumRetryCount": 1})
    wait_until(lambda: api.inspect_container(container.id)["State"]["Status"] == "exited")
    equal(api.inspect_container(container.id)["RestartCount"], 1)


@check
def auto_remove():
    container = client.containers.run(IMAGE, "true", detach=True, auto_remove=True)

    def gone():
        try:
            client.containers.get(container.id)
            return False
        except docker.errors.NotFound:
            return True

    wait_until(gone)


# Attach and exec


def frames(data):
    out = []
    while data:
        kind, length = struct.unpack(">BxxxL", data[:8])
        out.append((kind, data[8 : 8 + length]))
        data = data[8 + length :]
    return out


@things
def attach_with_input(made):
    container = made.container("cat", start=False, stdin_open=True)
    sock = api.attach_socket(container.id, {"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    raw = getattr(sock, "_sock", sock)
    raw.sendall(b"through cat\n")
    raw.shutdown(socket.SHUT_WR)
    data = b""
    while piece := raw.recv(4096):
        data += piece
    equal(frames(data), [(1, b"through cat\n")])
    sock.close()


@things
def attach_streams_output(made):
    container = made.container(["sh", "-c", "sleep 0.2; echo out; echo err >&2"], start=False)
    stream = container.attach(stream=True, demux=True)
    container.start()
    pieces = list(stream)
    equal(b"".join(out or b"" for out, _ in pieces), b"out\n")
    equal(b"".join(err or b"" for _, err in pieces), b"err\n")


@things
def attach_over_a_websocket(made):
    container = made.container("cat", stdin_open=True, tty=True)
    # docker-py knows no way to a WebSocket over a unix socket.
    if os.environ["DOCKER_HOST"].startswith("unix:"):
        return
    ws = api.attach_socket(container.id, {"stdin": 1, "stdout": 1, "stream": 1}, ws=True)
    ws.send("hello ws\n")
    data = ""
    while "hello ws" not in data:
        piece = ws.recv()
        data += piece.decode() if isinstance(piece, bytes) else piece
    ws.close()


@things
def detach_keys(made):
    container = made.container("cat", stdin_open=True, tty=True)
    sock = api.attach_socket(
        container.id, {"stdin": 1, "stdout": 1, "stream": 1, "detachKeys": "ctrl-x,x"}
    )
    raw = getattr(sock, "_sock", sock)
    raw.settimeout(20)
    raw.sendall(b"\x18x")
    while raw.recv(4096):
        pass
    sock.close()
    container.reload()
    equal(container.status, "running")


@things
def exec_runs(made):
    container = made.container()
    equal(tuple(container.exec_run("echo hello")), (0, b"hello\n"))
    equal(container.exec_run(["sh", "-c", "exit 4"]).exit_code, 4)
    equal(container.exec_run("sh -c 'echo $X'", environment={"X": "y"}).output, b"y\n")
    equal(container.exec_run("pwd", workdir="/var").output, b"/var\n")
    equal(container.exec_run("id -u", user="12").output, b"12\n")
    demuxed = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    equal(demuxed.output, (b"out\n", b"err\n"))
    equal(b"".join(container.exec_run("echo streamed", stream=True).output), b"streamed\n")
    equal(container.exec_run("echo tty", tty=True).output, b"tty\r\n")


@things
def exec_with_input(made):
    container = made.container()
    exec_id = api.exec_create(container.id, "cat", stdin=True)["Id"]
    sock = api.exec_start(exec_id, socket=True)
    raw = getattr(sock, "_sock", sock)
    raw.sendall(b"piped")
    raw.shutdown(socket.SHUT_WR)
    data = b""
    while piece := raw.recv(4096):
        data += piece
    equal(frames(data), [(1, b"piped")])
    sock.close()


@things
def exec_inspect_and_errors(made):
    container = made.container()
    exec_id = api.exec_create(container.id, ["sh", "-c", "exit 3"])["Id"]
    equal(api.exec_inspect(exec_id)["Running"], False)
    api.exec_start(exec_id)
    found = api.exec_inspect(exec_id)
    equal((found["ExitCode"], found["ContainerID"]), (3, container.id))
    fails(409, "has already run", lambda: api.exec_start(exec_id, detach=True))
    fails(404, "No such exec instance", lambda: api.exec_inspect("0" * 64))
    api.exec_start(api.exec_create(container.id, "true")["Id"], detach=True)
    contains((126, 127), container.exec_run("no-such-program").exit_code)


# Images


@things
def images_list_inspect_history_tag(made):
    image = client.images.get(IMAGE)
    contains(image.tags, "busybox:latest")
    assert image.id.startswith("sha256:")
    assert image.history()
    assert image.tag("docker-py-tag", "v2")
    made.image("docker-py-tag:v2")
    contains(client.images.get("docker-py-tag:v2").tags, "docker-py-tag:v2")
    listed = client.images.list("docker-py-tag")
    equal([i.id for i in listed], [image.id])
    equal(client.images.list(filters={"reference": "docker-py-*"})[0].id, image.id)
    fails(404, "No such image", lambda: client.images.get("no-such-image"))
    fails(400, "invalid reference format", lambda: image.tag("UPPER"))


@things
def images_save_and_load(made):
    client.images.get(IMAGE).tag("docker-py-save", "v1")
    made.image("docker-py-save:v1")
    data = b"".join(client.images.get("docker-py-save:v1").save(named="docker-py-save:v1"))
    client.images.remove("docker-py-save:v1")
    loaded = client.images.load(data)
    contains([tag for image in loaded for tag in image.tags], "docker-py-save:v1")
    try:
        client.images.load(b"no image")
        raise AssertionError("nothing failed")
    except (docker.errors.ImageLoadError, docker.errors.APIError):
        pass


@things
def images_import(made):
    with tempfile.NamedTemporaryFile() as file:
        file.write(tar_of({"imported": b"yes"}))
        file.flush()
        api.import_image_from_file(file.name, repository="docker-py-import", tag="v1")
    made.image("docker-py-import:v1")
    equal(len(client.images.get("docker-py-import:v1").attrs["RootFS"]["Layers"]), 1)


@things
def images_remove(made):
    client.images.get(IMAGE).tag("docker-py-rm", "v1")
    report = api.remove_image("docker-py-rm:v1")
    equal(report, [{"Untagged": "docker-py-rm:v1"}])
    container = made.container()
    fails(409, "conflict: unable to", lambda: client.images.remove(container.image.id))


@check
def images_prune():
    contains(client.images.prune(filters={"dangling": True}), "SpaceReclaimed")


@things
def images_build(made):
    context = tar_of(
        {
            "Dockerfile": b"FROM busybox\nARG X=1\nENV X=$X\nCOPY file /file\nRUN echo $X >> /file\nLABEL l=2\nCMD cat /file\n",
            "file": b"from context\n",
        }
    )
    image, log = client.images.build(
        fileobj=io.BytesIO(context), custom_context=True, tag="docker-py-build", buildargs={"X": "7"}, rm=True
    )
    made.image("docker-py-build")
    text = "".join(line.get("stream", "") for line in log)
    contains(text, "Step 1/7 : FROM busybox")
    contains(text, "Successfully built")
    equal(image.labels["l"], "2")
    equal(client.containers.run("docker-py-build", remove=True), b"from context\n7\n")


@check
def images_build_errors():
    def build(dockerfile):
        return client.images.build(fileobj=io.BytesIO(dockerfile), rm=True, forcerm=True)

    try:
        build(b"FROM busybox\nRUN exit 3\n")
    except docker.errors.BuildError as error:
        contains(str(error), "The command '/bin/sh -c exit 3' returned a non-zero code: 3")
    else:
        raise AssertionError("the build did not fail")
    fails(400, "unknown instruction: NONSENSE", lambda: build(b"FROM busybox\nNONSENSE x\n"))


@things
def images_build_caches(made):
    dockerfile = b"FROM busybox\nRUN echo cached > /cached\nRUN echo again > /again\n"
    build = lambda **options: "".join(
        line.get("stream", "")
        for line in client.images.build(fileobj=io.BytesIO(dockerfile), tag="docker-py-cache", rm=True, **options)[1]
    )
    build()
    made.image("docker-py-cache")
    equal(build().count("Using cache"), 2)
    equal(build(nocache=True).count("Using cache"), 0)
    equal(build(cache_from=["docker-py-cache"]).count("Using cache"), 2)
    equal(build(cache_from=["no-such-image"]).count("Using cache"), 0)


@check
def search_without_a_network_is_an_error():
    try:
        client.images.search("busybox")
    except docker.errors.APIError:
        pass


# Networks


@things
def networks_create_inspect_list(made):
    pool = IPAMPool(subnet="172.28.0.0/16", iprange="172.28.5.0/24", gateway="172.28.5.254")
    network = made.network(
        "docker-py-net", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={"l": "1"}, internal=True
    )
    network.reload()
    equal(network.attrs["IPAM"]["Config"][0]["Subnet"], "172.28.0.0/16")
    equal(network.attrs["Internal"], True)
    equal([n.id for n in client.networks.list(names=["docker-py-net"])], [network.id])
    equal([n.id for n in client.networks.list(filters={"label": "l=1"})], [network.id])
    fails(409, "already exists", lambda: made.network("docker-py-net"))
    fails(403, "", lambda: client.networks.get("bridge").remove())
    fails(404, "not found", lambda: client.networks.get("docker-py-nothing"))


@things
def networks_connect_and_resolve(made):
    network = made.network("docker-py-dns")
    server = made.container(name="docker-py-server", network="docker-py-dns")
    asking = made.container(start=False)
    network.connect(
        asking, aliases=["asker"], links=[("docker-py-server", "linked")], ipv4_address=None
    )
    asking.start()
    address = api.inspect_container(server.id)["NetworkSettings"]["Networks"]["docker-py-dns"]["IPAddress"]
    for name in ("docker-py-server", "linked", "docker-py-server.docker-py-dns"):
        code, out = asking.exec_run(["nslookup", name])
        contains(out.decode(), address)
        equal(code, 0)
    code, out = asking.exec_run(["nslookup", address])
    contains(out.decode(), "docker-py-server.docker-py-dns")
    network.reload()
    equal({c.name for c in network.containers}, {"docker-py-server", asking.name})
    fails(403, "has active endpoints", network.remove)
    network.disconnect(asking)
    equal(asking.exec_run(["nslookup", "docker-py-server"]).exit_code, 1)


@things
def networks_fixed_addresses(made):
    pool = IPAMPool(subnet="172.29.0.0/24")
    network = made.network("docker-py-fixed", ipam=IPAMConfig(pool_configs=[pool]))
    container = made.container(start=False)
    network.connect(container, ipv4_address="172.29.0.77")
    container.start()
    found = api.inspect_container(container.id)["NetworkSettings"]["Networks"]["docker-py-fixed"]
    equal(found["IPAddress"], "172.29.0.77")


@things
def networks_prune(made):
    network = made.network("docker-py-prune", labels={"docker-py": "prune"})
    report = client.networks.prune(filters={"label": "docker-py=prune"})
    equal(report["NetworksDeleted"], ["docker-py-prune"])
    fails(404, "not found", network.reload)


@things
def links_on_the_bridge(made):
    made.container(name="docker-py-linked", environment={"MODE": "fast"}, ports={"80/tcp": None})
    container = made.container("env", links={"docker-py-linked": "db"}, name="docker-py-linker")
    container.wait()
    env = container.logs().decode().splitlines()
    contains(env, "DB_NAME=/docker-py-linker/db")
    contains(env, "DB_ENV_MODE=fast")
    assert any(v.startswith("DB_PORT_80_TCP=tcp://172.17.") for v in env), env
    api.remove_container("docker-py-linker/db", link=True)
    equal(api.inspect_container(container.id)["HostConfig"]["Links"] or [], [])
    fails(404, "", lambda: api.remove_container("docker-py-linker/db", link=True))


@things
def published_ports(made):
    container = made.container(
        ["sh", "-c", "mkdir /www; echo served > /www/index.html; httpd -f -p 80 -h /www"],
        ports={"80/tcp": ("127.0.0.1", None)},
    )
    container.reload()
    port = int(container.ports["80/tcp"][0]["HostPort"])
    equal(api.port(container.id, 80)[0]["HostIp"], "127.0.0.1")

    def served():
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                data = b""
                while piece := sock.recv(4096):
                    data += piece
                return data.endswith(b"served\n")
        except OSError:
            return False

    wait_until(served)


# Volumes


@things
def volumes_create_list_inspect(made):
    volume = made.volume("docker-py-volume", labels={"l": "1"})
    volume.reload()
    equal(volume.attrs["Driver"], "local")
    equal([v.id for v in client.volumes.list(filters={"label": "l=1"})], ["docker-py-volume"])
    equal([v.id for v in client.volumes.list(filters={"name": "docker-py-vol"})], ["docker-py-volume"])
    fails(404, "no such volume", lambda: client.volumes.get("docker-py-none"))
    fails(400, "includes invalid characters", lambda: made.volume("a/b"))


@things
def volumes_are_shared_and_in_use(made):
    volume = made.volume("docker-py-shared")
    container = made.container(
        "sh -c 'echo shared > /v/file'", volumes={"docker-py-shared": {"bind": "/v", "mode": "rw"}}
    )
    container.wait()
    mount = Mount(target="/data", source="docker-py-shared", read_only=True)
    out = client.containers.run(IMAGE, "sh -c 'cat /data/file; touch /data/x || echo refused'", mounts=[mount], remove=True)
    contains(out.decode(), "shared\n")
    contains(out.decode(), "refused")
    fails(409, "volume is in use", volume.remove)


@check
def volumes_prune():
    client.volumes.create("docker-py-vprune", labels={"docker-py": "prune"})
    report = client.volumes.prune(filters={"label": "docker-py=prune", "all": "true"})
    equal(report["VolumesDeleted"], ["docker-py-vprune"])


@things
def bind_mounts(made):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "file"), "w") as file:
            file.write("from the host\n")
        out = client.containers.run(IMAGE, "cat /host/file", volumes=[f"{folder}:/host:ro"], remove=True)
        equal(out, b"from the host\n")


# What a daemon without swarm says


@check
def no_swarm():
    for call in (client.services.list, client.nodes.list, client.secrets.list, client.configs.list):
        fails(503, "This node is not a swarm manager", call)
    fails(503, "This node is not part of a swarm", lambda: client.swarm.leave())


@check
def no_plugins():
    equal(client.plugins.list(), [])
    fails(404, "not found", lambda: client.plugins.get("no-such-plugin"))


@check
def unix_timestamps_and_json_documents():
    # A document that only a raw request sees: Go's escapes and a line feed at the end.
    response = api._get(api._url("/version"))
    equal(json.loads(response.content)["Os"], "linux")
    assert response.content.endswith(b"\n")


if __name__ == "__main__":
    run()
