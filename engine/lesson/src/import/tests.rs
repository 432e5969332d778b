//! Pages and scenarios as their authors write them, made up for these tests.

use std::collections::BTreeMap;

use super::{Imported, killercoda, pwd};
use crate::{Block, Lesson, Seed};

const PAGE: &str = r#"---
layout: post
title:  "Boats and *containers*"
author: "@someone"
tags: [linux, developer]
categories: intermediate
terms: 2
---

In this page you launch a boat. Then another.

* Difficulty: none

## <a name="launch"></a>1.0 Launch

Click the code below, or use `docker run <image>`:
```.term1
docker container run busybox echo "ahoy"
```
It prints:
```
ahoy
```

See [the docs](http://docs.example.com/run){:target="_blank"} and ![a boat](/images/boat.svg).

## 2.0 Look

```.term2
docker ps -a
docker container inspect <container ID>
```

{:.quiz}
What floats?
- [ ] A stone
- [x] Wood
- [x] Cork

{:.quiz}
Who steers?
- ( ) The cargo
- (x) The helm

{:.quiz}
Nothing is right here
- ( ) One
- ( ) Two

### A swarm

```.term1
docker swarm init
```

- [ ] remember this

{% include banner.html %}
"#;

fn lesson(imported: &Imported) -> Lesson {
    assert_eq!(imported.problem, None, "{}", imported.text);
    Lesson::parse(&imported.text, &Seed::new("1")).unwrap()
}

#[track_caller]
fn noted(imported: &Imported, file: &str, line: u32, piece: &str) {
    let here = |note: &&super::Note| note.file == file && note.line == line;
    let found: Vec<&str> = imported
        .notes
        .iter()
        .filter(here)
        .map(|note| note.message.as_str())
        .collect();
    assert!(
        found.iter().any(|message| message.contains(piece)),
        "no {piece:?} at {file}:{line}; all notes: {:#?}",
        imported.notes
    );
}

fn fences(lesson: &Lesson) -> Vec<(Option<&str>, u32)> {
    lesson
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Fence(fence) => Some((fence.run.as_deref(), fence.terminal)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_page_of_play_with_docker_becomes_a_lesson() {
    let imported = pwd("boats.markdown", PAGE).unwrap();
    let lesson = lesson(&imported);
    assert_eq!(lesson.title, "Boats and containers");
    assert_eq!(lesson.summary, "In this page you launch a boat.");
    assert_eq!(lesson.level, crate::Level::Intermediate);
    assert_eq!(
        fences(&lesson),
        [
            (Some("docker container run busybox echo \"ahoy\""), 1),
            (None, 1),
            (
                Some("docker ps -a\ndocker container inspect <container ID>"),
                2
            ),
            (Some("docker swarm init"), 1),
        ]
    );
    let tasks: Vec<(&str, String)> = lesson
        .tasks
        .iter()
        .map(|task| (task.id.as_str(), task.checks[0].goal()))
        .collect();
    let entered = |line: &str| format!("You entered `{line}`");
    assert_eq!(
        tasks,
        [
            ("1-0-launch", entered("docker run busybox echo \"ahoy\"")),
            ("2-0-look", entered("docker container inspect *")),
            ("a-swarm", entered("docker swarm init")),
        ]
        .map(|(id, goal)| (id, goal.replace("`docker run", "`docker container run")))
    );
    // A task's solution is what its section types.
    assert_eq!(
        lesson.tasks[0].solution,
        "docker container run busybox echo \"ahoy\"\n"
    );
    let right: Vec<Vec<bool>> = lesson
        .quizzes
        .iter()
        .map(|quiz| quiz.answers.iter().map(|answer| answer.right).collect())
        .collect();
    assert_eq!(right, [vec![false, true, true], vec![false, true]]);
    assert!(imported.text.contains("- remember this"));
    assert!(!imported.text.contains("{%") && !imported.text.contains("{:"));
}

#[test]
fn what_a_page_had_and_a_lesson_has_not_is_told_with_its_line() {
    let imported = pwd("boats.markdown", PAGE).unwrap();
    let line = |piece: &str| {
        let at = PAGE.lines().position(|line| line.contains(piece)).unwrap();
        at as u32 + 1
    };
    for (piece, message) in [
        ("<a name", "HTML is not carried over; of <a>"),
        ("boat.svg", "the image /images/boat.svg is not copied"),
        ("http://docs", "without TLS"),
        ("docker swarm init", "`docker swarm` is not supported"),
        ("remember this", "its boxes are taken off"),
        ("include banner", "Jekyll's `include banner.html`"),
    ] {
        noted(&imported, "boats.markdown", line(piece), message);
    }
    let quiz = PAGE
        .lines()
        .position(|line| line.contains("Nothing is right"))
        .unwrap() as u32;
    noted(
        &imported,
        "boats.markdown",
        quiz,
        "this one is a plain list",
    );
    noted(&imported, "boats.markdown", 1, "the page checks nothing");
}

const INDEX: &str = r#"{
  "title": "A hold full of files",
  "description": "Fill the hold",
  "difficulty": "advanced",
  "details": {
    "intro": {
      "text": "intro.md",
      "background": "setup.sh"
    },
    "steps": [
      {
        "title": "Load `one`",
        "text": "step1/text.md",
        "verify": "step1/verify.sh"
      },
      {
        "title": "Look",
        "text": "step2/text.md",
        "foreground": "step2/fore.sh"
      },
      { "title": "Think", "text": "step3.md", "verify": "step3.sh" }
    ],
    "finish": { "text": "finish.md" },
    "assets": {
      "host01": [
        { "file": "crate.txt", "target": "/hold", "chmod": "+r" },
        { "file": "*.png", "target": "/hold" },
        { "file": "photo.bin", "target": "/hold" }
      ],
      "host02": [{ "file": "crate.txt", "target": "/" }]
    }
  },
  "backend": { "imageid": "kubernetes-kubeadm-1node" },
  "interface": { "layout": "ide" }
}
"#;
const STEP1: &str = r#"
Load it into the hold.

<br>
<details><summary>Tip</summary>

```plain
Use cp.
```
</details>

<details>
<summary>Solution</summary>
<br>

Type this:

```plain
docker create --name one busybox
```{{exec}}

and this:

```plain
docker cp /hold/crate.txt one:/
```{{exec}}
</details>

<details><summary>Background</summary>
Crates are boxes.
</details>
"#;
const STEP2: &str = r#"# Look around

Run `docker ps -a`{{exec}} and then `docker images`{{copy}} while `top`{{exec interrupt}} runs,
at [the port]({{TRAFFIC_HOST1_80}}). A template is `{{.Names}}`.

```bash
docker volume ls
docker network ls
```{{exec}}

```bash
not to be clicked
```
"#;

fn scenario(index: &str) -> BTreeMap<String, Vec<u8>> {
    let files: [(&str, &[u8]); 11] = [
        ("index.json", index.as_bytes()),
        ("intro.md", b"Welcome aboard.\n"),
        ("setup.sh", b"#!/bin/bash\nset -e\n\nmkdir -p /hold\n"),
        ("step1/text.md", STEP1.as_bytes()),
        (
            "step1/verify.sh",
            b"docker inspect one\ndocker diff one | grep crate\n",
        ),
        ("step2/text.md", STEP2.as_bytes()),
        ("step2/fore.sh", b"echo hi\n"),
        ("step3.md", b"Nothing to type.\n"),
        ("step3.sh", b"true\n"),
        ("finish.md", b"Done.\n"),
        ("assets/crate.txt", b"apples\n"),
    ];
    let mut files: BTreeMap<String, Vec<u8>> = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_vec()))
        .collect();
    files.insert("assets/photo.bin".into(), vec![0xff, 0xfe, 0]);
    files
}

#[test]
fn a_scenario_of_killercoda_becomes_a_lesson() {
    let imported = killercoda(&scenario(INDEX)).unwrap();
    let lesson = lesson(&imported);
    assert_eq!(lesson.level, crate::Level::Advanced);
    assert_eq!(lesson.summary, "Fill the hold");
    let files: Vec<&str> = lesson
        .start
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        files,
        [
            "/hold/crate.txt",
            "/opt/scenario/setup.sh",
            "/opt/scenario/step1/verify.sh",
            "/opt/scenario/step3.sh"
        ]
    );
    assert_eq!(
        lesson.start.files[1].1,
        "#!/bin/bash\nset -e\n\nmkdir -p /hold\n"
    );
    assert_eq!(
        lesson.start.lines,
        ["chmod +r /hold/crate.txt", "sh /opt/scenario/setup.sh"]
    );
    let [load, look, think] = lesson.tasks.as_slice() else {
        panic!("{}", imported.text)
    };
    assert_eq!(load.hints.len(), 1);
    assert_eq!(
        load.solution,
        "docker create --name one busybox\ndocker cp /hold/crate.txt one:/\n"
    );
    assert!(
        imported
            .text
            .contains("run: \"sh /opt/scenario/step1/verify.sh\"")
    );
    assert_eq!(look.checks[0].goal(), "You entered `docker network ls`");
    assert_eq!(
        look.solution,
        "docker ps -a\ntop\ndocker volume ls\ndocker network ls\n"
    );
    assert!(think.solution.starts_with('#'));
    assert!(imported.text.contains("`{{.Names}}`"), "{}", imported.text);
    assert!(
        imported.text.contains("Crates are boxes.") && imported.text.contains("**Background**")
    );
    assert!(!imported.text.contains("{{exec") && !imported.text.contains("{{copy"));
}

#[test]
fn what_a_scenario_had_and_a_lesson_has_not_is_told_with_its_line() {
    let imported = killercoda(&scenario(INDEX)).unwrap();
    let line = |text: &str, piece: &str| {
        let at = text.lines().position(|line| line.contains(piece)).unwrap();
        at as u32 + 1
    };
    for (piece, message) in [
        ("kubernetes-kubeadm", "no Kubernetes"),
        ("interface", "`interface` is not carried over"),
        ("*.png", "stands for several files"),
        ("photo.bin", "is not text"),
        ("host02", "there is one host"),
        ("step2/fore.sh", "`foreground` of a later step"),
        ("setup.sh", "runs before the learner begins"),
        ("step3.md", "write the task's `solution`"),
    ] {
        noted(&imported, "index.json", line(INDEX, piece), message);
    }
    noted(&imported, "setup.sh", 1, "what only bash knows fails");
    noted(
        &imported,
        "step1/text.md",
        line(STEP1, "Background"),
        "stands open here",
    );
    noted(
        &imported,
        "step1/text.md",
        line(STEP1, "Tip") + 7,
        "are the task's solution",
    );
    noted(
        &imported,
        "step2/text.md",
        line(STEP2, "interrupt"),
        "is not interrupted",
    );
    noted(
        &imported,
        "step2/text.md",
        line(STEP2, "TRAFFIC"),
        "port 80 is shown",
    );
}

#[test]
fn what_strangers_write_is_told_of_and_never_a_panic() {
    assert!(pwd("x", "no front matter").is_err());
    assert!(pwd("x", "---\ntitle: x\n---\nnothing to click\n").is_err());
    assert!(killercoda(&BTreeMap::new()).is_err());
    assert!(killercoda(&scenario("{")).is_err());
    assert!(killercoda(&scenario("[1, 2]")).is_err());
    // Paths that lead out are no files of the scenario.
    let out = INDEX.replace("step1/verify.sh", "../../etc/passwd");
    let imported = killercoda(&scenario(&out)).unwrap();
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.message.contains("there is no file ../../etc/passwd"))
    );
    let nowhere = INDEX.replace("\"/hold\", \"chmod\"", "\"/hold; reboot\", \"chmod\"");
    let imported = killercoda(&scenario(&nowhere)).unwrap();
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.message.contains("is no plain path"))
    );
    assert!(!imported.text.contains("reboot"));
    // Anything cut anywhere.
    for end in (0..PAGE.len()).filter(|at| PAGE.is_char_boundary(*at)) {
        let _ = pwd("x", &PAGE[..end]);
    }
    for piece in [
        "\u{202e}",
        "{{",
        "`",
        "<details>",
        "<summary>",
        "{:",
        "{%",
        "](",
        "```",
        "\t- [ ] ",
        "<!--",
        "<<",
    ] {
        for at in (0..STEP2.len())
            .filter(|at| STEP2.is_char_boundary(*at))
            .step_by(7)
        {
            let mut files = scenario(INDEX);
            let text = format!("{}{piece}{}", &STEP2[..at], &STEP2[at..]);
            files.insert("step2/text.md".into(), text.into_bytes());
            let imported = killercoda(&files).unwrap();
            assert!(!imported.text.contains('\u{202e}'));
        }
    }
}
