//! The registry's side of the distribution-spec, and hostile clients.

use bottleship_oci::{Descriptor, Manifest, media_type as mt};
use bytes::Bytes;
use futures::executor::block_on;
use serde_json::Value;

use super::*;
use crate::api::types::Timestamp;
use crate::clock::{ManualClock, SeededEntropy};
use crate::emulated::StoredContent;
use crate::store::MemoryStore;

struct World {
    registry: Registry,
    store: Rc<dyn Store>,
    clock: Rc<ManualClock>,
}

fn world(auth: Rc<dyn Authorizer>, limits: Limits) -> World {
    open(Rc::new(MemoryStore::default()), auth, limits)
}

fn open(store: Rc<dyn Store>, auth: Rc<dyn Authorizer>, limits: Limits) -> World {
    let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_800_000_000, 0)));
    let content = Rc::new(StoredContent::new(store.clone()));
    let entropy = Rc::new(SeededEntropy::new([3; 32]));
    let registry = Registry::new(content, store.clone(), clock.clone(), entropy, auth, limits);
    World {
        registry,
        store,
        clock,
    }
}

fn plain() -> World {
    world(Rc::new(Open), Limits::default())
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    fn code(&self) -> String {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    }
}

impl World {
    fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Got {
        let mut request = Request::new(method.parse().unwrap_or_default(), target);
        for (name, value) in headers {
            request
                .headers
                .insert(*name, value.parse().unwrap_or_else(|e| panic!("{e}")));
        }
        request.body = Body::Bytes(Bytes::copy_from_slice(body));
        let response = block_on(self.registry.handle(request));
        let body = block_on(response.body.collect(1 << 20)).unwrap_or_default();
        Got {
            status: response.status.as_u16(),
            headers: response.headers,
            body,
        }
    }

    fn get(&self, target: &str) -> Got {
        self.ask("GET", target, &[], b"")
    }

    fn blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let got = self.ask(
            "POST",
            &format!("/v2/{name}/blobs/uploads/?digest={digest}"),
            &[],
            bytes,
        );
        assert_eq!(got.status, 201);
        digest
    }

    fn manifest(&self, name: &str, key: &str) -> (Bytes, Got) {
        self.blob(name, b"{}");
        self.blob(name, b"layer");
        let config = Descriptor::of(mt::OCI_CONFIG, b"{}");
        let bytes: Bytes =
            Manifest::oci_bytes(&config, &[Descriptor::of(mt::OCI_LAYER, b"layer")], None).into();
        let got = self.put(name, key, &bytes);
        (bytes, got)
    }

    fn put(&self, name: &str, key: &str, bytes: &[u8]) -> Got {
        let headers = [("content-type", mt::OCI_MANIFEST)];
        self.ask(
            "PUT",
            &format!("/v2/{name}/manifests/{key}"),
            &headers,
            bytes,
        )
    }
}

#[test]
fn the_specifications_pull_and_push() {
    let world = plain();
    let base = world.get("/v2/");
    assert_eq!(
        (base.status, base.header("docker-distribution-api-version")),
        (200, "registry/2.0")
    );
    let started = world.ask("POST", "/v2/a/b/blobs/uploads/", &[], b"");
    assert_eq!((started.status, started.header("range")), (202, "0-0"));
    let location = started.header("location").to_string();
    let patched = world.ask("PATCH", &location, &[], b"hello");
    assert_eq!((patched.status, patched.header("range")), (202, "0-4"));
    let patched = world.ask("PATCH", &location, &[("content-range", "5-9")], b" worl");
    assert_eq!((patched.status, patched.header("range")), (202, "0-9"));
    assert_eq!(world.get(&location).status, 204);
    let digest = Digest::of(b"hello world");
    let done = world.ask("PUT", &format!("{location}?digest={digest}"), &[], b"d");
    assert_eq!(
        (done.status, done.header("docker-content-digest")),
        (201, digest.as_str())
    );
    let blob = format!("/v2/a/b/blobs/{digest}");
    assert_eq!(&world.get(&blob).body[..], b"hello world");
    let head = world.ask("HEAD", &blob, &[], b"");
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, "11", 0)
    );
    let part = world.ask("GET", &blob, &[("range", "bytes=6-")], b"");
    assert_eq!(
        (part.status, part.header("content-range"), &part.body[..]),
        (206, "bytes 6-10/11", &b"world"[..])
    );
    assert_eq!(
        world
            .ask("GET", &blob, &[("range", "bytes=11-")], b"")
            .status,
        416
    );

    let (bytes, put) = world.manifest("a/b", "1");
    let digest = Digest::of(&bytes);
    assert_eq!(
        (put.status, put.header("docker-content-digest")),
        (201, digest.as_str())
    );
    for key in ["1", digest.as_str()] {
        let got = world.get(&format!("/v2/a/b/manifests/{key}"));
        assert_eq!(
            (got.status, got.header("content-type"), &got.body),
            (200, mt::OCI_MANIFEST, &bytes)
        );
        let etag = got.header("etag").to_string();
        let again = world.ask(
            "GET",
            &format!("/v2/a/b/manifests/{key}"),
            &[("if-none-match", &etag)],
            b"",
        );
        assert_eq!(again.status, 304);
    }
    let mounted = world.ask(
        "POST",
        &format!(
            "/v2/c/blobs/uploads/?mount={}&from=a/b",
            Digest::of(b"layer")
        ),
        &[],
        b"",
    );
    assert_eq!(mounted.status, 201);
    assert_eq!(
        world
            .ask("DELETE", &format!("/v2/a/b/manifests/{digest}"), &[], b"")
            .status,
        202
    );
    assert_eq!(world.get("/v2/a/b/manifests/1").code(), "MANIFEST_UNKNOWN");
    assert_eq!(world.ask("DELETE", &blob, &[], b"").status, 202);
    assert_eq!(world.get(&blob).code(), "BLOB_UNKNOWN");
    // The mounted blob has a life of its own.
    assert_eq!(
        world
            .get(&format!("/v2/c/blobs/{}", Digest::of(b"layer")))
            .status,
        200
    );
}

#[test]
fn what_was_pushed_survives_a_crash() {
    let first = plain();
    let (bytes, _) = first.manifest("a", "1");
    let again = open(first.store.clone(), Rc::new(Open), Limits::default());
    assert_eq!(again.get("/v2/a/manifests/1").body, bytes);
    assert!(again.registry.has_content(&Digest::of(b"layer")));
    let blob = format!("/v2/a/blobs/{}", Digest::of(b"layer"));
    assert_eq!(again.ask("DELETE", &blob, &[], b"").status, 202);
    assert!(!again.registry.has_content(&Digest::of(b"layer")));
}

#[test]
fn manifests_must_be_complete_and_unambiguous() {
    let world = plain();
    let config = Descriptor::of(mt::OCI_CONFIG, b"{}");
    let missing = Manifest::oci_bytes(&config, &[], None);
    assert_eq!(
        world.put("a", "1", &missing).code(),
        "MANIFEST_BLOB_UNKNOWN"
    );
    let (bytes, _) = world.manifest("a", "1");
    let wrong = format!("sha256:{}", "0".repeat(64));
    assert_eq!(world.put("a", &wrong, &bytes).code(), "DIGEST_INVALID");
    assert_eq!(world.put("a", "-x", &bytes).code(), "TAG_INVALID");
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    assert_eq!(world.put("a", "1", both).code(), "MANIFEST_INVALID");
    let declared = world.ask(
        "PUT",
        "/v2/a/manifests/1",
        &[("content-type", mt::OCI_INDEX)],
        &bytes,
    );
    assert_eq!(declared.code(), "MANIFEST_INVALID");
    let size = Manifest::oci_bytes(
        &Descriptor::new(mt::OCI_CONFIG, config.digest, 99),
        &[],
        None,
    );
    assert_eq!(world.put("a", "1", &size).code(), "MANIFEST_INVALID");
    assert_eq!(world.put("a", "1", &vec![b' '; (4 << 20) + 1]).status, 413);
}

/// Row C31: an upload of another repository is none, and a mount needs the right to pull.
#[test]
fn repositories_are_apart() {
    struct OnlyMine;
    impl Authorizer for OnlyMine {
        fn authorize(
            &self,
            _: &HeaderMap,
            resource: &Resource,
            _: Action,
        ) -> Result<(), Challenge> {
            match resource {
                Resource::Repository(name) if name.starts_with("private") => {
                    Err(Challenge::Basic { realm: "r".into() })
                }
                _ => Ok(()),
            }
        }
    }
    let first = plain();
    let location = first
        .ask("POST", "/v2/a/blobs/uploads/", &[], b"")
        .header("location")
        .to_string();
    let theirs = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(
        first.ask("PATCH", &theirs, &[], b"x").code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
    let digest = first.blob("private/x", b"secret");
    let guarded = open(first.store.clone(), Rc::new(OnlyMine), Limits::default());
    let mount = format!("/v2/mine/blobs/uploads/?mount={digest}&from=private/x");
    assert_eq!(guarded.ask("POST", &mount, &[], b"").status, 202);
    assert_eq!(guarded.get(&format!("/v2/mine/blobs/{digest}")).status, 404);
    let refused = guarded.get(&format!("/v2/private/x/blobs/{digest}"));
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, "Basic realm=\"r\"")
    );
}

/// Row C32: chunks in order, the right digest, one writer.
#[test]
fn uploads_are_atomic() {
    let world = plain();
    let start = || {
        world
            .ask("POST", "/v2/a/blobs/uploads/", &[], b"")
            .header("location")
            .to_string()
    };
    let location = start();
    assert_eq!(
        world
            .ask("PATCH", &location, &[("content-range", "0-1")], b"ab")
            .status,
        202
    );
    assert_eq!(
        world
            .ask("PATCH", &location, &[("content-range", "5-6")], b"fg")
            .status,
        416
    );
    assert_eq!(
        world
            .ask("PATCH", &location, &[("content-range", "0-1")], b"ab")
            .status,
        416
    );
    let other = Digest::of(b"other");
    assert_eq!(
        world
            .ask("PUT", &format!("{location}?digest={other}"), &[], b"")
            .code(),
        "DIGEST_INVALID"
    );
    assert_eq!(world.get(&format!("/v2/a/blobs/{other}")).status, 404);
    assert_eq!(world.get(&location).code(), "BLOB_UPLOAD_UNKNOWN");
    let location = start();
    assert_eq!(
        world
            .ask("PUT", &format!("{location}?digest=sha256:../x"), &[], b"x")
            .code(),
        "DIGEST_INVALID"
    );
    // The first of two writers has the upload until it is done.
    let location = start();
    let (mut writer, reader) = crate::pipe::pipe(16);
    let mut slow = Request::new(Method::PATCH, location.clone());
    slow.body = reader.into();
    let mut slow = Box::pin(world.registry.handle(slow));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(slow.as_mut(), &mut context).is_pending());
    assert_eq!(world.ask("PATCH", &location, &[], b"x").status, 409);
    let _ = writer.try_write(b"abc");
    drop(writer);
    assert_eq!(block_on(slow).status.as_u16(), 202);
    assert_eq!(world.get(&location).header("range"), "0-2");
}

/// Row W27: abandoned uploads go, their number and size are bounded before the body is read.
#[test]
fn uploads_are_bounded() {
    let limits = Limits {
        blob: 10,
        uploads: 2,
        ..Limits::default()
    };
    let world = world(Rc::new(Open), limits);
    let start = || world.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    let location = start().header("location").to_string();
    assert_eq!(start().status, 202);
    assert_eq!(start().code(), "TOOMANYREQUESTS");
    let huge = world.ask(
        "PATCH",
        &location,
        &[("content-length", "1125899906842624")],
        b"",
    );
    assert_eq!(huge.status, 413);
    world.clock.advance(Limits::default().upload_age + 1);
    let location = start().header("location").to_string();
    assert_eq!(world.ask("PATCH", &location, &[], &[0; 11]).status, 413);
    assert_eq!(start().status, 202);
    let total = self::world(
        Rc::new(Open),
        Limits {
            total: 8,
            ..Limits::default()
        },
    );
    total.blob("a", b"12345");
    assert_eq!(
        total
            .ask(
                "POST",
                &format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b"6789")),
                &[],
                b"6789"
            )
            .status,
        413
    );
}

/// Row C33: pages are clamped.
#[test]
fn lists_are_paged() {
    let world = plain();
    let (bytes, _) = world.manifest("a", "t0");
    for i in 1..5 {
        world.put("a", &format!("t{i}"), &bytes);
    }
    let page = world.get("/v2/a/tags/list?n=2");
    assert_eq!(
        String::from_utf8_lossy(&page.body).trim(),
        r#"{"name":"a","tags":["t0","t1"]}"#
    );
    assert_eq!(
        page.header("link"),
        "</v2/a/tags/list?n=2&last=t1>; rel=\"next\""
    );
    assert_eq!(world.get("/v2/a/tags/list?n=2&last=t3").header("link"), "");
    assert_eq!(world.get("/v2/a/tags/list?n=1000000000000").status, 200);
    for bad in ["-1", "x", "1e3"] {
        assert_eq!(
            world.get(&format!("/v2/_catalog?n={bad}")).code(),
            "PAGINATION_NUMBER_INVALID"
        );
    }
    assert_eq!(
        String::from_utf8_lossy(&world.get("/v2/_catalog").body).trim(),
        r#"{"repositories":["a"]}"#
    );
    assert_eq!(world.get("/v2/nosuch/tags/list").code(), "NAME_UNKNOWN");
}

#[test]
fn referrers_are_found_by_subject() {
    let world = plain();
    let (bytes, _) = world.manifest("a", "1");
    let subject = Descriptor::of(mt::OCI_MANIFEST, &bytes);
    let signature = serde_json::json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "artifactType": "application/x.sig",
        "config": Descriptor::of(mt::OCI_EMPTY, b"{}"), "layers": [], "subject": subject,
        "annotations": {"k": "v"},
    });
    let put = world.put(
        "a",
        Digest::of(signature.to_string().as_bytes()).as_str(),
        signature.to_string().as_bytes(),
    );
    assert_eq!(put.header("oci-subject"), subject.digest.as_str());
    let list = |query: &str| {
        let got = world.get(&format!("/v2/a/referrers/{}{query}", subject.digest));
        assert_eq!(got.header("content-type"), mt::OCI_INDEX);
        serde_json::from_slice::<Value>(&got.body).unwrap_or_default()["manifests"].clone()
    };
    assert_eq!(list("")[0]["artifactType"], "application/x.sig");
    assert_eq!(list("")[0]["annotations"]["k"], "v");
    assert_eq!(list("?artifactType=other"), Value::Array(vec![]));
}

/// Row W26: a path means one thing or nothing.
#[test]
fn tricky_paths_are_refused() {
    let world = plain();
    world.manifest("a", "1");
    for path in [
        "/v2/../a/manifests/1",
        "/v2/a/..%2fa/manifests/1",
        "/v2/a%00/manifests/1",
        "/v2//a/manifests/1",
        "/v2/a;x/manifests/1",
        "/v2/%c0%ae/manifests/1",
        "/v2/a\\b/manifests/1",
        "/v2/./a/manifests/1",
        "/v2/A/manifests/1",
        "/v2/%2e%2e/manifests/1",
        "/v2/a/%2F/manifests/1",
    ] {
        let got = world.get(path);
        assert!((400..405).contains(&got.status), "{path}: {}", got.status);
    }
    assert_eq!(
        world
            .get(&format!(
                "/v2/a/blobs/{}",
                Digest::of(b"layer").as_str().replace(':', "%3A")
            ))
            .status,
        200
    );
    assert_eq!(world.get("/v2/a/blobs/sha256:../../etc/passwd").status, 400);
}
