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

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::error::{LessonError, Result};
use crate::lesson::{Exercise, Hint, Lesson, Level, Setup, Task, Wrong};
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
    title: String,
    level: Level,
    seconds: u32,
    text: String,
    line: u32,
}

/// What a list of drills shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// `topic/id`.
    pub id: String,
    pub topic: String,
    /// Its title, as text.
    pub title: String,
    pub level: Level,
    /// How long one who knows takes.
    pub seconds: u32,
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
    /// The commands of the solution, as [`commands`] counts them: what a good player needs.
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
                title: markdown::plain(&drill.title),
                level: drill.level,
                seconds: drill.seconds,
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
            title: source.title.clone(),
            level: source.level,
            seconds: source.seconds,
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
        par: par.map_or_else(|| commands(&exercise.solution), |par| par as u32),
        checks: exercise.checks,
        hints: exercise.hints,
        solution: exercise.solution,
        wrong: exercise.wrong,
        variables,
    })
}

/// The commands in lines of a shell: what stands between line ends, `;`, `&&`, `||` and `&`. A pipeline is one, and
/// what stands in quotes or in `$(…)` belongs to the command around it. Words that only build (`done`, `fi`) are none.
pub fn commands(script: &str) -> u32 {
    const BEFORE: [&str; 8] = ["do", "then", "else", "{", "if", "while", "until", "!"];
    const ALONE: [&str; 5] = ["done", "fi", "esac", "}", "for"];
    let is_one = |part: &&String| {
        let mut words = part.split_whitespace();
        let first = words.find(|word| !BEFORE.contains(word));
        first.is_some_and(|word| !ALONE.contains(&word))
    };
    let count = parts(script).iter().filter(is_one).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What stands between a shell's separators, without comments.
fn parts(script: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quote, mut depth, mut escaped, mut comment) = (None, 0_u32, false, false);
    let mut before = '\n';
    for c in script.chars() {
        let mut separates = false;
        if comment {
            comment = c != '\n';
            separates = !comment;
        } else if escaped {
            escaped = false;
        } else if c == '\\' && quote != Some('\'') {
            escaped = true;
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() {
            match c {
                '\'' | '"' => quote = Some(c),
                '(' if depth > 0 || before == '$' => depth = depth.saturating_add(1),
                ')' => depth = depth.saturating_sub(1),
                '#' if depth == 0 && before.is_whitespace() => comment = true,
                // `2>&1` is a redirection.
                ';' | '\n' => separates = depth == 0,
                '&' => separates = depth == 0 && before != '>',
                '|' => separates = depth == 0 && before == '|',
                _ => {}
            }
        }
        match parts.last_mut() {
            _ if separates => parts.push(String::new()),
            Some(part) if !comment => part.push(if c == '\n' { ' ' } else { c }),
            _ => {}
        }
        before = c;
    }
    parts
}

/// Command golf: how many commands were entered, and how many that is more than the solution has.
pub fn golf(lines: &[String], par: u32) -> (u32, i64) {
    let entered = lines.iter().map(|line| commands(line)).sum();
    (entered, i64::from(entered) - i64::from(par))
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

/// The id of a drill's only task.
const TASK: &str = "drill";

impl Drill {
    /// The drill as a lesson of one task, so that it is taken as lessons are.
    pub fn lesson(&self) -> Lesson {
        Lesson {
            title: markdown::plain(&self.title),
            summary: String::new(),
            level: self.level,
            minutes: self.seconds.div_ceil(60),
            lang: "en".into(),
            start: self.start.clone(),
            tasks: vec![Task {
                id: TASK.into(),
                line: self.line,
                title: self.title.clone(),
                points: 1,
                needs: Vec::new(),
                checks: self.checks.clone(),
                hints: self.hints.clone(),
                solution: self.solution.clone(),
                wrong: self.wrong.clone(),
            }],
            variables: self.variables.clone(),
            blocks: self.blocks.clone(),
            quizzes: Vec::new(),
        }
    }

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
        assert_eq!(drill("images/rm", "").par, 1);
        let lesson = drill("images/pull", "").lesson();
        assert_eq!(
            (lesson.tasks.len(), lesson.title.starts_with("Pull ")),
            (1, true)
        );
        assert!(bank.drill("images/x", &Seed::default()).is_none());
        let json = serde_json::to_string(&drill("images/pull", "").model()).unwrap();
        assert!(json.contains("goals") && !json.contains("docker pull"));
    }

    #[test]
    fn commands_are_counted_as_a_shell_sees_them() {
        for (line, count) in [
            ("docker ps", 1),
            ("", 0),
            ("  # nothing", 0),
            (
                "docker rm $(docker ps -aq; true) && docker ps || echo 'a; b' \"c && d\"",
                3,
            ),
            ("docker ps | grep x | wc -l", 1),
            ("docker run x 2>&1 & wait", 2),
            ("docker run \\\n  x", 1),
            ("for i in 1 2; do docker run x; done", 1),
            ("if docker ps; then docker rm x; else true; fi", 3),
            ("echo a#b; echo c # d; e", 2),
            ("a\n\nb\n", 2),
            ("echo $((1 + 2)); b", 2),
            ("'unclosed ; x", 1),
            (")))((($($(", 1),
        ] {
            assert_eq!(commands(line), count, "{line}");
        }
        let lines = ["docker ps", "docker rm a; docker rm b"].map(String::from);
        assert_eq!(golf(&lines, 2), (3, 1));
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
            title: String::new(),
            level,
            seconds: 60,
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
