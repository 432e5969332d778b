//! Images as a user meets them; messages are the oracle's (transcripts of a real Docker).

use bytes::Bytes;
use futures::executor::block_on;

use super::testing::{World, archive, config, reference};
use super::*;
use crate::api::filters::Filters;
use crate::api::types::ImageDelete;

const A: &[u8] = b"layer a";
const B: &[u8] = b"layer b";

fn printed(records: Vec<ImageDelete>) -> Vec<String> {
    let line = |r: ImageDelete| match r.untagged.is_empty() {
        true => format!("Deleted: {}", r.deleted),
        false => format!("Untagged: {}", r.untagged),
    };
    records.into_iter().map(line).collect()
}

fn user(image: &RawConfig, running: bool) -> ImageUser {
    ImageUser {
        container: "c".repeat(64),
        image: image.id(),
        running,
    }
}

#[test]
fn names_digests_and_beginnings_of_ids_find_images() {
    let world = World::new();
    let id = world.load(&[A], &["busybox:latest"]).id();
    for name in [
        "busybox",
        "docker.io/library/busybox:latest",
        id.as_str(),
        id.hex(),
        &id.hex()[..6],
    ] {
        assert_eq!(
            world.images.find(name).map(|i| i.id()),
            Ok(id.clone()),
            "{name}"
        );
    }
    let error = |name: &str| world.images.find(name).map(|_| ()).unwrap_err().message;
    assert_eq!(error("nosuch"), "No such image: nosuch:latest");
    assert_eq!(
        error("UP"),
        "invalid reference format: repository name (library/UP) must be lowercase"
    );
    assert_eq!(
        block_on(world.images.inspect("nosuch", "/var/lib/docker"))
            .unwrap_err()
            .message,
        "no such image: nosuch: No such image: nosuch:latest"
    );
}

#[test]
fn load_says_what_it_loaded() {
    let world = World::new();
    let config = config(&[A]);
    let messages = world.load_archive(archive(&config, &[A], &["a:1", "a:2"]));
    assert_eq!(messages, ["Loaded image: a:1", "Loaded image: a:2"]);
    let other = world.load_archive(archive(&super::testing::config(&[B]), &[B], &["a:1"]));
    assert_eq!(
        other[0],
        format!(
            "The image a:1 already exists, renaming the old one with ID {} to empty string",
            config.id()
        )
    );
    let messages = world.load_archive(archive(&config, &[A], &[]));
    assert_eq!(messages, [format!("Loaded image ID: {}", config.id())]);
    let fail = |bytes: &'static [u8]| {
        let (_, result) = world.run(async |images, progress| {
            images.load(Bytes::from_static(bytes), true, progress).await
        });
        result.unwrap_err().message
    };
    assert_eq!(
        fail(b"junk\n"),
        "Error processing tar file(exit status 1): unexpected EOF"
    );
    assert!(fail(b"").starts_with("open /var/lib/docker/tmp/docker-import-"));
}

/// Row C10: layers that are not what the configuration says are refused, and nothing is kept.
#[test]
fn swapped_layers_are_refused() {
    let world = World::new();
    let config = config(&[A, B]);
    let (_, result) = world.run(async |images, progress| {
        images
            .load(archive(&config, &[B, A], &["x:1"]), true, progress)
            .await
    });
    assert!(
        result
            .unwrap_err()
            .message
            .starts_with("invalid diffID for layer 0: expected")
    );
    assert!(world.images.all().is_empty());
    assert!(block_on(world.snapshots.layers()).is_ok_and(|l| l.is_empty()));
}

#[test]
fn save_and_load_keep_everything() {
    let world = World::new();
    let id = world.load(&[A, B], &["me/app:1", "me/app:2"]).id();
    let saved = block_on(world.images.save(&["me/app"])).unwrap_or_else(|e| panic!("{e}"));
    let other = World::new();
    let saved = block_on(saved.collect(1 << 20)).unwrap_or_else(|e| panic!("{e}"));
    other.load_archive(saved);
    assert_eq!(other.images.names(&id).0, ["me/app:1", "me/app:2"]);
    assert_eq!(
        block_on(world.images.save(&["nosuch"]))
            .unwrap_err()
            .message,
        "No such image: nosuch"
    );
    assert_eq!(
        block_on(world.images.save(&["me/app:9"]))
            .unwrap_err()
            .message,
        "reference does not exist"
    );
}

#[test]
fn rmi_prints_what_went_in_dockers_order() {
    let world = World::new();
    let image = world.load(&[A, B], &["a:1", "a:2"]);
    let chains = ChainId::chain(&image.config.rootfs.diff_ids);
    let remove = |name: &str| block_on(world.images.remove(name, false, true, &[])).map(printed);
    assert_eq!(remove("a:1"), Ok(vec!["Untagged: a:1".to_string()]));
    let all = vec![
        "Untagged: a:2".to_string(),
        format!("Deleted: {}", image.id()),
        format!("Deleted: {}", chains[1]),
        format!("Deleted: {}", chains[0]),
    ];
    assert_eq!(remove("a:2"), Ok(all));
    assert!(block_on(world.content.list()).is_ok_and(|c| c.is_empty()));
    assert_eq!(remove("a:2").unwrap_err().message, "No such image: a:2");
    assert!(
        world
            .events
            .borrow()
            .contains(&format!("delete {}", image.id()))
    );
}

#[test]
fn shared_layers_stay() {
    let world = World::new();
    world.load(&[A], &["base:1"]);
    let top = world.load(&[A, B], &["top:1"]);
    let gone = block_on(world.images.remove("top:1", false, true, &[]))
        .map(printed)
        .unwrap_or_default();
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert_eq!(block_on(world.snapshots.layers()).map(|l| l.len()), Ok(1));
    assert!(world.images.get(&top.id()).is_none());
}

#[test]
fn containers_stand_in_the_way_in_dockers_words() {
    let world = World::new();
    let image = world.load(&[A], &["a:1"]);
    let short = image.id().short().to_string();
    let remove = |name: &str, force, running| {
        let users = [user(&image, running)];
        block_on(world.images.remove(name, force, true, &users))
            .map(printed)
            .map_err(|e| e.message)
    };
    let c = "c".repeat(12);
    assert_eq!(
        remove("a:1", false, true),
        Err(format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container {c} is using its referenced image {short}"
        ))
    );
    assert_eq!(
        remove(&short, false, true),
        Err(format!(
            "conflict: unable to delete {short} (cannot be forced) - image is being used by running container {c}"
        ))
    );
    assert_eq!(
        remove(&short, false, false),
        Err(format!(
            "conflict: unable to delete {short} (must be forced) - image is being used by stopped container {c}"
        ))
    );
    // By name and forced, a running container's image only loses its name.
    assert_eq!(remove("a:1", true, true), Ok(vec!["Untagged: a:1".into()]));
    world.load(&[A], &["a:1", "b:1"]);
    assert_eq!(
        block_on(world.images.remove(&short, false, true, &[]))
            .map(printed)
            .map_err(|e| e.message),
        Err(format!(
            "conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
        ))
    );
}

fn commit(world: &World, base: &RawConfig, tag: Option<&str>, cmd: &str) -> ImageId {
    let container_config = bottleship_oci::config::ContainerConfig {
        cmd: Some(vec![cmd.into()]),
        ..Default::default()
    };
    let commit = Commit {
        container: "c".repeat(64),
        parent: Some(base.id()),
        config: None,
        container_config,
        layer: None,
        author: "Me <me@x>".into(),
        comment: "a message".into(),
        changes: vec!["CMD [\"echo\",\"x\"]".into()],
        tag: tag.map(reference),
    };
    block_on(world.images.commit(commit)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn commits_know_their_parents() {
    let world = World::new();
    let base = world.load(&[A], &["base:1"]);
    let id = commit(&world, &base, Some("mine:1"), "sh");
    let image = world
        .images
        .find("mine:1")
        .unwrap_or_else(|e| panic!("{e}"));
    let config = &image.config.config;
    assert_eq!(
        config.config.as_ref().and_then(|c| c.cmd.clone()),
        Some(vec!["echo".into(), "x".into()])
    );
    assert_eq!(
        (config.author.as_str(), config.comment.as_str()),
        ("Me <me@x>", "a message")
    );
    let history = block_on(world.images.history("mine:1")).unwrap_or_default();
    let ids: Vec<&str> = history.iter().map(|h| h.id.as_str()).collect();
    assert_eq!(ids, [id.as_str(), base.id().as_str(), "<missing>"]);
    assert_eq!(history[0].created_by, "sh");
    assert_eq!(history[2].size, A.len() as i64);
    // A parent with children cannot go, and a child takes its nameless parents with it.
    assert_eq!(
        block_on(world.images.remove(base.id().hex(), true, true, &[])).map_err(|e| e.message),
        Err(format!(
            "conflict: unable to delete {} (cannot be forced) - image has dependent child images",
            base.id().short()
        ))
    );
    let gone = block_on(world.images.remove("mine:1", false, true, &[])).map(printed);
    assert_eq!(
        gone,
        Ok(vec!["Untagged: mine:1".into(), format!("Deleted: {id}")])
    );
    assert!(world.images.find("base:1").is_ok());
}

#[test]
fn lists_are_filtered_and_sorted() {
    let world = World::new();
    let base = world.load(&[A], &["base:1", "other/name:2"]);
    commit(&world, &base, Some("mine:v1"), "one");
    commit(&world, &base, None, "two");
    let list = |filters: &str| {
        let filters = Filters::parse(filters).unwrap_or_else(|e| panic!("{e}"));
        let rows = block_on(world.images.list(ListOptions::default(), &filters, &[]));
        rows.map(|rows| {
            rows.into_iter()
                .map(|r| r.repo_tags.join(" "))
                .collect::<Vec<_>>()
        })
        .map_err(|e| e.message)
    };
    let ok = |names: &[&str]| Ok(names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
    let mut all = list("").unwrap_or_default();
    assert_eq!(all.pop().as_deref(), Some("base:1 other/name:2"));
    all.sort();
    assert_eq!(all, ["", "mine:v1"]);
    assert_eq!(list(r#"{"dangling":["true"]}"#), ok(&[""]));
    assert_eq!(list(r#"{"reference":["mi*"]}"#), ok(&["mine:v1"]));
    assert_eq!(list(r#"{"reference":["*/name"]}"#), ok(&["other/name:2"]));
    assert_eq!(
        list(r#"{"before":["mine:v1"]}"#),
        ok(&["base:1 other/name:2"])
    );
    assert_eq!(
        list(r#"{"since":["base:1"],"dangling":["false"]}"#),
        ok(&["mine:v1"])
    );
    assert_eq!(list(r#"{"until":["24h"]}"#), ok(&["base:1 other/name:2"]));
    assert_eq!(
        list(r#"{"bogus":["1"]}"#),
        Err("invalid filter 'bogus'".into())
    );
    let (total, rows) = block_on(world.images.disk_usage(&[user(&base, true)])).unwrap_or_default();
    assert_eq!((total, rows.len()), (A.len() as i64, 3));
    assert!(
        rows.iter()
            .all(|r| r.shared_size == total && r.size == total)
    );
    assert_eq!(rows.iter().map(|r| r.containers).sum::<i64>(), 1);
}

#[test]
fn prune_takes_dangling_images_or_all_unused_ones() {
    let world = World::new();
    let base = world.load(&[A], &["base:1"]);
    world.load(&[B], &[]);
    let prune = |filters: &str, users: &[ImageUser]| {
        let filters = Filters::parse(filters).unwrap_or_else(|e| panic!("{e}"));
        block_on(world.images.prune(&filters, users)).unwrap_or_else(|e| panic!("{e}"))
    };
    let report = prune("", &[]);
    assert_eq!(report.space_reclaimed, B.len() as u64);
    assert_eq!(report.images_deleted.map(|d| d.len()), Some(2));
    assert_eq!(
        prune(r#"{"dangling":["false"]}"#, &[user(&base, false)]).images_deleted,
        None
    );
    assert_eq!(
        prune(r#"{"dangling":["false"]}"#, &[])
            .images_deleted
            .map(|d| d.len()),
        Some(3)
    );
}

#[test]
fn imports_have_one_layer_and_a_comment() {
    let world = World::new();
    let import = Import {
        archive: Bytes::from_static(A).into(),
        source: "-".into(),
        tag: Some(reference("imp:1")),
        message: String::new(),
        changes: vec!["ENV A=1".into()],
        platform: None,
    };
    let (messages, id) = world.run(async |images, progress| images.import(import, progress).await);
    let id = id.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(messages, [id.to_string()]);
    let history = block_on(world.images.history("imp:1")).unwrap_or_default();
    assert_eq!(
        (history.len(), history[0].comment.as_str()),
        (1, "Imported from -")
    );
}

#[test]
fn what_was_acknowledged_survives_a_crash_and_the_rest_is_collected() {
    let world = World::new();
    let id = world.load(&[A], &["a:1"]).id();
    block_on(world.images.tag("a:1", "b", "2")).unwrap_or_else(|e| panic!("{e}"));
    // Content and a layer without an image, as a crash in the middle of a load leaves them.
    let orphan =
        block_on(world.content.put(Bytes::from_static(B))).unwrap_or_else(|e| panic!("{e}"));
    block_on(world.snapshots.apply(None, &orphan)).unwrap_or_else(|e| panic!("{e}"));
    let again = world.again();
    assert_eq!(again.images.names(&id).0, ["a:1", "b:2"]);
    block_on(again.images.collect(&BTreeSet::new())).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(block_on(again.snapshots.layers()).map(|l| l.len()), Ok(1));
    assert!(block_on(again.content.info(&orphan)).is_err());
    assert!(block_on(again.images.save(&["a:1"])).is_ok());
}
