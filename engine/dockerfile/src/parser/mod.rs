//! From bytes to an AST, as BuildKit's `frontend/dockerfile/parser`.

mod ast;
mod directive;
mod heredoc;
mod line;
mod parse;
mod words;

pub use ast::{Argument, Ast, Node, Warning};
pub use directive::{Directive, directive};
pub use heredoc::{Heredoc, chomp, heredocs_of_line};
pub use line::json_strings;
pub use parse::parse;
pub use words::split_words;
