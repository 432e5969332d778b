//! The page that lists what differs.

use std::fmt::Write as _;

use super::reached::Score;
use super::{Case, Outcome, Suite};

const STYLE: &str = "body{font:15px/1.45 system-ui;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
    table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #dde3ea}\
    pre{background:#f3f5f8;padding:.5rem .8rem;overflow:auto;font-size:13px}code{font-size:13px}\
    .listed{color:#5a6675}summary{cursor:pointer}";

/// One page of all results.
pub fn html(results: &[(&Suite, Outcome)]) -> String {
    let mut out = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Conformance</title><style>{STYLE}</style>\n\
         <h1>Conformance</h1>\n<table><tr><th>suite<th>compared<th>identical\n"
    );
    for (suite, outcome) in results {
        let result = match outcome {
            Outcome::Skipped(why) => format!("skipped: {}", escape(why)),
            Outcome::Ran(parts) => Score::of(parts).to_string(),
        };
        let _ = writeln!(
            out,
            "<tr><td><a href=#{0}>{0}</a><td>{1}<td>{result}",
            suite.name, suite.about
        );
    }
    out.push_str("</table>\n");
    for (suite, outcome) in results {
        let Outcome::Ran(parts) = outcome else {
            continue;
        };
        let _ = writeln!(out, "<h2 id={0}>{0}</h2>", suite.name);
        for part in parts {
            let _ = writeln!(
                out,
                "<h3>{} <small>{}/{}</small></h3>",
                escape(&part.name),
                part.passed,
                part.total
            );
            for case in &part.cases {
                show(&mut out, case);
            }
        }
    }
    out
}

fn show(out: &mut String, case: &Case) {
    let reason = match (case.passed, case.reason.as_str()) {
        (_, "") => "no reason noted".to_owned(),
        (true, reason) => format!("counts as identical: {reason}"),
        (false, reason) => reason.to_owned(),
    };
    let _ = writeln!(
        out,
        "<details{}><summary><code>{}</code><br>{}</summary><pre>{}</pre></details>",
        if case.passed { " class=listed" } else { "" },
        escape(&case.what),
        escape(&reason),
        escape(&case.diff)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Part, SUITES};

    #[test]
    fn what_differs_is_shown_and_cannot_break_out() {
        let case = Case {
            what: "docker ps <script>".into(),
            passed: false,
            reason: String::new(),
            diff: "-a\n+<b>".into(),
        };
        let part = Part {
            name: "01_x".into(),
            passed: 1,
            total: 2,
            cases: vec![case],
        };
        let page = html(&[(&SUITES[0], Outcome::Ran(vec![part]))]);
        assert!(page.contains("docker ps &lt;script&gt;"));
        assert!(page.contains("+&lt;b&gt;"));
        assert!(page.contains("no reason noted"));
        assert!(!page.contains("<script>"));
    }
}
