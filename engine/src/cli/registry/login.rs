//! `docker login`: authenticate to a registry..

use crate::cli::config::{HUB, auth_key, base64};
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["login"],
    usage: "[OPTIONS] [SERVER]",
    about: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    args: Args::Max(1),
    flags: &[
        Flag::new(
            'p',
            "password",
            "string",
            "Password or Personal Access Token (PAT)",
        ),
        Flag::long(
            "password-stdin",
            "",
            "Take the Password or Personal Access Token (PAT) from stdin",
        ),
        Flag::new('u', "username", "string", "Username"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut password = m.str("password").to_string();
    if m.given("password") {
        if m.on("password-stdin") {
            return Err(Failure::new(
                "conflicting options: cannot specify both --password and --password-stdin",
            ));
        }
        cli.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
            .await;
    }
    let mut user = m.str("username").to_string();
    if m.on("password-stdin") {
        if user.is_empty() {
            return Err(Failure::new(
                "the --password-stdin option requires --username to be set",
            ));
        }
        let data = cli.read_stdin(64 * 1024).await?;
        password = String::from_utf8_lossy(&data)
            .trim_end_matches(['\r', '\n'])
            .to_string();
    }
    if m.given("username") && user.is_empty() {
        return Err(Failure::new("username is empty"));
    }
    if m.given("password") && password.is_empty() {
        return Err(Failure::new("password is empty"));
    }
    let server = match m
        .arg(0)
        .trim_start_matches("https://")
        .trim_start_matches("http://")
    {
        "" => HUB.to_string(),
        s if m.arg(0) == HUB => {
            let _ = s;
            HUB.to_string()
        }
        s => auth_key(s.split('/').next().unwrap_or(s)).to_string(),
    };
    if user.is_empty() || password.is_empty() {
        if !cli.host.is_tty(Stream::Stdin) {
            return Err(Failure::new(
                "Error: Cannot perform an interactive login from a non TTY device",
            ));
        }
        if user.is_empty() {
            user = ask(cli, "Username: ", true).await;
        }
        if user.is_empty() {
            return Err(Failure::new("Error: Non-null Username Required"));
        }
        password = ask(cli, "Password: ", false).await;
        if password.is_empty() {
            return Err(Failure::new("Error: Password Required"));
        }
    }
    let answer = cli
        .post(
            "/auth",
            &json!({"username": user, "password": password, "serveraddress": server}),
        )
        .await?;
    let mut entry = json!({"auth": base64(format!("{user}:{password}").as_bytes(), false)});
    if !answer.text("IdentityToken").is_empty() {
        entry = json!({
            "auth": base64(format!("{user}:").as_bytes(), false),
            "identitytoken": answer.text("IdentityToken"),
        });
    }
    let mut config = cli.load_config().await;
    config["auths"][&server] = entry;
    cli.save_config(&config).await?;
    cli.err(&format!(
        "\nWARNING! Your credentials are stored unencrypted in '{}/config.json'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n",
        cli.config_dir
    ))
    .await;
    let status = match answer.text("Status") {
        "" => "Login Succeeded",
        s => s,
    };
    cli.out(&format!("{status}\n")).await;
    Ok(())
}

/// Asks for a line on the terminal.
async fn ask(cli: &Cli<'_>, prompt: &str, echo: bool) -> String {
    cli.out(prompt).await;
    if !echo {
        let _ = cli.host.set_raw(true);
    }
    let mut line = Vec::new();
    while let Ok(part) = cli.host.read_stdin(1).await {
        match part.first() {
            None | Some(b'\r' | b'\n') => break,
            // ctrl-c and ctrl-d, which a raw terminal hands on
            Some(3 | 4) if !echo => {
                line.clear();
                break;
            }
            Some(b) if line.len() < 4096 => line.push(*b),
            Some(_) => {}
        }
    }
    if !echo {
        let _ = cli.host.set_raw(false);
        cli.out("\n").await;
    }
    String::from_utf8_lossy(&line).trim().to_string()
}
