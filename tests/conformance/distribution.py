"""distribution.py BOTTLESHIP WORK: the registry image against the distribution specification's conformance tests.

The checks follow github.com/opencontainers/distribution-spec/conformance: pull, push, content discovery, content
management, with the end points' numbers of the specification. The registry runs as a container of the daemon, its port
published on this machine. BOTTLESHIP is the program, WORK an empty directory.
"""
import atexit
import hashlib
import http.client
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.parse

from checks import check, contains, equal, run

BOTTLESHIP, WORK = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
del sys.argv[1:3]
SOCKET = f"unix://{WORK}/docker.sock"
OCTETS = {"Content-Type": "application/octet-stream"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
NAME = "conformance/repo"
PORT = 0


def docker(*arguments, data=None):
    done = subprocess.run(
        [BOTTLESHIP, "docker", *arguments],
        env=dict(os.environ, DOCKER_HOST=SOCKET),
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{' '.join(arguments)}: {text}"
    return text


def start():
    global PORT
    log = open(f"{WORK}/daemon.log", "wb")
    command = [BOTTLESHIP, "daemon", "--host", SOCKET, "--data", f"{WORK}/data"]
    daemon = subprocess.Popen(command, stdout=log, stderr=log)
    atexit.register(daemon.kill)
    for _ in range(300):
        if os.path.exists(f"{WORK}/docker.sock"):
            break
        time.sleep(0.1)
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        program = b"#!/builtin/registry\n"
        entry = tarfile.TarInfo("bin/registry")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    docker("import", "-c", 'ENTRYPOINT ["/bin/registry"]', "-", "registry:2", data=image.getvalue())
    docker(
        "run", "-d", "--name", "registry", "-p", "127.0.0.1::5000", "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true",
        "registry:2",
    )  # fmt: skip
    PORT = int(docker("port", "registry", "5000").strip().rsplit(":", 1)[1])
    for _ in range(300):
        try:
            if ask("GET", "/v2/").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the registry does not answer")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def header(self, name):
        return self.headers.get(name, "")

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["errors"][0]["code"]


def ask(method, target, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    place = urllib.parse.urlsplit(target)
    path = place.path + (f"?{place.query}" if place.query else "")
    connection.request(method, path, body=body, headers=headers or {})
    return Answer(connection.getresponse())


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def with_digest(location, data):
    return f"{location}{'&' if '?' in location else '?'}digest={digest(data)}"


def push_blob(data, name=NAME):
    """end-4a and end-6."""
    begun = ask("POST", f"/v2/{name}/blobs/uploads/", b"", {"Content-Length": "0"})
    equal(begun.status, 202)
    done = ask("PUT", with_digest(begun.header("Location"), data), data, OCTETS)
    equal(done.status, 201)
    return done


def descriptor(data, media_type):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
LAYER = b"a layer's bytes, whatever they are" * 100


def manifest(extra=None, layers=None):
    whole = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")] if layers is None else layers,
    }
    whole.update(extra or {})
    return json.dumps(whole).encode()


def push_manifest(key, data, media_type=MANIFEST, name=NAME):
    """end-7."""
    return ask("PUT", f"/v2/{name}/manifests/{key}", data, {"Content-Type": media_type})


def push_image(tag, name=NAME):
    push_blob(CONFIG, name)
    push_blob(LAYER, name)
    done = push_manifest(tag, manifest(), name=name)
    equal(done.status, 201)
    return done


# Pull.


@check
def pull_version_check():
    equal(ask("GET", "/v2/").status, 200)


@check
def pull_missing_blob_and_manifest_are_404():
    missing = digest(b"nobody pushed this")
    for method in ("HEAD", "GET"):
        equal(ask(method, f"/v2/{NAME}/blobs/{missing}").status, 404)
        equal(ask(method, f"/v2/{NAME}/manifests/{missing}").status, 404)
        equal(ask(method, f"/v2/{NAME}/manifests/.INVALID_MANIFEST_NAME").status in (400, 404), True)
    equal(ask("GET", f"/v2/{NAME}/blobs/{missing}").code() in ("BLOB_UNKNOWN", "NAME_UNKNOWN"), True)


@check
def pull_blobs_by_digest():
    push_blob(LAYER)
    head = ask("HEAD", f"/v2/{NAME}/blobs/{digest(LAYER)}")
    equal((head.status, head.header("Content-Length"), head.body), (200, str(len(LAYER)), b""))
    equal(head.header("Docker-Content-Digest"), digest(LAYER))
    whole = ask("GET", f"/v2/{NAME}/blobs/{digest(LAYER)}")
    equal((whole.status, whole.body), (200, LAYER))
    part = ask("GET", f"/v2/{NAME}/blobs/{digest(LAYER)}", headers={"Range": "bytes=3-9"})
    equal((part.status, part.body), (206, LAYER[3:10]))
    equal(ask("GET", f"/v2/{NAME}/blobs/{digest(LAYER)}", headers={"Range": "bytes=999999-"}).status, 416)


@check
def pull_manifests_by_digest_and_by_tag():
    push_image("pulled")
    for key in ("pulled", digest(manifest())):
        head = ask("HEAD", f"/v2/{NAME}/manifests/{key}", headers={"Accept": MANIFEST})
        equal((head.status, head.header("Content-Length")), (200, str(len(manifest()))))
        equal(head.header("Docker-Content-Digest"), digest(manifest()))
        whole = ask("GET", f"/v2/{NAME}/manifests/{key}", headers={"Accept": MANIFEST})
        equal((whole.status, whole.header("Content-Type"), whole.body), (200, MANIFEST, manifest()))


@check
def pull_errors_have_the_specifications_form():
    answer = ask("GET", f"/v2/{NAME}/manifests/nosuchtag")
    equal(answer.status, 404)
    error = answer.json()["errors"][0]
    equal(error["code"], "MANIFEST_UNKNOWN")
    equal(isinstance(error["message"], str), True)


# Push.


@check
def push_a_blob_monolithically_with_post_and_put():
    data = b"post and put"
    done = push_blob(data)
    equal(done.header("Docker-Content-Digest"), digest(data))
    equal(ask("GET", done.header("Location")).body, data)


@check
def push_a_blob_with_one_post():
    data = b"one post"
    done = ask("POST", f"/v2/{NAME}/blobs/uploads/?digest={digest(data)}", data, OCTETS)
    equal(done.status in (201, 202), True)
    if done.status == 202:
        done = ask("PUT", with_digest(done.header("Location"), data), data, OCTETS)
    equal(ask("GET", f"/v2/{NAME}/blobs/{digest(data)}").body, data)


@check
def push_a_blob_with_one_patch():
    data = b"streamed in one piece"
    begun = ask("POST", f"/v2/{NAME}/blobs/uploads/")
    patched = ask("PATCH", begun.header("Location"), data, OCTETS)
    equal((patched.status, patched.header("Range")), (202, f"0-{len(data) - 1}"))
    done = ask("PUT", with_digest(patched.header("Location"), data))
    equal(done.status, 201)
    equal(ask("GET", f"/v2/{NAME}/blobs/{digest(data)}").body, data)


@check
def push_a_blob_in_chunks_in_order_only():
    data = bytes(range(256)) * 40
    half = len(data) // 2
    begun = ask("POST", f"/v2/{NAME}/blobs/uploads/", b"", {"Content-Length": "0"})
    place = begun.header("Location")
    chunk = lambda start, end: dict(OCTETS, **{"Content-Range": f"{start}-{end}"})
    equal(ask("PATCH", place, data[half:], chunk(half, len(data) - 1)).status, 416)
    first = ask("PATCH", place, data[:half], chunk(0, half - 1))
    equal((first.status, first.header("Range")), (202, f"0-{half - 1}"))
    place = first.header("Location")
    equal(ask("PATCH", place, data[:half], chunk(0, half - 1)).status, 416)
    asked = ask("GET", place)
    equal((asked.status, asked.header("Range")), (204, f"0-{half - 1}"))
    last = ask("PUT", with_digest(place, data), data[half:], chunk(half, len(data) - 1))
    equal(last.status, 201)
    equal(ask("GET", f"/v2/{NAME}/blobs/{digest(data)}").body, data)


@check
def push_cancelled_uploads_are_gone():
    place = ask("POST", f"/v2/{NAME}/blobs/uploads/").header("Location")
    equal(ask("PATCH", place, b"half of", OCTETS).status, 202)
    equal(ask("DELETE", place).status, 204)
    gone = ask("GET", place)
    equal((gone.status, gone.code()), (404, "BLOB_UPLOAD_UNKNOWN"))


@check
def push_another_digest_is_refused():
    begun = ask("POST", f"/v2/{NAME}/blobs/uploads/")
    wrong = ask("PUT", with_digest(begun.header("Location"), b"promised"), b"sent", OCTETS)
    equal((wrong.status, wrong.code()), (400, "DIGEST_INVALID"))
    equal(ask("HEAD", f"/v2/{NAME}/blobs/{digest(b'promised')}").status, 404)


@check
def push_mounts_from_another_repository():
    data = b"mounted from a neighbour"
    push_blob(data, "conformance/source")
    mounted = ask("POST", f"/v2/{NAME}/blobs/uploads/?mount={digest(data)}&from=conformance/source")
    equal(mounted.status, 201)
    equal(ask("GET", mounted.header("Location")).body, data)
    missing = digest(b"nowhere")
    for query in (f"mount={missing}&from=conformance/source", f"mount={missing}&from=no/such"):
        begun = ask("POST", f"/v2/{NAME}/blobs/uploads/?{query}")
        equal(begun.status, 202)
        equal(ask("DELETE", begun.header("Location")).status, 204)


@check
def push_manifests_by_tag_and_digest():
    for tag in ("t1", "t2", "T3_x.y-z"):
        done = push_image(tag)
        equal(done.header("Docker-Content-Digest"), digest(manifest()))
        equal(ask("GET", done.header("Location")).body, manifest())
    equal(push_manifest(digest(manifest()), manifest()).status, 201)


@check
def push_manifests_without_layers_or_with_the_empty_descriptor():
    push_blob(CONFIG)
    push_blob(b"{}")
    equal(push_manifest("none", manifest(layers=[])).status, 201)
    equal(push_manifest("empty", manifest(layers=[descriptor(b"{}", EMPTY)])).status, 201)


@check
def push_manifests_need_their_blobs():
    missing = manifest(layers=[descriptor(b"never pushed", "application/vnd.oci.image.layer.v1.tar")])
    refused = push_manifest("incomplete", missing)
    equal((refused.status, refused.code()), (400, "MANIFEST_BLOB_UNKNOWN"))
    equal(push_manifest("broken", b"{").status, 400)
    equal(push_manifest(digest(b"another"), manifest()).status, 400)


# Content discovery.


@check
def discovery_tags_in_pages():
    name = "conformance/tags"
    for number in range(5):
        push_image(f"test{number}", name)
    whole = ask("GET", f"/v2/{name}/tags/list")
    equal((whole.status, whole.json()["tags"]), (200, [f"test{n}" for n in range(5)]))
    page = ask("GET", f"/v2/{name}/tags/list?n=2")
    equal(page.json()["tags"], ["test0", "test1"])
    link = page.header("Link")
    contains(link, 'rel="next"')
    equal(ask("GET", link[1 : link.index(">")]).json()["tags"], ["test2", "test3"])
    equal(ask("GET", f"/v2/{name}/tags/list?n=3&last=test2").json()["tags"], ["test3", "test4"])
    equal(ask("GET", f"/v2/{name}/tags/list?n=0").json()["tags"], [])
    unknown = ask("GET", "/v2/no/such/tags/list")
    equal((unknown.status, unknown.code()), (404, "NAME_UNKNOWN"))


@check
def discovery_referrers():
    push_image("subject")
    push_blob(b"{}")
    subject = descriptor(manifest(), MANIFEST)
    none = ask("GET", f"/v2/{NAME}/referrers/{digest(b'nobody')}")
    equal((none.status, none.header("Content-Type"), none.json()["manifests"]), (200, INDEX, []))
    kinds = ["application/vnd.test.a", "application/vnd.test.b"]
    pushed = []
    for kind in kinds:
        extra = {"artifactType": kind, "subject": subject, "annotations": {"test": kind}}
        extra["config"] = descriptor(b"{}", EMPTY)
        artifact = manifest(extra, layers=[descriptor(b"{}", EMPTY)])
        done = push_manifest(digest(artifact), artifact)
        equal((done.status, done.header("OCI-Subject")), (201, subject["digest"]))
        pushed.append(digest(artifact))
    about = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject}
    about = json.dumps(dict(about, artifactType="application/vnd.test.index")).encode()
    equal(push_manifest(digest(about), about, INDEX).status, 201)
    found = ask("GET", f"/v2/{NAME}/referrers/{subject['digest']}").json()
    equal(found["mediaType"], INDEX)
    equal(sorted(m["digest"] for m in found["manifests"]), sorted([*pushed, digest(about)]))
    filtered = ask("GET", f"/v2/{NAME}/referrers/{subject['digest']}?artifactType={kinds[0]}")
    equal([m["digest"] for m in filtered.json()["manifests"]], pushed[:1])
    equal(filtered.json()["manifests"][0]["annotations"], {"test": kinds[0]})
    equal(filtered.header("OCI-Filters-Applied"), "artifactType")
    # A subject that is not there yet may be named.
    later = descriptor(b"not there", MANIFEST)
    extra = {"artifactType": kinds[0], "subject": later, "config": descriptor(b"{}", EMPTY)}
    early = manifest(extra, layers=[descriptor(b"{}", EMPTY)])
    equal(push_manifest(digest(early), early).status, 201)
    equal(len(ask("GET", f"/v2/{NAME}/referrers/{later['digest']}").json()["manifests"]), 1)


@check
def discovery_indexes():
    push_image("child")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(manifest(), MANIFEST)]}
    data = json.dumps(index).encode()
    equal(push_manifest("index", data, INDEX).status, 201)
    got = ask("GET", f"/v2/{NAME}/manifests/index", headers={"Accept": INDEX})
    equal((got.header("Content-Type"), got.body), (INDEX, data))


# Content management.


@check
def management_deletes_tags_manifests_and_blobs():
    name = "conformance/deleted"
    push_image("gone", name)
    push_image("kept", name)
    equal(ask("DELETE", f"/v2/{name}/manifests/gone").status, 202)
    equal(ask("GET", f"/v2/{name}/manifests/gone").status, 404)
    equal(ask("GET", f"/v2/{name}/manifests/kept").status, 200)
    equal(ask("GET", f"/v2/{name}/tags/list").json()["tags"], ["kept"])
    equal(ask("DELETE", f"/v2/{name}/manifests/{digest(manifest())}").status, 202)
    equal(ask("GET", f"/v2/{name}/manifests/kept").status, 404)
    equal(ask("GET", f"/v2/{name}/manifests/{digest(manifest())}").status, 404)
    for data in (CONFIG, LAYER):
        equal(ask("DELETE", f"/v2/{name}/blobs/{digest(data)}").status, 202)
        equal(ask("GET", f"/v2/{name}/blobs/{digest(data)}").status, 404)
    equal(ask("DELETE", f"/v2/{name}/manifests/{digest(manifest())}").status, 404)
    equal(ask("DELETE", f"/v2/{name}/blobs/{digest(LAYER)}").status, 404)
    # Other repositories keep theirs.
    push_image("there", "conformance/neighbour")
    equal(ask("GET", f"/v2/conformance/neighbour/blobs/{digest(LAYER)}").status, 200)


if __name__ == "__main__":
    start()
    run()
