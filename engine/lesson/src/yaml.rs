//! YAML as a bounded tree that knows its lines, and the reading of fields from it.
//!
//! Aliases and tags are refused: they are what makes a small document a big one, and lessons need neither.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::error::{LessonError, Result};

/// Lists and maps inside each other.
const MAX_DEPTH: usize = 16;
/// Values of one document.
const MAX_NODES: usize = 20_000;

/// A value and the line it starts on.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub line: u32,
    pub value: Value,
}

/// A value. Scalars stay text: what they mean, the key says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub line: u32,
    pub node: Node,
}

enum Open {
    List(u32, Vec<Node>),
    Map(u32, Vec<Entry>, Option<(String, u32)>),
}

/// Reads one document; `first_line` is the line of the file that its first line is.
pub fn parse(source: &str, first_line: u32) -> Result<Node> {
    let line_of = |line: usize| {
        first_line.saturating_add(u32::try_from(line).unwrap_or(u32::MAX).saturating_sub(1))
    };
    let scan = |error: ScanError| LessonError::new(line_of(error.marker().line()), error.info());
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0;
    let mut root = None;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(scan)?;
        let line = line_of(span.start.line());
        nodes += 1;
        if nodes > MAX_NODES {
            return Err(LessonError::new(
                line,
                format!("more than {MAX_NODES} values"),
            ));
        }
        let done = match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse(anchor != 0, tag.is_some(), line)?;
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let value = if null {
                    Value::Null
                } else {
                    Value::Text(text.into_owned())
                };
                Node { line, value }
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                refuse(anchor != 0, tag.is_some(), line)?;
                continue;
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => {
                return Err(LessonError::new(
                    line,
                    format!("nested deeper than {MAX_DEPTH}"),
                ));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(line, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(line, list)) => Node {
                    line,
                    value: Value::List(list),
                },
                Some(Open::Map(line, map, _)) => Node {
                    line,
                    value: Value::Map(map),
                },
                None => continue,
            },
            Event::Alias(_) => {
                refuse(true, false, line)?;
                continue;
            }
            Event::DocumentStart(_) if root.is_some() => {
                return Err(LessonError::new(
                    line,
                    "a second document: `---` stands only around it",
                ));
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List(_, list)) => list.push(done),
            Some(Open::Map(_, map, key)) => match key.take() {
                Some((name, line)) => map.push(Entry {
                    key: name,
                    line,
                    node: done,
                }),
                None => {
                    let Value::Text(name) = done.value else {
                        return Err(LessonError::new(line, "a key must be text"));
                    };
                    if map.iter().any(|entry| entry.key == name) {
                        return Err(LessonError::new(
                            line,
                            format!("key `{name}` stands here twice"),
                        ));
                    }
                    *key = Some((name, line));
                }
            },
        }
    }
    Ok(root.unwrap_or(Node {
        line: first_line,
        value: Value::Null,
    }))
}

fn refuse(anchor: bool, tag: bool, line: u32) -> Result<()> {
    if anchor {
        return Err(LessonError::new(
            line,
            "anchors and aliases are not allowed: write the value out",
        ));
    }
    if tag {
        return Err(LessonError::new(line, "tags (`!name`) are not allowed"));
    }
    Ok(())
}

impl Node {
    fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    fn wanted<T>(&self, what: &str, wanted: &str) -> Result<T> {
        Err(LessonError::new(
            self.line,
            format!("{what} must be {wanted}, and is {}", self.kind()),
        ))
    }

    /// As text.
    pub fn text(self, what: &str) -> Result<String> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => self.wanted(what, "text"),
        }
    }

    /// As a truth value.
    pub fn truth(self, what: &str) -> Result<bool> {
        let line = self.line;
        match self.text(what)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(LessonError::new(
                line,
                format!("{what} must be true or false, and is `{other}`"),
            )),
        }
    }

    /// As a whole number of at most `max`.
    pub fn number(self, what: &str, max: i64) -> Result<i64> {
        let line = self.line;
        let text = self.text(what)?;
        match text.parse::<i64>() {
            Ok(number) if (0..=max).contains(&number) => Ok(number),
            _ => Err(LessonError::new(
                line,
                format!("{what} must be a number from 0 to {max}, and is `{text}`"),
            )),
        }
    }

    /// As a list.
    pub fn list(self, what: &str) -> Result<Vec<Node>> {
        match self.value {
            Value::List(list) => Ok(list),
            _ => self.wanted(what, "a list"),
        }
    }

    /// As a list; what is none is a list of one.
    pub fn one_or_list(self) -> Vec<Node> {
        match self.value {
            Value::List(list) => list,
            Value::Null => Vec::new(),
            _ => vec![self],
        }
    }

    /// As a list of texts; a single text is a list of one.
    pub fn texts(self, what: &str) -> Result<Vec<String>> {
        self.one_or_list()
            .into_iter()
            .map(|node| node.text(what))
            .collect()
    }

    /// As a mapping with any keys.
    pub fn entries(self, what: &str) -> Result<Vec<Entry>> {
        match self.value {
            Value::Map(map) => Ok(map),
            _ => self.wanted(what, "a mapping"),
        }
    }

    /// As a mapping of texts.
    pub fn pairs(self, what: &str) -> Result<Vec<(String, String)>> {
        let pair = |entry: Entry| Ok((entry.key, entry.node.text(what)?));
        self.entries(what)?.into_iter().map(pair).collect()
    }

    /// As a mapping whose keys are known: what is taken by [`Fields::opt`] until [`Fields::finish`].
    pub fn fields(self, what: &'static str) -> Result<Fields> {
        let line = self.line;
        Ok(Fields {
            what,
            line,
            entries: self.entries(what)?,
            known: Vec::new(),
        })
    }
}

/// A mapping whose keys are being read. What is left at the end is an error.
pub struct Fields {
    what: &'static str,
    /// The mapping's line.
    pub line: u32,
    entries: Vec<Entry>,
    known: Vec<&'static str>,
}

impl Fields {
    /// A key's value, if it is there.
    pub fn opt(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at).node)
    }

    /// A key's value.
    pub fn need(&mut self, key: &'static str) -> Result<Node> {
        let (line, what) = (self.line, self.what);
        self.opt(key)
            .ok_or_else(|| LessonError::new(line, format!("{what} needs `{key}`")))
    }

    /// A key's text, if it is there.
    pub fn opt_text(&mut self, key: &'static str) -> Result<Option<String>> {
        self.opt(key).map(|node| node.text(key)).transpose()
    }

    /// All keys must have been read.
    pub fn finish(self) -> Result<()> {
        let Some(unknown) = self.entries.first() else {
            return Ok(());
        };
        Err(LessonError::new(
            unknown.line,
            format!(
                "unknown key `{}` in {}; known: {}",
                unknown.key,
                self.what,
                self.known.join(", ")
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(source: &str) -> (u32, String) {
        let error = parse(source, 1).unwrap_err();
        (error.line, error.message)
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let node = parse("a: 1\nb:\n  - x\n  - y: |\n      z\n", 10).unwrap();
        let map = node.entries("it").unwrap();
        assert_eq!(map[0].line, 10);
        let list = map[1].node.clone().list("b").unwrap();
        assert_eq!((list[0].line, list[1].line), (12, 13));
    }

    #[test]
    fn what_grows_is_refused() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(refused(&deep).1.contains("nested deeper than 16"));
        let many = "- x\n".repeat(MAX_NODES + 1);
        assert!(refused(&many).1.contains("more than"));
        let (line, message) = refused("a: &x [1]\nb: [*x, *x]\n");
        assert_eq!(line, 1);
        assert!(message.contains("anchors"), "{message}");
        assert!(refused("a: !!binary x").1.contains("tags"));
        assert!(refused("a: 1\na: 2").1.contains("twice"));
        let hostile = "[".repeat(200_000);
        assert!(parse(&hostile, 1).is_err());
    }

    #[test]
    fn unknown_keys_name_their_line_and_the_known_ones() {
        let node = parse("title: x\n\nsumary: y\n", 1).unwrap();
        let mut fields = node.fields("the front matter").unwrap();
        fields.need("title").unwrap();
        fields.opt("summary");
        let error = fields.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3: unknown key `sumary` in the front matter; known: title, summary"
        );
    }
}
