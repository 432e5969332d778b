//! The tree: one [`Node`] per instruction.

use std::fmt::Write;

use super::Heredoc;
use crate::error::LineRange;
use crate::goform;

/// A parsed Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ast {
    /// The instructions in order.
    pub nodes: Vec<Node>,
    /// The escape character, from the `escape` directive.
    pub escape: char,
    /// Empty continuation lines.
    pub warnings: Vec<Warning>,
}

/// One instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The keyword as written.
    pub keyword: String,
    /// The whole instruction, continuation lines joined.
    pub original: String,
    /// Flags (`--from=x`) in order.
    pub flags: Vec<String>,
    /// What follows; for ONBUILD, one [`Argument::Nested`].
    pub arguments: Vec<Argument>,
    /// The arguments were a JSON array.
    pub json: bool,
    /// Here-documents that belong to it.
    pub heredocs: Vec<Heredoc>,
    /// Comment lines directly above, without `#`.
    pub comments: Vec<String>,
    /// Its lines.
    pub location: LineRange,
}

/// An argument of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A string.
    Text(String),
    /// The instruction an ONBUILD holds.
    Nested(Box<Node>),
}

/// A warning of the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What is wrong.
    pub short: String,
    /// The line, 1-based.
    pub line: usize,
}

impl Node {
    /// The arguments as a flat list; a nested instruction is its keyword and its arguments.
    pub fn args(&self) -> Vec<String> {
        let mut out = Vec::new();
        for argument in &self.arguments {
            match argument {
                Argument::Text(text) => out.push(text.clone()),
                Argument::Nested(node) => {
                    out.push(node.keyword.clone());
                    out.extend(node.args());
                }
            }
        }
        out
    }

    fn dump(&self, out: &mut String) {
        out.push_str(&self.keyword.to_lowercase());
        if !self.flags.is_empty() {
            let _ = write!(out, " {}", goform::quote_list(&self.flags));
        }
        for argument in &self.arguments {
            match argument {
                Argument::Text(text) => {
                    let _ = write!(out, " {}", goform::quote(text));
                }
                Argument::Nested(node) => {
                    out.push_str(" (");
                    node.dump(out);
                    out.push(')');
                }
            }
        }
    }
}

impl Ast {
    /// One s-expression per instruction, the form BuildKit's tests use.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        for (i, node) in self.nodes.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            out.push('(');
            node.dump(&mut out);
            out.push(')');
        }
        out
    }

    /// The lines from the first instruction to the last.
    pub fn location(&self) -> LineRange {
        LineRange {
            start: self.nodes.first().map_or(0, |n| n.location.start),
            end: self.nodes.last().map_or(0, |n| n.location.end),
        }
    }
}
