//! Pulls from registries that break off, redirect, ask for tokens, or lie. Messages are the oracle's.

use std::cell::RefCell;
use std::collections::BTreeMap;

use async_trait::async_trait;
use bottleship_oci::manifest::index_bytes;
use bottleship_oci::{Descriptor, DiffId, Manifest, media_type as mt};
use bytes::Bytes;
use futures::executor::block_on;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::testing::{World, config};
use super::transfer_tests::{A, B, pull, push};
use super::*;
use crate::emulated::StoredContent;
use crate::fetch::{Fetch, FetchError, FetchRequest, FetchResponse, NoFetch};
use crate::registry::{Open, Registry};
use crate::store::MemoryStore;

/// Answers by path; what is not scripted is not found, as on a static server.
#[derive(Default)]
pub(super) struct Script {
    answers: RefCell<BTreeMap<String, (StatusCode, HeaderMap, Bytes)>>,
    asked: RefCell<Vec<String>>,
    /// Bytes after which a body breaks off, once.
    breaks: RefCell<Option<usize>>,
}

impl Script {
    pub(super) fn on(&self, path: &str, content_type: &str, body: impl Into<Bytes>) {
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
        self.image_named("x", config, layers)
    }

    pub(super) fn image_named(
        &self,
        name: &str,
        config: &RawConfig,
        layers: &[&'static [u8]],
    ) -> Bytes {
        let descriptors: Vec<Descriptor> = layers
            .iter()
            .map(|l| Descriptor::of(mt::OCI_LAYER, l))
            .collect();
        for (descriptor, layer) in descriptors.iter().zip(layers) {
            self.on(
                &format!("/v2/{name}/blobs/{}", descriptor.digest),
                "application/octet-stream",
                *layer,
            );
        }
        self.on(
            &format!("/v2/{name}/blobs/{}", config.id()),
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

pub(super) fn scripted() -> (Rc<Script>, World) {
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
