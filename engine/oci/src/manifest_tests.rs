use super::*;
use proptest::prelude::*;
use serde_json::json;

fn parse(value: &Value, content_type: Option<&str>) -> Result<Document, DocumentError> {
    Document::parse(value.to_string().into(), content_type)
}

fn entry(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(b""), "size": 0})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST,
        "config": entry(mt::OCI_CONFIG), "layers": [entry(mt::OCI_LAYER_GZIP)]
    })
}

fn with(mut value: Value, key: &str, new: Value) -> Value {
    value[key] = new;
    value
}

fn without(mut value: Value, key: &str) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove(key);
    }
    value
}

#[test]
fn good_manifests_and_indexes_are_read() {
    assert!(matches!(
        parse(&image(), Some(mt::OCI_MANIFEST)),
        Ok(Document::Manifest(_))
    ));
    assert!(matches!(
        parse(&image(), Some("application/octet-stream")),
        Ok(Document::Manifest(_))
    ));
    let bare = without(image(), "mediaType");
    let Ok(document) = parse(&bare, None) else {
        panic!("refused")
    };
    assert_eq!(document.media_type(), mt::OCI_MANIFEST);
    let docker = Manifest::docker_bytes(&Descriptor::of(mt::DOCKER_CONFIG, b""), &[]);
    let Ok(document) = Document::parse(docker.into(), Some(mt::DOCKER_MANIFEST)) else {
        panic!("refused")
    };
    assert_eq!(document.media_type(), mt::DOCKER_MANIFEST);
}

#[test]
fn a_pushed_manifest_is_as_long_as_dockers() {
    // The oracle's `docker push` of one, two and three layers printed these sizes; the numbers of
    // digits in the blobs' sizes are theirs.
    let config = Descriptor::new(mt::DOCKER_CONFIG, Digest::of(b""), 1000);
    let layer = |size| Descriptor::new(mt::DOCKER_LAYER_GZIP, Digest::of(b""), size);
    assert_eq!(
        Manifest::docker_bytes(&config, &[layer(1_000_000)]).len(),
        528
    );
    assert_eq!(
        Manifest::docker_bytes(&config, &[layer(1_000_000), layer(192), layer(147)]).len(),
        942
    );
}

#[test]
fn ambiguous_and_mismatched_documents_are_refused() {
    let index = json!({"schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": []});
    let table = [
        // C01
        (with(image(), "manifests", json!([])), None),
        (with(index.clone(), "layers", json!([])), None),
        // C02
        (image(), Some(mt::OCI_INDEX)),
        (index.clone(), Some(mt::OCI_MANIFEST)),
        (
            with(image(), "mediaType", json!(mt::OCI_INDEX)),
            Some(mt::OCI_INDEX),
        ),
        (with(image(), "mediaType", json!("text/html")), None),
        // C03
        (json!({"schemaVersion": 2}), None),
        (json!([]), None),
        // C05
        (with(image(), "Layers", json!([])), None),
        (with(image(), "mediatype", json!(mt::OCI_MANIFEST)), None),
        (
            with(
                image(),
                "config",
                json!({"Digest": "x", "digest": Digest::of(b""), "size": 0}),
            ),
            None,
        ),
        // C09
        (
            with(
                image(),
                "layers",
                json!([{"digest": Digest::of(b""), "size": -1}]),
            ),
            None,
        ),
        (
            with(
                image(),
                "layers",
                json!([{"digest": Digest::of(b""), "size": 1u64 << 63}]),
            ),
            None,
        ),
        (
            with(
                image(),
                "layers",
                json!([{"digest": Digest::of(b""), "size": 1.5}]),
            ),
            None,
        ),
        (
            with(
                image(),
                "layers",
                json!([{"digest": Digest::of(b""), "size": "1"}]),
            ),
            None,
        ),
        // C06
        (
            with(
                image(),
                "layers",
                json!([{"digest": "sha256:../../etc/passwd", "size": 1}]),
            ),
            None,
        ),
        (
            with(image(), "config", json!({"digest": "md5:00", "size": 1})),
            None,
        ),
        // C11
        (
            with(
                index,
                "manifests",
                Value::Array(vec![entry(mt::OCI_MANIFEST); 1001]),
            ),
            None,
        ),
        (
            with(
                image(),
                "layers",
                Value::Array(vec![entry(mt::OCI_LAYER); 513]),
            ),
            None,
        ),
        // schema 1
        (
            json!({"schemaVersion": 1, "fsLayers": []}),
            Some(mt::DOCKER_SCHEMA1_SIGNED),
        ),
        (with(image(), "schemaVersion", json!(1)), None),
    ];
    for (value, content_type) in table {
        assert!(parse(&value, content_type).is_err(), "{value}");
    }
    // C04
    let twice = br#"{"schemaVersion":2,"layers":[],"layers":[]}"#;
    assert!(Document::parse(Bytes::from_static(twice), None).is_err());
}

#[test]
fn the_platform_is_chosen() {
    let child = |architecture: &str, variant: Option<&str>| Descriptor {
        platform: Some(Platform {
            architecture: architecture.into(),
            os: "linux".into(),
            os_version: None,
            variant: variant.map(Into::into),
        }),
        ..Descriptor::of(mt::OCI_MANIFEST, architecture.as_bytes())
    };
    let index = |manifests| Index {
        raw: Bytes::new(),
        media_type: mt::OCI_INDEX.into(),
        manifests,
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    let wanted = Platform::linux_amd64();
    let choice = index(vec![
        child("arm64", Some("v8")),
        child("amd64", Some("v3")),
        child("amd64", None),
    ]);
    assert_eq!(choice.select(&wanted), choice.manifests.get(2));
    let other = index(vec![child("arm64", None), child("unknown", None)]);
    assert_eq!(other.select(&wanted), None);
    assert_eq!(
        Platform::parse("linux/x86_64").map(|p| p.to_string()),
        Some("linux/amd64".into())
    );
    assert_eq!(
        Platform::parse("arm64").map(|p| p.to_string()),
        Some("linux/arm64".into())
    );
    assert_eq!(Platform::parse("a/b/c/d"), None);
    assert_eq!(Platform::parse(""), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>(), header in "\\PC{0,30}") {
        let _ = Document::parse(bytes.into(), Some(&header));
    }

    #[test]
    fn parsing_undoes_printing(sizes in proptest::collection::vec(0u64..1 << 40, 0..5)) {
        let config = Descriptor::of(mt::OCI_CONFIG, b"{}");
        let layers: Vec<_> = sizes.iter()
            .map(|&s| Descriptor::new(mt::OCI_LAYER_GZIP, Digest::of(&s.to_le_bytes()), s)).collect();
        for raw in [Manifest::oci_bytes(&config, &layers, None), Manifest::docker_bytes(&config, &layers)] {
            let Ok(Document::Manifest(m)) = Document::parse(raw.into(), None) else { panic!("refused") };
            prop_assert_eq!(&m.layers, &layers);
            prop_assert_eq!(&m.config, &config);
        }
    }
}
