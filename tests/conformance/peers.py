"""peers.py BOTTLESHIP WORK [SHARED]: images to and from other people's tools, by digest.

skopeo, umoci, a real registry and a real Docker meet the daemon and its registry image. BOTTLESHIP is the program, WORK
an empty directory, SHARED has the oracle's daemon.sh and mkbase.py. What needs a tool that is not there is skipped.
"""
import atexit
import json
import os
import shutil
import subprocess
import sys
import time

from checks import check, contains, equal, run

BOTTLESHIP, WORK = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SHARED = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ""
del sys.argv[1:]
SOCKET = f"unix://{WORK}/docker.sock"
REAL = os.path.join(os.environ.get("ORACLE_STATE", "/tmp/oracle"), "peers")
PORT = 5001
OURS = f"127.0.0.1:{PORT}"
# A real registry (Debian's docker-registry) in the real Docker's network.
THEIRS = "127.0.0.1:5000"


def output(command, env=None, fine=True, data=None):
    done = subprocess.run(
        command,
        env=dict(os.environ, **(env or {})),
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    text = done.stdout.decode("utf-8", "replace")
    if fine and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}: {text}")
    return text


def start_real():
    """The prefix of commands in the real Docker's network, or none where it cannot run."""
    needed = ("dockerd", "docker-registry", "nsenter", "unshare", "openssl")
    if not SHARED or os.geteuid() != 0 or not all(map(shutil.which, needed)):
        return None
    try:
        output(["bash", f"{SHARED}/oracle/daemon.sh", "start", "peers"])
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"# no real Docker: {error}")
        return None
    atexit.register(lambda: output(["bash", f"{SHARED}/oracle/daemon.sh", "stop", "peers"], fine=False))
    with open(f"{REAL}/pid") as file:
        return ["nsenter", "-t", file.read().strip(), "-n", "-m", "--"]


INSIDE = start_real()
PREFIX = INSIDE or []


def docker(*arguments, fine=True, data=None):
    program = [BOTTLESHIP, "docker"]
    return output(PREFIX + program + list(arguments), {"DOCKER_HOST": SOCKET, "DOCKER_BUILDKIT": "0"}, fine, data)


def real(*arguments, fine=True):
    env = {"DOCKER_HOST": f"unix://{REAL}/docker.sock"}
    return output(["docker", *arguments], env, fine)


def skopeo(*arguments, fine=True):
    return output(PREFIX + ["skopeo", "--insecure-policy", *arguments], None, fine)


def needs(*tools):
    """A check that is left out, with a line that says so, where a tool is missing."""

    def decorate(function):
        missing = [tool for tool in tools if not (INSIDE if tool == "real Docker" else shutil.which(tool))]
        if missing:
            print(f"# skipped {function.__name__.replace('_', ' ')}: no {', '.join(missing)}")
            return function
        return check(function)

    return decorate


def start_ours():
    log = open(f"{WORK}/daemon.log", "wb")
    daemon = subprocess.Popen(
        PREFIX + [BOTTLESHIP, "daemon", "--host", SOCKET, "--data", f"{WORK}/data"], stdout=log, stderr=log
    )
    atexit.register(daemon.kill)
    for _ in range(300):
        if os.path.exists(f"{WORK}/docker.sock"):
            break
        time.sleep(0.1)
    base = f"{WORK}/base.tar"
    output(["python3", f"{SHARED}/oracle/mkbase.py", base])
    docker("load", "-q", "-i", base)
    context = f"{WORK}/registry"
    os.makedirs(context)
    with open(f"{context}/registry", "w") as file:
        file.write("#!/builtin/registry\n")
    os.chmod(f"{context}/registry", 0o755)
    with open(f"{context}/Dockerfile", "w") as file:
        file.write('FROM scratch\nCOPY registry /bin/\nVOLUME /var/lib/registry\nENTRYPOINT ["/bin/registry"]\n')
    docker("build", "-q", "-t", "registry:2", context)
    docker(
        "run", "-d", "--name", "registry", "-p", f"{OURS}:5000", "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true",
        "-v", "registry:/var/lib/registry", "registry:2",
    )  # fmt: skip
    docker("tag", "busybox", f"{OURS}/library/busybox:1")
    contains(docker("push", f"{OURS}/library/busybox:1"), "digest: sha256:")


def digest_of(reference):
    raw = skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}")
    return raw.strip().splitlines()[-1]


def image_id(reference, client=docker):
    return client("image", "inspect", "-f", "{{.Id}}", reference).strip()


def layers(reference, client=docker):
    return json.loads(client("image", "inspect", "-f", "{{json .RootFS.Layers}}", reference))


@check
def a_push_says_what_is_there_and_what_is_mounted():
    docker("tag", "busybox", f"{OURS}/library/busybox:again")
    contains(docker("push", f"{OURS}/library/busybox:again"), "Layer already exists")
    docker("tag", "busybox", f"{OURS}/other/name:1")
    contains(docker("push", f"{OURS}/other/name:1"), "Mounted from library/busybox")


@check
def the_registry_keeps_its_volume():
    docker("restart", "-t", "5", "registry")
    docker("rmi", f"{OURS}/library/busybox:1")
    for _ in range(50):
        if "Downloaded newer image" in docker("pull", f"{OURS}/library/busybox:1", fine=False):
            break
        docker("rmi", f"{OURS}/library/busybox:1", fine=False)
        time.sleep(0.1)
    equal(image_id(f"{OURS}/library/busybox:1"), image_id("busybox"))


@needs("skopeo")
def skopeo_reads_what_we_pushed():
    found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{OURS}/library/busybox:1"))
    equal(sorted(found["RepoTags"]), ["1", "again"])
    tags = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{OURS}/library/busybox"))
    equal(sorted(tags["Tags"]), ["1", "again"])


@needs("skopeo", "umoci")
def layouts_are_valid():
    skopeo("copy", "--src-tls-verify=false", f"docker://{OURS}/library/busybox:1", f"oci:{WORK}/layout:one")
    contains(output(["umoci", "stat", "--image", f"{WORK}/layout:one"]), "LAYER")
    output(["umoci", "unpack", "--rootless", "--image", f"{WORK}/layout:one", f"{WORK}/bundle"])
    assert os.path.exists(f"{WORK}/bundle/rootfs/bin/busybox")


@needs("skopeo", "umoci")
def a_save_file_is_a_layout_and_an_archive():
    docker("save", "-o", f"{WORK}/saved.tar", "busybox:latest")
    skopeo("copy", f"docker-archive:{WORK}/saved.tar", f"oci:{WORK}/from-archive:one")
    os.makedirs(f"{WORK}/unpacked")
    output(["tar", "-C", f"{WORK}/unpacked", "-xf", f"{WORK}/saved.tar"])
    with open(f"{WORK}/unpacked/index.json") as file:
        index = json.load(file)
    equal(len(index["manifests"]), 1)
    equal(index["manifests"][0]["annotations"]["io.containerd.image.name"], "docker.io/library/busybox:latest")
    skopeo("copy", f"oci:{WORK}/unpacked:latest", f"oci:{WORK}/from-layout:one")
    contains(output(["umoci", "stat", "--image", f"{WORK}/from-layout:one"]), "LAYER")
    want = layers("busybox")
    config = json.loads(skopeo("inspect", "--config", f"oci:{WORK}/from-layout:one"))
    equal(config["rootfs"]["diff_ids"], want)


@needs("skopeo")
def skopeo_writes_and_we_pull():
    docker("save", "-o", f"{WORK}/written.tar", "alpine:latest")
    for source, name in ((f"docker-archive:{WORK}/written.tar", "archive"), (f"oci:{WORK}/w:one", "oci")):
        if name == "oci":
            skopeo("copy", f"docker-archive:{WORK}/written.tar", f"oci:{WORK}/w:one")
        target = f"{OURS}/skopeo/{name}:1"
        skopeo("copy", "--dest-tls-verify=false", source, f"docker://{target}")
        contains(docker("pull", target), f"Digest: {digest_of(target)}")
        equal(layers(target), layers("alpine:latest"))
        equal(docker("run", "--rm", target, "echo", "runs"), "runs\n")


@needs("skopeo")
def skopeo_copies_between_repositories_and_deletes():
    skopeo(
        "copy", "--src-tls-verify=false", "--dest-tls-verify=false",
        f"docker://{OURS}/library/busybox:1", f"docker://{OURS}/copied/busybox:1",
    )  # fmt: skip
    equal(digest_of(f"{OURS}/copied/busybox:1"), digest_of(f"{OURS}/library/busybox:1"))
    skopeo("delete", "--tls-verify=false", f"docker://{OURS}/copied/busybox:1")
    contains(docker("pull", f"{OURS}/copied/busybox:1", fine=False), "manifest unknown")


@needs("curl")
def lists_ranges_and_resumed_uploads():
    curl = lambda *arguments: output(PREFIX + ["curl", "-s", "-i", *arguments])
    contains(curl(f"http://{OURS}/v2/_catalog"), "library/busybox")
    contains(curl(f"http://{OURS}/v2/library/busybox/tags/list?n=1"), 'rel="next"')
    found = json.loads(skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{OURS}/library/busybox:1"))
    blob = found["layers"][0]["digest"]
    part = curl("-r", "10-19", f"http://{OURS}/v2/library/busybox/blobs/{blob}", "-o", "/dev/null", "-D", "-")
    contains(part, "206")
    contains(part.lower(), "content-range: bytes 10-19/")
    started = curl("-X", "POST", f"http://{OURS}/v2/library/busybox/blobs/uploads/")
    place = [line.split(": ", 1)[1].strip() for line in started.splitlines() if line.lower().startswith("location")][0]
    place = place if place.startswith("http") else f"http://{OURS}{place}"
    octets = ["-H", "Content-Type: application/octet-stream"]
    first = curl("-X", "PATCH", *octets, "-H", "Content-Range: 0-4", "--data-binary", "01234", place)
    contains(first, "202")
    contains(first.lower(), "range: 0-4")
    contains(curl("-X", "PATCH", *octets, "-H", "Content-Range: 9-9", "--data-binary", "x", place), "416")
    contains(curl("-X", "PATCH", *octets, "-H", "Content-Range: 5-9", "--data-binary", "56789", place), "202")
    wanted = "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
    contains(curl("-X", "PUT", f"{place}?digest={wanted}"), "201")


@needs("real Docker", "skopeo")
def a_real_docker_pulls_what_we_pushed():
    contains(real("pull", f"{OURS}/library/busybox:1"), f"Digest: {digest_of(f'{OURS}/library/busybox:1')}")
    equal(image_id(f"{OURS}/library/busybox:1", real), image_id("busybox"))
    equal(real("run", "--rm", "--network", "none", f"{OURS}/library/busybox:1", "echo", "runs"), "runs\n")


@needs("real Docker", "skopeo")
def we_pull_what_a_real_docker_pushed():
    real("load", "-q", "-i", f"{WORK}/base.tar")
    real("tag", "alpine:3.10", f"{OURS}/real/alpine:1")
    pushed = real("push", f"{OURS}/real/alpine:1")
    contains(pushed, digest_of(f"{OURS}/real/alpine:1"))
    contains(docker("pull", f"{OURS}/real/alpine:1"), f"Digest: {digest_of(f'{OURS}/real/alpine:1')}")
    equal(image_id(f"{OURS}/real/alpine:1"), image_id("alpine:3.10", real))


@needs("real Docker", "skopeo")
def a_real_registry_takes_what_we_push():
    # The real registry keeps what an earlier run pushed.
    ours = f"ours{int(time.time())}"
    docker("tag", "busybox", f"{THEIRS}/{ours}/busybox:1")
    pushed = docker("push", f"{THEIRS}/{ours}/busybox:1")
    contains(pushed, digest_of(f"{THEIRS}/{ours}/busybox:1"))
    contains(docker("push", f"{THEIRS}/{ours}/busybox:1"), "Layer already exists")
    docker("tag", "busybox", f"{THEIRS}/{ours}/mounted:1")
    contains(docker("push", f"{THEIRS}/{ours}/mounted:1"), f"Mounted from {ours}/busybox")
    real("pull", f"{THEIRS}/{ours}/busybox:1")
    equal(image_id(f"{THEIRS}/{ours}/busybox:1", real), image_id("busybox"))
    docker("rmi", f"{THEIRS}/{ours}/busybox:1")
    docker("pull", f"{THEIRS}/{ours}/busybox:1")
    equal(image_id(f"{THEIRS}/{ours}/busybox:1"), image_id("busybox"))


@needs("real Docker")
def save_files_go_both_ways():
    docker("save", "-o", f"{WORK}/ours.tar", "busybox", "alpine:3.10")
    contains(real("load", "-i", f"{WORK}/ours.tar"), "Loaded image: busybox:latest")
    equal(image_id("alpine:3.10", real), image_id("alpine:3.10"))
    real("save", "-o", f"{WORK}/real.tar", "hello-world")
    docker("rmi", "-f", "hello-world", fine=False)
    contains(docker("load", "-i", f"{WORK}/real.tar"), "Loaded image: hello-world:latest")
    equal(image_id("hello-world"), image_id("hello-world", real))


if __name__ == "__main__":
    start_ours()
    run()
