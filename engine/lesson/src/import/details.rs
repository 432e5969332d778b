//! What a step folds away, `<details><summary>Tip</summary> … </details>`.

use super::text::Piece;

/// A `<details>`, as it stands in the text.
#[derive(Default)]
pub(super) struct Details {
    pub(super) pieces: Vec<Piece>,
}

impl Details {
    /// Its line, what its `<summary>` says, and what it folds away.
    pub(super) fn open(self) -> (u32, String, Vec<Piece>) {
        let mut line_of = 1;
        let mut name = String::new();
        let mut inside = Vec::new();
        // Nothing before the name, the name's lines, what comes after it.
        let mut named = None;
        for piece in self.pieces {
            let Piece::Line(number, line) = piece else {
                inside.push(piece);
                continue;
            };
            if inside.is_empty() && named.is_none() && name.is_empty() {
                line_of = number;
            }
            let mut rest = line.as_str();
            if named.is_none()
                && let Some((_, after)) = rest.split_once("<summary>")
            {
                named = Some(false);
                rest = after;
            }
            if named == Some(false) {
                let Some((before, after)) = rest.split_once("</summary>") else {
                    name.push_str(rest);
                    continue;
                };
                name.push_str(before);
                named = Some(true);
                rest = after;
            }
            let rest = rest.replace("<details>", "").replace("</details>", "");
            inside.push(Piece::Line(number, rest));
        }
        (line_of, name.trim().to_owned(), inside)
    }
}

/// What was folded away in a step.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) hints: Vec<String>,
    pub(super) solution: Option<String>,
}
