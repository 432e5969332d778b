//! Fenced code: what its first line says, and the commands in it.

use serde::Serialize;

use crate::error::{LessonError, Result};
use crate::markdown;

/// Languages whose fences are commands of the host's shell.
const SHELLS: [&str; 5] = ["sh", "shell", "bash", "console", "terminal"];
const MODIFIERS: &str = "no-run, no-copy, save-as=PATH, terminal=NUMBER";
const MAX_PATH: usize = 255;

/// A fence. What is shown is exactly what runs: text with hidden characters is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fence {
    /// The language, empty when none is named.
    pub language: String,
    /// What is shown, without the last line's end.
    pub text: String,
    /// What its Run button types, when it has one. Of a `console` fence, the lines after `$ `.
    pub run: Option<String>,
    /// The file of the host that its Save button writes, when it has one.
    #[serde(rename = "saveAs")]
    pub save_as: Option<String>,
    /// Whether there is a Copy button.
    pub copy: bool,
    /// Which terminal it runs in, from 1.
    pub terminal: u32,
    /// The line of its opening.
    pub line: u32,
}

impl Fence {
    /// From the opening's text and what is inside.
    pub fn read(info: &str, text: &str, line: u32) -> Result<Fence> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        for (below, row) in (1..).zip(text.split('\n')) {
            if let Some(c) = row.chars().find(|c| markdown::hidden(*c)) {
                return Err(hidden_error(line + below, c));
            }
        }
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or_default().to_ascii_lowercase();
        if language.contains('=') || language.starts_with("no-") {
            let message = format!(
                "`{language}` stands where the fence's language should: write ```text {language}"
            );
            return Err(LessonError::new(line, message));
        }
        let mut fence = Fence {
            run: None,
            save_as: None,
            copy: true,
            terminal: 1,
            line,
            text: text.to_owned(),
            language,
        };
        let mut run = SHELLS.contains(&fence.language.as_str());
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            match (name, value) {
                // Docker's Labspaces have the longer names.
                ("no-run" | "no-run-button", None) => run = false,
                ("no-copy" | "no-copy-button", None) => fence.copy = false,
                ("save-as", Some(path)) => {
                    fence.save_as = Some(path_of(path, line)?);
                    run = false;
                }
                ("terminal" | "terminal-id", Some(number)) => {
                    let number = number.parse().ok().filter(|n| (1..=9).contains(n));
                    fence.terminal = number.ok_or_else(|| {
                        LessonError::new(line, "terminal= needs a number from 1 to 9")
                    })?;
                }
                _ => {
                    let message =
                        format!("unknown modifier `{word}` of a fence; known: {MODIFIERS}");
                    return Err(LessonError::new(line, message));
                }
            }
        }
        if run {
            fence.run = commands(&fence.language, text);
        }
        Ok(fence)
    }
}

/// What a fence types: of a session with prompts, the lines after them.
fn commands(language: &str, text: &str) -> Option<String> {
    let session = language == "console" || text.lines().any(|line| line.starts_with("$ "));
    let commands = match session {
        false => text.to_owned(),
        true => {
            let lines: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("$ "))
                .collect();
            lines.join("\n")
        }
    };
    (!commands.trim().is_empty()).then_some(commands)
}

fn path_of(path: &str, line: u32) -> Result<String> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let ok = !path.is_empty()
        && path.len() <= MAX_PATH
        && path.bytes().all(harmless)
        && !path.ends_with('/')
        && path.split('/').all(|part| part != "..");
    if !ok {
        let message = format!(
            "save-as={path}: a path of the host, of letters, digits and -_./, without `..`"
        );
        return Err(LessonError::new(line, message));
    }
    Ok(path.to_owned())
}

/// A character in a command that a learner could not see.
pub fn hidden_error(line: u32, c: char) -> LessonError {
    LessonError::new(
        line,
        format!(
            "the character U+{:04X} can't be seen; what runs must be what is shown",
            c as u32
        ),
    )
}
