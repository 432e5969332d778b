//! The classic builder.

use std::collections::BTreeMap;

use bottleship_engine::build::{BuildRequest, CacheOutcome};
use bottleship_oci::ImageId;

use crate::world::{Built, World, found, tar};

fn request() -> BuildRequest {
    BuildRequest {
        dockerfile: "Dockerfile".into(),
        remove: true,
        ..BuildRequest::default()
    }
}

fn arguments(list: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), Some((*value).to_owned()));
    list.iter().map(pair).collect()
}

fn built(
    world: &World,
    dockerfile: &str,
    files: &[(&str, &[u8])],
    request: &BuildRequest,
) -> Built {
    let mut context = vec![("Dockerfile", dockerfile.as_bytes())];
    context.extend_from_slice(files);
    world.build(&context, request)
}

fn id(built: &Built) -> ImageId {
    built.result.clone().expect("an image")
}

fn outcomes(built: &Built) -> Vec<String> {
    let outcome = |cache: &CacheOutcome| match cache {
        CacheOutcome::Hit => "hit".to_owned(),
        CacheOutcome::None => "-".to_owned(),
        CacheOutcome::Miss { reason, .. } => format!("{reason:?}"),
    };
    built.reports.iter().map(|r| outcome(&r.cache)).collect()
}

#[test]
fn a_second_build_is_taken_from_the_cache() {
    let world = World::new();
    let file = "FROM busybox\nENV A=1\nCOPY a /a\nRUN echo $A > /b\n";
    let first = built(&world, file, &[("a", b"1")], &request());
    assert_eq!(
        outcomes(&first),
        ["-", "NewBase", "EarlierStep", "EarlierStep"]
    );
    let second = built(&world, file, &[("a", b"1")], &request());
    assert_eq!(outcomes(&second), ["-", "hit", "hit", "hit"]);
    assert_eq!(id(&first), id(&second));
    assert_eq!(world.file(&id(&second), "b").as_deref(), Some("1\n"));
    assert!(world.containers.borrow().is_empty());
}

#[test]
fn what_changed_is_told() {
    let world = World::new();
    let file = "FROM busybox\nARG V=1\nCOPY a /a\nRUN echo $V > /b\n";
    built(&world, file, &[("a", b"1")], &request());
    let other = built(&world, file, &[("a", b"2")], &request());
    assert_eq!(outcomes(&other), ["-", "hit", "Files", "EarlierStep"]);
    let argument = BuildRequest {
        build_args: arguments(&[("V", "2")]),
        ..request()
    };
    let other = built(&world, file, &[("a", b"1")], &argument);
    assert_eq!(outcomes(&other), ["-", "hit", "hit", "BuildArgument"]);
    let file = "FROM busybox\nARG V=1\nCOPY a /a\nRUN echo other > /b\n";
    let other = built(&world, file, &[("a", b"1")], &request());
    assert_eq!(outcomes(&other), ["-", "hit", "hit", "Instruction"]);
    let fresh = BuildRequest {
        no_cache: true,
        ..request()
    };
    let other = built(&world, file, &[("a", b"1")], &fresh);
    assert_eq!(outcomes(&other), ["-", "Disabled", "Disabled", "Disabled"]);
}

#[test]
fn images_that_were_not_made_here_are_no_cache() {
    let world = World::new();
    let file = "FROM busybox\nENV A=1\n";
    let made = id(&built(&world, file, &[], &request()));
    let config = world.images.get(&made).expect("image").config.clone();
    let other = World::new();
    let parent = found(&other, "busybox");
    let loaded = other.images.register(config, parent, &[], false);
    futures::executor::block_on(loaded).expect("register");
    let again = built(&other, file, &[], &request());
    assert_eq!(outcomes(&again), ["-", "NewBase"]);
}

#[test]
fn stages_copy_from_each_other_and_from_images() {
    let world = World::new();
    let file = "FROM busybox AS one\nRUN echo made > /out\nFROM scratch\nCOPY --from=one /out /first\nCOPY --from=0 /out /second\nCOPY --from=busybox /etc/group /third\n";
    let done = built(&world, file, &[], &request());
    let image = id(&done);
    assert_eq!(world.file(&image, "first").as_deref(), Some("made\n"));
    assert_eq!(world.file(&image, "second").as_deref(), Some("made\n"));
    assert!(
        world
            .file(&image, "third")
            .expect("third")
            .contains("staff")
    );
    assert_eq!(world.config(&image).rootfs.diff_ids.len(), 3);
    let target = BuildRequest {
        target: "one".into(),
        ..request()
    };
    let done = built(&world, file, &[], &target);
    assert_eq!(outcomes(&done), ["-", "hit"]);
    let wrong = BuildRequest {
        target: "none".into(),
        ..request()
    };
    let failed = built(&world, file, &[], &wrong).result.expect_err("fails");
    assert_eq!(
        failed.error.message,
        "failed to reach build target none in Dockerfile"
    );
}

#[test]
fn owners_come_from_the_images_own_users() {
    let world = World::new();
    let file = "FROM busybox\nCOPY --chown=nobody:staff a /a\nCOPY --chown=5 a /b\n";
    let image = id(&built(&world, file, &[("a", b"1")], &request()));
    let owner = |name: &[u8]| {
        let attr = world.tree(&image).lookup(name).expect("file").attr();
        let attr = attr.expect("attributes");
        (attr.uid, attr.gid)
    };
    assert_eq!(owner(b"a"), (65534, 50));
    assert_eq!(owner(b"b"), (5, 5));
}

#[test]
fn archives_are_unpacked_only_by_add() {
    let world = World::new();
    let archive = tar(&[("in/", b""), ("in/file", b"x")]);
    let file = "FROM busybox\nADD a.tar /add/\nCOPY a.tar /copy/\n";
    let image = id(&built(&world, file, &[("a.tar", &archive)], &request()));
    assert_eq!(world.file(&image, "add/in/file").as_deref(), Some("x"));
    assert_eq!(world.file(&image, "add/a.tar"), None);
    assert!(world.file(&image, "copy/a.tar").is_some());
}

#[test]
fn links_out_of_the_context_stay_inside() {
    let world = World::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    builder
        .append_link(&mut header, "link", "../../../etc/passwd")
        .expect("tar");
    let data = b"FROM busybox\nCOPY link /x\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "Dockerfile", &data[..])
        .expect("tar");
    let archive = builder.into_inner().expect("tar");
    let failed = world.build_archive(&archive, &request()).result;
    let failed = failed.expect_err("there is no such file in the context");
    assert!(
        failed.error.message.contains("file does not exist"),
        "{failed:?}"
    );
}

#[test]
fn labels_and_unused_arguments() {
    let world = World::new();
    let request = BuildRequest {
        labels: BTreeMap::from([("k".into(), "v w".into())]),
        build_args: arguments(&[("UNUSED", "1")]),
        ..request()
    };
    let done = built(&world, "FROM busybox\nENV A=1\n", &[], &request);
    let config = world.config(&id(&done)).config.expect("config");
    assert_eq!(config.labels.expect("labels")["k"], "v w");
    let warning = "[Warning] One or more build-args [UNUSED] were not consumed\n";
    assert!(done.text().contains(warning), "{}", done.text());
}

#[test]
fn a_step_that_fails_keeps_its_container_unless_forced() {
    let world = World::new();
    let file = "FROM busybox\nRUN exit 3\n";
    let failed = built(&world, file, &[], &request())
        .result
        .expect_err("fails");
    assert_eq!(failed.code, 3);
    assert_eq!(world.containers.borrow().len(), 1);
    let forced = BuildRequest {
        force_remove: true,
        ..request()
    };
    built(&world, file, &[], &forced).result.expect_err("fails");
    assert_eq!(world.containers.borrow().len(), 1);
}
