//! The build checks that look at more than one instruction, or at expanded values.

use std::collections::BTreeSet;

use super::platform::Platform;
use crate::error::LineRange;
use crate::goform;
use crate::ignore::Matcher;
use crate::instruction::{Argument, Stage};
use crate::lint::{Linter, Rule};
use crate::parser::Ast;
use crate::path;
use crate::shell::{Env, Processed};
use crate::suggest;

pub(super) fn continuation_lines(ast: &Ast, lint: &mut Linter) {
    for warning in &ast.warnings {
        let location = LineRange {
            start: warning.line,
            end: warning.line,
        };
        lint.run(&Rule::NO_EMPTY_CONTINUATION, location, || {
            "Empty continuation line".into()
        });
    }
}

pub(super) fn stage_names(stages: &[Stage], lint: &mut Linter) {
    let mut seen = BTreeSet::new();
    for stage in stages.iter().filter(|s| !s.name.is_empty()) {
        let name = goform::quote(&stage.name);
        lint.scope(&stage.comments);
        if matches!(stage.name.as_str(), "context" | "scratch") {
            lint.run(&Rule::RESERVED_STAGE_NAME, stage.location, || {
                format!("Stage name should not use the same name as reserved stage {name}")
            });
        }
        if !seen.insert(&stage.name) {
            lint.run(&Rule::DUPLICATE_STAGE_NAME, stage.location, || {
                format!("Duplicate stage name {name}, stage names should be unique")
            });
        }
    }
}

pub(super) fn keyword_casing(stages: &[Stage], lint: &mut Linter) {
    let keywords: Vec<(&str, LineRange, &[String])> = stages
        .iter()
        .flat_map(|stage| {
            let own = (stage.keyword.as_str(), stage.location, &stage.comments[..]);
            let rest = stage.instructions.iter();
            [own]
                .into_iter()
                .chain(rest.map(|i| (i.keyword.as_str(), i.location, &i.comments[..])))
        })
        .collect();
    let lower = |k: &str| k == k.to_lowercase();
    let upper = |k: &str| k == k.to_uppercase();
    let lowers = keywords.iter().filter(|(k, ..)| lower(k)).count();
    let uppers = keywords
        .iter()
        .filter(|(k, ..)| upper(k) && !lower(k))
        .count();
    let majority_lower = lowers > uppers;
    for (keyword, location, comments) in keywords {
        let casing = match (majority_lower, lower(keyword), upper(keyword)) {
            (true, false, _) => "lowercase",
            (false, _, false) => "uppercase",
            _ => continue,
        };
        lint.scope(comments);
        lint.run(&Rule::CONSISTENT_INSTRUCTION_CASING, location, || {
            format!("Command '{keyword}' should match the case of the command majority ({casing})")
        });
    }
}

pub(super) fn undefined_variables(
    unmatched: &BTreeSet<String>,
    build_args: &[Argument],
    env: &dyn Env,
    location: LineRange,
    lint: &mut Linter,
) {
    for name in unmatched {
        let declared = build_args.iter().any(|a| a.key == *name);
        if declared || super::args::NOT_ENV.contains(&name.as_str()) {
            continue;
        }
        let near = suggest::nearest(name, env.keys(), true);
        lint.run(&Rule::UNDEFINED_VAR, location, || match near {
            Some(near) => {
                format!("Usage of undefined variable '${name}' (did you mean ${near}?)")
            }
            None => format!("Usage of undefined variable '${name}'"),
        });
    }
}

pub(super) fn undeclared_from_args(
    declared: &BTreeSet<String>,
    unmatched: &BTreeSet<String>,
    location: LineRange,
    lint: &mut Linter,
) {
    for name in unmatched.difference(declared) {
        let message = format!("FROM argument '{name}' is not declared");
        let options = declared.iter().map(String::as_str);
        lint.run(&Rule::UNDEFINED_ARG_IN_FROM, location, || {
            suggest::suggest(message, name, options, true)
        });
    }
}

pub(super) fn from_platform(
    stage: &Stage,
    expanded: &Processed,
    global: &dyn Env,
    default: &Platform,
    lint: &mut Linter,
) {
    let (matched, unmatched) = (&expanded.matched, &expanded.unmatched);
    if matched.len() == 1
        && unmatched.is_empty()
        && matched.contains("TARGETPLATFORM")
        && global.get("TARGETPLATFORM") == Some(&expanded.word)
    {
        lint.run(&Rule::REDUNDANT_TARGET_PLATFORM, stage.location, || {
            format!(
                "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                stage.platform
            )
        });
    }
    if !matched.is_empty() || !unmatched.is_empty() {
        return;
    }
    let Ok(platform) = Platform::parse(&expanded.word, default) else {
        return;
    };
    // A stage named after its platform means it.
    if stage.name.contains(&platform.os) || stage.name.contains(&platform.architecture) {
        return;
    }
    lint.run(
        &Rule::FROM_PLATFORM_FLAG_CONST_DISALLOWED,
        stage.location,
        || {
            format!(
                "FROM --platform flag should not use constant value {}",
                goform::quote(&expanded.word)
            )
        },
    );
}

pub(super) fn secret_name(keyword: &str, name: &str, location: LineRange, lint: &mut Linter) {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    if has(&SECRET) && !has(&HARMLESS) {
        lint.run(&Rule::SECRETS_USED_IN_ARG_OR_ENV, location, || {
            format!(
                "Do not use ARG or ENV instructions for sensitive data ({keyword} {})",
                goform::quote(name)
            )
        });
    }
}

/// An instruction that counts once per stage: `previous` is where it was last. The earlier one is reported, for it
/// is the one without effect.
pub(super) fn used_once(
    previous: &mut Option<LineRange>,
    keyword: &str,
    location: LineRange,
    lint: &mut Linter,
) {
    if let Some(earlier) = previous.replace(location) {
        lint.run(&Rule::MULTIPLE_INSTRUCTIONS_DISALLOWED, earlier, || {
            format!(
                "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used"
            )
        });
    }
}

pub(super) fn ignored_source(
    matcher: Option<&Matcher>,
    verb: &str,
    source: &str,
    location: LineRange,
    lint: &mut Linter,
) {
    // With exclusions it can't be told: an ignored directory may hold a file that isn't.
    let Some(matcher) = matcher.filter(|m| !m.has_exclusions()) else {
        return;
    };
    let source = path::clean(source);
    let root = matches!(source.as_str(), "." | "/");
    if root
        && !matcher
            .inclusions()
            .any(|p| matches!(p, "*" | "**" | "**/*"))
    {
        return;
    }
    if matcher.matches(&source) {
        lint.run(&Rule::COPY_IGNORED_FILE, location, || {
            format!(
                "Attempting to {verb} file {} that is excluded by .dockerignore",
                goform::quote(&source)
            )
        });
    }
}
