//! Lessons, banks of drills and result files of strangers: an error with a line, or something to show; never a panic.
#![no_main]

use bottleship_lesson::{Bank, Class, Lesson, Seed, commands};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let seed = Seed::new("fuzz");
    if let Ok(lesson) = Lesson::parse(text, &seed) {
        // What is shown is JSON, and each check can say what it wants.
        assert!(serde_json::to_string(&lesson.model()).is_ok());
        let _ = lesson.translate(text);
    }
    if let Ok(bank) = Bank::parse(text) {
        for listed in bank.list() {
            if let Some(Ok(drill)) = bank.drill(&listed.id, &seed) {
                assert!(serde_json::to_string(&drill.lesson().model()).is_ok());
            }
        }
    }
    let _ = commands(text);
    let mut class = Class::new(None);
    class.add("fuzz.json", text);
    let _ = (class.csv(), class.html());
    assert!(serde_json::to_string(&class.report()).is_ok());
});
