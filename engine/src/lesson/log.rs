//! The `docker` commands that were entered.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bottleship_lesson::Entry;

/// Commands kept; older ones are forgotten.
const MAX_ENTRIES: usize = 5000;
/// Bytes kept of one command.
const MAX_LINE: usize = 4096;
/// Bytes kept of an error.
const MAX_ERROR: usize = 300;

/// The commands that were entered, oldest first.
#[derive(Default)]
pub struct CommandLog {
    entries: RefCell<VecDeque<Entry>>,
    /// Number of the first entry that is still there.
    first: Cell<u64>,
}

/// A command that has not ended.
pub struct Running {
    log: Rc<CommandLog>,
    number: u64,
    error: RefCell<Vec<u8>>,
}

impl CommandLog {
    /// A command begins; `at` is in milliseconds since 1970.
    pub fn begin(self: &Rc<Self>, at: u64, argv: &[String]) -> Running {
        let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
        let mut entries = self.entries.borrow_mut();
        entries.push_back(Entry {
            at,
            line: cut(&words.join(" "), MAX_LINE),
            exit: None,
            error: None,
        });
        if entries.len() > MAX_ENTRIES {
            entries.pop_front();
            self.first.set(self.first.get() + 1);
        }
        Running {
            log: self.clone(),
            number: self.first.get() + entries.len() as u64 - 1,
            error: RefCell::default(),
        }
    }

    /// All that are kept.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.borrow().iter().cloned().collect()
    }

    /// Forgets all.
    pub fn clear(&self) {
        let mut entries = self.entries.borrow_mut();
        self.first.set(self.first.get() + entries.len() as u64);
        entries.clear();
    }
}

impl Running {
    /// What it writes to standard error.
    pub fn wrote_error(&self, data: &[u8]) {
        let mut error = self.error.borrow_mut();
        let room = MAX_ERROR.saturating_sub(error.len());
        error.extend_from_slice(data.get(..data.len().min(room)).unwrap_or_default());
    }

    /// It ended.
    pub fn end(self, exit: i32) {
        let mut entries = self.log.entries.borrow_mut();
        let at = self.number.checked_sub(self.log.first.get());
        let entry = at.and_then(|at| entries.get_mut(usize::try_from(at).ok()?));
        if let Some(entry) = entry {
            entry.exit = Some(exit);
            if exit != 0 {
                let error = String::from_utf8_lossy(&self.error.borrow()).into_owned();
                let line = error.lines().find(|line| !line.trim().is_empty());
                entry.error = line.map(|line| cut(line.trim(), MAX_ERROR));
            }
        }
    }
}

fn cut(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@,+%^".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_is_kept_with_its_end() {
        let log = Rc::new(CommandLog::default());
        let run = log.begin(5, &argv(&["docker", "run", "x", "sh", "-c", "echo 'a b'"]));
        let ps = log.begin(6, &argv(&["docker", "ps"]));
        run.wrote_error(b"\nUnable to find image\nmore\n");
        run.end(125);
        ps.end(0);
        let entries = log.entries();
        assert_eq!(entries[0].line, r"docker run x sh -c 'echo '\''a b'\'''");
        assert_eq!(entries[0].exit, Some(125));
        assert_eq!(entries[0].error.as_deref(), Some("Unable to find image"));
        assert_eq!((entries[1].exit, entries[1].error.clone()), (Some(0), None));
    }

    #[test]
    fn the_log_is_bounded() {
        let log = Rc::new(CommandLog::default());
        let first = log.begin(0, &argv(&["docker"]));
        for _ in 0..MAX_ENTRIES {
            log.begin(1, &argv(&[&"é".repeat(MAX_LINE)])).end(0);
        }
        first.end(7);
        let entries = log.entries();
        assert_eq!(entries.len(), MAX_ENTRIES);
        assert!(
            entries
                .iter()
                .all(|entry| entry.exit == Some(0) && entry.line.len() <= MAX_LINE)
        );
        log.clear();
        let last = log.begin(2, &argv(&["x"]));
        last.end(3);
        assert_eq!(log.entries()[0].exit, Some(3));
    }
}
