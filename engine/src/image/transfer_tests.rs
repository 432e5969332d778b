//! Pushes and pulls against a registry, good and hostile. Messages are the oracle's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use async_trait::async_trait;
use bottleship_oci::manifest::index_bytes;
use bottleship_oci::{Descriptor, DiffId, Manifest, media_type as mt};
use bytes::Bytes;
use futures::executor::block_on;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::testing::{World, config, reference};
use super::*;
use crate::api::types::AuthConfig;
use crate::emulated::StoredContent;
use crate::fetch::{FetchError, FetchRequest, FetchResponse, NoFetch};
use crate::registry::{Open, Registry};
use crate::store::MemoryStore;

const A: &[u8] = b"layer a";
const B: &[u8] = b"layer b";

fn push(world: &World, name: &str) -> Result<Vec<String>, String> {
    let push = Push {
        reference: reference(name),
        auth: AuthConfig::default(),
    };
    let (messages, result) = world.run(async |images, progress| images.push(push, progress).await);
    result.map(|()| messages).map_err(|e| e.message)
}

fn pull(world: &World, name: &str) -> Result<Vec<String>, String> {
    let reference = reference(name);
    let all_tags = name.ends_with("/app");
    let pull = Pull {
        reference,
        all_tags,
        platform: None,
        auth: AuthConfig::default(),
    };
    let (messages, result) = world.run(async |images, progress| images.pull(pull, progress).await);
    result.map(|()| messages).map_err(|e| e.message)
}

fn short(layer: &[u8]) -> String {
    Digest::of(layer).short().to_string()
}

#[test]
fn pushes_say_what_the_oracle_says() {
    let world = World::new();
    world.load(
        &[A],
        &[
            "busybox:latest",
            "127.0.0.1:5000/me/app:1",
            "127.0.0.1:5000/me/other:1",
        ],
    );
    world.load(&[A, B], &["127.0.0.1:5000/me/app:3"]);
    let (a, b) = (short(A), short(B));
    let refers = "The push refers to repository [127.0.0.1:5000/me/app]".to_string();
    let first = push(&world, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    assert_eq!(
        first[..3],
        [
            refers.clone(),
            format!("{a}: Preparing"),
            format!("{a}: Pushed")
        ]
    );
    let digest = first[3].strip_prefix("1: digest: sha256:").map(|d| d.len());
    assert_eq!(digest, Some(64 + " size: 521".len()), "{}", first[3]);
    let second = push(&world, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    assert_eq!(second[2], format!("{a}: Layer already exists"));
    assert_eq!(second[3], first[3]);
    let other = push(&world, "127.0.0.1:5000/me/other:1").unwrap_or_default();
    assert_eq!(other[2], format!("{a}: Mounted from me/app"));
    let mut third = push(&world, "127.0.0.1:5000/me/app:3").unwrap_or_default();
    assert_eq!(
        third[1..3],
        [format!("{b}: Preparing"), format!("{a}: Preparing")]
    );
    third[3..5].sort();
    let mut layers = [format!("{a}: Layer already exists"), format!("{b}: Pushed")];
    layers.sort();
    assert_eq!(third[3..5], layers);
    let all = push(&world, "127.0.0.1:5000/me/app").unwrap_or_default();
    assert_eq!(all.iter().filter(|m| m.contains(": digest: ")).count(), 2);
    assert_eq!(
        push(&world, "127.0.0.1:5000/nosuch"),
        Err("An image does not exist locally with the tag: 127.0.0.1:5000/nosuch".into())
    );
    world.load(&[A], &["me/app:latest"]);
    assert_eq!(
        push(&world, "me/app:latest"),
        Err("denied: requested access to the resource is denied".into())
    );
}

/// Another machine with the same registry.
fn elsewhere(world: &World) -> World {
    let other = World::new();
    other
        .images
        .attach_registry("127.0.0.1:5000", world.registry.clone());
    other
}

#[test]
fn pulls_say_what_the_oracle_says() {
    let world = World::new();
    let id = world.load(&[A, B], &["127.0.0.1:5000/me/app:1"]).id();
    let pushed = push(&world, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    let digest = pushed
        .last()
        .and_then(|l| l.split(' ').nth(2))
        .unwrap_or_default()
        .to_string();
    let other = elsewhere(&world);
    let messages = pull(&other, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    let layers: Vec<String> = messages[1..3]
        .iter()
        .filter_map(|m| Some(m.split(':').next()?.to_string()))
        .collect();
    assert_eq!(messages[0], "1: Pulling from me/app");
    for layer in &layers {
        let own: Vec<&str> = messages
            .iter()
            .filter_map(|m| m.strip_prefix(&format!("{layer}: ")))
            .collect();
        assert_eq!(
            own,
            [
                "Pulling fs layer",
                "Verifying Checksum",
                "Download complete",
                "Pull complete"
            ]
        );
    }
    let tail = [
        format!("Digest: {digest}"),
        "Status: Downloaded newer image for 127.0.0.1:5000/me/app:1".to_string(),
    ];
    assert_eq!(messages[messages.len() - 2..], tail);
    assert_eq!(
        other.images.find("127.0.0.1:5000/me/app:1").map(|i| i.id()),
        Ok(id.clone())
    );
    assert_eq!(
        other.images.names(&id).1,
        [format!("127.0.0.1:5000/me/app@{digest}")]
    );

    let again = pull(&other, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    assert_eq!(
        again[1..],
        [
            tail[0].clone(),
            "Status: Image is up to date for 127.0.0.1:5000/me/app:1".into()
        ]
    );
    let all = pull(&other, "127.0.0.1:5000/me/app").unwrap_or_default();
    assert_eq!(
        all.last().map(String::as_str),
        Some("Status: Image is up to date for 127.0.0.1:5000/me/app")
    );

    // By digest, with the layers there already.
    world.load(&[A], &["127.0.0.1:5000/me/small:1"]);
    let small = push(&world, "127.0.0.1:5000/me/small:1").unwrap_or_default();
    let digest = small
        .last()
        .and_then(|l| l.split(' ').nth(2))
        .unwrap_or_default();
    let name = format!("127.0.0.1:5000/me/small@{digest}");
    let messages = pull(&other, &name).unwrap_or_default();
    assert_eq!(messages[0], format!("{name}: Pulling from me/small"));
    assert!(messages[1].ends_with(": Already exists"), "{messages:?}");
    assert_eq!(
        messages.last(),
        Some(&format!("Status: Downloaded newer image for {name}"))
    );

    assert_eq!(
        pull(&other, "127.0.0.1:5000/me/app:nope"),
        Err(
            "manifest for 127.0.0.1:5000/me/app:nope not found: manifest unknown: manifest unknown"
                .into()
        )
    );
    let gone = block_on(
        other
            .images
            .remove("127.0.0.1:5000/me/app:1", false, true, &[]),
    )
    .unwrap_or_default();
    let untagged: Vec<&str> = gone
        .iter()
        .map(|r| r.untagged.as_str())
        .filter(|u| !u.is_empty())
        .collect();
    assert_eq!(untagged.len(), 2, "the tag, then the digest");
}

#[test]
fn a_pulled_image_is_pushed_as_it_came() {
    let world = World::new();
    world.load(&[A], &["127.0.0.1:5000/me/app:1"]);
    let pushed = push(&world, "127.0.0.1:5000/me/app:1").unwrap_or_default();
    let other = elsewhere(&world);
    assert!(pull(&other, "127.0.0.1:5000/me/app:1").is_ok());
    block_on(
        other
            .images
            .tag("127.0.0.1:5000/me/app:1", "127.0.0.1:5000/me/copy", "1"),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let copied = push(&other, "127.0.0.1:5000/me/copy:1").unwrap_or_default();
    assert_eq!(copied[2], format!("{}: Mounted from me/app", short(A)));
    assert_eq!(copied.last(), pushed.last());
}

/// Answers by path; what is not scripted is not found, as on a static server.
#[derive(Default)]
struct Script {
    answers: RefCell<BTreeMap<String, (StatusCode, HeaderMap, Bytes)>>,
    asked: RefCell<Vec<String>>,
    /// Bytes after which a body breaks off, once.
    breaks: RefCell<Option<usize>>,
}

impl Script {
    fn on(&self, path: &str, content_type: &str, body: impl Into<Bytes>) {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            content_type.parse().unwrap_or_else(|e| panic!("{e}")),
        );
        self.answers
            .borrow_mut()
            .insert(path.into(), (StatusCode::OK, headers, body.into()));
    }

    fn refuse(&self, path: &str, status: StatusCode, header: (&'static str, &str)) {
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap_or_else(|e| panic!("{e}")));
        self.answers
            .borrow_mut()
            .insert(path.into(), (status, headers, Bytes::new()));
    }

    /// An image as a registry would have it; returns manifest and configuration.
    fn image(&self, config: &RawConfig, layers: &[&'static [u8]]) -> Bytes {
        let descriptors: Vec<Descriptor> = layers
            .iter()
            .map(|l| Descriptor::of(mt::OCI_LAYER, l))
            .collect();
        for (descriptor, layer) in descriptors.iter().zip(layers) {
            self.on(
                &format!("/v2/x/blobs/{}", descriptor.digest),
                "application/octet-stream",
                *layer,
            );
        }
        self.on(
            &format!("/v2/x/blobs/{}", config.id()),
            "application/octet-stream",
            config.raw.clone(),
        );
        Manifest::oci_bytes(
            &Descriptor::of(mt::OCI_CONFIG, &config.raw),
            &descriptors,
            None,
        )
        .into()
    }
}

#[async_trait(?Send)]
impl Fetch for Script {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.asked.borrow_mut().push(request.url.clone());
        let host = request.url.split("://").nth(1).unwrap_or_default();
        let (host, path) = host.split_at(host.find('/').unwrap_or(host.len()));
        if host == "registry-1.docker.io" {
            return Err(FetchError(
                "dial tcp: lookup registry-1.docker.io: no such host".into(),
            ));
        }
        let found = self.answers.borrow().get(path).cloned();
        let (mut status, headers, mut body) =
            found.unwrap_or((StatusCode::NOT_FOUND, HeaderMap::new(), Bytes::new()));
        let range = request.headers.get("range").and_then(|r| {
            r.to_str()
                .ok()?
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        if let Some(from) = range {
            status = StatusCode::PARTIAL_CONTENT;
            body = body.slice(from..);
        }
        let mut chunks = vec![Ok(body.clone())];
        if path.contains("/blobs/")
            && let Some(at) = self.breaks.take()
        {
            chunks = vec![
                Ok(body.slice(..at)),
                Err(crate::pipe::BodyError::Failed("connection reset".into())),
            ];
        }
        Ok(FetchResponse {
            status,
            headers,
            body: Box::pin(futures::stream::iter(chunks)),
        })
    }
}

fn scripted() -> (Rc<Script>, World) {
    let script = Rc::new(Script::default());
    let settings = Settings {
        mirrors: vec!["https://mirror.example/".into()],
        ..Settings::default()
    };
    let world = World::with(
        Rc::new(MemoryStore::default()),
        None,
        script.clone(),
        Rc::new(Open),
        settings,
    );
    (script, world)
}

fn nothing_left(world: &World) -> bool {
    world.images.all().is_empty() && block_on(world.snapshots.layers()).is_ok_and(|l| l.is_empty())
}

#[test]
fn broken_transfers_go_on_where_they_stopped() {
    let (script, world) = scripted();
    let manifest = script.image(&config(&[A]), &[A]);
    script.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
    let layer = format!("https://r.example/v2/x/blobs/{}", Digest::of(A));
    assert!(pull(&world, "r.example/x:latest").is_ok());
    assert_eq!(
        script
            .asked
            .borrow()
            .iter()
            .filter(|u| **u == layer)
            .count(),
        1
    );
    let (script, world) = scripted();
    let manifest = script.image(&config(&[A]), &[A]);
    script.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
    let broken = World::with(
        Rc::new(MemoryStore::default()),
        None,
        Rc::new(BreakOnce {
            inner: script.clone(),
            path: layer.clone(),
        }),
        Rc::new(Open),
        Settings::default(),
    );
    drop(world);
    assert!(pull(&broken, "r.example/x:latest").is_ok());
    assert_eq!(
        script
            .asked
            .borrow()
            .iter()
            .filter(|u| **u == layer)
            .count(),
        2
    );
}

/// Breaks the first transfer of one address after three bytes.
struct BreakOnce {
    inner: Rc<Script>,
    path: String,
}

#[async_trait(?Send)]
impl Fetch for BreakOnce {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        if request.url == self.path && !request.headers.contains_key("range") {
            *self.inner.breaks.borrow_mut() = Some(3);
        }
        self.inner.fetch(request).await
    }
}

#[test]
fn what_is_nowhere_is_said_in_dockers_words() {
    let (script, world) = scripted();
    script.on(
        "/v2/library/busybox/tags/list",
        "application/json",
        r#"{"name":"library/busybox","tags":["latest"]}"#,
    );
    assert_eq!(
        pull(&world, "nosuchimage:latest"),
        Err("pull access denied for nosuchimage, repository does not exist or may require 'docker login': denied: requested access to the resource is denied".into())
    );
    assert_eq!(
        pull(&world, "busybox:nosuchtag"),
        Err("manifest for busybox:nosuchtag not found: manifest unknown: manifest unknown".into())
    );
    let offline = World::with(
        Rc::new(MemoryStore::default()),
        None,
        Rc::new(NoFetch),
        Rc::new(Open),
        Settings::default(),
    );
    let error = pull(&offline, "127.0.0.1:1/nowhere:latest").unwrap_err();
    assert!(
        error.starts_with("Get \"http://127.0.0.1:1/v2/\": "),
        "{error}"
    );
}

#[test]
fn indexes_are_followed_to_the_platform() {
    let (script, world) = scripted();
    let manifest = script.image(&config(&[A]), &[A]);
    let child = |architecture: &str, bytes: &[u8]| Descriptor {
        platform: Some(Platform {
            architecture: architecture.into(),
            ..Platform::linux_amd64()
        }),
        ..Descriptor::of(mt::OCI_MANIFEST, bytes)
    };
    let index = index_bytes(
        mt::OCI_INDEX,
        &[child("arm64", b"other"), child("amd64", &manifest)],
    );
    let digest = Digest::of(&index);
    script.on(
        &format!("/v2/x/manifests/{}", Digest::of(&manifest)),
        mt::OCI_MANIFEST,
        manifest,
    );
    script.on("/v2/x/manifests/latest", mt::OCI_INDEX, index);
    let messages = pull(&world, "r.example/x:latest").unwrap_or_default();
    assert!(
        messages.contains(&format!("Digest: {digest}")),
        "{messages:?}"
    );
    let arm = index_bytes(mt::OCI_INDEX, &[child("arm64", b"other")]);
    script.on("/v2/x/manifests/arm", mt::OCI_INDEX, arm);
    assert_eq!(
        pull(&world, "r.example/x:arm"),
        Err("no matching manifest for linux/amd64 in the manifest list entries".into())
    );
}

/// Rows C02, C07, C08, C10, B12: nothing of a refused image is kept.
#[test]
fn hostile_registries_are_refused() {
    type Poison = fn(&Script, &RawConfig);
    let good = |script: &Script, config: &RawConfig| {
        let manifest = script.image(config, &[A]);
        script.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
    };
    let table: [(&str, Poison); 7] = [
        (
            "media type \"application/vnd.oci.image.index.v1+json\"",
            |s, c| {
                let manifest = s.image(c, &[A]);
                s.on("/v2/x/manifests/latest", mt::OCI_INDEX, manifest);
            },
        ),
        ("filesystem layer verification failed", |s, _| {
            s.on(
                &format!("/v2/x/blobs/{}", Digest::of(A)),
                "x/y",
                &b"layer X"[..],
            );
        }),
        ("the registry sends more than", |s, _| {
            s.on(
                &format!("/v2/x/blobs/{}", Digest::of(A)),
                "x/y",
                vec![0; 5000],
            );
        }),
        ("image config verification failed", |s, c| {
            s.on(
                &format!("/v2/x/blobs/{}", c.id()),
                "x/y",
                vec![b'{'; c.raw.len()],
            );
        }),
        ("layers length mismatch", |s, _| {
            let short = config(&[]);
            let manifest = s.image(&short, &[A]);
            s.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
        }),
        (
            "layers from manifest don't match image configuration",
            |s, _| {
                let other = config(&[B]);
                let manifest = s.image(&other, &[A]);
                s.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
            },
        ),
        (
            "unsupported media type \"application/vnd.oci.image.layer.v1.tar+lz4\"",
            |s, c| {
                let config = Descriptor::of(mt::OCI_CONFIG, &c.raw);
                let layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar+lz4", A);
                s.on(
                    "/v2/x/manifests/latest",
                    mt::OCI_MANIFEST,
                    Manifest::oci_bytes(&config, &[layer], None),
                );
            },
        ),
    ];
    for (text, poison) in table {
        let (script, world) = scripted();
        let config = config(&[A]);
        good(&script, &config);
        poison(&script, &config);
        let error = pull(&world, "r.example/x:latest").unwrap_err();
        assert!(error.contains(text), "{text}: {error}");
        assert!(nothing_left(&world), "{text}");
        good(&script, &config);
        assert!(pull(&world, "r.example/x:latest").is_ok(), "{text}");
    }
}

/// Row C13: the bytes must be what the digest asked for says.
#[test]
fn a_digest_is_believed_only_if_it_matches() {
    let (script, world) = scripted();
    let manifest = script.image(&config(&[A]), &[A]);
    let wanted = Digest::of(b"something else");
    script.on(
        &format!("/v2/x/manifests/{wanted}"),
        mt::OCI_MANIFEST,
        manifest,
    );
    let error = pull(&world, &format!("r.example/x@{wanted}")).unwrap_err();
    assert_eq!(
        error,
        format!("manifest verification failed for digest {wanted}")
    );
}

/// Row C20: tokens of the same site only, no redirect into private networks.
#[test]
fn tokens_and_redirects_stay_in_the_open() {
    let (script, world) = scripted();
    for realm in [
        "http://attacker/",
        "https://attacker.example/",
        "http://r.example/token",
    ] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"r\"");
        script.refuse(
            "/v2/x/manifests/latest",
            StatusCode::UNAUTHORIZED,
            ("www-authenticate", &challenge),
        );
        let error = pull(&world, "r.example/x:latest").unwrap_err();
        assert!(error.starts_with("refusing to ask "), "{error}");
    }
    for to in [
        "http://127.0.0.1:2375/",
        "https://169.254.169.254/",
        "http://cdn.example/x",
    ] {
        script.refuse(
            "/v2/x/manifests/latest",
            StatusCode::TEMPORARY_REDIRECT,
            ("location", to),
        );
        let error = pull(&world, "r.example/x:latest").unwrap_err();
        assert!(error.starts_with("refusing a redirect"), "{error}");
    }
    assert!(
        script
            .asked
            .borrow()
            .iter()
            .all(|u| u.starts_with("https://r.example/v2/"))
    );
}

#[test]
fn tokens_are_fetched_and_sent() {
    use crate::registry::{Grant, Limits, TokenAuthority};
    let world = World::new();
    let authority = Rc::new(TokenAuthority::new(
        "https://auth.r.example/token",
        "r",
        [1; 32],
        world.clock.clone(),
    ));
    let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
    let content = Rc::new(StoredContent::new(store.clone()));
    let entropy = Rc::new(crate::clock::SeededEntropy::new([1; 32]));
    let registry = Registry::new(
        content,
        store,
        world.clock.clone(),
        entropy,
        authority.clone(),
        Limits::default(),
    );

    /// The registry and its token server.
    struct Site {
        registry: Registry,
        authority: Rc<TokenAuthority>,
    }
    #[async_trait(?Send)]
    impl Fetch for Site {
        async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
            let Some(query) = request.url.strip_prefix("https://auth.r.example/token?") else {
                return self.registry.fetch(request).await;
            };
            let query = crate::api::query::Query::parse(query);
            let scope: Vec<&str> = query.get("scope").split(':').collect();
            let actions = scope[2].split(',').map(str::to_string).collect();
            let grant = Grant {
                kind: scope[0].into(),
                name: scope[1].into(),
                actions,
            };
            let token = self.authority.issue("me", vec![grant], 300);
            let body = json!({"token": token}).to_string();
            let chunks = vec![Ok(Bytes::from(body))];
            Ok(FetchResponse {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: Box::pin(futures::stream::iter(chunks)),
            })
        }
    }
    let site = Rc::new(Site {
        registry,
        authority,
    });
    let world = World::with(
        Rc::new(MemoryStore::default()),
        None,
        site.clone(),
        Rc::new(Open),
        Settings::default(),
    );
    world.load(&[A], &["r.example/me/x:1"]);
    assert!(push(&world, "r.example/me/x:1").is_ok());
    let other = World::with(
        Rc::new(MemoryStore::default()),
        None,
        site,
        Rc::new(Open),
        Settings::default(),
    );
    assert!(pull(&other, "r.example/me/x:1").is_ok());
}

#[test]
fn search_reads_the_catalogue() {
    let (script, world) = scripted();
    let catalog = json!({"repositories": [
        {"name": "library/busybox", "description": "Busybox base image."},
        {"name": "me/boxes", "description": "Mine"},
        {"name": "library/nginx", "description": "Official build of Nginx."},
    ]});
    script.on("/v2/catalog.json", "application/json", catalog.to_string());
    let filters = crate::api::filters::Filters::default();
    let found = block_on(world.images.search(Search {
        term: "box",
        limit: 0,
        filters: &filters,
    }))
    .unwrap_or_default();
    let names: Vec<(&str, bool)> = found
        .iter()
        .map(|r| (r.name.as_str(), r.is_official))
        .collect();
    assert_eq!(names, [("busybox", true), ("me/boxes", false)]);
}

#[test]
fn stand_ins_say_so() {
    let (script, world) = scripted();
    let mut config = config(&[A]).config;
    let labels = [(
        "io.bottleship.stand-in".to_string(),
        "alpine is a stand-in".to_string(),
    )];
    if let Some(config) = &mut config.config {
        config.labels = Some(labels.into());
    }
    config.rootfs.diff_ids = vec![DiffId(Digest::of(A))];
    let manifest = script.image(&RawConfig::new(config), &[A]);
    script.on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
    let messages = pull(&world, "r.example/x:latest").unwrap_or_default();
    assert!(
        messages.contains(&"Note: alpine is a stand-in".to_string()),
        "{messages:?}"
    );
}
