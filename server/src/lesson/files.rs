//! Which files are lessons and drills.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Lesson,
    /// A lesson's text in another language, `NAME.LANG.md`.
    Translation,
    Bank,
}

/// What a file holds, by its name.
pub fn kind(path: &Path) -> Option<Kind> {
    let stem = path.file_stem()?.to_str()?;
    match path.extension()?.to_str()? {
        "md" if stem == "README" => None,
        "md" if stem.contains('.') => Some(Kind::Translation),
        "md" => Some(Kind::Lesson),
        "yaml" | "yml" => Some(Kind::Bank),
        _ => None,
    }
}

/// The lesson that a translation translates.
pub fn original(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let (name, _) = stem.split_once('.')?;
    Some(path.with_file_name(format!("{name}.md")))
}

/// All files below the paths, in order.
pub fn find(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Kind)>> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = open.pop() {
        let metadata =
            std::fs::metadata(&path).with_context(|| format!("can't read {}", path.display()))?;
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path)
                .with_context(|| format!("can't read {}", path.display()))?;
            for entry in entries {
                open.push(entry?.path());
            }
        } else if let Some(kind) = kind(&path) {
            found.push((path, kind));
        } else if paths.contains(&path) {
            bail!(
                "{} is no lesson (.md) and no bank of drills (.yaml)",
                path.display()
            );
        }
    }
    found.sort();
    Ok(found)
}
