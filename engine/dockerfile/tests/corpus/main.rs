//! Checks this crate against BuildKit's and moby's own test tables, and against what BuildKit's frontend makes of
//! several hundred Dockerfiles.
//!
//! The tables are found through `BOTTLESHIP_SHARED`, or in `shared` beside the workspace. One line is printed per
//! suite; the test fails when a suite falls below the number in `reached.json`. `CORPUS_SHOW=suite` prints the
//! differences in a suite.

mod canonical;
mod golden;
mod instructions;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// Counts of one suite, and its first differences.
#[derive(Default)]
pub struct Suite {
    passed: usize,
    total: usize,
    differences: Vec<String>,
}

impl Suite {
    /// Notes a case: `got` and `want` are equal or not.
    pub fn case<T: PartialEq + std::fmt::Debug>(&mut self, id: &str, got: T, want: T) {
        self.total += 1;
        if got == want {
            self.passed += 1;
        } else {
            self.differences
                .push(format!("{id}\n   got: {got:?}\n  want: {want:?}"));
        }
    }
}

pub type Suites = BTreeMap<&'static str, Suite>;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("BOTTLESHIP_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("corpus/dockerfile");
    path.is_dir().then_some(path)
}

#[test]
fn corpus_reached() {
    let Some(dir) = corpus() else {
        println!("skipped: no corpus (set BOTTLESHIP_SHARED)");
        return;
    };
    let mut suites = Suites::new();
    let read = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).expect("corpus file");
        serde_json::from_str::<Value>(&text).expect("corpus JSON")
    };
    tables::run(&read, &mut suites);
    let lines =
        std::fs::read_to_string(dir.join("golden_dockerfiles.ndjson")).expect("corpus file");
    golden::run(&lines, &mut suites);

    let reached: BTreeMap<String, usize> =
        serde_json::from_str(include_str!("reached.json")).expect("reached.json");
    let show = std::env::var("CORPUS_SHOW").unwrap_or_default();
    let mut below = Vec::new();
    for (name, suite) in &suites {
        println!("{name}: {}/{}", suite.passed, suite.total);
        if show == *name {
            for difference in &suite.differences {
                println!("  {difference}");
            }
        }
        if suite.passed < reached.get(*name).copied().unwrap_or(0) {
            below.push(*name);
        }
    }
    for name in reached.keys() {
        assert!(suites.contains_key(name.as_str()), "{name} did not run");
    }
    assert!(below.is_empty(), "below the number reached: {below:?}");
}
