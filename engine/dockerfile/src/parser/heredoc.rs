//! Here-documents: `<<EOF`, `<<-EOF`, `3<<'EOF'`.

use crate::error::{Error, Result};
use crate::shell::{EnvList, Lex};

/// A here-document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heredoc {
    /// The terminator, unquoted.
    pub name: String,
    /// The descriptor before `<<`, 0 when none.
    pub fd: u32,
    /// Variables in it are expanded: the name was not quoted.
    pub expand: bool,
    /// Leading tabs are dropped: `<<-`.
    pub chomp: bool,
    /// The lines before the terminator, with their line ends.
    pub content: String,
}

impl Heredoc {
    /// Reads one word; `None` when it is no here-document.
    ///
    /// # Errors
    /// Unbalanced quotes in the name.
    pub fn parse(word: &str) -> Result<Option<Heredoc>> {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let Some(rest) = word[digits..].strip_prefix("<<") else {
            return Ok(None);
        };
        let (chomp, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.is_empty() || rest.contains('<') {
            return Ok(None);
        }
        let env = EnvList::default();
        let mut lex = Lex::new('\\');
        lex.skip_unset = true;
        // With and without quotes: where the counts differ, part of the name was quoted.
        let words = lex.words(rest, &env)?;
        let [name] = words.as_slice() else {
            return Ok(None);
        };
        lex.raw_quotes = true;
        let raw = lex.words(rest, &env)?;
        let [raw] = raw.as_slice() else {
            return Err(Error::new(format!(
                "internal lexing of heredoc produced inconsistent results: {rest}"
            )));
        };
        let quotes = |s: &str| s.matches(['\'', '"']).count();
        Ok(Some(Heredoc {
            expand: quotes(name) == quotes(raw),
            name: name.clone(),
            fd: word[..digits].parse().unwrap_or(0),
            chomp,
            content: String::new(),
        }))
    }

    /// The content, without leading tabs if it is `<<-`.
    pub fn text(&self) -> String {
        if self.chomp {
            chomp(&self.content)
        } else {
            self.content.clone()
        }
    }
}

/// The here-documents a line announces.
///
/// # Errors
/// Unbalanced quotes in a name.
pub fn heredocs_of_line(line: &str) -> Result<Vec<Heredoc>> {
    let mut lex = Lex::new('\\');
    lex.raw_quotes = true;
    lex.raw_escapes = true;
    lex.skip_unset = true;
    // A line the lexer refuses announces nothing; its instruction will complain.
    let words = lex.words(line, &EnvList::default()).unwrap_or_default();
    let mut out = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(mut word) = words.next() {
        // The name may be a word of its own: `<< EOF`.
        let operator = word.trim_start_matches(|c: char| c.is_ascii_digit());
        if matches!(operator, "<<" | "<<-")
            && let Some(name) = words.next_if(|name| !name.contains('<'))
        {
            word = format!("{word} {name}");
        }
        out.extend(Heredoc::parse(&word)?);
    }
    Ok(out)
}

/// `text` without the tabs at the start of its lines.
pub fn chomp(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| line.trim_start_matches('\t'))
        .collect()
}
