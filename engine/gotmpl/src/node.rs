//! The parse tree, with Go's `String()` of each node (error texts quote nodes).

use std::fmt::{self, Display, Formatter};

/// A byte offset in the template's text.
pub type Pos = usize;

/// A sequence of nodes.
#[derive(Clone, Debug, Default)]
pub struct List(pub Vec<Node>);

/// A statement.
#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        pos: Pos,
        name: String,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
    /// `{{end}}`, only while parsing.
    End,
    /// `{{else}}`, only while parsing.
    Else,
}

/// The parts of `if`, `with` and `range`.
#[derive(Clone, Debug)]
pub struct Branch {
    pub pipe: Pipe,
    pub list: List,
    pub else_list: Option<List>,
}

/// A pipeline with its declarations.
#[derive(Clone, Debug)]
pub struct Pipe {
    pub assign: bool,
    pub decl: Vec<String>,
    pub cmds: Vec<Command>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug)]
pub struct Command {
    pub pos: Pos,
    pub args: Vec<Operand>,
}

/// An operand and where it stands.
#[derive(Clone, Debug)]
pub struct Operand {
    pub pos: Pos,
    pub kind: Kind,
}

/// What an operand is.
#[derive(Clone, Debug)]
pub enum Kind {
    Dot,
    Nil,
    Bool(bool),
    Number {
        text: String,
        value: Number,
    },
    Str {
        quoted: String,
        text: String,
    },
    Field(Vec<String>),
    /// The variable's name (with `$`) and the fields after it.
    Variable(Vec<String>),
    Identifier(String),
    Chain(Box<Operand>, Vec<String>),
    Pipe(Box<Pipe>),
}

/// A number constant, in every form it fits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number {
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    /// Whether the text looks like a floating point number (so that an untyped use is one).
    pub is_float_text: bool,
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|n| n.fmt(f))
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text(t) => f.write_str(t),
            Node::Action(p) => write!(f, "{{{{{p}}}}}"),
            Node::If(b) => branch(f, "if", b),
            Node::With(b) => branch(f, "with", b),
            Node::Range(b) => branch(f, "range", b),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", crate::print::quote(name))?;
                if let Some(p) = pipe {
                    write!(f, " {p}")?;
                }
                f.write_str("}}")
            }
            Node::Break => f.write_str("{{break}}"),
            Node::Continue => f.write_str("{{continue}}"),
            Node::End => f.write_str("{{end}}"),
            Node::Else => f.write_str("{{else}}"),
        }
    }
}

fn branch(f: &mut Formatter<'_>, name: &str, b: &Branch) -> fmt::Result {
    write!(f, "{{{{{name} {}}}}}{}", b.pipe, b.list)?;
    if let Some(e) = &b.else_list {
        write!(f, "{{{{else}}}}{e}")?;
    }
    f.write_str("{{end}}")
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            f.write_str(&self.decl.join(", "))?;
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, c) in self.cmds.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            c.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, a) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match &a.kind {
                Kind::Pipe(p) => write!(f, "({p})")?,
                _ => a.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Dot => f.write_str("."),
            Kind::Nil => f.write_str("nil"),
            Kind::Bool(b) => b.fmt(f),
            Kind::Number { text, .. } => f.write_str(text),
            Kind::Str { quoted, .. } => f.write_str(quoted),
            Kind::Field(names) => names.iter().try_for_each(|n| write!(f, ".{n}")),
            Kind::Variable(names) => f.write_str(&names.join(".")),
            Kind::Identifier(n) => f.write_str(n),
            Kind::Chain(n, fields) => {
                match &n.kind {
                    Kind::Pipe(p) => write!(f, "({p})")?,
                    _ => n.fmt(f)?,
                }
                fields.iter().try_for_each(|n| write!(f, ".{n}"))
            }
            Kind::Pipe(p) => p.fmt(f),
        }
    }
}
