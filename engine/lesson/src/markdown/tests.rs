use super::*;

fn blocks(source: &str) -> Vec<Block> {
    parse(source, 1).unwrap().blocks
}

fn json(source: &str) -> String {
    serde_json::to_string(&blocks(source)).unwrap()
}

fn refused(source: &str) -> String {
    parse(source, 1).unwrap_err().to_string()
}

#[test]
fn html_is_text_and_links_are_listed() {
    for hostile in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "text <img src=x onerror=alert(1)> text",
        "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
        "<style>@import 'x'</style>",
    ] {
        let json = json(hostile);
        assert!(
            json.starts_with("[{\"type\":\"paragraph\",\"children\":[{\"type\":\"text\""),
            "{json}"
        );
        assert_eq!(json.matches("\"type\"").count(), 2, "{json}");
    }
    for hostile in [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,hi)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "[x](http://plain.example)",
        "[x](//evil.example/)",
        "[x](/absolute)",
        "[x](https://user:pass@evil.example/)",
        "[x](https://b\u{fc}cher.example/)",
        "<javascript:alert(1)>",
        "![x](https://tracker.example/p.png)",
        "![x](data:image/svg+xml;base64,AAAA)",
        "![x](data:image/png;base64,\"onerror=)",
    ] {
        let json = json(hostile);
        assert!(
            !json.contains("\"link\"") && !json.contains("\"image\""),
            "{hostile}: {json}"
        );
    }
    for fine in [
        "[x](https://docs.docker.com/a?b#c)",
        "[x](mailto:a@b.example)",
        "[x](#there)",
        "[x](../b/02-x.md#y)",
    ] {
        assert!(json(fine).contains("\"link\""), "{fine}");
    }
    assert!(json("![x](shot.png)").contains("\"image\""));
    assert!(json("![x](data:image/png;base64,AAAA)").contains("\"image\""));
}

#[test]
fn what_cannot_be_seen_is_marked_in_text_and_refused_in_commands() {
    assert!(json("a\u{202e}b").contains("a⟨U+202E⟩b"));
    assert_eq!(
        refused("x\n\n```sh\necho a\nrm\u{200b} -rf\n```\n"),
        "line 5: the character U+200B can't be seen; what runs must be what is shown"
    );
    assert!(refused("a `b\u{2066}c`").contains("U+2066"));
    assert!(json("नि‍ a\u{200d}b").contains("a\u{200d}b"), "joiners stay");
}

#[test]
fn depth_and_size_are_bounded_and_quick() {
    assert!(refused(&">".repeat(100_000)).contains("nested deeper"));
    assert!(refused(&"1. ".repeat(1000)).contains("nested deeper"));
    assert!(refused(&("*a ".repeat(2000) + &"b* ".repeat(2000))).contains("nested deeper"));
    assert!(refused(&"a\n\n".repeat(40_000)).contains("more than"));
    let stars = "*".repeat(200_000);
    assert!(parse(&stars, 1).is_ok());
    // Shapes that make slow parsers quadratic.
    for shape in ["[", "![", "`a", "<!--", "\\`", "](", "a**b"] {
        let _ = parse(&shape.repeat(200_000 / shape.len()), 1);
    }
}

#[test]
fn fences_know_what_they_run() {
    let fence = |source: &str| match blocks(source).pop() {
        Some(Block::Fence(fence)) => fence,
        other => panic!("{other:?}"),
    };
    let plain = fence("```sh\ndocker ps\n```\n");
    assert_eq!((plain.run.as_deref(), plain.line), (Some("docker ps"), 1));
    let session = fence("```console\n$ docker ps -q\nabc\n$ docker images\n```\n");
    assert_eq!(session.run.as_deref(), Some("docker ps -q\ndocker images"));
    assert_eq!(fence("```sh no-run\ndocker ps\n```\n").run, None);
    assert_eq!(fence("```text\ndocker ps\n```\n").run, None);
    let saved = fence("```dockerfile save-as=app/Dockerfile\nFROM busybox\n```\n");
    assert_eq!(
        (saved.save_as.as_deref(), saved.run),
        (Some("app/Dockerfile"), None)
    );
    assert_eq!(fence("```sh terminal=2\nls\n```\n").terminal, 2);
    for (bad, says) in [
        ("```sh save-sa=x\n```\n", "unknown modifier `save-sa=x`"),
        ("```sh save-as=../x\n```\n", "without `..`"),
        ("```sh save-as=a;b\n```\n", "without `..`"),
        ("```sh terminal=0\n```\n", "from 1 to 9"),
        ("```no-run\n```\n", "language"),
    ] {
        assert!(refused(bad).contains(says), "{bad}: {}", refused(bad));
    }
}

#[test]
fn a_task_list_is_a_quiz() {
    let source =
        "Which one?\n\n- [ ] `docker ps`\n\n  > That lists containers.\n\n- [x] `docker images`\n";
    let document = parse(source, 1).unwrap();
    let Some(Block::Quiz { choices, many, .. }) = document.blocks.last() else {
        panic!("{:?}", document.blocks);
    };
    assert_eq!((choices.len(), *many), (2, false));
    assert_eq!(plain(&choices[0]), "docker ps");
    let answers = &document.quizzes[0].answers;
    assert!(!answers[0].right && answers[1].right);
    assert!(matches!(answers[0].says[0], Block::Quote { .. }));
    assert!(refused("- [x] a\n- [x] b\n").contains("a wrong one"));
    assert_eq!(
        refused("- [x] a\n- b\n"),
        "line 2: an answer of a quiz needs a box: `- [ ]` or `- [x]`"
    );
}

#[test]
fn comments_place_tasks() {
    let document = parse("a\n\n<!-- task one -->\n\n<!-- note -->\n\nb\n", 1).unwrap();
    assert_eq!(document.tasks, [("one".to_owned(), 3)]);
    assert_eq!(document.blocks.len(), 3);
    assert!(refused("> <!-- task one -->\n").contains("can't stand in a list"));
}

#[test]
fn headings_have_ids() {
    let json = json("# A & B!\n\n## A & B!\n");
    assert!(
        json.contains("\"id\":\"a--b\"") && json.contains("\"id\":\"a--b-1\""),
        "{json}"
    );
}
