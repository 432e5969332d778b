//! Drills: short exercises without instructions, drawn from banks.
//!
//! A bank is a YAML file: first its topic, then, after a line `---` each, the drills.
//!
//! ```yaml
//! topic: networks
//! title: Networks
//! ---
//! id: join
//! title: They cannot talk
//! level: intermediate
//! seconds: 120
//! variables: {name: [shop, blog]}
//! start: docker network create {{name}}
//! text: The container `web` must reach `db` by its name.
//! check: [...]
//! solution: docker network connect {{name}} web
//! wrong: docker network connect bridge web
//! ```

use serde::Serialize;

use crate::check::{Check, Entry};
use crate::error::{LessonError, Result};
use crate::lesson::{Exercise, Hint, Level, Setup, Wrong};
use crate::markdown::{self, Block, Inline};
use crate::variant::{self, Seed, Variable};
use crate::yaml;

/// Bytes of a bank's file, and its drills.
pub const MAX_BANK: usize = 512 << 10;
const MAX_DRILLS: usize = 500;

/// A file of drills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    pub topic: String,
    pub title: String,
    sources: Vec<Source>,
}

/// A drill that is not read yet, and the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    id: String,
    level: Level,
    text: String,
    line: u32,
}

/// What a list of drills shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// `topic/id`.
    pub id: String,
    pub topic: String,
    pub level: Level,
}

/// A drill, with its variables filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Drill {
    /// `topic/id`.
    pub id: String,
    pub topic: String,
    /// Its line in the file.
    pub line: u32,
    pub title: Vec<Inline>,
    pub level: Level,
    /// How long one who knows takes.
    pub seconds: u32,
    pub start: Setup,
    pub blocks: Vec<Block>,
    pub checks: Vec<Check>,
    pub hints: Vec<Hint>,
    pub solution: String,
    pub wrong: Vec<Wrong>,
    /// The `docker` commands of the solution: what a good player needs.
    pub par: u32,
    pub variables: Vec<Variable>,
}

/// What a page shows of a drill, without its answers.
#[derive(Clone, Debug, Serialize)]
pub struct DrillModel<'a> {
    pub id: &'a str,
    pub topic: &'a str,
    pub title: &'a [Inline],
    pub level: Level,
    pub seconds: u32,
    pub blocks: &'a [Block],
    /// What must be true, in words.
    pub goals: Vec<String>,
    pub hints: usize,
    pub par: u32,
}

impl Bank {
    /// Reads a bank: each drill's id and level; the rest when it is drawn.
    pub fn parse(source: &str) -> Result<Bank> {
        if source.len() > MAX_BANK {
            return Err(LessonError::new(
                1,
                format!("a bank has at most {MAX_BANK} bytes"),
            ));
        }
        let source = source.replace("\r\n", "\n");
        let mut documents: Vec<(u32, String)> = vec![(1, String::new())];
        for (number, line) in (1..).zip(source.lines()) {
            if line == "---" {
                documents.push((number + 1, String::new()));
            } else if let Some((_, text)) = documents.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        let mut documents = documents.into_iter();
        let (line, head) = documents.next().unwrap_or_default();
        let mut fields = yaml::parse(&head, line)?.fields("a bank's head")?;
        let mut bank = Bank {
            topic: id(fields.need("topic")?, "topic")?,
            title: fields.need("title")?.text("title")?,
            sources: Vec::new(),
        };
        fields.finish()?;
        for (line, text) in documents {
            if bank.sources.len() >= MAX_DRILLS {
                return Err(LessonError::new(
                    line,
                    format!("a bank has at most {MAX_DRILLS} drills"),
                ));
            }
            let drill = read(&bank.topic, &text, line, &Seed::default())?;
            if bank.sources.iter().any(|known| known.id == drill.id) {
                return Err(LessonError::new(
                    line,
                    format!("drill `{}` stands here twice", drill.id),
                ));
            }
            bank.sources.push(Source {
                id: drill.id,
                level: drill.level,
                text,
                line,
            });
        }
        Ok(bank)
    }

    /// The drills.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |source: &Source| Listed {
            id: source.id.clone(),
            topic: self.topic.clone(),
            level: source.level,
        };
        self.sources.iter().map(listed).collect()
    }

    /// A drill in the variant of a seed.
    pub fn drill(&self, id: &str, seed: &Seed) -> Option<Result<Drill>> {
        let source = self.sources.iter().find(|source| source.id == id)?;
        Some(read(&self.topic, &source.text, source.line, seed))
    }
}

fn id(node: yaml::Node, what: &str) -> Result<String> {
    let line = node.line;
    let text = node.text(what)?;
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    match !text.is_empty() && text.len() <= 60 && text.bytes().all(fine) {
        true => Ok(text),
        false => Err(LessonError::new(
            line,
            format!("{what} `{text}` is not made of a–z, 0–9 and -"),
        )),
    }
}

fn read(topic: &str, source: &str, line: u32, seed: &Seed) -> Result<Drill> {
    let variables = variant::choose(source, line, seed)?;
    let source = variant::fill(source, line, &variables)?;
    let mut fields = yaml::parse(&source, line)?.fields("a drill")?;
    let f = &mut fields;
    let id = format!("{topic}/{}", id(f.need("id")?, "id")?);
    let title = f.need("title")?;
    let title_line = title.line;
    let text = f.need("text")?;
    let text_line = text.line;
    f.opt("variables");
    let start = Setup::read(f)?;
    let level = f.opt("level").map_or(Ok(Level::default()), Level::read)?;
    let seconds = f
        .opt("seconds")
        .map_or(Ok(60), |node| node.number("seconds", 3600))?;
    let par = f
        .opt("par")
        .map(|node| node.number("par", 100))
        .transpose()?;
    let exercise = Exercise::read(f)?;
    fields.finish()?;
    if exercise.solution.trim().is_empty() {
        return Err(LessonError::new(
            line,
            format!("drill `{id}` needs a `solution`"),
        ));
    }
    Ok(Drill {
        id,
        topic: topic.to_owned(),
        line,
        title: markdown::inline(&title.text("title")?, title_line)?,
        level,
        seconds: u32::try_from(seconds).unwrap_or_default(),
        start,
        blocks: markdown::parse(&text.text("text")?, text_line)?.blocks,
        par: par.map_or_else(|| count_docker(&exercise.solution), |par| par as u32),
        checks: exercise.checks,
        hints: exercise.hints,
        solution: exercise.solution,
        wrong: exercise.wrong,
        variables,
    })
}

/// How often `docker` is called in lines of a shell.
fn count_docker(script: &str) -> u32 {
    let words = script.split(|c: char| c.is_whitespace() || "$(|;&`".contains(c));
    words.filter(|word| *word == "docker").count() as u32
}

impl Drill {
    /// What a page shows.
    pub fn model(&self) -> DrillModel<'_> {
        DrillModel {
            id: &self.id,
            topic: &self.topic,
            title: &self.title,
            level: self.level,
            seconds: self.seconds,
            blocks: &self.blocks,
            goals: self.checks.iter().map(Check::goal).collect(),
            hints: self
                .hints
                .iter()
                .filter(|hint| hint.when.is_empty())
                .count(),
            par: self.par,
        }
    }
}

/// Command golf: how many `docker` commands were entered, beside how many the solution has.
pub fn golf(entries: &[Entry], par: u32) -> i64 {
    entries.len() as i64 - i64::from(par)
}

/// The drills of a day: one of each level, the same everywhere. `date` is written as 2026-11-24.
pub fn daily(all: &[Listed], date: &str) -> Vec<String> {
    let seed = Seed::new(date);
    let levels = [Level::Beginner, Level::Intermediate, Level::Advanced];
    let pick = |level: Level| {
        let mut of: Vec<&Listed> = all.iter().filter(|drill| drill.level == level).collect();
        of.sort_by(|a, b| a.id.cmp(&b.id));
        let at = seed.pick(&format!("daily {level:?}"), of.len() as u64);
        of.get(usize::try_from(at).unwrap_or_default())
            .map(|drill| drill.id.clone())
    };
    levels.into_iter().filter_map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANK: &str = "topic: images\ntitle: Images\n---\nid: pull\ntitle: Pull `{{name}}`\nvariables: {name: [a, b, c]}\n\
        text: |\n  Get it.\ncheck: {image: {{name}}}\nsolution: docker pull {{name}}\nwrong: docker pull x\n---\n\
        id: rm\ntitle: Remove\nlevel: advanced\ntext: x\ncheck: {no-image: x}\nsolution: docker rmi -f $(docker images -q)\n";

    #[test]
    fn a_bank_is_read_and_drawn() {
        let bank = Bank::parse(BANK).unwrap();
        assert_eq!(bank.list().len(), 2);
        let drill = |id: &str, seed: &str| bank.drill(id, &Seed::new(seed)).unwrap().unwrap();
        let titles: std::collections::BTreeSet<String> = (0..20)
            .map(|n| markdown::plain(&drill("images/pull", &n.to_string()).title))
            .collect();
        assert_eq!(titles.len(), 3);
        assert_eq!(drill("images/rm", "").par, 2);
        assert!(bank.drill("images/x", &Seed::default()).is_none());
        let json = serde_json::to_string(&drill("images/pull", "").model()).unwrap();
        assert!(json.contains("goals") && !json.contains("docker pull"));
        assert_eq!(golf(&vec![Entry::default(); 3], 2), 1);
    }

    #[test]
    fn mistakes_have_the_files_line() {
        let says = |from: &str, to: &str| {
            Bank::parse(&BANK.replace(from, to))
                .unwrap_err()
                .to_string()
        };
        assert!(
            says("level: advanced", "levl: advanced")
                .starts_with("line 15: unknown key `levl` in a drill")
        );
        assert_eq!(
            says("id: rm", "id: pull"),
            "line 13: drill `images/pull` stands here twice"
        );
        assert!(says("id: rm", "id: R").starts_with("line 13: id `R`"));
        assert!(says("solution: docker rmi", "par: 1 #").contains("needs a `solution`"));
        assert!(Bank::parse(&"x".repeat(MAX_BANK + 1)).is_err());
    }

    #[test]
    fn a_day_has_one_of_each_level() {
        let listed = |n: usize, level| Listed {
            id: format!("t/{n}"),
            topic: "t".into(),
            level,
        };
        let mut all: Vec<Listed> = (0..20).map(|n| listed(n, Level::Beginner)).collect();
        all.extend((20..40).map(|n| listed(n, Level::Advanced)));
        let day = daily(&all, "2026-11-24");
        assert_eq!(day.len(), 2);
        all.reverse();
        assert_eq!(
            daily(&all, "2026-11-24"),
            day,
            "the order of files does not matter"
        );
        let days: std::collections::BTreeSet<_> = (1..29)
            .map(|d| daily(&all, &format!("2026-11-{d:02}")))
            .collect();
        assert!(days.len() > 15);
    }
}
