//! Progress names: `[build 2/4] RUN make`.

use super::stages::StageState;
use crate::shell::{Env, Lex};

impl StageState {
    /// `text` with the stage's next number in front.
    pub(super) fn numbered(&mut self, text: &str, on_build: bool) -> String {
        if self.total == 0 {
            return text.to_owned();
        }
        self.index += 1;
        let width = self.total.to_string().len();
        let name = if self.display_name.is_empty() {
            String::new()
        } else {
            format!("{} ", self.display_name)
        };
        let trigger = if on_build { "ONBUILD " } else { "" };
        format!(
            "[{name}{:>width$}/{}] {trigger}{text}",
            self.index, self.total
        )
    }
}

/// An instruction's text as progress shows it: variables expanded, the keyword in capitals.
pub(super) fn shown(lex: &Lex, source: &str, env: &dyn Env) -> String {
    let text = lex.word(source, env).unwrap_or_else(|_| source.to_owned());
    match text.split_once(' ') {
        Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
        None => text.to_uppercase(),
    }
}

/// The first line of a here-document, with `...` when there are more.
pub(super) fn summary(document: &str) -> String {
    let text = document.trim().replace("\r\n", "\n");
    match text.split_once('\n') {
        Some((first, _)) => format!("{first}..."),
        None => text,
    }
}
