//! Pushes and pulls against a registry, good and hostile. Messages are the oracle's.

use futures::executor::block_on;

use super::testing::{World, reference};
use super::*;
use crate::api::types::AuthConfig;

pub(super) const A: &[u8] = b"layer a";
pub(super) const B: &[u8] = b"layer b";

pub(super) fn push(world: &World, name: &str) -> Result<Vec<String>, String> {
    push_as(world, name, AuthConfig::default())
}

pub(super) fn push_as(world: &World, name: &str, auth: AuthConfig) -> Result<Vec<String>, String> {
    let push = Push {
        reference: reference(name),
        auth,
    };
    let (messages, result) = world.run(async |images, progress| images.push(push, progress).await);
    result.map(|()| messages).map_err(|e| e.message)
}

pub(super) fn pull(world: &World, name: &str) -> Result<Vec<String>, String> {
    pull_as(world, name, AuthConfig::default())
}

pub(super) fn pull_as(world: &World, name: &str, auth: AuthConfig) -> Result<Vec<String>, String> {
    let reference = reference(name);
    let all_tags = name.ends_with("/app");
    let pull = Pull {
        reference,
        all_tags,
        platform: None,
        auth,
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
