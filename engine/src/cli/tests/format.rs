//! Tables, templates, sizes and times.

use super::{Canned, TestHost, run};
use crate::cli::{tabwriter, units};
use proptest::prelude::*;

fn daemon() -> Canned {
    Canned {
        version: "1.50",
        answers: [
            (
                "GET /containers/json",
                r#"[{"Id":"aaaaaaaa1234bbbb","Names":["/web","/other/web"],"Image":"busybox","ImageID":"sha256:1","Command":"sleep 1000 and more words","Created":1763990000,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}],"Labels":{"a.b":"c"},"State":"running","Status":"Up 2 hours","Mounts":[]}]"#,
            ),
            (
                "GET /images/json",
                r#"[{"Id":"sha256:cccccccccccccccc","RepoTags":["busybox:latest"],"RepoDigests":[],"Created":1684449257,"Size":1984508,"SharedSize":-1,"Containers":-1},{"Id":"sha256:dddddddddddddddd","RepoTags":[],"RepoDigests":[],"Created":1684449257,"Size":999}]"#,
            ),
        ]
        .map(|(k, v)| (k.to_string(), (200, v.to_string())))
        .into(),
        ..Canned::default()
    }
}

fn out(words: &[&str]) -> String {
    let (code, out, err) = run(words, &TestHost::default(), &daemon());
    assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
    out
}

#[test]
fn tables() {
    assert_eq!(
        out(&["ps"]),
        "CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS       PORTS                  NAMES\n\
         aaaaaaaa1234   busybox   \"sleep 1000 and more…\"   3 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp   web\n"
    );
    assert_eq!(
        out(&["images"]),
        "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE\n\
         busybox      latest    cccccccccccc   2 years ago   1.98MB\n\
         <none>       <none>    dddddddddddd   2 years ago   999B\n"
    );
    assert_eq!(out(&["ps", "-q"]), "aaaaaaaa1234\n");
    assert_eq!(
        out(&[
            "ps",
            "--format",
            "table {{upper .Names}}\\t{{.Label \"a.b\"}}"
        ]),
        "NAMES     b\nWEB       c\n"
    );
}

/// Row C28: what an image says of itself does not drive the terminal.
#[test]
fn tables_are_printable() {
    let mut daemon = daemon();
    let history = r#"[{"Id":"<missing>","Created":1684449257,"CreatedBy":"\u001b]0;owned\u0007\u001b[2J\u009b","Tags":null,"Size":0,"Comment":"<script>"}]"#;
    let path = "GET /images/x/history".to_string();
    daemon.answers.insert(path, (200, history.into()));
    let (code, out, _) = run(&["history", "x"], &TestHost::default(), &daemon);
    assert_eq!(code, 0);
    assert!(
        out.contains("\\u{1b}]0;owned") && out.contains("<script>"),
        "{out:?}"
    );
    let control = out.chars().any(|c| c.is_control() && c != '\n');
    assert!(!control, "{out:?}");
}

#[test]
fn templates_and_json() {
    assert_eq!(
        out(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]),
        "aaaaaaaa1234bbbb web,other/web\n"
    );
    let json = out(&["images", "--format", "json"]);
    assert!(
        json.starts_with("{\"Containers\":\"N/A\",\"CreatedAt\":\"2023-05-18 22:34:17 +0000 UTC\""),
        "{json}"
    );
    assert!(json.contains("\"Digest\":\"\\u003cnone\\u003e\""), "{json}");
    let (code, _, err) = run(
        &["images", "--format", "{{.Nope}}"],
        &TestHost::default(),
        &daemon(),
    );
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.imageContext\n"
    );
}

#[test]
fn sizes_as_go_units_writes_them() {
    let cases = [
        (0.0, "0B"),
        (999.0, "999B"),
        (1000.0, "1kB"),
        (1_984_508.0, "1.98MB"),
        (5_962_000.0, "5.96MB"),
        (999_500.0, "1e+03kB"),
    ];
    for (n, text) in cases {
        assert_eq!(units::human_size(n, 3), text, "{n}");
    }
    assert_eq!(units::human_size(1_984_508.0, 4), "1.985MB");
    assert_eq!(units::bytes_size(67_108_864.0), "64MiB");
    assert_eq!(units::parse_bytes("1.5 GiB"), Ok(1_610_612_736));
    assert_eq!(units::parse_bytes("1q"), Err("invalid suffix: 'q'".into()));
    assert_eq!(units::go_duration(90_500_000_000), "1m30.5s");
}

proptest! {
    #[test]
    fn written_sizes_read_back(n in 0u64..1 << 50) {
        // BytesSize keeps four digits, so reading back is near, never far.
        let text = units::bytes_size(n as f64);
        let back = units::parse_bytes(&text).unwrap() as f64;
        prop_assert!((back - n as f64).abs() <= n as f64 * 0.001 + 1.0, "{n} {text} {back}");
    }

    #[test]
    fn parsing_never_panics(s in "\\PC{0,20}") {
        let _ = units::parse_bytes(&s);
        let _ = units::parse_go_duration(&s);
        let _ = units::parse_rfc3339(&s);
    }

    #[test]
    fn dates_round_trip(s in -62_135_596_800i64..253_402_300_799) {
        prop_assert_eq!(units::parse_rfc3339(&units::rfc3339(s)), Some((s, 0)));
    }

    #[test]
    fn columns_line_up(rows in prop::collection::vec(prop::collection::vec("[a-zé]{0,15}", 3), 1..8)) {
        let text: String = rows.iter().map(|r| r.join("\t") + "\n").collect();
        let aligned = tabwriter::table(&text);
        let width = |c: usize| rows.iter().map(|r| r[c].chars().count() + 3).max().unwrap_or(0).max(10);
        for (line, r) in aligned.lines().zip(&rows) {
            let chars: Vec<char> = line.chars().collect();
            let second: String = chars[width(0)..].iter().collect();
            prop_assert!(second.starts_with(r[1].as_str()), "{line:?}");
            let third: String = chars[width(0) + width(1)..].iter().collect();
            prop_assert_eq!(&third, &r[2]);
        }
    }
}
