//! The page that documents the format, static/lessons/README.md, against the parser: what one knows, the other says.

use std::collections::BTreeSet;

use crate::yaml;
use crate::{Bank, Check, Lesson, LessonError, Seed};

const README: &str = include_str!("../../../static/lessons/README.md");

/// The keys that an error lists as known. Each reader refuses a key that no author would think of.
fn known(error: &LessonError) -> BTreeSet<String> {
    let (_, list) = error
        .message
        .split_once("known: ")
        .expect("an error that lists what is known");
    list.split(", ").map(str::to_owned).collect()
}

fn words(list: &str) -> BTreeSet<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

const HEAD: &str = "title: T\nsummary: S\nminutes: 1\n";

/// The keys of a lesson's front matter, with `more` lines in it.
fn refused(more: &str) -> LessonError {
    let source = format!("---\n{HEAD}{more}---\n");
    Lesson::parse(&source, &Seed::default()).expect_err("an unknown key is refused")
}

fn task(more: &str) -> LessonError {
    refused(&format!(
        "tasks:\n  a:\n    title: A\n    check: {{image: x}}\n    solution: x\n{more}"
    ))
}

fn check(kind: &str, inside: &str) -> LessonError {
    let node = yaml::parse(&format!("{kind}: {{{inside}zzz: 1}}"), 1).unwrap();
    Check::read(node).expect_err("an unknown key is refused")
}

/// The first block of YAML below a heading.
fn block_below(heading: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("## {heading}\n"))
        .expect("the heading");
    let (_, rest) = rest.split_once("```yaml\n").expect("a block of YAML");
    rest.split("```").next().expect("its end")
}

/// The keys of a block, by how far they are indented; `- key:` counts as its key.
fn keys(block: &str, indent: usize) -> BTreeSet<String> {
    let key = |line: &str| {
        let text = line.trim_start_matches(' ').trim_start_matches("- ");
        let at = line.len() - text.len();
        let (key, _) = text.split_once(':')?;
        let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        (at == indent && plain).then(|| key.to_owned())
    };
    block.lines().filter_map(key).collect()
}

/// The lines of a block below a task's key.
fn part<'a>(block: &'a str, key: &str) -> &'a str {
    let (_, rest) = block.split_once(&format!("\n    {key}:")).expect("the key");
    let next = |(at, _): &(usize, &str)| !rest[at + 5..].starts_with([' ', '-', '#']);
    let end = rest.match_indices("\n    ").find(next);
    end.map_or(rest, |(end, _)| &rest[..end])
}

/// The row of the table of checks that begins with a kind: the words in code of its third column.
fn row(kind: &str) -> BTreeSet<String> {
    let row = README
        .lines()
        .find(|line| {
            line.starts_with('|')
                && line
                    .split('|')
                    .nth(1)
                    .is_some_and(|cell| codes(cell).contains(kind))
        })
        .unwrap_or_else(|| panic!("the page says nothing of the check `{kind}`"));
    let cell = row.split('|').nth(3).expect("a third column");
    // What is in parentheses belongs to a key.
    let mut depth = 0;
    let outside: String = cell
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0 && *c != ')'
        })
        .collect();
    codes(&outside)
}

fn codes(text: &str) -> BTreeSet<String> {
    let inside = text.split('`').skip(1).step_by(2);
    inside.map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_front_matter_is_documented_and_no_other() {
    let front = block_below("Front matter");
    assert_eq!(keys(front, 0), known(&refused("zzz: 1\ntasks: {}\n")));
    assert_eq!(keys(front, 4), known(&task("    zzz: 1\n")));
    let hint = known(&task("    hints: [{says: x, when: {image: x}, zzz: 1}]\n"));
    let wrong = known(&task("    wrong: [{run: x, zzz: 1}]\n"));
    assert_eq!(keys(part(front, "hints"), 8), hint);
    assert_eq!(keys(part(front, "wrong"), 8), wrong);
}

#[test]
fn every_check_and_its_keys_are_documented_and_no_other() {
    let kinds = known(&Check::read(yaml::parse("zzz: 1", 1).unwrap()).unwrap_err());
    let (_, table) = README
        .split_once("| Kind | Short form | Keys |")
        .expect("the table of checks");
    let table = table.split("\n\n").next().unwrap_or_default();
    let documented: BTreeSet<String> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| codes(line.split('|').nth(1).unwrap_or_default()))
        .collect();
    assert_eq!(documented, kinds);
    for (kind, needed) in [
        ("image", "name: x, "),
        ("container", ""),
        ("no-container", ""),
        ("network", "name: x, "),
        ("volume", "name: x, "),
        ("command", "like: x, "),
        ("http", "port: 80, "),
        ("file", "path: /x, "),
        ("run", "line: x, "),
    ] {
        assert_eq!(
            row(kind),
            known(&check(kind, needed)),
            "the keys of `{kind}`"
        );
    }
    let mount = known(&check("container", "mounts: [{at: /x, zzz: 1}], "));
    let (_, mounts) = README
        .split_once("`mounts` (")
        .expect("what a mount's check knows");
    assert_eq!(codes(mounts.split(')').next().unwrap_or_default()), mount);
    let file = known(&check("image", "name: x, files: {/x: {zzz: 1}}, "));
    let (_, files) = README
        .split_once("`files` maps a path to ")
        .expect("what `files` knows");
    assert_eq!(codes(files.lines().next().unwrap_or_default()), file);
}

#[test]
fn every_modifier_of_a_fence_is_documented_and_no_other() {
    let source = format!(
        "---\n{HEAD}tasks:\n  a:\n    title: A\n    check: {{image: x}}\n---\n```sh zzz\nx\n```\n"
    );
    let known = known(&Lesson::parse(&source, &Seed::default()).unwrap_err());
    let (_, table) = README
        .split_once("| Modifier | Meaning |")
        .expect("the table of modifiers");
    let table = table.split("\n\n").next().unwrap_or_default();
    let documented: BTreeSet<String> = table.lines().flat_map(codes).collect();
    let name = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let names = |set: &BTreeSet<String>| set.iter().map(name).collect::<BTreeSet<_>>();
    assert_eq!(names(&documented), names(&known));
}

#[test]
fn every_key_of_a_drill_is_documented_and_no_other() {
    let bank = "topic: t\ntitle: T\n---\nid: a\ntitle: A\ntext: x\ncheck: {image: x}\nsolution: x\nzzz: 1\n";
    let mut known = known(&Bank::parse(bank).unwrap_err());
    known.extend(words("topic title"));
    let (_, text) = README.split_once("## Drills\n").expect("the heading");
    let text = text.split("\n## ").next().unwrap_or_default();
    let documented: BTreeSet<String> = codes(text)
        .into_iter()
        .filter(|word| !["---", "docker"].contains(&word.as_str()))
        .collect();
    assert_eq!(documented, known);
}
