//! Hostile Dockerfiles and ignore files: bounded work, errors with lines, never a panic.

use std::time::{Duration, Instant};

use bottleship_dockerfile::convert::{BaseImage, BaseImages, Options, Platform, convert};
use bottleship_dockerfile::image::Image;
use bottleship_dockerfile::lint::Linter;
use bottleship_dockerfile::shell::{EnvList, Lex};
use bottleship_dockerfile::{git, ignore, instruction, limits, parser};
use proptest::prelude::*;

struct AnyImage;

impl BaseImages for AnyImage {
    fn normalize(&self, name: &str) -> Result<String, String> {
        Ok(format!("docker.io/library/{name}:latest"))
    }

    fn resolve(&self, _: &str, _: &Platform) -> Result<Option<BaseImage>, String> {
        let mut image = Image::default();
        image.config.on_build = vec!["RUN true".into(); 10];
        image.rootfs.diff_ids = vec!["sha256:1".into()];
        Ok(Some(BaseImage {
            digest: "sha256:2".into(),
            image,
        }))
    }
}

fn everything(input: &[u8]) {
    if let Ok(ast) = parser::parse(input) {
        let _ = ast.dump();
        let _ = instruction::parse(&ast, &mut Linter::default());
    }
    let _ = convert(
        input,
        &Options::default(),
        &AnyImage,
        &mut Linter::default(),
    );
    let _ = parser::directive("syntax", input);
    let patterns = ignore::read(input);
    if let Ok(matcher) = ignore::Matcher::new(&patterns) {
        let _ = matcher.matches("a/b/c");
    }
    let text = String::from_utf8_lossy(input);
    let env = EnvList::from_strings(&["a=1", "x=$a${x}"]);
    let _ = Lex::new('\\').process(&text, &env);
    let _ = git::parse(&text);
}

/// What `f` answers, and that it took less than `limit`.
fn within<T>(limit: Duration, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = f();
    let took = start.elapsed();
    assert!(took < limit, "took {took:?}");
    out
}

#[test]
fn onbuild_chains_stop() {
    let text = format!("FROM a\n{}RUN true\n", "ONBUILD ".repeat(5_000));
    let e = within(Duration::from_secs(1), || parser::parse(text.as_bytes())).unwrap_err();
    assert_eq!(
        e.message,
        "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    );
    assert_eq!(e.location.unwrap().start, 2);
}

#[test]
fn a_long_line_is_refused() {
    let text = format!("FROM a\nRUN {}\n", "x".repeat(limits::LINE + 1));
    let e = parser::parse(text.as_bytes()).unwrap_err();
    assert_eq!(
        e.message,
        "dockerfile line greater than max allowed size of 65535"
    );
    assert_eq!(e.location.unwrap().start, 2);
}

#[test]
fn a_long_heredoc_is_refused() {
    let text = format!(
        "FROM a\nRUN <<E\n{}E\n",
        "x\n".repeat(limits::DOCKERFILE / 2)
    );
    assert!(
        parser::parse(text.as_bytes())
            .unwrap_err()
            .message
            .contains("limit")
    );
}

#[test]
fn deep_expansions_stop() {
    let text = format!(
        "FROM a\nENV x={}{}\n",
        "${a:-".repeat(10_000),
        "}".repeat(10_000)
    );
    let e = convert(
        text.as_bytes(),
        &Options::default(),
        &AnyImage,
        &mut Linter::default(),
    );
    let bottleship_dockerfile::convert::Failure::Invalid(e) = e.unwrap_err() else {
        panic!("missing image");
    };
    assert!(
        e.message.contains("nested deeper than the limit of 64"),
        "{e}"
    );
    assert_eq!(e.location.unwrap().start, 2);
}

#[test]
fn doubling_variables_stop() {
    let mut text = String::from("FROM a\nENV x=0123456789\n");
    text.push_str(&"ENV x=$x$x\n".repeat(64));
    let e = convert(
        text.as_bytes(),
        &Options::default(),
        &AnyImage,
        &mut Linter::default(),
    );
    assert!(e.unwrap_err().to_string().contains("larger than the limit"));
}

#[test]
fn many_stages_are_fast() {
    let mut text = String::from("FROM scratch AS s0\n");
    for i in 1..3_000 {
        text.push_str(&format!("FROM s{} AS s{i}\nCOPY --from=s0 a b\n", i - 1));
    }
    within(Duration::from_secs(20), || {
        convert(
            text.as_bytes(),
            &Options::default(),
            &AnyImage,
            &mut Linter::default(),
        )
        .unwrap()
    });
}

#[test]
fn ignore_patterns_are_linear() {
    let pattern = "**/a**/b**/".repeat(12) + "c";
    let matcher = ignore::Matcher::new(&[pattern]).unwrap();
    let path = "a/b/".repeat(40);
    within(Duration::from_secs(5), || {
        for i in 0..1_000 {
            assert!(!matcher.matches(&format!("{path}{i}")));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..400)) {
        everything(&input);
    }

    #[test]
    fn near_dockerfiles_never_panic(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "CMD", "ONBUILD", "EXPOSE",
                    "HEALTHCHECK", "VOLUME", "USER", "WORKDIR", "SHELL", "STOPSIGNAL", "#", "<<E", "E",
                ]),
                "[ -~\u{e9}\t]{0,40}",
            ),
            0..12,
        )
    ) {
        let mut text = String::from("FROM a AS b\n");
        for (keyword, rest) in lines {
            text.push_str(&format!("{keyword} {rest}\n"));
        }
        everything(text.as_bytes());
    }

    #[test]
    fn fragments_never_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "--mount=", "type=cache", ",", "target=", "$", "{", "}", ":-", "/", "#", "%", "*", "\"", "'",
                "\\", "<<", "-", "EOF", "\n", "[", "]", "RUN ", "COPY ", "--from=", "ONBUILD ", "ARG a=", " ",
            ]),
            0..40,
        )
    ) {
        everything(format!("FROM a\n{}", parts.concat()).as_bytes());
    }
}
