//! `bottleship lesson test`: every solution solves, every wrong answer does not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bottleship_engine::lesson::format::{
    Bank, Check, Drill, Lesson, Outcome, Progress, Seed, Session, Stage, Task, Wrong, judge_all,
};
use clap::Args;

use super::files::{self, Kind};
use super::lab::{Lab, Site};

/// A moment of the host's time, for programs that have just started.
const MOMENT: u64 = 2_000_000_000;
/// How many moments a check is given.
const PATIENCE: u32 = 8;

#[derive(Args)]
pub struct Test {
    /// Files, or directories of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Which variant; tested are this one and another
    #[arg(long, default_value = "1")]
    seed: String,
    /// Only drills and tasks whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Hosts at a time
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Directory of the built site, for the host's root file system and the offered images
    #[arg(long, env = "BOTTLESHIP_SITE", value_name = "DIR")]
    site: Option<PathBuf>,
}

/// One replay on a host of its own.
enum Work {
    /// All tasks of a lesson.
    Lesson(Lesson),
    /// A wrong answer of a lesson's task.
    WrongTask(Lesson, String, Wrong),
    /// A drill's solution.
    Drill(Drill),
    WrongDrill(Drill, Wrong),
}

struct Job {
    file: PathBuf,
    line: u32,
    name: String,
    work: Work,
}

impl Test {
    pub fn run(self) -> Result<ExitCode> {
        let start = Instant::now();
        let mut jobs = Vec::new();
        let mut failures = Vec::new();
        for (file, kind) in files::find(&self.paths)? {
            if let Err(error) = self.read(&file, kind, &mut jobs) {
                failures.push(format!("{}: {error:#}", file.display()));
            }
        }
        if let Some(only) = &self.only {
            jobs.retain(|job| job.name.contains(only.as_str()));
        }
        if jobs.is_empty() && failures.is_empty() {
            bail!("there is nothing to test");
        }
        let dir = crate::command::site_dir(self.site.as_deref())?;
        let root_path = dir.join("host.tar");
        let root = std::fs::read(&root_path).with_context(|| {
            format!(
                "can't read {}: build the site with `cargo xtask build`",
                root_path.display()
            )
        })?;
        let site = Site {
            dir: &dir,
            root: &root,
        };
        failures.extend(self.replay(&jobs, &site));
        for failure in &failures {
            eprintln!("{failure}\n");
        }
        let (all, failed) = (jobs.len(), failures.len());
        let seconds = start.elapsed().as_secs_f64();
        println!("{all} replays, {failed} failed, {seconds:.1} s");
        Ok(if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn read(&self, file: &Path, kind: Kind, jobs: &mut Vec<Job>) -> Result<()> {
        let source = std::fs::read_to_string(file)?;
        let mut add = |line: u32, name: String, work: Work| {
            jobs.push(Job {
                file: file.to_path_buf(),
                line,
                name,
                work,
            });
        };
        match kind {
            Kind::Translation => {
                let original =
                    files::original(file).context("a translation is called NAME.LANG.md")?;
                let original = std::fs::read_to_string(&original)
                    .with_context(|| format!("the lesson it translates: {}", original.display()))?;
                Lesson::parse(&original, &Seed::new(&*self.seed))?.translate(&source)?;
            }
            Kind::Lesson => {
                let lesson = Lesson::parse(&source, &Seed::new(&*self.seed))?;
                // Another variant must read, too.
                Lesson::parse(&source, &Seed::new(format!("{}+", self.seed)))?;
                add(1, "solutions".into(), Work::Lesson(lesson.clone()));
                for task in &lesson.tasks {
                    for wrong in &task.wrong {
                        let name = format!("wrong answer to `{}`", task.id);
                        add(
                            wrong.line,
                            name,
                            Work::WrongTask(lesson.clone(), task.id.clone(), wrong.clone()),
                        );
                    }
                }
            }
            Kind::Bank => {
                let bank = Bank::parse(&source)?;
                for listed in bank.list() {
                    let drill = bank.drill(&listed.id, &Seed::new(&*self.seed));
                    let drill = drill.context("the bank lists what it has")??;
                    for wrong in &drill.wrong {
                        let name = format!("wrong answer to {}", drill.id);
                        add(
                            wrong.line,
                            name,
                            Work::WrongDrill(drill.clone(), wrong.clone()),
                        );
                    }
                    add(drill.line, drill.id.clone(), Work::Drill(drill));
                }
            }
        }
        Ok(())
    }

    /// Replays on several threads; what failed.
    fn replay(&self, jobs: &[Job], site: &Site<'_>) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let start = Instant::now();
                let result = job.run(site);
                let ms = start.elapsed().as_millis();
                let place = format!("{}:{}: {}", job.file.display(), job.line, job.name);
                match result {
                    Ok(()) => println!("ok {place} ({ms} ms)"),
                    Err(error) => {
                        println!("FAILED {place} ({ms} ms)");
                        if let Ok(mut failures) = failures.lock() {
                            failures.push(format!("{place}: {error:#}"));
                        }
                    }
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.jobs.unwrap_or(cores).clamp(1, jobs.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        failures.into_inner().unwrap_or_default()
    }
}

/// What is not as it should be.
fn complaints(outcomes: &[Outcome]) -> String {
    let lines: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.why.clone())
        .collect();
    lines.join(" ")
}

/// Judges, with patience for programs that have just started.
fn judge(lab: &mut Lab, checks: &[Check]) -> Result<Vec<Outcome>> {
    let world = lab.world();
    let mut outcomes = lab.finish(judge_all(checks, &world))?;
    for _ in 0..PATIENCE {
        if outcomes.iter().all(|outcome| outcome.ok) {
            break;
        }
        lab.rest(MOMENT);
        outcomes = lab.finish(judge_all(checks, &world))?;
    }
    Ok(outcomes)
}

/// Fails when the checks are true after a wrong answer, or do not say what they should.
fn must_fail(lab: &mut Lab, checks: &[Check], wrong: &Wrong) -> Result<()> {
    lab.rest(MOMENT);
    let world = lab.world();
    let outcomes = lab.finish(judge_all(checks, &world))?;
    if outcomes.iter().all(|outcome| outcome.ok) {
        bail!("this counts as solved:\n{}\n{}", wrong.run, lab.tail());
    }
    let told = complaints(&outcomes);
    match &wrong.says {
        Some(says) if !told.contains(says.as_str()) => {
            bail!("the learner is told `{told}`, without `{says}`")
        }
        _ => Ok(()),
    }
}

/// Enters a task's solution; it must be what makes the task done.
fn solve(lab: &mut Lab, task: &Task) -> Result<()> {
    lab.enter(&task.solution)
        .with_context(|| format!("the solution of `{}`", task.id))?;
    let outcomes = judge(lab, &task.checks)?;
    if outcomes.iter().any(|outcome| !outcome.ok) {
        bail!(
            "task `{}` (line {}) is not done: {}\n{}",
            task.id,
            task.line,
            complaints(&outcomes),
            lab.tail()
        );
    }
    Ok(())
}

impl Job {
    fn run(&self, site: &Site<'_>) -> Result<()> {
        match &self.work {
            Work::Lesson(lesson) => whole_lesson(site, lesson),
            Work::WrongTask(lesson, id, wrong) => {
                let mut lab = Lab::new(site, &lesson.start)?;
                let task = lesson.task(id).context("the task is the lesson's")?;
                for before in lesson
                    .path_to(id)
                    .into_iter()
                    .filter(|before| before.id != *id)
                {
                    solve(&mut lab, before)?;
                }
                lab.enter(&wrong.run)?;
                must_fail(&mut lab, &task.checks, wrong)
            }
            Work::Drill(drill) => {
                let mut lab = Lab::new(site, &drill.start)?;
                let world = lab.world();
                let before = lab.finish(judge_all(&drill.checks, &world))?;
                if before.iter().all(|outcome| outcome.ok) {
                    bail!("it is solved before anything is done");
                }
                lab.enter(&drill.solution)?;
                let outcomes = judge(&mut lab, &drill.checks)?;
                match outcomes.iter().all(|outcome| outcome.ok) {
                    true => Ok(()),
                    false => bail!(
                        "it is not solved: {}\n{}",
                        complaints(&outcomes),
                        lab.tail()
                    ),
                }
            }
            Work::WrongDrill(drill, wrong) => {
                let mut lab = Lab::new(site, &drill.start)?;
                lab.enter(&wrong.run)?;
                must_fail(&mut lab, &drill.checks, wrong)
            }
        }
    }
}

/// All tasks in their order, as a session sees them.
fn whole_lesson(site: &Site<'_>, lesson: &Lesson) -> Result<()> {
    let mut lab = Lab::new(site, &lesson.start)?;
    let mut session = Session::new(lesson.clone(), Progress::default());
    session.start(0);
    let world = lab.world();
    for task in &lesson.tasks {
        let state = lab.finish(session.evaluate(&world, 0))?;
        if state
            .tasks
            .iter()
            .any(|shown| shown.id == task.id && shown.stage == Stage::Done)
        {
            bail!(
                "task `{}` (line {}) is done before its solution is entered",
                task.id,
                task.line
            );
        }
        solve(&mut lab, task)?;
    }
    let state = lab.finish(session.evaluate(&world, 0))?;
    let open: Vec<String> = state
        .tasks
        .iter()
        .filter(|t| t.stage != Stage::Done)
        .map(|t| t.id.clone())
        .collect();
    match open.is_empty() {
        true => Ok(()),
        // A later solution may have undone what an earlier task wanted; the session saw it in time.
        false => bail!("not done at the end: {}", open.join(", ")),
    }
}
