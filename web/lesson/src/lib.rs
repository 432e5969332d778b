//! Lessons in the page: a wasm module of its own, which the worker fetches when the first lesson is opened, so that a
//! visit without one doesn't wait for it. What its checks look at is the engine's `BottleshipWorld` (web/src/world.rs),
//! handed in by web/js/lessonhost.js. Answers are the types of [`bottleship_lesson`] as JSON texts.
#![forbid(unsafe_code)]

mod class;
mod practice;
mod world;

use std::cell::RefCell;

use bottleship_lesson::{Lesson, LessonError, Progress, Seed, Session, What};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

use world::{EngineWorld, PageWorld};

/// A lesson that is being taken.
#[wasm_bindgen]
pub struct BottleshipLesson {
    session: RefCell<Session>,
    /// Of a drill, its `DrillModel`.
    drill: Option<String>,
}

/// An error with `line`, so that an editor can point at it.
fn lesson_error(error: LessonError) -> JsValue {
    let value: JsValue = JsError::new(&error.to_string()).into();
    // Setting a property of a new error can't fail.
    let _ = js_sys::Reflect::set(&value, &"line".into(), &error.line.into());
    value
}

fn json(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> JsValue {
    JsError::new(&error.to_string()).into()
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, JsValue> {
    serde_json::from_str(json).map_err(failed)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    js_sys::Date::now() as u64
}

#[wasm_bindgen]
impl BottleshipLesson {
    /// Reads a lesson's file in the variant of a seed. `translation` is another language's file or nothing; `progress`
    /// is what [`BottleshipLesson::progress`] gave, or nothing. Throws an error with `line`.
    pub fn load(
        source: &str,
        seed: &str,
        translation: Option<String>,
        progress: Option<String>,
    ) -> Result<BottleshipLesson, JsValue> {
        let mut lesson = Lesson::parse(source, &Seed::new(seed)).map_err(lesson_error)?;
        if let Some(translation) = translation {
            lesson = lesson.translate(&translation).map_err(lesson_error)?;
        }
        // What an older or a newer page kept is begun again.
        let progress: Progress = progress
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        Ok(BottleshipLesson {
            session: RefCell::new(Session::new(lesson, progress)),
            drill: None,
        })
    }

    /// Draws a drill (`topic/id`) of a bank's file in the variant of a seed: a lesson of one task, `drill`.
    pub fn draw(bank: &str, id: &str, seed: &str) -> Result<BottleshipLesson, JsValue> {
        let (lesson, about) = practice::draw(bank, id, seed)?;
        Ok(BottleshipLesson {
            session: RefCell::new(Session::new(lesson, Progress::default())),
            drill: Some(about),
        })
    }

    /// Of a drill, what is shown beside its text: `DrillModel`.
    pub fn drill(&self) -> Option<String> {
        self.drill.clone()
    }

    /// What is shown: `Model`.
    pub fn model(&self) -> Result<String, JsValue> {
        json(&self.session.borrow().lesson().model())
    }

    /// Begins, or begins again: has the lesson's files written and its start lines run. The host should be fresh.
    pub async fn start(&self, world: PageWorld) -> Result<(), JsValue> {
        let setup = json(&self.session.borrow().lesson().start)?;
        self.session.borrow_mut().start(now());
        world.set_up(&setup).await.map(drop)
    }

    /// What is known without looking at the host: `State`.
    pub fn state(&self) -> Result<String, JsValue> {
        json(&self.session.borrow().state())
    }

    /// Looks at the host: `State`, with checks, nudges and news.
    pub async fn evaluate(&self, world: PageWorld) -> Result<String, JsValue> {
        // The session is not borrowed while the host is looked at: a hint may be asked for meanwhile.
        let mut session = self.session.borrow().clone();
        let before = session.progress().events.len();
        let state = session.evaluate(&EngineWorld(world), now()).await;
        let found = session.progress().events.get(before..).unwrap_or_default();
        let mut current = self.session.borrow_mut();
        let since = current.progress().events.get(before..).unwrap_or_default();
        if !since.iter().any(|event| event.what == What::Started) {
            current.add(found);
        }
        json(&state)
    }

    /// The next hint of a task, inlines, or nothing.
    pub fn hint(&self, task: &str) -> Result<Option<String>, JsValue> {
        let hint = self.session.borrow_mut().hint(task, now());
        hint.as_ref().map(json).transpose()
    }

    /// A task's solution, lines of a shell.
    pub fn solution(&self, task: &str) -> Option<String> {
        self.session.borrow_mut().solution(task, now())
    }

    /// Goes on without a task; whether it was open.
    pub fn skip(&self, task: &str) -> bool {
        self.session.borrow_mut().skip(task, now())
    }

    /// Answers a question: `Reply`.
    pub fn answer(&self, quiz: usize, chosen: &[usize]) -> Result<String, JsValue> {
        let reply = self.session.borrow_mut().answer(quiz, chosen, now());
        json(&reply.map_err(lesson_error)?)
    }

    /// What to keep between visits.
    pub fn progress(&self) -> Result<String, JsValue> {
        json(self.session.borrow().progress())
    }
}
