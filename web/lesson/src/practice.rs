//! Practice: what there is to draw from, what comes next, how it went. Free of state: the page keeps the deck.

use bottleship_lesson::{
    Attempt, Bank, Deck, Lesson, Listed, Seed, daily as daily_of, golf as golf_of,
};
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

use crate::{failed, json, lesson_error, read};

#[derive(Serialize)]
struct Contents {
    topic: String,
    title: String,
    drills: Vec<Listed>,
}

/// What is in a bank's file: its topic, title and drills. Throws an error with `line`.
#[wasm_bindgen(js_name = bankContents)]
pub fn bank_contents(source: &str) -> Result<String, JsValue> {
    let bank = Bank::parse(source).map_err(lesson_error)?;
    json(&Contents {
        drills: bank.list(),
        topic: bank.topic,
        title: bank.title,
    })
}

#[derive(Serialize)]
struct Heading<'a> {
    title: &'a str,
    summary: &'a str,
    level: bottleship_lesson::Level,
    minutes: u32,
}

/// What a list says of a lesson's file. Throws an error with `line`.
#[wasm_bindgen(js_name = lessonHeading)]
pub fn lesson_heading(source: &str) -> Result<String, JsValue> {
    let lesson = Lesson::parse(source, &Seed::default()).map_err(lesson_error)?;
    json(&Heading {
        title: &lesson.title,
        summary: &lesson.summary,
        level: lesson.level,
        minutes: lesson.minutes,
    })
}

/// The drills of a day, written as 2026-11-24, of a list (`Listed`s): their ids.
#[wasm_bindgen]
pub fn daily(all: &str, date: &str) -> Result<String, JsValue> {
    let all: Vec<Listed> = read(all)?;
    json(&daily_of(&all, date))
}

/// A deck as it was kept. One that another page's version wrote is begun again.
fn deck(kept: &str) -> Deck {
    serde_json::from_str(kept).unwrap_or_default()
}

/// Which of some ids to do next; `now` in milliseconds since 1970.
#[wasm_bindgen(js_name = deckNext)]
pub fn deck_next(kept: &str, ids: &str, now: f64) -> Result<Option<String>, JsValue> {
    let ids: Vec<String> = read(ids)?;
    Ok(deck(kept).next(&ids, now as u64).map(String::from))
}

/// A deck after a drill was tried, in the way that an `Attempt` says.
#[wasm_bindgen(js_name = deckRecord)]
pub fn deck_record(kept: &str, id: &str, attempt: &str, now: f64) -> Result<String, JsValue> {
    let attempt: Attempt = read(attempt)?;
    let mut deck = deck(kept);
    deck.record(id, &attempt, now as u64);
    json(&deck)
}

#[derive(Serialize)]
struct Golf {
    commands: u32,
    over: i64,
}

/// How many commands some lines of a shell are, and how many more than `par`.
#[wasm_bindgen]
pub fn golf(lines: &str, par: u32) -> Result<String, JsValue> {
    let lines: Vec<String> = read(lines)?;
    let (commands, over) = golf_of(&lines, par);
    json(&Golf { commands, over })
}

/// A drill of a bank, in the variant of a seed.
pub(crate) fn draw(bank: &str, id: &str, seed: &str) -> Result<(Lesson, String), JsValue> {
    let bank = Bank::parse(bank).map_err(lesson_error)?;
    let drill = bank
        .drill(id, &Seed::new(seed))
        .ok_or_else(|| failed(format!("there is no drill {id}")))?
        .map_err(lesson_error)?;
    Ok((drill.lesson(), json(&drill.model())?))
}
