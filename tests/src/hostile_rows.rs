//! Every row of the list of hostile images has a test that names it, or a reason why it has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = workspace().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A row's id, a letter and two digits: `C07`.
fn is_row(text: &str) -> bool {
    matches!(text.as_bytes(), [b'A'..=b'E', a, b] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// The ids in the first column of the list's tables.
fn rows_of_list(text: &str) -> BTreeSet<String> {
    let first = |line: &str| Some(line.strip_prefix('|')?.split('|').next()?.trim().to_owned());
    text.lines()
        .filter_map(first)
        .filter(|id| is_row(id))
        .collect()
}

/// `A01-A03 B07`, one by one.
fn expand(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for part in text.split_whitespace() {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        assert!(
            is_row(from) && is_row(to) && from[..1] == to[..1],
            "{part}: not rows"
        );
        let number = |row: &str| row[1..].parse::<u8>().unwrap_or_default();
        assert!(number(from) <= number(to), "{part}: not a range");
        rows.extend((number(from)..=number(to)).map(|n| format!("{}{n:02}", &from[..1])));
    }
    rows
}

/// The ids that a test's source names: as words of its strings and comments, in names of functions, in ranges.
fn rows_in(source: &str) -> BTreeSet<String> {
    let upper = source.to_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut found: BTreeSet<String> = words
        .iter()
        .filter(|word| is_row(word))
        .map(|word| (*word).to_owned())
        .collect();
    for three in words.windows(3) {
        if let [from, "TO", to] = three
            && is_row(from)
            && is_row(to)
        {
            found.extend(expand(&format!("{from}-{to}")));
        }
    }
    found
}

#[test]
fn every_row_has_a_test_or_a_reason() {
    let shared = std::env::var_os("BOTTLESHIP_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let list = shared.join("spec/hostile-images.md");
    let Ok(text) = std::fs::read_to_string(&list) else {
        eprintln!(
            "skipped: {} is not there (name its directory with BOTTLESHIP_SHARED)",
            list.display()
        );
        return;
    };
    let rows = rows_of_list(&text);
    assert!(
        rows.len() > 50,
        "the list has another form than this test reads"
    );
    let (tested, reasons) = covered();
    let both: Vec<_> = tested.intersection(&reasons).collect();
    assert!(both.is_empty(), "tested, and a reason why not: {both:?}");
    let known: BTreeSet<String> = tested.union(&reasons).cloned().collect();
    let missing: Vec<_> = rows.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "neither a test nor a reason in tests/hostile.toml: {missing:?}"
    );
    let gone: Vec<_> = known.difference(&rows).collect();
    assert!(gone.is_empty(), "no longer in the list: {gone:?}");
}

/// The rows of `hostile.toml`, tested and reasoned; what it says of files is checked.
fn covered() -> (BTreeSet<String>, BTreeSet<String>) {
    let table: toml::Table = read("tests/hostile.toml").parse().expect("TOML");
    let section = |name: &str| table[name].as_table().expect("a table").clone();
    let mut tested = BTreeSet::new();
    for (file, rows) in section("tested") {
        let named = rows_in(&read(&file));
        for row in expand(rows.as_str().expect("rows")) {
            assert!(named.contains(&row), "{file} does not name {row}");
            tested.insert(row);
        }
    }
    let reasons = section("reasons");
    for (row, reason) in &reasons {
        assert!(
            reason.as_str().is_some_and(|r| r.len() > 10),
            "{row}: no reason"
        );
    }
    (tested, reasons.into_iter().map(|(row, _)| row).collect())
}

/// What is tested natively is tested in Chromium, too: the same files.
#[test]
fn the_tables_run_in_chromium() {
    covered();
    let table: toml::Table = read("tests/hostile.toml").parse().expect("TOML");
    for (file, included) in table["wasm"].as_table().expect("a table") {
        let source = read(file);
        for name in included.as_array().expect("a list") {
            let name = name.as_str().expect("a name");
            assert!(
                source.contains(&format!("/{name}\"]")),
                "{file} does not include {name}"
            );
        }
    }
}
