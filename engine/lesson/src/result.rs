//! Result files: what a learner hands in, signed with a key that is derived from the class's code.
//!
//! What a signature proves: whoever made the file knew the class's code, and nobody who does not know it changed it
//! since. It does not prove who made it or that the commands were typed: the code is known to the whole class, and the
//! page runs on the learner's machine. The log is there to be looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::check::Entry;
use crate::session::{Event, MAX_EVENTS, Session, What};

/// Bytes of a result file.
pub const MAX_RESULT: usize = 1 << 20;
const MAX_LESSONS: usize = 100;
const MAX_TASKS: usize = 200;
const MAX_COMMANDS: usize = 2000;
const MAX_TEXT: usize = 4096;
/// Rounds of PBKDF2: a class's code is short, and guessing it should take a while.
const ROUNDS: u32 = 100_000;
const SALT: &[u8] = b"bottleship class result 1";

/// What a learner did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultPayload {
    /// Version of this format: 1.
    pub version: u32,
    /// What the learner calls themselves.
    pub learner: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub exported: u64,
    pub lessons: Vec<LessonResult>,
}

/// One lesson of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LessonResult {
    /// The lesson's path on its site.
    pub lesson: String,
    pub title: String,
    /// The variant's seed.
    pub seed: String,
    /// All its tasks, in order.
    pub tasks: Vec<String>,
    pub points: u32,
    #[serde(rename = "ofPoints")]
    pub of_points: u32,
    pub events: Vec<Event>,
    pub commands: Vec<Entry>,
}

/// A result file: the payload is kept as text, so that what is signed is what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    bottleship: String,
    payload: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

const KIND: &str = "class result";

/// Whether a file's signature is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    /// By someone who knew the code.
    Good,
    Bad,
    /// There is no signature, or no code to check it with.
    Unknown,
}

/// Why a result file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ResultError(pub String);

impl LessonResult {
    /// What was done in a lesson.
    pub fn of(session: &Session, lesson: &str, seed: &str, commands: &[Entry]) -> LessonResult {
        let state = session.state();
        let last = commands.len().saturating_sub(MAX_COMMANDS);
        LessonResult {
            lesson: lesson.to_owned(),
            title: session.lesson().title.clone(),
            seed: seed.to_owned(),
            tasks: state.tasks.iter().map(|task| task.id.clone()).collect(),
            points: state.points,
            of_points: state.of_points,
            events: session.progress().events.clone(),
            commands: commands.get(last..).unwrap_or_default().to_vec(),
        }
    }

    /// Events of the last try.
    fn current(&self) -> &[Event] {
        let from = self
            .events
            .iter()
            .rposition(|event| event.what == What::Reset);
        self.events
            .get(from.map_or(0, |at| at + 1)..)
            .unwrap_or_default()
    }

    /// When a task was done, if it was.
    pub fn done(&self, task: &str) -> Option<u64> {
        let done = |event: &&Event| event.what == What::Done && event.of == task;
        self.current().iter().find(done).map(|event| event.at)
    }

    /// How often something happened with a task.
    pub fn count(&self, what: What, task: &str) -> usize {
        self.current()
            .iter()
            .filter(|event| event.what == what && event.of == task)
            .count()
    }

    /// The first task that is neither done nor skipped.
    pub fn stuck_at(&self) -> Option<&str> {
        let open =
            |task: &&String| self.done(task).is_none() && self.count(What::Skipped, task) == 0;
        self.tasks.iter().find(open).map(String::as_str)
    }

    /// Seconds that a task took: from what was done before it.
    pub fn seconds(&self, task: &str) -> Option<u64> {
        let done = self.done(task)?;
        let before = self.current().iter().filter(|event| {
            matches!(event.what, What::Started | What::Done | What::Skipped)
                && event.of != task
                && event.at <= done
        });
        let start = before.map(|event| event.at).max()?;
        Some((done - start) / 1000)
    }
}

/// A class's code as a key. Making one takes long on purpose; a class needs one.
pub struct ClassCode([u8; 32]);

impl ClassCode {
    /// Derives the key.
    pub fn new(code: &str) -> ClassCode {
        ClassCode(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
            code.as_bytes(),
            SALT,
            ROUNDS,
        ))
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length")
    }
}

/// Writes a result file; with a class's code, signed.
pub fn write_result(payload: &ResultPayload, code: Option<&ClassCode>) -> String {
    let payload = serde_json::to_string(payload).expect("it has only texts and numbers");
    let signature = code.map(|code| {
        let signature = code.mac().chain_update(payload.as_bytes()).finalize();
        STANDARD.encode(signature.into_bytes())
    });
    let file = File {
        bottleship: KIND.into(),
        payload,
        signature,
    };
    serde_json::to_string_pretty(&file).expect("it has only texts")
}

/// Reads a result file.
///
/// # Errors
/// When it is none, or larger than anyone's can be.
pub fn read_result(
    text: &str,
    code: Option<&ClassCode>,
) -> Result<(ResultPayload, Signed), ResultError> {
    let refuse = |message: String| Err(ResultError(message));
    if text.len() > MAX_RESULT {
        return refuse(format!(
            "it has {} bytes; a result has at most {MAX_RESULT}",
            text.len()
        ));
    }
    let bad = |error: serde_json::Error| ResultError(format!("it is no result file: {error}"));
    let file: File = serde_json::from_str(text).map_err(bad)?;
    if file.bottleship != KIND {
        return refuse(format!("it is no {KIND}"));
    }
    let signed = match (code, &file.signature) {
        (Some(code), Some(signature)) => {
            let good = STANDARD.decode(signature).is_ok_and(|signature| {
                code.mac()
                    .chain_update(file.payload.as_bytes())
                    .verify_slice(&signature)
                    .is_ok()
            });
            if good { Signed::Good } else { Signed::Bad }
        }
        _ => Signed::Unknown,
    };
    let payload: ResultPayload = serde_json::from_str(&file.payload).map_err(bad)?;
    if payload.version != 1 {
        return refuse(format!("its version is {}; known is 1", payload.version));
    }
    if payload.lessons.len() > MAX_LESSONS {
        return refuse(format!("it has more than {MAX_LESSONS} lessons"));
    }
    for lesson in &payload.lessons {
        let counts = [
            (lesson.tasks.len(), MAX_TASKS, "tasks"),
            (lesson.events.len(), MAX_EVENTS, "events"),
            (lesson.commands.len(), MAX_COMMANDS, "commands"),
        ];
        if let Some((_, most, what)) = counts.iter().find(|(count, most, _)| count > most) {
            return refuse(format!("a lesson has more than {most} {what}"));
        }
        let texts = lesson
            .tasks
            .iter()
            .chain([&lesson.lesson, &lesson.title, &lesson.seed]);
        if texts
            .chain([&payload.learner])
            .any(|text| text.len() > MAX_TEXT)
        {
            return refuse(format!("a name has more than {MAX_TEXT} bytes"));
        }
    }
    Ok((payload, signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: &str) -> ClassCode {
        ClassCode::new(code)
    }

    fn event(at: u64, what: What, of: &str) -> Event {
        Event {
            at,
            what,
            of: of.into(),
        }
    }

    fn payload() -> ResultPayload {
        ResultPayload {
            version: 1,
            learner: "Amara".into(),
            exported: 9,
            lessons: vec![LessonResult {
                lesson: "docker/01-run".into(),
                tasks: vec!["a".into(), "b".into(), "c".into()],
                events: vec![
                    event(0, What::Done, "c"),
                    event(1000, What::Reset, ""),
                    event(1000, What::Started, ""),
                    event(31_000, What::Done, "a"),
                    event(40_000, What::Hint, "b"),
                ],
                ..LessonResult::default()
            }],
        }
    }

    #[test]
    fn a_signature_is_of_the_text_and_the_code() {
        let text = write_result(&payload(), Some(&code("harbour-27")));
        assert_eq!(
            read_result(&text, Some(&code("harbour-27"))).unwrap(),
            (payload(), Signed::Good)
        );
        assert_eq!(
            read_result(&text, Some(&code("harbour-28"))).unwrap().1,
            Signed::Bad
        );
        assert_eq!(read_result(&text, None).unwrap().1, Signed::Unknown);
        let forged = text.replace("Amara", "Ben");
        assert_eq!(
            read_result(&forged, Some(&code("harbour-27"))).unwrap().1,
            Signed::Bad
        );
        let plain = write_result(&payload(), None);
        assert_eq!(
            read_result(&plain, Some(&code("harbour-27"))).unwrap().1,
            Signed::Unknown
        );
    }

    #[test]
    fn the_last_try_counts() {
        let lesson = &payload().lessons[0];
        assert_eq!((lesson.done("a"), lesson.done("c")), (Some(31_000), None));
        assert_eq!(lesson.seconds("a"), Some(30));
        assert_eq!(
            (lesson.stuck_at(), lesson.count(What::Hint, "b")),
            (Some("b"), 1)
        );
    }

    #[test]
    fn hostile_files_are_refused() {
        let key = code("x");
        let refused = |text: &str| read_result(text, Some(&key)).unwrap_err().0;
        assert!(refused(&"x".repeat(MAX_RESULT + 1)).contains("at most"));
        assert!(refused("{}").contains("no result file"));
        assert!(refused(&"[".repeat(500_000)).contains("no result file"));
        let mut many = payload();
        many.lessons[0].events = vec![event(0, What::Hint, "b"); MAX_EVENTS + 1];
        assert!(refused(&write_result(&many, None)).contains("more than 2000 events"));
        let mut long = payload();
        long.learner = "x".repeat(5000);
        assert!(refused(&write_result(&long, None)).contains("4096"));
        let odd = write_result(&payload(), None).replace(
            "\\\"version\\\":1",
            "\\\"version\\\":1,\\\"__proto__\\\":{}",
        );
        assert!(refused(&odd).contains("unknown field"));
    }
}
