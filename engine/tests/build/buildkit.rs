//! BuildKit's way.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bottleship_engine::build::{BuildRequest, CacheOutcome};
use bottleship_oci::{ImageId, Reference};
use serde_json::Value;

use crate::world::{Built, World, tar};

fn request() -> BuildRequest {
    BuildRequest {
        dockerfile: "Dockerfile".into(),
        buildkit: true,
        ..BuildRequest::default()
    }
}

fn built(world: &World, dockerfile: &str, files: &[(&str, &[u8])]) -> Built {
    built_as(world, dockerfile, files, &request())
}

fn built_as(
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

fn error(built: &Built) -> String {
    let failure = built.result.clone().expect_err("a failure");
    failure.error.message
}

fn traces(built: &Built) -> Vec<&Value> {
    let messages = built.messages.iter();
    messages
        .filter(|m| m.id == "moby.buildkit.trace")
        .filter_map(|m| m.aux.as_ref())
        .collect()
}

/// Steps as plain progress names them, with how they ended.
fn steps(built: &Built) -> Vec<String> {
    let mut out = Vec::new();
    for trace in traces(built) {
        for vertex in trace["vertexes"].as_array().into_iter().flatten() {
            if vertex["completed"].is_null() {
                continue;
            }
            let name = vertex["name"].as_str().expect("a name");
            let end = match (&vertex["cached"], &vertex["error"]) {
                (Value::Bool(true), _) => "CACHED",
                (_, Value::String(_)) => "ERROR",
                _ => "DONE",
            };
            out.push(format!("{name} {end}"));
        }
    }
    out
}

fn logs(built: &Built) -> String {
    let mut out = Vec::new();
    for trace in traces(built) {
        for log in trace["logs"].as_array().into_iter().flatten() {
            let data = log["data"].as_str().expect("data");
            out.extend(BASE64_STANDARD.decode(data).expect("base64"));
        }
    }
    String::from_utf8(out).expect("UTF-8")
}

fn outcomes(built: &Built) -> Vec<String> {
    let outcome = |cache: &CacheOutcome| match cache {
        CacheOutcome::Hit => "hit".to_owned(),
        CacheOutcome::None => "-".to_owned(),
        CacheOutcome::Miss { reason, .. } => format!("{reason:?}"),
    };
    built.reports.iter().map(|r| outcome(&r.cache)).collect()
}

const PLAIN: &str = "FROM busybox\nWORKDIR /app\nCOPY a.txt .\nRUN echo built > b.txt && cat a.txt\nCMD [\"cat\", \"b.txt\"]\n";

#[test]
fn steps_are_named_done_and_cached_as_buildkit_does() {
    let world = World::new();
    let first = built(&world, PLAIN, &[("a.txt", b"alpha\n")]);
    assert_eq!(
        steps(&first),
        [
            "[internal] load build definition from Dockerfile DONE",
            "[internal] load metadata for docker.io/library/busybox:latest DONE",
            "[internal] load .dockerignore DONE",
            "[1/4] FROM docker.io/library/busybox:latest DONE",
            "[2/4] WORKDIR /app DONE",
            "[internal] load build context DONE",
            "[3/4] COPY a.txt . DONE",
            "[4/4] RUN echo built > b.txt && cat a.txt DONE",
            "exporting to image DONE",
        ]
    );
    assert_eq!(logs(&first), "alpha\n");
    let config = world.config(&id(&first));
    let rows: Vec<(&str, bool)> = config.history[1..]
        .iter()
        .map(|h| (h.created_by.as_str(), h.empty_layer))
        .collect();
    assert_eq!(
        rows,
        [
            ("WORKDIR /app", false),
            ("COPY a.txt . # buildkit", false),
            (
                "RUN /bin/sh -c echo built > b.txt && cat a.txt # buildkit",
                false
            ),
            ("CMD [\"cat\" \"b.txt\"]", true),
        ]
    );
    assert_eq!(config.rootfs.diff_ids.len(), 4);
    assert_eq!(
        world.file(&id(&first), "app/b.txt").as_deref(),
        Some("built\n")
    );
    let second = built(&world, PLAIN, &[("a.txt", b"alpha\n")]);
    let cached: Vec<String> = steps(&second)
        .into_iter()
        .filter(|s| s.ends_with("CACHED"))
        .collect();
    assert_eq!(
        cached,
        [
            "[2/4] WORKDIR /app CACHED",
            "[3/4] COPY a.txt . CACHED",
            "[4/4] RUN echo built > b.txt && cat a.txt CACHED",
        ]
    );
    assert_eq!(id(&second), id(&first));
}

#[test]
fn what_changed_is_told() {
    let world = World::new();
    let file = "FROM busybox\nARG V=1\nCOPY a /a\nRUN echo $V > /b\n";
    built(&world, file, &[("a", b"1")]);
    let other = built(&world, file, &[("a", b"2")]);
    assert_eq!(outcomes(&other), ["-", "-", "Files", "EarlierStep"]);
    let argument = BuildRequest {
        build_args: BTreeMap::from([("V".into(), Some("2".into()))]),
        ..request()
    };
    let other = built_as(&world, file, &[("a", b"2")], &argument);
    assert_eq!(outcomes(&other), ["-", "-", "hit", "BuildArgument"]);
    // What is not used changes nothing.
    let other = built(&world, file, &[("a", b"2"), ("unused", b"x")]);
    assert_eq!(outcomes(&other), ["-", "-", "hit", "hit"]);
    let fresh = BuildRequest {
        no_cache: true,
        ..request()
    };
    let other = built_as(&world, file, &[("a", b"2")], &fresh);
    assert_eq!(outcomes(&other), ["-", "-", "Disabled", "Disabled"]);
}

#[test]
fn failures_are_buildkits() {
    let world = World::new();
    let failed = built(&world, "FROM busybox\nRUN exit 4\n", &[]);
    assert_eq!(
        error(&failed),
        "failed to solve: process \"/bin/sh -c exit 4\" did not complete successfully: exit code: 4"
    );
    assert!(steps(&failed).contains(&"[2/2] RUN exit 4 ERROR".to_owned()));
    let failed = error(&built(&world, "FROM busybox\nCOPY nofile /\n", &[]));
    assert!(
        failed.starts_with(
            "failed to solve: failed to compute cache key: failed to calculate checksum of ref "
        ) && failed.ends_with(": \"/nofile\": not found"),
        "{failed}"
    );
    let failed = built(&world, "FROM busybox\nRUN [\"nosuch\"]\n", &[]);
    assert_eq!(
        error(&failed),
        "failed to solve: process \"nosuch\" did not complete successfully: exit code: 127"
    );
    assert!(logs(&failed).starts_with("runc run failed: unable to start container process: exec:"));
    let failed = error(&built(&world, "FORM busybox\n", &[]));
    assert_eq!(
        failed,
        "failed to solve: dockerfile parse error on line 1: unknown instruction: FORM (did you mean FROM?)"
    );
    let git = "FROM busybox\nADD https://github.com/a/b.git#v1 /src\n";
    let failed = error(&built(&world, git, &[]));
    assert!(
        failed.contains("Git repositories are not supported here"),
        "{failed}"
    );
}

#[test]
fn only_stages_that_are_needed_are_built() {
    let world = World::new();
    let file = "FROM busybox AS unused\nRUN exit 1\nFROM busybox AS one\nRUN echo made > /out\nFROM scratch\nCOPY --from=one /out /first\nCOPY --from=busybox /etc/group /second\n";
    let done = built(&world, file, &[]);
    let image = id(&done);
    assert_eq!(world.file(&image, "first").as_deref(), Some("made\n"));
    assert!(
        world
            .file(&image, "second")
            .expect("second")
            .contains("staff")
    );
    assert_eq!(world.config(&image).rootfs.diff_ids.len(), 2);
}

#[test]
fn copies_follow_their_flags() {
    let world = World::new();
    let file = "FROM busybox\nCOPY --chown=nobody:staff --chmod=600 a /a\nCOPY --link d /linked/\nCOPY --exclude=*.log d /some/\nCOPY --parents d/e/f /deep/\nADD t.tar /add/\nADD --unpack=false t.tar /kept/\nCOPY <<EOF /here\ntext\nEOF\n";
    let archive = tar(&[("in", b"x")]);
    let files: [(&str, &[u8]); 8] = [
        ("a", b"1"),
        ("d/", b""),
        ("d/x.log", b"l"),
        ("d/y", b"y"),
        ("d/e/", b""),
        ("d/e/f", b"f"),
        ("t.tar", &archive),
        ("z", b""),
    ];
    let done = built(&world, file, &files);
    let image = id(&done);
    let attr = world.tree(&image).lookup(b"a").expect("a").attr();
    let attr = attr.expect("attributes");
    assert_eq!((attr.uid, attr.gid, attr.mode & 0o7777), (65534, 50, 0o600));
    assert_eq!(world.file(&image, "linked/y").as_deref(), Some("y"));
    assert_eq!(world.file(&image, "some/y").as_deref(), Some("y"));
    assert_eq!(world.file(&image, "some/x.log"), None);
    assert_eq!(world.file(&image, "deep/d/e/f").as_deref(), Some("f"));
    assert_eq!(world.file(&image, "deep/d/y"), None);
    assert_eq!(world.file(&image, "add/in").as_deref(), Some("x"));
    assert!(world.file(&image, "kept/t.tar").is_some());
    assert_eq!(world.file(&image, "here").as_deref(), Some("text\n"));
    // Everything of it is cached, --link too.
    let again = built(&world, file, &files);
    let anew = steps(&again).into_iter().filter(|s| s.contains("COPY"));
    let anew: Vec<String> = anew.filter(|s| s.ends_with("DONE")).collect();
    assert_eq!(anew, [""; 0]);
}

#[test]
fn mounts_show_files_and_leave_nothing() {
    let world = World::new();
    let file = "FROM busybox\nRUN --mount=type=bind,target=/src cat /src/a\nRUN --mount=type=cache,target=/keep echo one >> /keep/log && cat /keep/log && find /keep\nRUN --mount=type=bind,from=busybox,target=/other cat /other/etc/group\nRUN <<EOF\necho first\necho second\nEOF\n";
    let done = built(&world, file, &[("a", b"alpha\n")]);
    let image = id(&done);
    assert_eq!(
        logs(&done),
        "alpha\none\n/keep\n/keep/log\nroot:x:0:\nstaff:x:50:\nfirst\nsecond\n"
    );
    for path in ["src", "keep", "other"] {
        assert!(
            world.tree(&image).lookup(path.as_bytes()).is_err(),
            "{path}"
        );
    }
    // The cache's content stays for the next build.
    let fresh = BuildRequest {
        no_cache: true,
        ..request()
    };
    let again = built_as(&world, file, &[("a", b"alpha\n")], &fresh);
    assert!(logs(&again).contains("one\none\n"), "{}", logs(&again));
    let needed = "FROM busybox\nRUN --mount=type=secret,id=key,required=true true\n";
    assert_eq!(
        error(&built(&world, needed, &[])),
        "failed to solve: secret key: not found"
    );
}

#[test]
fn checks_are_reported_and_names_given() {
    let world = World::new();
    let named = BuildRequest {
        tags: vec![Reference::parse("app:latest").expect("a name")],
        labels: BTreeMap::from([("k".into(), "v".into())]),
        ..request()
    };
    let done = built_as(&world, "from busybox\nRUN true\n", &[], &named);
    let warnings: Vec<String> = traces(&done)
        .iter()
        .flat_map(|t| t["warnings"].as_array().into_iter().flatten())
        .map(|w| w["short"].as_str().expect("text").to_owned())
        .map(|w| String::from_utf8(BASE64_STANDARD.decode(w).expect("base64")).expect("UTF-8"))
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("ConsistentInstructionCasing: "),
        "{warnings:?}"
    );
    let image = id(&done);
    assert_eq!(
        crate::world::found(&world, "app:latest"),
        Some(image.clone())
    );
    let config = world.config(&image);
    assert_eq!(
        config.config.expect("config").labels.expect("labels")["k"],
        "v"
    );
    // RUN true changed nothing.
    assert_eq!(config.rootfs.diff_ids.len(), 1);
    let last = done.messages.last().expect("a message");
    assert_eq!(last.id, "moby.image.id");
}
