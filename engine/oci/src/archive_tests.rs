use super::*;
use crate::config::ImageConfig;
use crate::digest::DiffId;
use crate::manifest::index_bytes;
use crate::media_type as mt;
use crate::members::tests::tar;
use crate::save::{Piece, SavedImage, write};
use ::tar::EntryType;

fn config(layers: &[&[u8]]) -> RawConfig {
    let mut config = ImageConfig {
        architecture: "amd64".into(),
        os: "linux".into(),
        created: Some("2023-05-18T22:34:17Z".into()),
        ..Default::default()
    };
    config.rootfs.diff_ids = layers.iter().map(|l| DiffId(Digest::of(l))).collect();
    RawConfig::new(config)
}

fn reference(s: &str) -> Reference {
    Reference::parse(s).unwrap_or_else(|e| panic!("{e}"))
}

fn load(bytes: Bytes) -> Result<Vec<ArchivedImage>, ArchiveError> {
    read(&Members::from_tar(bytes)?, &Platform::linux_amd64())
}

fn held(text: &'static str) -> Contents {
    Contents::Held(Bytes::from_static(text.as_bytes()))
}

fn saved() -> Bytes {
    let image = |layers: &[&'static [u8]], tags: &[&str], parent| SavedImage {
        config: config(layers),
        layers: layers.iter().map(|l| l.len() as u64).collect(),
        tags: tags.iter().map(|t| reference(t)).collect(),
        parent,
    };
    let base = image(&[b"one"], &["a:1", "localhost:5000/a:2"], None);
    let child = image(&[b"one", b"two"], &[], Some(base.config.id()));
    let pieces = write(&[base, child]);
    let bytes = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::Layer(diff_id) => {
            let all: [&'static [u8]; 2] = [b"one", b"two"];
            let layer = all.into_iter().find(|l| diff_id.0.verifies(l));
            Bytes::from_static(layer.expect("a layer of the images"))
        }
    };
    let bytes: Vec<Bytes> = pieces.iter().map(bytes).collect();
    bytes.concat().into()
}

#[test]
fn what_is_saved_is_loaded_again() {
    let images = load(saved()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(images.len(), 2);
    assert_eq!(
        images[0].tags,
        [reference("a:1"), reference("localhost:5000/a:2")]
    );
    assert_eq!(images[1].parent, Some(images[0].config.id()));
    assert_eq!(images[1].layers, [held("one"), held("two")]);
    assert_eq!(images[1].config, config(&[b"one", b"two"]));
    // The layout alone says the same, but for the parent.
    let members = Members::from_tar(saved()).unwrap_or_else(|e| panic!("{e}"));
    let layout = read_layout(&members, &Platform::linux_amd64()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(layout.len(), 2);
    assert_eq!(layout[0].tags, images[0].tags);
    assert_eq!(layout[1].layers, images[1].layers);
}

#[test]
fn the_older_form_is_loaded() {
    let config = config(&[b"x", b"x"]);
    let name = format!("{}.json", config.id().hex());
    let manifest = format!(
        r#"[{{"Config":"{name}","RepoTags":["b:1"],"Layers":["1/layer.tar","2/layer.tar"]}}]"#
    );
    let images = load(tar(&[
        (&name, EntryType::Regular, &config.raw),
        ("1/layer.tar", EntryType::Regular, b"x"),
        ("2/layer.tar", EntryType::Symlink, b"../1/layer.tar"),
        ("manifest.json", EntryType::Regular, manifest.as_bytes()),
    ]));
    let images = images.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(images[0].layers, [held("x"), held("x")]);
    assert_eq!(images[0].tags, [reference("b:1")]);
}

#[test]
fn hostile_archives_are_refused() {
    let config = config(&[b"x"]);
    let good = |manifest: &str| {
        load(tar(&[
            ("c.json", EntryType::Regular, &config.raw),
            ("l", EntryType::Regular, b"x"),
            ("proc", EntryType::Symlink, b"/proc/self/mem"),
            ("manifest.json", EntryType::Regular, manifest.as_bytes()),
        ]))
    };
    assert!(good(r#"[{"Config":"c.json","Layers":["l"]}]"#).is_ok());
    assert!(good("[]").is_ok_and(|i| i.is_empty()));
    let table = [
        // C14, C15
        r#"[{"Config":"../../etc/shadow","Layers":["l"]}]"#,
        r#"[{"Config":"c.json","Layers":["/proc/self/mem"]}]"#,
        r#"[{"Config":"c.json","Layers":["proc"]}]"#,
        // C10
        r#"[{"Config":"c.json","Layers":[]}]"#,
        r#"[{"Config":"c.json","Layers":["l","l"]}]"#,
        // C13
        r#"[{"Config":"c.json","Layers":["l"],"RepoTags":["../x:1"]}]"#,
        r#"[{"Config":"c.json","Layers":["l"],"RepoTags":["untagged"]}]"#,
        // C04
        r#"[{"Config":"c.json","Layers":["l"],"Layers":["l"]}]"#,
        "null",
        "{}",
        "[1]",
        "",
    ];
    for manifest in table {
        assert!(good(manifest).is_err(), "{manifest}");
    }
    assert_eq!(
        load(Bytes::new()).map(|_| ()),
        Err(ArchiveError::NoManifest)
    );
    // C18
    let big = vec![b' '; MAX_DOCUMENT + 1];
    assert!(load(tar(&[("manifest.json", EntryType::Regular, &big)])).is_err());
}

#[test]
fn layout_blobs_are_hashed_again() {
    // C16: the right name, other bytes; C11: an index that chooses itself cannot be written, since
    // it would have to hold its own digest, so depth is what is bounded.
    let manifest = Manifest::oci_bytes(&Descriptor::of(mt::OCI_CONFIG, b"{}"), &[], None);
    let descriptor = Descriptor::of(mt::OCI_MANIFEST, &manifest);
    let path = |d: &Digest| format!("blobs/sha256/{}", d.hex());
    let index = index_bytes(mt::OCI_INDEX, std::slice::from_ref(&descriptor));
    let files = [
        ("oci-layout".to_string(), b"{}".to_vec()),
        ("index.json".into(), index),
        (path(&descriptor.digest), b"other".to_vec()),
    ];
    let members = Members::from_files(files.iter().map(|(n, b)| (n.as_str(), b.as_slice())));
    assert_eq!(
        read(&members, &Platform::linux_amd64()).map(|_| ()),
        Err(ArchiveError::Digest(descriptor.digest.clone()))
    );

    let mut files = vec![
        ("oci-layout".to_string(), b"{}".to_vec()),
        (path(&descriptor.digest), manifest),
    ];
    let mut inner = descriptor;
    for _ in 0..6 {
        let bytes = index_bytes(mt::OCI_INDEX, std::slice::from_ref(&inner));
        inner = Descriptor::of(mt::OCI_INDEX, &bytes);
        files.push((path(&inner.digest), bytes));
    }
    files.push(("index.json".into(), index_bytes(mt::OCI_INDEX, &[inner])));
    let members = Members::from_files(files.iter().map(|(n, b)| (n.as_str(), b.as_slice())));
    assert_eq!(
        read(&members, &Platform::linux_amd64()).map(|_| ()),
        Err(ArchiveError::Depth)
    );
}

/// The oracle's base images, made with Python and `docker save`'s older form.
#[test]
fn the_oracles_base_images_are_loaded() {
    let base = std::env::var("BOTTLESHIP_ORACLE_BASE").unwrap_or("/tmp/oracle/base.tar".into());
    let Ok(bytes) = std::fs::read(&base) else {
        eprintln!("skipped: {base} is missing");
        return;
    };
    let images = load(bytes.into()).unwrap_or_else(|e| panic!("{e}"));
    let tags: Vec<String> = images
        .iter()
        .flat_map(|i| &i.tags)
        .map(Reference::familiar)
        .collect();
    assert_eq!(
        tags,
        [
            "busybox:latest",
            "alpine:latest",
            "alpine:3.10",
            "hello-world:latest"
        ]
    );
    for image in &images {
        let diff_ids = &image.config.config.rootfs.diff_ids;
        assert!(
            diff_ids
                .iter()
                .zip(&image.layers)
                .all(|(d, l)| l.is(&d.0, l.size()))
        );
    }
}
