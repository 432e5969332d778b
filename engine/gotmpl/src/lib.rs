//! Go's `text/template`, as docker's `--format` uses it.
//!
//! [`Template::parse`] accepts Go's whole language (pipelines, `if`/`else`/`range`/`with`/`define`/
//! `template`/`block`/`break`/`continue`, variables, trim markers, comments, the builtin functions) and
//! docker's functions `json split join title lower upper pad truncate`. The texts of parse and execution
//! errors are Go's (text/template of Go 1.24), checked against a real docker client where one is at hand.
//!
//! Values are [`Value`]s: JSON-like, plus the few things of Go's type system that a template can see
//! (struct and type names, nil pointers, `interface {}` elements, `json.Number`, methods).
//!
//! Templates are user input and their values come from a daemon: nesting, template recursion, steps and the
//! output's size are capped, and what exceeds a cap is an error.
#![forbid(unsafe_code)]

mod exec;
mod funcs;
mod json;
mod lex;
mod node;
mod parse;
mod print;
mod value;

pub use json::{compact as compact_json, to_json, write_string as write_json_string};
pub use print::{float as format_float, quote};
pub use value::{Field, Func, List, Map, Param, Ptr, Struct, Text, Value};

use std::collections::HashMap;

/// What a lookup of a missing map key gives: Go's `missingkey` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Go on with no value; printed as `<no value>`.
    #[default]
    Invalid,
    /// Stop with an error.
    Error,
}

/// A parse or execution error; its text is Go's, starting with `template: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub(crate) String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Which set of docker's functions a template runs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// docker's functions.
    #[default]
    Docker,
    /// The same names, leaving their first argument as it is: docker makes a table's header line so.
    Header,
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    text: String,
    trees: HashMap<String, node::List>,
}

impl Template {
    /// Parses `text`; `name` appears in error texts (docker's is empty).
    pub fn parse(name: &str, text: &str) -> Result<Template, Error> {
        parse::parse(name, text)
    }

    /// Executes the template and returns its output.
    pub fn execute(&self, dot: &Value, missing: MissingKey) -> Result<String, Error> {
        let mut out = String::new();
        self.execute_to(&mut out, dot, missing, Functions::Docker)?;
        Ok(out)
    }

    /// Executes into `out`, which keeps what was written before an error, as Go's writer does.
    pub fn execute_to(
        &self,
        out: &mut String,
        dot: &Value,
        missing: MissingKey,
        functions: Functions,
    ) -> Result<(), Error> {
        exec::execute(self, out, dot, missing, functions)
    }
}
