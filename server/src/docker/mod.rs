//! `bottleship docker`, and the same program called as `docker`: the command line on an operating system.

mod host;
mod transport;

use std::process::ExitCode;

use bottleship_engine::cli;

/// Runs `docker` with these arguments (the first names the program).
pub fn run(arguments: &[String]) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("docker: can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = tokio::task::LocalSet::new().block_on(&runtime, async {
        let host = host::NativeHost::new();
        let transport = transport::Connection::new(&cli::daemon_address(arguments, &host));
        cli::run(arguments, &host, &transport).await
    });
    // A read of standard input that nobody needs any more must not keep the process.
    runtime.shutdown_background();
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}
