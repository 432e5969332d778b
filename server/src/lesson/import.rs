//! `bottleship lesson import`: lessons of other sites.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bottleship_engine::lesson::format::MAX_LESSON;
use bottleship_engine::lesson::format::import::{self, Imported};
use clap::{Args, Subcommand};

/// Files of one scenario, and bytes of all of them together.
const MAX_FILES: usize = 500;
const MAX_BYTES: u64 = 8 << 20;

#[derive(Args)]
pub struct Import {
    #[command(subcommand)]
    from: From,
    /// Directory for the lessons
    #[arg(long, short, value_name = "DIR", default_value = ".", global = true)]
    out: PathBuf,
    /// Write over lessons that are there
    #[arg(long, global = true)]
    force: bool,
}

#[derive(Subcommand)]
enum From {
    /// Pages of Play with Docker's classroom (Markdown with ```.term1 fences)
    Pwd {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// A scenario of Killercoda or Katacoda (a directory with an index.json)
    Killercoda { dir: PathBuf },
}

impl Import {
    pub fn run(self) -> Result<ExitCode> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("can't make {}", self.out.display()))?;
        let mut fine = true;
        match &self.from {
            From::Pwd { files } => {
                for file in files {
                    let size = std::fs::metadata(file)
                        .with_context(|| format!("can't read {}", file.display()))?
                        .len();
                    if size > MAX_LESSON as u64 {
                        bail!("{} has more than {MAX_LESSON} bytes", file.display());
                    }
                    let source = std::fs::read_to_string(file)
                        .with_context(|| format!("can't read {}", file.display()))?;
                    let name = file.display().to_string();
                    let imported = import::pwd(&name, &source).map_err(|error| {
                        anyhow::anyhow!("{name}:{}: {}", error.line, error.message)
                    })?;
                    fine &= self.write(&lesson_name(file)?, Path::new(""), &imported)?;
                }
            }
            From::Killercoda { dir } => {
                let files = read_all(dir)?;
                let imported = import::killercoda(&files).map_err(|error| {
                    let index = dir.join("index.json");
                    anyhow::anyhow!("{}:{}: {}", index.display(), error.line, error.message)
                })?;
                let dir = dir.canonicalize()?;
                fine &= self.write(&lesson_name(&dir)?, &dir, &imported)?;
            }
        }
        Ok(match fine {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Writes a lesson and tells what is different; whether it is one.
    fn write(&self, name: &str, below: &Path, imported: &Imported) -> Result<bool> {
        let path = self.out.join(format!("{name}.md"));
        let shown = path.display();
        if path.exists() && !self.force {
            bail!("{shown} is there already; --force writes over it");
        }
        std::fs::write(&path, &imported.text).with_context(|| format!("can't write {shown}"))?;
        for note in &imported.notes {
            let file = below.join(&note.file);
            println!("{}:{}: {}", file.display(), note.line, note.message);
        }
        let notes = imported.notes.len();
        println!(
            "{shown} is written; {notes} things are not as they were. Try it with `bottleship lesson test {shown}`."
        );
        if let Some(problem) = &imported.problem {
            eprintln!(
                "{shown}:{}: {}. It is no lesson until this is mended",
                problem.line, problem.message
            );
        }
        Ok(imported.problem.is_none())
    }
}

/// A lesson's name from a file's or directory's: without the date that Jekyll's have.
fn lesson_name(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let stem = stem.with_context(|| format!("{} has no name", path.display()))?;
    let name = stem.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let mut out = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let name = out.trim_end_matches('-');
    Ok(if name.is_empty() { "lesson" } else { name }.to_owned())
}

/// The files below a directory, by their paths in it.
fn read_all(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        let entries =
            std::fs::read_dir(&at).with_context(|| format!("can't read {}", at.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // A link may lead anywhere: it is not followed.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                bytes += entry.metadata()?.len();
                if files.len() >= MAX_FILES || bytes > MAX_BYTES {
                    bail!(
                        "{} has more than {MAX_FILES} files or {} MiB: is it a scenario?",
                        dir.display(),
                        MAX_BYTES >> 20
                    );
                }
                let name = path.strip_prefix(dir)?.to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(files)
}
