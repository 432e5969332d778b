//! Markdown to a model that holds nothing a browser could run: no HTML, links and images by allow-list, bounded depth.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde::Serialize;

use crate::error::{LessonError, Result};
use crate::fence::{self, Fence};

/// Blocks and inlines inside each other.
const MAX_DEPTH: usize = 24;
const MAX_NODES: usize = 50_000;

/// A block of a lesson.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Block {
    /// A heading; `id` is what a link `#id` leads to.
    Heading {
        level: u8,
        id: String,
        children: Vec<Inline>,
    },
    Paragraph {
        children: Vec<Inline>,
    },
    Fence(Fence),
    Quote {
        children: Vec<Block>,
    },
    /// A list; `start` is the first number of an ordered one.
    List {
        start: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Table {
        head: Vec<Vec<Inline>>,
        rows: Vec<Vec<Vec<Inline>>>,
    },
    Rule,
    /// A question: which answers are right is asked with [`crate::Session::answer`].
    Quiz {
        quiz: usize,
        choices: Vec<Vec<Inline>>,
        many: bool,
    },
    /// Here stands the task of that id.
    Task {
        task: String,
    },
}

/// What stands in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Inline {
    Text {
        text: String,
    },
    Code {
        text: String,
    },
    Emphasis {
        children: Vec<Inline>,
    },
    Strong {
        children: Vec<Inline>,
    },
    Strikethrough {
        children: Vec<Inline>,
    },
    /// `to` begins with `https://`, `mailto:` or `#`, or is a path of the same site.
    Link {
        to: String,
        children: Vec<Inline>,
    },
    /// `src` is a path of the same site or a `data:image/png`.
    Image {
        src: String,
        alt: String,
    },
    Break,
}

/// A question's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiz {
    /// The line of its first answer.
    pub line: u32,
    /// Whether each answer is right, and what is said to who chose it.
    pub answers: Vec<Answer>,
}

/// One answer of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub right: bool,
    pub says: Vec<Block>,
}

/// What a Markdown text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub blocks: Vec<Block>,
    pub quizzes: Vec<Quiz>,
    /// Tasks and runnable fences in their order, for solutions that are in the text.
    pub tasks: Vec<(String, u32)>,
}

/// Text as it is shown: what can't be seen, or turns the reading order, as marks.
pub fn visible(text: &str) -> String {
    if !text.chars().any(hidden) {
        return text.to_owned();
    }
    let mark = |c: char| match hidden(c) {
        true => format!("⟨U+{:04X}⟩", c as u32),
        false => c.to_string(),
    };
    text.chars().map(mark).collect()
}

/// Characters that are not seen, or make what is seen differ from what is there. Joiners stay: scripts need them.
pub fn hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
            | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Reads a text whose first line is `first_line` of its file.
pub fn parse(source: &str, first_line: u32) -> Result<Document> {
    let starts: Vec<usize> = std::iter::once(0)
        .chain(source.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    let mut builder = Builder {
        starts,
        first_line,
        document: Document::default(),
        frames: vec![Frame::new(Kind::Root, 0)],
        nodes: 0,
        ids: Vec::new(),
    };
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        builder.event(event, range)?;
    }
    let root = builder
        .frames
        .pop()
        .unwrap_or_else(|| Frame::new(Kind::Root, 0));
    builder.document.blocks = root.blocks;
    Ok(builder.document)
}

/// Reads one line of text: a title, a hint.
pub fn inline(source: &str, line: u32) -> Result<Vec<Inline>> {
    match parse(source.trim(), line)?.blocks.pop() {
        None => Ok(Vec::new()),
        Some(Block::Paragraph { children }) => Ok(children),
        Some(_) => Err(LessonError::new(
            line,
            "only text and `code` can stand here",
        )),
    }
}

enum Kind {
    Root,
    Paragraph,
    Heading(u8),
    Quote,
    List(Option<u64>),
    /// Whether its box is ticked, if it has one.
    Item(Option<bool>),
    Fence(String),
    Html,
    Table,
    Row,
    Cell,
    Emphasis,
    Strong,
    Strikethrough,
    Link(Option<String>),
    Image(Option<String>),
}

/// An element that is still open.
struct Frame {
    kind: Kind,
    line: u32,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
    items: Vec<(Option<bool>, u32, Vec<Block>)>,
    rows: Vec<Vec<Vec<Inline>>>,
    cells: Vec<Vec<Inline>>,
    text: String,
}

impl Frame {
    fn new(kind: Kind, line: u32) -> Frame {
        Frame {
            kind,
            line,
            blocks: Vec::new(),
            inlines: Vec::new(),
            items: Vec::new(),
            rows: Vec::new(),
            cells: Vec::new(),
            text: String::new(),
        }
    }

    /// Text that stands in an item without a paragraph becomes one.
    fn flush(&mut self) {
        if !self.inlines.is_empty() && matches!(self.kind, Kind::Item(_) | Kind::Root | Kind::Quote)
        {
            let children = std::mem::take(&mut self.inlines);
            self.blocks.push(Block::Paragraph { children });
        }
    }
}

struct Builder {
    starts: Vec<usize>,
    first_line: u32,
    document: Document,
    frames: Vec<Frame>,
    nodes: usize,
    ids: Vec<String>,
}

impl Builder {
    fn line(&self, at: usize) -> u32 {
        let line = self.starts.partition_point(|start| *start <= at);
        self.first_line + u32::try_from(line).unwrap_or(u32::MAX).saturating_sub(1)
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) -> Result<()> {
        let line = self.line(range.start);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(LessonError::new(
                line,
                format!("more than {MAX_NODES} elements"),
            ));
        }
        match event {
            Event::Start(tag) => self.open(tag, line)?,
            Event::End(end) => self.close(end)?,
            Event::Text(text) => match self.top() {
                Frame {
                    kind: Kind::Fence(_) | Kind::Html,
                    text: all,
                    ..
                } => all.push_str(&text),
                _ => self.inline(Inline::Text {
                    text: visible(&text),
                }),
            },
            Event::Code(text) => {
                if let Some(c) = text.chars().find(|c| hidden(*c)) {
                    return Err(fence::hidden_error(line, c));
                }
                self.inline(Inline::Code {
                    text: text.into_string(),
                });
            }
            Event::Html(text) if matches!(self.top().kind, Kind::Html) => {
                self.top().text.push_str(&text);
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                self.inline(Inline::Text {
                    text: visible(&text),
                });
            }
            Event::SoftBreak => self.inline(Inline::Text { text: " ".into() }),
            Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => self.block(Block::Rule),
            Event::TaskListMarker(ticked) => {
                let item = self
                    .frames
                    .iter_mut()
                    .rev()
                    .find_map(|frame| match &mut frame.kind {
                        Kind::Item(mark) => Some(mark),
                        _ => None,
                    });
                if let Some(mark) = item {
                    *mark = Some(ticked);
                }
            }
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.inline(Inline::Text {
                    text: visible(&text),
                });
            }
        }
        Ok(())
    }

    fn top(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Kind::Root, self.first_line));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn inline(&mut self, inline: Inline) {
        let inlines = &mut self.top().inlines;
        if let (Some(Inline::Text { text: before }), Inline::Text { text }) =
            (inlines.last_mut(), &inline)
        {
            before.push_str(text);
        } else {
            inlines.push(inline);
        }
    }

    fn block(&mut self, block: Block) {
        let top = self.top();
        top.flush();
        top.blocks.push(block);
    }

    fn open(&mut self, tag: Tag<'_>, line: u32) -> Result<()> {
        if self.frames.len() > MAX_DEPTH {
            return Err(LessonError::new(
                line,
                format!("nested deeper than {MAX_DEPTH}"),
            ));
        }
        let kind = match tag {
            Tag::Paragraph => Kind::Paragraph,
            Tag::Heading { level, .. } => Kind::Heading(number(level)),
            Tag::BlockQuote(_) => Kind::Quote,
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => Kind::Fence(info.into_string()),
            Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Fence(String::new()),
            Tag::HtmlBlock => Kind::Html,
            Tag::List(start) => Kind::List(start),
            Tag::Item => Kind::Item(None),
            Tag::Table(_) => Kind::Table,
            Tag::TableHead | Tag::TableRow => Kind::Row,
            Tag::TableCell => Kind::Cell,
            Tag::Emphasis => Kind::Emphasis,
            Tag::Strong => Kind::Strong,
            Tag::Strikethrough => Kind::Strikethrough,
            Tag::Link { dest_url, .. } => Kind::Link(link(&dest_url)),
            Tag::Image { dest_url, .. } => Kind::Image(image(&dest_url)),
            // The others come with extensions that are off.
            _ => Kind::Paragraph,
        };
        let block = matches!(
            kind,
            Kind::Paragraph
                | Kind::Heading(_)
                | Kind::Quote
                | Kind::Fence(_)
                | Kind::Html
                | Kind::List(_)
                | Kind::Table
        );
        if block {
            self.top().flush();
        }
        self.frames.push(Frame::new(kind, line));
        Ok(())
    }

    fn close(&mut self, _end: TagEnd) -> Result<()> {
        let Some(mut frame) = self.frames.pop() else {
            return Ok(());
        };
        frame.flush();
        let children = std::mem::take(&mut frame.inlines);
        match frame.kind {
            Kind::Root => {}
            Kind::Paragraph => self.block(Block::Paragraph { children }),
            Kind::Heading(level) => {
                let id = self.id(&plain(&children));
                self.block(Block::Heading {
                    level,
                    id,
                    children,
                });
            }
            Kind::Quote => self.block(Block::Quote {
                children: frame.blocks,
            }),
            Kind::List(start) => self.list(start, frame.items)?,
            Kind::Item(mark) => {
                let (line, blocks) = (frame.line, frame.blocks);
                self.top().items.push((mark, line, blocks));
            }
            Kind::Fence(info) => {
                let fence = Fence::read(&info, &frame.text, frame.line)?;
                self.block(Block::Fence(fence));
            }
            Kind::Html => self.html(&frame.text, frame.line)?,
            Kind::Table => {
                let mut rows = frame.rows.into_iter();
                let head = rows.next().unwrap_or_default();
                self.block(Block::Table {
                    head,
                    rows: rows.collect(),
                });
            }
            Kind::Row => self.top().rows.push(frame.cells),
            Kind::Cell => self.top().cells.push(children),
            Kind::Emphasis => self.inline(Inline::Emphasis { children }),
            Kind::Strong => self.inline(Inline::Strong { children }),
            Kind::Strikethrough => self.inline(Inline::Strikethrough { children }),
            Kind::Link(Some(to)) => self.inline(Inline::Link { to, children }),
            Kind::Link(None) => children.into_iter().for_each(|child| self.inline(child)),
            Kind::Image(src) => {
                let alt = plain(&children);
                match src {
                    Some(src) => self.inline(Inline::Image { src, alt }),
                    None => self.inline(Inline::Text { text: alt }),
                }
            }
        }
        Ok(())
    }

    /// A list, or a question when its items have boxes.
    fn list(
        &mut self,
        start: Option<u64>,
        items: Vec<(Option<bool>, u32, Vec<Block>)>,
    ) -> Result<()> {
        if items.iter().all(|(mark, ..)| mark.is_none()) {
            let items = items.into_iter().map(|(_, _, blocks)| blocks).collect();
            self.block(Block::List { start, items });
            return Ok(());
        }
        let line = items.first().map_or(0, |item| item.1);
        if let Some((_, line, _)) = items.iter().find(|(mark, ..)| mark.is_none()) {
            return Err(LessonError::new(
                *line,
                "an answer of a quiz needs a box: `- [ ]` or `- [x]`",
            ));
        }
        let right = items
            .iter()
            .filter(|(mark, ..)| *mark == Some(true))
            .count();
        if right == 0 || right == items.len() {
            return Err(LessonError::new(
                line,
                "a quiz needs a right answer, `- [x]`, and a wrong one, `- [ ]`",
            ));
        }
        let mut choices = Vec::new();
        let mut answers = Vec::new();
        for (mark, line, blocks) in items {
            let mut blocks = blocks.into_iter();
            let Some(Block::Paragraph { children }) = blocks.next() else {
                return Err(LessonError::new(
                    line,
                    "an answer of a quiz begins with text",
                ));
            };
            choices.push(children);
            answers.push(Answer {
                right: mark == Some(true),
                says: blocks.collect(),
            });
        }
        let quiz = self.document.quizzes.len();
        self.document.quizzes.push(Quiz { line, answers });
        self.block(Block::Quiz {
            quiz,
            choices,
            many: right > 1,
        });
        Ok(())
    }

    /// `<!-- task ID -->` places a task, other comments are dropped, and other HTML is shown as text.
    fn html(&mut self, text: &str, line: u32) -> Result<()> {
        let text = text.trim();
        let comment = text
            .strip_prefix("<!--")
            .and_then(|t| t.strip_suffix("-->"));
        let Some(comment) = comment.map(str::trim) else {
            let text = visible(text);
            self.block(Block::Paragraph {
                children: vec![Inline::Text { text }],
            });
            return Ok(());
        };
        if let Some(task) = comment.strip_prefix("task ") {
            if self.frames.len() != 1 {
                return Err(LessonError::new(
                    line,
                    "a task can't stand in a list or a quotation",
                ));
            }
            let task = task.trim().to_owned();
            self.document.tasks.push((task.clone(), line));
            self.block(Block::Task { task });
        }
        Ok(())
    }

    /// A heading's id, as code hosts make it.
    fn id(&mut self, text: &str) -> String {
        let keep = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let base: String = text
            .to_lowercase()
            .chars()
            .map(|c| if c.is_whitespace() { '-' } else { c })
            .filter(|c| keep(*c))
            .take(80)
            .collect();
        let same = self.ids.iter().filter(|id| **id == base).count();
        self.ids.push(base.clone());
        match same {
            0 => base,
            n => format!("{base}-{n}"),
        }
    }
}

fn number(level: HeadingLevel) -> u8 {
    level as u8
}

/// The text alone.
pub fn plain(inlines: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Text { text } | Inline::Code { text } => text.clone(),
        Inline::Emphasis { children }
        | Inline::Strong { children }
        | Inline::Strikethrough { children }
        | Inline::Link { children, .. } => plain(children),
        Inline::Image { alt, .. } => alt.clone(),
        Inline::Break => " ".into(),
    };
    inlines.iter().map(text).collect()
}

/// A link's address, if it is one that a stranger may make: https without credentials, mailto, a place in the lesson,
/// or a path of the same site that stays below the lesson's directory or goes up with `../`.
fn link(url: &str) -> Option<String> {
    let clean = url.len() <= 2048 && url.bytes().all(|b| b > 0x20 && b < 0x7f && b != b'\\');
    let https = url.strip_prefix("https://").is_some_and(|rest| {
        !rest
            .split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .contains('@')
    });
    let ok =
        clean && (https || url.starts_with("mailto:") || url.starts_with('#') || same_site(url));
    ok.then(|| url.to_owned())
}

fn image(url: &str) -> Option<String> {
    let png = url
        .strip_prefix("data:image/png;base64,")
        .is_some_and(|data| {
            data.len() <= 128 << 10
                && data
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        });
    (png || same_site(url)).then(|| url.to_owned())
}

/// A relative path: no scheme, no host.
fn same_site(url: &str) -> bool {
    let path = url.split('#').next().unwrap_or_default();
    !path.is_empty()
        && !path.starts_with('/')
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
}

#[cfg(test)]
mod tests;
