//! Dockerfiles of strangers: an error with a line, or instructions; never a panic.
#![no_main]

use bottleship_dockerfile::lint::{Config, Linter};
use bottleship_dockerfile::{instruction, parser};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(ast) = parser::parse(bytes) {
        let _ = instruction::parse(&ast, &mut Linter::new(Config::default()));
    }
});
