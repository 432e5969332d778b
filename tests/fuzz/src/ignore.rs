//! Ignore files: any patterns against any path, in bounded time.
#![no_main]

use bottleship_dockerfile::ignore::{self, Matcher};

libfuzzer_sys::fuzz_target!(|input: (&[u8], &str)| {
    if let Ok(matcher) = Matcher::new(&ignore::read(input.0)) {
        let _ = matcher.matches(input.1);
    }
});
