//! Splitting a statement into words and flags; quotes are kept, they are dealt with later.

/// Splits at blanks outside quotes. Quotes and escapes stay in the words; an escape at the very end is dropped.
pub fn split_words(rest: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut started = false;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == escape => {
                let Some(escaped) = chars.next() else { break };
                word.push(c);
                word.push(escaped);
                started = true;
                continue;
            }
            Some(q) if c == q => quote = None,
            // Nothing can be escaped within single quotes.
            Some(q) if c == escape && q != '\'' => {
                let Some(escaped) = chars.next() else { break };
                word.push(c);
                word.push(escaped);
                continue;
            }
            _ => {}
        }
        word.push(c);
        started = true;
    }
    if started {
        words.push(word);
    }
    words
}

/// Splits an instruction into keyword, flags and the rest.
pub(super) fn split_command(line: &str) -> (&str, Vec<String>, &str) {
    let line = line.trim();
    let (keyword, rest) = split_blank(line);
    let (flags, rest) = split_flags(rest.unwrap_or_default());
    (keyword, flags, rest.trim())
}

/// Splits at the first run of blanks (BuildKit's notion: tab, VT, FF, CR, space).
pub(super) fn split_blank(text: &str) -> (&str, Option<&str>) {
    match text.find(is_blank) {
        Some(at) => (&text[..at], Some(text[at..].trim_start_matches(is_blank))),
        None => (text, None),
    }
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Takes the words that start with `--` off the front; a lone `--` ends them.
fn split_flags(line: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if !rest.starts_with("--") {
            return (flags, rest);
        }
        let mut word = String::new();
        let mut quote = None;
        let mut quoted = false;
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match quote {
                None if c.is_whitespace() => {
                    end = at;
                    break;
                }
                None if c == '\'' || c == '"' => {
                    quote = Some(c);
                    quoted = true;
                }
                Some(q) if c == q => quote = None,
                _ if c == '\\' => match chars.next() {
                    Some((_, escaped)) => word.push(escaped),
                    None => break,
                },
                _ => word.push(c),
            }
        }
        rest = &rest[end..];
        if word == "--" {
            return (flags, rest);
        }
        if quoted || !word.is_empty() {
            flags.push(word);
        }
    }
}
