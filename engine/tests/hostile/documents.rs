//! Manifests, indexes and references: rows C01 to C20, each pulled, pushed and loaded.

use std::rc::Rc;

use bottleship_engine::api::{Body, Request};
use bottleship_engine::clock::{ManualClock, SeededEntropy};
use bottleship_engine::emulated::StoredContent;
use bottleship_engine::registry::{Limits, Open, Registry};
use bottleship_engine::store::{MemoryStore, Store};
use bottleship_oci::manifest::index_bytes;
use bottleship_oci::{Descriptor, Digest, media_type as mt};
use bytes::Bytes;
use futures::FutureExt;
use http::Method;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::bench::{Bench, REMOTE, archive, image, layer, manifest};
use crate::tars::Tar;

/// A document as it comes: its row, what the `Content-Type` claims, and its bytes.
type Hostile = (&'static str, &'static str, Vec<u8>);

fn good() -> Value {
    serde_json::from_slice(&manifest(&image(|_| {}))).expect("JSON")
}

fn with(key: &str, value: Value) -> Vec<u8> {
    let mut whole = good();
    whole[key] = value;
    whole.to_string().into_bytes()
}

/// The good manifest with something else said of its layer.
fn layer_with(key: &str, value: Value) -> Vec<u8> {
    let mut whole = good();
    whole["layers"][0][key] = value;
    whole.to_string().into_bytes()
}

/// The good manifest's text with one part replaced: what no JSON writer would write.
fn text(from: &str, to: &str) -> Vec<u8> {
    let whole = good().to_string();
    assert!(whole.contains(from), "{from}");
    whole.replacen(from, to, 1).into_bytes()
}

fn documents() -> Vec<Hostile> {
    let own = mt::OCI_MANIFEST;
    let index = |children: Vec<Value>| json!({"schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": children});
    let child = json!({"mediaType": own, "digest": Digest::of(b"x"), "size": 1});
    let mut both = index(vec![child.clone()]);
    both["config"] = good()["config"].clone();
    let hex = "a".repeat(64);
    let digest = |text: String| layer_with("digest", json!(text));
    let size = |number: &str| {
        let layer = format!("\"size\":{}", layer().len());
        text(&layer, &format!("\"size\":{number}"))
    };
    vec![
        (
            "C01 layers and manifests",
            own,
            with("manifests", json!([child])),
        ),
        (
            "C01 manifests and config",
            mt::OCI_INDEX,
            both.to_string().into(),
        ),
        (
            "C02 header says index",
            mt::OCI_INDEX,
            good().to_string().into(),
        ),
        (
            "C02 body says index",
            own,
            with("mediaType", json!(mt::OCI_INDEX)),
        ),
        (
            "C02 body says text",
            own,
            with("mediaType", json!("text/plain")),
        ),
        (
            "C03 neither",
            "application/octet-stream",
            br#"{"schemaVersion":2}"#.into(),
        ),
        ("C03 no object", own, b"[]".into()),
        ("C03 nothing", own, Vec::new()),
        (
            "C04 layers twice",
            own,
            text("\"layers\":", "\"layers\":[],\"layers\":"),
        ),
        (
            "C04 digest twice",
            own,
            text(
                "\"digest\":",
                &format!("\"digest\":\"sha256:{hex}\",\"digest\":"),
            ),
        ),
        ("C05 Layers", own, with("Layers", json!([]))),
        ("C05 mediatype", own, with("mediatype", json!(own))),
        (
            "C06 upper case",
            own,
            digest(format!("sha256:{}", hex.to_uppercase())),
        ),
        (
            "C06 too short",
            own,
            digest(format!("sha256:{}", &hex[1..])),
        ),
        (
            "C06 a path",
            own,
            digest("sha256:../../../etc/passwd".into()),
        ),
        ("C06 md5", own, digest(format!("md5:{}", &hex[..32]))),
        ("C06 b64", own, digest(format!("sha256+b64:{hex}"))),
        ("C06 a number", own, layer_with("digest", json!(1))),
        ("C09 negative", own, size("-1")),
        ("C09 2^63", own, size("9223372036854775808")),
        ("C09 2^64", own, size("18446744073709551616")),
        ("C09 float", own, size("1.5")),
        ("C09 exponent", own, size("1e2")),
        ("C09 text", own, size("\"1\"")),
        (
            "C11 many children",
            mt::OCI_INDEX,
            index(vec![child; 100_000 / 64]).to_string().into(),
        ),
        (
            "C11 many layers",
            own,
            with("layers", vec![good()["layers"][0].clone(); 5_000].into()),
        ),
        (
            "C12 deep",
            own,
            with_text(
                "annotations",
                &("[".repeat(1_000_000) + &"]".repeat(1_000_000)),
            ),
        ),
        (
            "C12 deep objects",
            own,
            with_text(
                "x",
                &("{\"a\":".repeat(300_000) + "1" + &"}".repeat(300_000)),
            ),
        ),
        (
            "C12 long",
            own,
            with("annotations", json!({"a": "x".repeat(5 << 20)})),
        ),
        ("no configuration", own, with("config", Value::Null)),
        (
            "not UTF-8",
            own,
            b"{\"schemaVersion\":2,\"x\":\"\xff\"}".into(),
        ),
        (
            "schema 1",
            mt::DOCKER_SCHEMA1_SIGNED,
            br#"{"schemaVersion":1,"fsLayers":[]}"#.into(),
        ),
    ]
}

fn with_text(key: &str, value: &str) -> Vec<u8> {
    text("{", &format!("{{\"{key}\":{value},"))
}

#[test]
fn documents_are_refused_by_a_pull() {
    let bench = Bench::new();
    let config = image(|_| {});
    let blob = |bytes: &[u8]| format!("/v2/x/blobs/{}", Digest::of(bytes));
    bench
        .remote
        .on(&blob(&config.raw), "x/y", config.raw.clone());
    bench.remote.on(&blob(&layer()), "x/y", layer());
    for (row, content_type, bytes) in documents() {
        bench
            .remote
            .on("/v2/x/manifests/latest", content_type, bytes);
        let answer = bench.pull(&format!("{REMOTE}/x:latest"));
        bench.refused(row, &answer);
        bench.unharmed(row);
    }
    bench.remote.on(
        "/v2/x/manifests/latest",
        mt::OCI_MANIFEST,
        manifest(&config),
    );
    assert_eq!(bench.pull(&format!("{REMOTE}/x:latest")).error(), None);
}

#[test]
fn documents_are_refused_by_a_push() {
    let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
    let clock = Rc::new(ManualClock::new(
        bottleship_engine::api::types::Timestamp::from_unix(0, 0),
    ));
    let registry = Registry::new(
        Rc::new(StoredContent::of_registry(store.clone())),
        store,
        clock,
        Rc::new(SeededEntropy::new([1; 32])),
        Rc::new(Open),
        Limits::default(),
    );
    let ask = |method: Method, target: &str, content_type: &str, body: Bytes| {
        let mut request = Request::new(method, target);
        request
            .headers
            .insert("content-type", content_type.parse().expect("a header"));
        request.body = Body::Bytes(body);
        let answer = registry.handle(request).now_or_never();
        answer.expect("memory does not wait").status.as_u16()
    };
    let config = image(|_| {});
    for bytes in [config.raw.clone(), layer().into()] {
        let target = format!("/v2/x/blobs/uploads/?digest={}", Digest::of(&bytes));
        assert_eq!(ask(Method::POST, &target, "x/y", bytes), 201);
    }
    for (row, content_type, bytes) in documents() {
        let digest = Digest::of(&bytes);
        for key in ["1", digest.as_str()] {
            let status = ask(
                Method::PUT,
                &format!("/v2/x/manifests/{key}"),
                content_type,
                bytes.clone().into(),
            );
            assert!(matches!(status, 400 | 413), "{row}: {status}");
            assert_eq!(
                ask(
                    Method::GET,
                    &format!("/v2/x/manifests/{key}"),
                    "x/y",
                    Bytes::new()
                ),
                404,
                "{row}"
            );
        }
    }
    let status = ask(
        Method::PUT,
        "/v2/x/manifests/1",
        mt::OCI_MANIFEST,
        manifest(&config).into(),
    );
    assert_eq!(status, 201);
}

/// An OCI layout whose index names this document.
fn layout(content_type: &str, bytes: &[u8]) -> Vec<u8> {
    layout_of(content_type, bytes, &layer())
}

fn layout_of(content_type: &str, bytes: &[u8], layer: &[u8]) -> Vec<u8> {
    let config = image(|_| {});
    let mut tar = Tar::new().file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    for blob in [bytes, &config.raw, layer] {
        let name = format!("blobs/sha256/{}", Digest::of(blob).hex());
        tar = tar.raw(&name, b'0', blob.len() as u64, |_| {}).data(blob);
    }
    let index = index_bytes(mt::OCI_INDEX, &[Descriptor::of(content_type, bytes)]);
    tar.file("index.json", &String::from_utf8_lossy(&index))
        .end()
}

#[test]
fn documents_are_refused_by_a_load() {
    let bench = Bench::new();
    for (row, content_type, bytes) in documents() {
        let answer = bench.tar("/images/load", layout(content_type, &bytes));
        bench.refused(row, &answer);
        bench.unharmed(row);
    }
    let good = layout(mt::OCI_MANIFEST, &manifest(&image(|_| {})));
    assert_eq!(bench.tar("/images/load", good).error(), None);
}

/// Rows C07, C08, C10: blobs that are not what the manifest says.
#[test]
fn blobs_must_be_what_was_promised() {
    let config = image(|_| {});
    let mut other_layer = layer();
    other_layer[0] ^= 1;
    let long = [layer(), vec![0; 1 << 20]].concat();
    let mut two = image(|_| {}).config;
    two.rootfs.diff_ids.push(two.rootfs.diff_ids[0].clone());
    let two = bottleship_oci::config::RawConfig::new(two);
    let mut wrong = image(|_| {}).config;
    wrong.rootfs.diff_ids[0] = bottleship_oci::DiffId(Digest::of(b"something else"));
    let wrong = bottleship_oci::config::RawConfig::new(wrong);
    let size = |n: usize| {
        serde_json::to_vec(&{
            let mut whole = good();
            whole["layers"][0]["size"] = n.into();
            whole
        })
        .expect("JSON")
    };
    for (row, manifest, config_bytes, layer_bytes) in [
        (
            "C07 other bytes",
            manifest(&config),
            config.raw.clone(),
            other_layer,
        ),
        (
            "C07 shorter than said",
            size(layer().len() + 512),
            config.raw.clone(),
            layer(),
        ),
        (
            "C07 another configuration",
            manifest(&config),
            Bytes::from_static(b"{}"),
            layer(),
        ),
        (
            "C08 longer than said",
            manifest(&config),
            config.raw.clone(),
            long,
        ),
        (
            "C10 more diff ids than layers",
            manifest(&two),
            two.raw.clone(),
            layer(),
        ),
        (
            "C10 another diff id",
            manifest(&wrong),
            wrong.raw.clone(),
            layer(),
        ),
    ] {
        let bench = Bench::new();
        let value: Value = serde_json::from_slice(&manifest).expect("JSON");
        let path = |descriptor: &Value| {
            format!(
                "/v2/x/blobs/{}",
                descriptor["digest"].as_str().unwrap_or_default()
            )
        };
        bench
            .remote
            .on(&path(&value["config"]), "x/y", config_bytes);
        bench
            .remote
            .on(&path(&value["layers"][0]), "x/y", layer_bytes);
        bench
            .remote
            .on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest);
        bench.refused(row, &bench.pull(&format!("{REMOTE}/x:latest")));
        bench.unharmed(row);
    }
}

/// Row C11: an index in an index, deeper than anyone nests them.
#[test]
fn indexes_within_indexes_end() {
    let bench = Bench::new();
    let mut bytes = manifest(&image(|_| {}));
    let mut inner = mt::OCI_MANIFEST;
    for _ in 0..64 {
        let digest = Digest::of(&bytes);
        bench
            .remote
            .on(&format!("/v2/x/manifests/{digest}"), inner, bytes.clone());
        bytes = index_bytes(mt::OCI_INDEX, &[Descriptor::of(inner, &bytes)]);
        inner = mt::OCI_INDEX;
    }
    bench
        .remote
        .on("/v2/x/manifests/latest", mt::OCI_INDEX, bytes);
    bench.refused("C11", &bench.pull(&format!("{REMOTE}/x:latest")));
    assert!(
        bench.remote.asked.borrow().len() < 16,
        "C11: asked on and on"
    );
    bench.unharmed("C11");
}

/// Row B11: what the bytes are is decided by their first ones, whatever the media type says, by each way alike.
#[test]
fn b11_the_magic_number_decides() {
    let bench = Bench::new();
    let config = image(|_| {});
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, data).expect("in memory");
        encoder.finish().expect("in memory")
    };
    for (row, media_type, blob) in [
        ("B11 plain said to be gzip", mt::OCI_LAYER_GZIP, layer()),
        ("B11 gzip said to be plain", mt::OCI_LAYER, gzip(&layer())),
        (
            "B11 gzip said to be zstd",
            mt::OCI_LAYER_ZSTD,
            gzip(&layer()),
        ),
    ] {
        let descriptor = Descriptor::of(media_type, &blob);
        let manifest = bottleship_oci::Manifest::oci_bytes(
            &Descriptor::of(mt::OCI_CONFIG, &config.raw),
            std::slice::from_ref(&descriptor),
            None,
        );
        bench.remote.on(
            &format!("/v2/x/blobs/{}", Digest::of(&config.raw)),
            "x/y",
            config.raw.clone(),
        );
        bench.remote.on(
            &format!("/v2/x/blobs/{}", descriptor.digest),
            "x/y",
            blob.clone(),
        );
        bench
            .remote
            .on("/v2/x/manifests/latest", mt::OCI_MANIFEST, manifest.clone());
        assert_eq!(
            bench.pull(&format!("{REMOTE}/x:latest")).error(),
            None,
            "{row}"
        );
        let gone = bench.ask(
            Method::DELETE,
            "/images/r.example/x:latest",
            "",
            Bytes::new(),
        );
        assert_eq!(gone.status, 200, "{row}");
        let layout = layout_of(mt::OCI_MANIFEST, &manifest, &blob);
        assert_eq!(bench.tar("/images/load", layout).error(), None, "{row}");
        let id = Digest::of(&config.raw);
        let gone = bench.ask(
            Method::DELETE,
            &format!("/images/{id}?force=1"),
            "",
            Bytes::new(),
        );
        assert_eq!(gone.status, 200, "{row}: {}", gone.text());
    }
}

/// Row C13: names that are none never reach a registry.
#[test]
fn references_follow_the_grammar() {
    let bench = Bench::new();
    let long = format!("x:{}", "t".repeat(300));
    for name in [
        "../../x:latest",
        "r.example:99999999/x",
        "r.example/x:..",
        "UP",
        "r.example/x%00",
        "r.example/x%0a",
        &long,
        "r.example/x@sha256:zz",
        "%2e%2e/x",
    ] {
        bench.refused(&format!("C13 {name}"), &bench.pull(name));
    }
    assert!(
        bench.remote.asked.borrow().is_empty(),
        "{:?}",
        bench.remote.asked
    );
}

/// Row C19: a layer's `urls` are not followed, for whoever serves them would get to see who asks.
#[test]
fn foreign_urls_are_not_followed() {
    let bench = Bench::new();
    let config = image(|_| {});
    let urls = json!([
        "http://169.254.169.254/latest/meta-data",
        "https://elsewhere.example/x"
    ]);
    bench.remote.on(
        "/v2/x/manifests/latest",
        mt::OCI_MANIFEST,
        layer_with("urls", urls),
    );
    bench.remote.on(
        &format!("/v2/x/blobs/{}", Digest::of(&config.raw)),
        "x/y",
        config.raw.clone(),
    );
    bench.refused("C19", &bench.pull(&format!("{REMOTE}/x:latest")));
    let asked = bench.remote.asked.borrow();
    assert!(
        asked
            .iter()
            .all(|url| url.starts_with("https://r.example/v2/")),
        "{asked:?}"
    );
}

/// Rows C14 to C18: archives of `docker save`'s form.
#[test]
fn archives_name_only_what_is_in_them() {
    let bench = Bench::new();
    let config = image(|_| {});
    let with = |manifest: &str| {
        let layer = layer();
        Tar::new()
            .raw("c.json", b'0', config.raw.len() as u64, |_| {})
            .data(&config.raw)
            .raw("l.tar", b'0', layer.len() as u64, |_| {})
            .data(&layer)
            .symlink("host.tar", "/etc/passwd")
            .symlink("loop.tar", "loop.tar")
            .file("manifest.json", manifest)
            .end()
    };
    for (row, manifest) in [
        (
            "C14 above",
            r#"[{"Config":"../../etc/shadow","Layers":["l.tar"]}]"#,
        ),
        (
            "C14 absolute",
            r#"[{"Config":"c.json","Layers":["/proc/self/mem"]}]"#,
        ),
        (
            "C14 missing",
            r#"[{"Config":"c.json","Layers":["nothing.tar"]}]"#,
        ),
        (
            "C15 symbolic link",
            r#"[{"Config":"c.json","Layers":["host.tar"]}]"#,
        ),
        (
            "C15 to itself",
            r#"[{"Config":"c.json","Layers":["loop.tar"]}]"#,
        ),
        ("C10 none", r#"[{"Config":"c.json","Layers":[]}]"#),
        (
            "C10 twice",
            r#"[{"Config":"c.json","Layers":["l.tar","l.tar"]}]"#,
        ),
        (
            "C04",
            r#"[{"Config":"c.json","Layers":["l.tar"],"Layers":["l.tar"]}]"#,
        ),
        (
            "C13",
            r#"[{"Config":"c.json","Layers":["l.tar"],"RepoTags":["../x:1"]}]"#,
        ),
    ] {
        bench.refused(row, &bench.tar("/images/load", with(manifest)));
        bench.unharmed(row);
    }
    // C16: a blob under another one's name.
    let layout = Tar::new()
        .file("oci-layout", "{}")
        .file(
            &format!("blobs/sha256/{}", Digest::of(&manifest(&config)).hex()),
            "other bytes",
        )
        .file(
            "index.json",
            &String::from_utf8_lossy(&index_bytes(
                mt::OCI_INDEX,
                &[Descriptor::of(mt::OCI_MANIFEST, &manifest(&config))],
            )),
        )
        .end();
    bench.refused("C16", &bench.tar("/images/load", layout));
    // C18: eight gibibytes of what should be small, and never that much of it.
    let huge = Tar::new()
        .raw("manifest.json", b'0', (8 << 30) - 1, |_| {})
        .data(&[b' '; 1 << 16])
        .0;
    bench.refused("C18", &bench.tar("/images/load", huge));
    bench.unharmed("C18");
    // C17: whoever loads an archive is told which name it takes away.
    assert_eq!(
        bench
            .tar("/images/load", archive(&config, "alpine:latest"))
            .error(),
        None
    );
    let other = image(|c| c.user = "1".into());
    let told = bench
        .tar("/images/load", archive(&other, "alpine:latest"))
        .text();
    assert!(
        told.contains("The image alpine:latest already exists, renaming the old one"),
        "C17: {told}"
    );
}
