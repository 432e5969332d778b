//! Go's `path.Match` globs, as Docker's filters use them.

/// A malformed glob; the text is Go's `path.ErrBadPattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct PatternError;

/// Go's `path.Match`: `*` and `?` stop at `/`, `[a-z]`, `[^a]`, `\x`. Linear in the product of
/// both lengths.
pub fn path_match(pattern: &str, name: &str) -> Result<bool, PatternError> {
    let tokens = compile(pattern)?;
    let name: Vec<char> = name.chars().collect();
    // states[i]: the first i tokens can match the characters read so far.
    let mut states = vec![false; tokens.len() + 1];
    states[0] = true;
    let skip_stars = |states: &mut [bool]| {
        for i in 0..tokens.len() {
            if states[i] && matches!(tokens[i], Token::Star) {
                states[i + 1] = true;
            }
        }
    };
    skip_stars(&mut states);
    for &c in &name {
        let mut next = vec![false; tokens.len() + 1];
        for (i, token) in tokens.iter().enumerate() {
            if !states[i] {
                continue;
            }
            match token {
                Token::Star if c != '/' => next[i] = true,
                Token::Any if c != '/' => next[i + 1] = true,
                Token::Char(t) if *t == c => next[i + 1] = true,
                Token::Class { negated, ranges }
                    if ranges.iter().any(|&(lo, hi)| lo <= c && c <= hi) != *negated =>
                {
                    next[i + 1] = true;
                }
                _ => {}
            }
        }
        skip_stars(&mut next);
        states = next;
    }
    Ok(states[tokens.len()])
}

enum Token {
    Star,
    Any,
    Char(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

fn compile(pattern: &str) -> Result<Vec<Token>, PatternError> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::Char(chars.next().ok_or(PatternError)?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                        break;
                    }
                    let lo = class_char(&mut chars)?;
                    let hi = match chars.next_if_eq(&'-') {
                        Some(_) => class_char(&mut chars)?,
                        None => lo,
                    };
                    ranges.push((lo, hi));
                }
                Token::Class { negated, ranges }
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, PatternError> {
    match chars.next() {
        None | Some('-') | Some(']') => Err(PatternError),
        Some('\\') => chars.next().ok_or(PatternError),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_match_as_gos_path_match() {
        let table = [
            ("al*", "alpine:3.10", Ok(true)),
            ("*", "me/app", Ok(false)),
            ("*/*", "me/app", Ok(true)),
            ("busybox:*", "busybox", Ok(false)),
            ("b?sybox", "busybox", Ok(true)),
            ("[a-c]usybox", "busybox", Ok(true)),
            ("[^a-c]usybox", "busybox", Ok(false)),
            ("[a", "a", Err(PatternError)),
            ("[]a]", "a", Err(PatternError)),
            ("\\*", "*", Ok(true)),
            ("a\\", "a", Err(PatternError)),
        ];
        for (pattern, name, result) in table {
            assert_eq!(path_match(pattern, name), result, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(pattern in "\\PC{0,40}", name in "\\PC{0,300}") {
            let _ = path_match(&pattern, &name);
        }
    }
}
