use super::*;

fn lesson(front: &str, text: &str) -> Result<Lesson> {
    let source = format!("---\ntitle: T\nsummary: S\nminutes: 5\n{front}---\n{text}");
    Lesson::parse(&source, &Seed::new("x"))
}

const TASK: &str =
    "tasks:\n  a:\n    title: A\n    check: {image: x}\n    solution: docker pull x\n";

#[test]
fn unknown_keys_and_wrong_places_have_a_line() {
    let says = |front: &str, text: &str, error: &str| {
        assert_eq!(lesson(front, text).unwrap_err().to_string(), error);
    };
    let known = "title, summary, level, minutes, lang, files, start, variables, tasks";
    says(
        &format!("tilte: x\n{TASK}"),
        "",
        &format!("line 5: unknown key `tilte` in the front matter; known: {known}"),
    );
    says("", "", "line 2: the front matter needs `tasks`");
    says(
        &TASK.replace("title: A", "titel: A"),
        "",
        "line 7: a task needs `title`",
    );
    says(
        &format!("{TASK}    hint: x\n"),
        "",
        "line 10: unknown key `hint` in a task; known: title, points, needs, check, hints, solution, wrong",
    );
    says(
        &format!("{TASK}    needs: b\n"),
        "",
        "line 10: task `a` needs `b`, which is no task before it",
    );
    says(
        &format!("level: easy\n{TASK}"),
        "",
        "line 5: level `easy`; known: beginner, intermediate, advanced",
    );
    says(
        TASK,
        "\n\n<!-- task b -->\n",
        "line 13: the front matter has no task `b`",
    );
    says(
        TASK,
        "```sh runn\n```\n",
        "line 11: unknown modifier `runn` of a fence; known: no-run, no-copy, save-as=PATH, terminal=NUMBER",
    );
    says(
        &TASK.replace("    solution: docker pull x\n", ""),
        "",
        "line 6: task `a` needs a `solution`, or fences with commands before its place",
    );
    let error = Lesson::parse("no front matter", &Seed::default()).unwrap_err();
    assert!(error.message.contains("begins with a line `---`"));
    let big = "x".repeat(MAX_LESSON + 1);
    assert!(
        Lesson::parse(&big, &Seed::default())
            .unwrap_err()
            .message
            .contains("at most 262144")
    );
}

#[test]
fn a_solution_may_be_in_the_text() {
    let front = "tasks:\n  a:\n    title: A\n    check: {image: x}\n  b:\n    title: B\n    check: {image: y}\n    solution: docker pull y\n";
    let text = "```dockerfile save-as=app/Dockerfile\nFROM x\nEND\n```\n\n```sh\ndocker build -t x app\n```\n\n\
        ```sh no-run\nrm -rf /\n```\n\n<!-- task a -->\n\n```sh\nls\n```\n";
    let lesson = lesson(front, text).unwrap();
    let solution = "mkdir -p 'app'\ncat > 'app/Dockerfile' <<'END_'\nFROM x\nEND\nEND_\ndocker build -t x app\n";
    assert_eq!(lesson.tasks[0].solution, solution);
    assert_eq!(lesson.tasks[1].solution, "docker pull y");
    assert!(matches!(lesson.blocks.last(), Some(Block::Task { task }) if task == "b"));
    assert_eq!(
        lesson.tasks[1].needs,
        ["a"],
        "in a row, unless it says otherwise"
    );
}

#[test]
fn variants_differ_in_front_matter_and_text_alike() {
    let front = "variables:\n  name: [web, shop, blog, news]\ntasks:\n  a:\n    title: Make {{name}}\n    check: {container: {{name}}}\n    solution: docker create --name {{name}} x\n";
    let of = |seed: &str| {
        let source = format!(
            "---\ntitle: T\nsummary: S\nminutes: 5\n{front}---\n`{{{{name}}}}` {{{{.Name}}}}\n"
        );
        Lesson::parse(&source, &Seed::new(seed)).unwrap()
    };
    let names: BTreeSet<String> = (0..30)
        .map(|n| of(&n.to_string()).variables[0].1.clone())
        .collect();
    assert_eq!(names.len(), 4);
    let lesson = of("7");
    let name = &lesson.variables[0].1;
    assert_eq!(
        lesson.tasks[0].solution,
        format!("docker create --name {name} x")
    );
    assert!(lesson.tasks[0].checks[0].goal().contains(name.as_str()));
    let json = serde_json::to_string(&lesson.model()).unwrap();
    assert!(json.contains(name.as_str()) && json.contains("{{.Name}}"));
}

#[test]
fn a_translation_keeps_the_checks() {
    let original = lesson(
        &format!("{TASK}    hints: [h]\n"),
        "text\n\n- [x] a\n- [ ] b\n",
    )
    .unwrap();
    let source = "---\nlang: de\ntitle: Titel\nsummary: Z\ntasks:\n  a: {title: Aufgabe, hints: [Hinweis]}\n---\nText\n\n- [x] a\n- [ ] b\n";
    let german = original.clone().translate(source).unwrap();
    assert_eq!(
        (german.lang.as_str(), german.title.as_str()),
        ("de", "Titel")
    );
    assert_eq!(german.tasks[0].checks, original.tasks[0].checks);
    assert_eq!(german.tasks[0].solution, "docker pull x");
    assert_eq!(markdown::plain(&german.tasks[0].hints[0].text), "Hinweis");
    let says = |from: &str, to: &str| {
        let error = original
            .clone()
            .translate(&source.replace(from, to))
            .unwrap_err();
        error.to_string()
    };
    assert_eq!(says("  a:", "  b:"), "line 6: the lesson has no task `b`");
    assert_eq!(
        says("[Hinweis]", "[1, 2]"),
        "line 6: task `a` has 1 hints, not 2"
    );
    assert!(says("- [x] a\n- [ ] b\n", "").contains("quizzes"));
    assert!(says("lang: de", "lang: d;e").contains("language tag"));
}

#[test]
fn the_way_to_a_task_is_what_it_needs() {
    let task = |id: &str, needs: &str| {
        format!(
            "  {id}:\n    title: A\n    needs: {needs}\n    check: {{image: x}}\n    solution: ls\n"
        )
    };
    let front = format!(
        "tasks:\n{}{}{}{}",
        task("a", "[]"),
        task("b", "[]"),
        task("c", "[a]"),
        task("d", "[c]")
    );
    let lesson = lesson(&front, "").unwrap();
    let way: Vec<&str> = lesson
        .path_to("d")
        .iter()
        .map(|task| task.id.as_str())
        .collect();
    assert_eq!(way, ["a", "c", "d"]);
}

#[test]
fn nothing_is_hidden_in_a_solution() {
    let front = TASK.replace("docker pull x", "\"docker pull \\u202ex\"");
    assert!(lesson(&front, "").unwrap_err().message.contains("U+202E"));
}
