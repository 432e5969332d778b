//! Build checks: BuildKit's rules as data, and the linter that collects what they find.
//!
//! `# check=skip=RuleA,RuleB;error=true;experimental=all` at the top of a Dockerfile configures it, and a comment
//! `# check=skip=…` above an instruction does so for that instruction.

mod rules;

use crate::error::{Error, LineRange, Result};
use crate::goform;
use crate::parser;

pub use rules::{ALL, Rule};

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub message: String,
    /// Where.
    pub location: LineRange,
}

/// Which rules run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    skip_all: bool,
    skip: Vec<String>,
    experimental_all: bool,
    experimental: Vec<String>,
    error: bool,
}

impl Config {
    /// Reads the value of a `check` directive.
    ///
    /// # Errors
    /// `invalid check option …`.
    pub fn parse(text: &str) -> Result<Config> {
        let mut config = Config::default();
        if text.trim().is_empty() {
            return Ok(config);
        }
        for part in text.trim().splitn(3, ';') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                Error::new(format!("invalid check option {}", goform::quote(part)))
            })?;
            let value = value.trim();
            let list = || value.split(',').map(|v| v.trim().to_owned()).collect();
            match key.trim() {
                "skip" if value == "all" => config.skip_all = true,
                "skip" => config.skip = list(),
                "experimental" if value == "all" => config.experimental_all = true,
                "experimental" => config.experimental = list(),
                "error" => {
                    config.error = goform::parse_bool(value).ok_or_else(|| {
                        Error::new(format!(
                            "failed to parse check option {}: strconv.ParseBool: parsing {}: invalid syntax",
                            goform::quote(part),
                            goform::quote(value)
                        ))
                    })?;
                }
                key => {
                    return Err(Error::new(format!(
                        "invalid check option {}",
                        goform::quote(key)
                    )));
                }
            }
        }
        Ok(config)
    }

    /// The configuration a Dockerfile asks for.
    ///
    /// # Errors
    /// `failed to parse check options: …`.
    pub fn of_dockerfile(dockerfile: &[u8]) -> Result<Config> {
        let directive = parser::directive("check", dockerfile);
        let text = directive.map(|d| d.value).unwrap_or_default();
        Config::parse(&text).map_err(|e| e.context("failed to parse check options"))
    }

    fn runs(&self, rule: &Rule) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == rule.name);
        if rule.experimental {
            self.experimental_all || named(&self.experimental)
        } else {
            !self.skip_all && !named(&self.skip)
        }
    }
}

/// Collects findings.
#[derive(Clone, Debug, Default)]
pub struct Linter {
    config: Config,
    /// What the instruction at hand adds to the configuration.
    scope: Config,
    findings: Vec<Finding>,
}

impl Linter {
    /// A linter with `config`.
    pub fn new(config: Config) -> Self {
        Linter {
            config,
            ..Linter::default()
        }
    }

    /// Turns to the instruction whose comments are given.
    pub(crate) fn scope(&mut self, comments: &[String]) {
        self.scope = Config::default();
        for comment in comments {
            // What follows a blank is a remark.
            let option = comment.split_whitespace().next().unwrap_or_default();
            if let Some(config) = option.strip_prefix("check=")
                && let Ok(config) = Config::parse(config)
            {
                self.scope = config;
            }
        }
    }

    /// Reports a finding of `rule`, unless the rule is off.
    pub(crate) fn run(
        &mut self,
        rule: &'static Rule,
        location: LineRange,
        message: impl FnOnce() -> String,
    ) {
        let scoped = &self.scope;
        let skipped = scoped.skip_all || scoped.skip.iter().any(|n| n == rule.name);
        let wanted = rule.experimental && scoped.runs(rule);
        if (self.config.runs(rule) && !skipped) || wanted {
            self.findings.push(Finding {
                rule,
                message: message(),
                location,
            });
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The error `# check=error=true` makes of findings.
    pub(crate) fn error(&self) -> Result<()> {
        if !self.config.error || self.findings.is_empty() {
            return Ok(());
        }
        let mut rules: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !rules.contains(&finding.rule.name) {
                rules.push(finding.rule.name);
            }
        }
        Err(Error::new(format!(
            "lint violation found for rules: {}",
            rules.join(", ")
        )))
    }
}
