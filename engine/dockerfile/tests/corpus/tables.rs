//! The suites that are tables of inputs and outputs.

use bottleship_dockerfile::instruction::{self, Kind};
use bottleship_dockerfile::lint::Linter;
use bottleship_dockerfile::parser::{self, Heredoc};
use bottleship_dockerfile::shell::{EnvList, Lex, Pattern};
use bottleship_dockerfile::{LineRange, git, ignore, ports};
use serde_json::{Value, json};

use crate::{Suite, Suites};

type Read<'a> = &'a dyn Fn(&str) -> Value;

/// Runs every table.
pub fn run(read: Read<'_>, suites: &mut Suites) {
    let mut table = |name: &'static str, check: &dyn Fn(&Value, &mut Suite)| {
        let file = read(&format!("{name}.json"));
        let suite = suites.entry(name).or_default();
        for case in file["cases"].as_array().expect("cases") {
            check(case, suite);
        }
    };
    shell(&mut table);
    parsing(&mut table);
    instructions(&mut table);
    ignoring(&mut table);
    table("expose_ports", &|case, suite| {
        let spec = vec![text(&case["input"])];
        let got = match ports::parse_specs(&spec, LineRange::default(), &mut Linter::default()) {
            Ok(ports) => json!(ports),
            Err(_) if case["expected"] == "error" => json!("error"),
            Err(e) => json!({ "error": e.message }),
        };
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("git_context", &|case, suite| {
        let got = match git::parse(&text(&case["input"])) {
            Err(_) => Value::Null,
            Ok(git) => {
                let mut out = serde_json::Map::new();
                let mut put = |key: &str, value: Value| {
                    if value != json!("") && value != json!(false) {
                        out.insert(key.into(), value);
                    }
                };
                put("Remote", json!(git.remote));
                put("ShortName", json!(git.short_name));
                put("Ref", json!(git.reference));
                put("Checksum", json!(git.checksum));
                put("SubDir", json!(git.subdir));
                put("MTime", json!(git.mtime));
                put("FetchByCommit", json!(git.fetch_by_commit));
                put("IndistinguishableFromLocal", json!(git.looks_local));
                put("UnencryptedTCP", json!(git.unencrypted));
                Value::Object(out)
            }
        };
        suite.case(&id(case), got, case["expected"].clone());
    });
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn id(case: &Value) -> String {
    format!("{} {}", case["id"], case["input"])
}

fn env(case: &Value) -> EnvList {
    let mut env = EnvList::default();
    for (key, value) in case["input"]["env"].as_object().expect("env") {
        env.set(key, &text(value));
    }
    env
}

type Table<'a> = &'a mut dyn FnMut(&'static str, &dyn Fn(&Value, &mut Suite));

fn shell(table: Table<'_>) {
    let lex = Lex::new('\\');
    table("shell_word", &|case, suite| {
        if case["platform"] == "W" {
            return;
        }
        let got = lex.word(&text(&case["input"]["word"]), &env(case));
        let got = got.unwrap_or_else(|_| "error".into());
        suite.case(&id(case), got, text(&case["expected"]));
    });
    table("shell_words", &|case, suite| {
        let got = match lex.words(&text(&case["input"]["word"]), &env(case)) {
            Ok(words) => json!(words),
            Err(_) => json!("error"),
        };
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("shell_matches", &|case, suite| {
        let want = &case["expected"];
        let got = match lex.process(&text(&case["input"]["word"]), &env(case)) {
            Ok(done) => {
                let mut out = json!({ "result": done.word });
                // Some rows don't say which variables there were.
                for (key, set) in [("matched", done.matched), ("unmatched", done.unmatched)] {
                    if want.get(key).is_some() {
                        out[key] = json!(set);
                    }
                }
                out
            }
            Err(e) => {
                let wanted = want["error"].as_str().unwrap_or("\0");
                if want == "error" || e.message.contains(wanted) {
                    want.clone()
                } else {
                    json!({ "error": e.message })
                }
            }
        };
        suite.case(&id(case), got, want.clone());
    });
    table("shell_mandatory", &|case, suite| {
        let want = &case["expected"];
        let got = match lex.word(&text(&case["input"]["word"]), &env(case)) {
            Ok(word) => json!(word),
            Err(e) if e.message.contains(want["error"].as_str().unwrap_or("\0")) => want.clone(),
            Err(e) => json!({ "error": e.message }),
        };
        suite.case(&id(case), got, want.clone());
    });
    table("shell_pattern_regex", &|case, suite| {
        let got = Pattern::parse(&text(&case["input"]));
        let got = got.map_or_else(|_| "error".into(), |p| p.to_string());
        suite.case(&id(case), got, text(&case["expected"]));
    });
}

fn heredoc_json(h: &Heredoc) -> Value {
    let mut out = json!({ "Name": h.name, "Content": h.content, "Expand": h.expand });
    if h.chomp {
        out["Chomp"] = json!(true);
    }
    if h.fd != 0 {
        out["FileDescriptor"] = json!(h.fd);
    }
    out
}

fn parsing(table: Table<'_>) {
    table("parser_ast", &|case, suite| {
        let got = parser::parse(text(&case["input"]).as_bytes());
        let got = got.map_or_else(|e| e.message, |ast| ast.dump());
        suite.case(
            &id(case),
            got.trim().to_owned(),
            text(&case["expected"]).trim().to_owned(),
        );
    });
    table("parser_negative", &|case, suite| {
        let got = parser::parse(text(&case["input"]).as_bytes());
        suite.case(&id(case), got.is_err(), true);
    });
    table("parser_lines", &|case, suite| {
        let ast = parser::parse(text(&case["input"]).as_bytes()).expect("parses");
        let pair = |r: LineRange| json!([r.start, r.end]);
        let children: Vec<Value> = ast.nodes.iter().map(|n| pair(n.location)).collect();
        let got = json!({ "ast": pair(ast.location()), "children": children });
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("parser_words", &|case, suite| {
        let got = json!(parser::split_words(&text(&case["input"]), '\\'));
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("parser_json", &|case, suite| {
        let got = match parser::json_strings(&text(&case["input"])) {
            Ok(Some(list)) => json!(list),
            Ok(None) | Err(_) => json!("error"),
        };
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("parser_heredocs", &|case, suite| {
        let ast = parser::parse(text(&case["input"]).as_bytes()).expect("parses");
        let got: Vec<Value> = ast.nodes[1..]
            .iter()
            .map(|n| match n.heredocs.as_slice() {
                [] => Value::Null,
                list => list.iter().map(heredoc_json).collect(),
            })
            .collect();
        suite.case(&id(case), json!(got), case["expected"].clone());
    });
    table("parser_heredoc_words", &|case, suite| {
        let got = match Heredoc::parse(&text(&case["input"])) {
            Ok(Some(h)) if h.name == "EOF" => json!("heredoc"),
            Ok(Some(h)) => json!(h.name),
            Ok(None) => Value::Null,
            Err(_) => json!("error"),
        };
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("parser_heredoc_lines", &|case, suite| {
        let got = match parser::heredocs_of_line(&text(&case["input"])) {
            Ok(list) => json!(list.iter().map(|h| h.name.clone()).collect::<Vec<_>>()),
            Err(_) => json!("error"),
        };
        let want = match &case["expected"] {
            Value::Null => json!([]),
            want => want.clone(),
        };
        suite.case(&id(case), got, want);
    });
}

fn kind(source: &str) -> Result<Kind, bottleship_dockerfile::Error> {
    let ast = parser::parse(source.as_bytes())?;
    let node = ast.nodes.first().expect("an instruction");
    Ok(instruction::parse_one(node, &mut Linter::default())?.kind)
}

fn instructions(table: Table<'_>) {
    table("instr_errors", &|case, suite| {
        let got = kind(&text(&case["input"])).expect_err("an error").message;
        let want = &case["expected"];
        let ok = match (want["error"].as_str(), want["error_contains"].as_str()) {
            (Some(whole), _) => got == whole,
            (_, Some(part)) => got.contains(part),
            _ => false,
        };
        suite.case(&format!("{} {got}", id(case)), ok, true);
    });
    table("instr_copy_heredoc", &|case, suite| {
        let Ok(Kind::Copy(copy)) = kind(&text(&case["input"])) else {
            panic!("no COPY");
        };
        let mut got = json!({ "DestPath": copy.sources.dest });
        if !copy.sources.paths.is_empty() {
            got["SourcePaths"] = json!(copy.sources.paths);
        }
        if !copy.sources.contents.is_empty() {
            let contents = copy.sources.contents.iter();
            got["SourceContents"] = contents
                .map(|c| json!({ "Path": c.path, "Data": c.data, "Expand": c.expand }))
                .collect();
        }
        suite.case(&id(case), got, case["expected"].clone());
    });
    table("instr_run_heredoc", &|case, suite| {
        let Ok(Kind::Run(run)) = kind(&text(&case["input"])) else {
            panic!("no RUN");
        };
        let mut got = json!({ "command": run.command.args, "shell": run.command.shell });
        if !run.command.files.is_empty() {
            let files = run.command.files.iter();
            got["files"] = files
                .map(|f| {
                    let mut out = json!({ "Name": f.name, "Data": f.data });
                    if f.chomp {
                        out["Chomp"] = json!(true);
                    }
                    out
                })
                .collect();
        }
        suite.case(&id(case), got, case["expected"].clone());
    });
}

fn matched(case: &Value) -> Value {
    let patterns: Vec<String> =
        serde_json::from_value(case["input"]["patterns"].clone()).expect("patterns");
    match ignore::Matcher::new(&patterns) {
        Ok(matcher) => json!(matcher.matches(&text(&case["input"]["path"]))),
        Err(_) => json!("error"),
    }
}

fn ignoring(table: Table<'_>) {
    for name in ["ignore_matches", "ignore_match_single"] {
        table(name, &|case, suite| {
            let want = match &case["expected"] {
                Value::Bool(b) => json!(b),
                _ => json!("error"),
            };
            suite.case(&id(case), matched(case), want);
        });
    }
    table("ignore_compile", &|case, suite| {
        let (kind, regex) = ignore::explain(&text(&case["input"])).expect("a pattern");
        let want = &case["expected"];
        let want = (
            text(&want["matchType"]["$ident"]),
            text(&want["compiledRegexp"]),
        );
        suite.case(&id(case), (kind.to_owned(), regex), want);
    });
    table("ignore_file", &|case, suite| {
        let literals: Vec<String> =
            serde_json::from_value(case["expected"].clone()).expect("literals");
        let file = literals
            .iter()
            .position(|l| l.contains('\n'))
            .expect("the file");
        let got = ignore::read(literals[file].as_bytes());
        let want = literals[file + 1..file + 1 + got.len()].to_vec();
        suite.case(&id(case), got, want);
    });
}
