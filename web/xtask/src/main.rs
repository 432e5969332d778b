//! `cargo xtask`: the project's chores, with no tool to install beforehand.

mod bench;
mod conformance;
mod fuzz;
mod setup;
mod sh;
mod site;
mod test;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  build [--dev]          target/release/bottleship and target/site (--dev: quick to build, slow to run)
  page [--dev | --names] what changes with the page: the engine in it and its JavaScript, not server and images
                         (--names: uncompressed, with the engine's functions named for a browser's profiler)
  serve [--addr A] [..]  build, then serve the site; more arguments go to `bottleship serve`
  test [PART..]          all tests, or some of: fmt clippy native lessons wasm e2e conformance
  bench [--no-build]     measure the page in Chromium, beside the targets
  conformance [--shared DIR] [--bottleship FILE] [--only PART] [--keep] [SUITE..]
                         compare with a real Docker's answers (default ../shared); --keep notes what is reached
  fuzz [--seconds N | --runs N] [TARGET..]
                         coverage-guided fuzzing of what strangers send
  setup                  only install what the other commands need
";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    match command {
        "build" => site::build(site::Profile::from_args(rest)?),
        "page" => site::build_page(rest),
        "serve" => site::serve(rest),
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "conformance" => conformance::run(rest),
        "setup" => setup::everything(),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no command {other:?}\n\n{USAGE}"),
    }
}
