//! Classes without a server: a learner's result file, and what a teacher sees of many.

use bottleship_lesson::{
    Class, ClassCode, Entry, Lesson, LessonResult, Progress, ResultPayload, Seed, Session, What,
    write_result,
};
use serde::Deserialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::{json, lesson_error, read};

/// A lesson that was taken, or drills (without `source`, with `tasks`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    lesson: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    seed: String,
    source: Option<String>,
    #[serde(default)]
    tasks: Vec<String>,
    progress: Progress,
    #[serde(default)]
    commands: Vec<Entry>,
}

/// A result file of what was taken (a list of lessons with `lesson`, `source`, `seed`, `progress`, `commands`), signed
/// when there is a class's code. `now` in milliseconds since 1970.
#[wasm_bindgen(js_name = resultFile)]
pub fn result_file(
    learner: &str,
    code: Option<String>,
    taken: &str,
    now: f64,
) -> Result<String, JsValue> {
    let taken: Vec<Taken> = read(taken)?;
    let mut lessons = Vec::new();
    for taken in taken {
        lessons.push(match taken.source {
            Some(source) => {
                let lesson =
                    Lesson::parse(&source, &Seed::new(&taken.seed)).map_err(lesson_error)?;
                let session = Session::new(lesson, taken.progress);
                LessonResult::of(&session, &taken.lesson, &taken.seed, &taken.commands)
            }
            None => {
                let done = |task: &&String| {
                    let mut events = taken.progress.events.iter();
                    events.any(|event| event.what == What::Done && event.of == **task)
                };
                LessonResult {
                    points: taken.tasks.iter().filter(done).count() as u32,
                    of_points: taken.tasks.len() as u32,
                    lesson: taken.lesson,
                    title: taken.title,
                    seed: taken.seed,
                    tasks: taken.tasks,
                    events: taken.progress.events,
                    commands: taken.commands,
                }
            }
        });
    }
    let payload = ResultPayload {
        version: 1,
        learner: learner.to_owned(),
        exported: now as u64,
        lessons,
    };
    let code = code.map(|code| ClassCode::new(&code));
    Ok(write_result(&payload, code.as_ref()))
}

/// What a class handed in.
#[wasm_bindgen]
pub struct BottleshipClass(Class);

#[wasm_bindgen]
impl BottleshipClass {
    /// A class whose files are signed with a code, if it has one.
    pub fn of(code: Option<String>) -> BottleshipClass {
        BottleshipClass(Class::new(code.as_deref()))
    }

    /// Refuses a file by its size alone; whether that was done.
    #[wasm_bindgen(js_name = tooLarge)]
    pub fn too_large(&mut self, file: &str, bytes: f64) -> bool {
        self.0.too_large(file, bytes as u64)
    }

    /// Takes a file's text, or notes why not.
    pub fn add(&mut self, file: &str, text: &str) {
        self.0.add(file, text);
    }

    /// Notes a file that could not be read.
    pub fn refuse(&mut self, file: &str, reason: &str) {
        self.0.refuse(file, reason);
    }

    /// `Report`.
    pub fn report(&self) -> Result<String, JsValue> {
        json(&self.0.report())
    }

    /// The table.
    pub fn csv(&self) -> String {
        self.0.csv()
    }

    /// The page to keep.
    pub fn html(&self) -> String {
        self.0.html()
    }
}
