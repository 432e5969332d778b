//! The patterns of `${x#…}`, `${x%…}` and `${x/…/…}`: `*`, `?` and escapes, no brackets.
//!
//! Matching runs a set of states over the text once, so time is pattern × text whatever the pattern. As in
//! BuildKit, which makes regular expressions of them, the wildcards don't match a newline.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

impl Pattern {
    /// Parses `pattern`.
    ///
    /// # Errors
    /// `invalid escape '\x'`, of an escape that stands for nothing.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' => Token::One,
                // `}` and `/` are escaped for the sake of `${}`; the escape is no part of the pattern.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(c @ ('*' | '?' | '\\')) => Token::Char(c),
                    other => {
                        let c = other.unwrap_or(char::REPLACEMENT_CHARACTER);
                        return Err(format!("invalid escape '\\{c}'"));
                    }
                },
                c => Token::Char(c),
            });
        }
        Ok(Pattern(tokens))
    }

    /// `value` without the shortest (or longest) prefix that matches.
    pub fn trim_prefix(&self, value: &str, greedy: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        let end = prefix(&self.0, &chars, greedy).unwrap_or(0);
        chars[end..].iter().collect()
    }

    /// `value` without the shortest (or longest) suffix that matches.
    pub fn trim_suffix(&self, value: &str, greedy: bool) -> String {
        let reversed: Vec<char> = value.chars().rev().collect();
        let tokens: Vec<Token> = self.0.iter().rev().copied().collect();
        let end = prefix(&tokens, &reversed, greedy).unwrap_or(0);
        reversed[end..].iter().rev().collect()
    }

    /// `value` with the first (or each) longest leftmost match replaced.
    pub fn replace(&self, value: &str, replacement: &str, all: bool) -> String {
        let chars: Vec<char> = value.chars().collect();
        // Go's ReplaceAllString gives `$` in the replacement a meaning; there are no groups to name.
        let replacement = if all {
            expand_template(replacement)
        } else {
            replacement.to_owned()
        };
        let mut out = String::new();
        let mut at = 0;
        let mut last_match = None;
        while let Some((start, end)) = find(&self.0, &chars, at) {
            out.extend(&chars[at..start]);
            // No empty match directly after a match.
            if start != end || last_match != Some(start) {
                out.push_str(&replacement);
                last_match = Some(end);
            }
            at = end;
            if !all {
                break;
            }
            if start == end {
                match chars.get(at) {
                    Some(c) => out.push(*c),
                    None => break,
                }
                at += 1;
            }
        }
        if let Some(rest) = chars.get(at..) {
            out.extend(rest);
        }
        out
    }
}

/// The anchored, greedy regular expression BuildKit makes of the pattern.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("^")?;
        for token in &self.0 {
            match token {
                Token::Any => f.write_str(".*")?,
                Token::One => f.write_str(".")?,
                Token::Char(c) => {
                    if "[]{}.+()|^$*?\\".contains(*c) {
                        f.write_str("\\")?;
                    }
                    write!(f, "{c}")?;
                }
            }
        }
        Ok(())
    }
}

fn expand_template(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix('{');
        let name = braced.unwrap_or(rest);
        let end = name
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(name.len());
        match (end, braced.is_some()) {
            (0, _) => out.push('$'),
            (end, false) => rest = &name[end..],
            (end, true) => match name[end..].strip_prefix('}') {
                Some(after) => rest = after,
                None => out.push('$'),
            },
        }
    }
    out.push_str(rest);
    out
}

/// The end of the shortest or longest match of `tokens` at the start of `text`.
fn prefix(tokens: &[Token], text: &[char], greedy: bool) -> Option<usize> {
    let mut states = vec![false; tokens.len() + 1];
    states[0] = true;
    close(tokens, &mut states);
    let mut best = None;
    for end in 0..=text.len() {
        if states[tokens.len()] {
            best = Some(end);
            if !greedy {
                break;
            }
        }
        let Some(&c) = text.get(end) else { break };
        let mut next = vec![false; tokens.len() + 1];
        for (i, token) in tokens.iter().enumerate() {
            if states[i] && accepts(*token, c) {
                next[if *token == Token::Any { i } else { i + 1 }] = true;
            }
        }
        close(tokens, &mut next);
        if !next.contains(&true) {
            break;
        }
        states = next;
    }
    best
}

fn close(tokens: &[Token], states: &mut [bool]) {
    for (i, token) in tokens.iter().enumerate() {
        if states[i] && *token == Token::Any {
            states[i + 1] = true;
        }
    }
}

fn accepts(token: Token, c: char) -> bool {
    match token {
        Token::Any | Token::One => c != '\n',
        Token::Char(want) => want == c,
    }
}

/// The longest leftmost match at or after `from`. Each state keeps the leftmost start that reaches it.
fn find(tokens: &[Token], text: &[char], from: usize) -> Option<(usize, usize)> {
    let n = tokens.len();
    let mut states: Vec<Option<usize>> = vec![None; n + 1];
    let mut best: Option<(usize, usize)> = None;
    let earlier = |slot: &mut Option<usize>, start: usize| {
        if slot.is_none_or(|s| start < s) {
            *slot = Some(start);
        }
    };
    for at in from..=text.len() {
        if best.is_none() {
            earlier(&mut states[0], at);
        }
        for i in 0..n {
            if let (Some(start), Token::Any) = (states[i], tokens[i]) {
                earlier(&mut states[i + 1], start);
            }
        }
        if let Some(start) = states[n]
            && best.is_none_or(|(s, _)| start <= s)
        {
            best = Some((start, at));
        }
        let Some(&c) = text.get(at) else { break };
        let mut next = vec![None; n + 1];
        let mut alive = false;
        for i in 0..n {
            let Some(start) = states[i] else { continue };
            if best.is_some_and(|(s, _)| start > s) || !accepts(tokens[i], c) {
                continue;
            }
            earlier(
                &mut next[if tokens[i] == Token::Any { i } else { i + 1 }],
                start,
            );
            alive = true;
        }
        if best.is_some() && !alive {
            break;
        }
        states = next;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_leftmost_longest() {
        let p = Pattern::parse("a*b").unwrap();
        assert_eq!(p.replace("xaab-b-c", "[$0]", false), "x[$0]-c");
        assert_eq!(
            Pattern::parse("o").unwrap().replace("foo", "0", true),
            "f00"
        );
        assert_eq!(
            Pattern::parse("").unwrap().replace("ab", "-", true),
            "-a-b-"
        );
    }

    #[test]
    fn is_linear() {
        let p = Pattern::parse(&"*a".repeat(50)).unwrap();
        let text = "a".repeat(2000);
        assert_eq!(p.trim_prefix(&text, true), "");
    }
}
