//! `docker container create`: create a new container.

use super::flags;
use super::spec::Spec;
use crate::cli::image::pull;
use crate::cli::platform;
use crate::cli::prelude::*;
use bottleship_oci::AnyReference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container create", "create"],
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    about: "Create a new container",
    args: Args::Min(1),
    flags: &ALL,
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let wrong = |f: Failure| help(m, &f.text, 125);
    check_pull(m).map_err(wrong)?;
    let spec = cli.container_spec(m).await.map_err(wrong)?;
    let id = create(cli, m, &spec).await?;
    cli.out(&format!("{id}\n")).await;
    Ok(())
}

/// An error of `docker run` and `docker create` themselves: `docker: TEXT` and where help is.
pub fn help(m: &Matches, text: &str, code: i32) -> Failure {
    Failure::new(format!(
        "docker: {}\n\nRun '{}' for more information",
        text,
        // Under its short name, whatever it was called by.
        m.path.replace("docker container ", "docker ") + " --help"
    ))
    .with_code(code)
}

/// `--pull` takes three words.
pub fn check_pull(m: &Matches) -> Result<(), Failure> {
    match m.str("pull") {
        "" | "always" | "missing" | "never" => Ok(()),
        other => Err(Failure::new(format!(
            "invalid pull option: '{other}': must be one of \"always\", \"missing\" or \"never\""
        ))),
    }
}

/// Creates a container, pulling the image when it is missing, and returns its id.
pub async fn create(cli: &Cli<'_>, m: &Matches, spec: &Spec) -> Result<String, Failure> {
    let image = m.arg(0);
    let reference = match AnyReference::parse(image).map_err(|e| Failure::new(e.to_string()))? {
        AnyReference::Named(r) => Some(r.with_default_tag()),
        _ => None,
    };
    let cidfile = m.str("cidfile");
    if !cidfile.is_empty() && cli.host.stat(&cli.absolute(cidfile), true).await.is_ok() {
        return Err(Failure::new(format!(
            "container ID file found, make sure the other container isn't running or delete {cidfile}"
        )));
    }
    let platform = m.str("platform");
    if !platform.is_empty() {
        platform::parse(platform)
            .map_err(|e| Failure::new(format!("error parsing specified platform: {e}")))?;
    }
    let quiet = m.on("quiet");
    if let (Some(r), "always") = (&reference, m.str("pull")) {
        pull::pull(cli, &r.familiar(), platform, quiet, Stream::Stderr).await?;
    }
    let params = Params::new()
        .add_if(!m.str("name").is_empty(), "name", m.str("name"))
        .add_if(!platform.is_empty(), "platform", platform);
    let path = format!("/containers/create{params}");
    let created = match (cli.post(&path, &spec.body).await, &reference) {
        (Err(e), Some(r))
            if e.not_found() && matches!(m.str("pull"), "" | "missing") && is_image(&e) =>
        {
            if !quiet {
                cli.err(&format!(
                    "Unable to find image '{}' locally\n",
                    r.familiar()
                ))
                .await;
            }
            pull::pull(cli, &r.familiar(), platform, quiet, Stream::Stderr).await?;
            cli.post(&path, &spec.body).await?
        }
        (result, _) => result?,
    };
    for w in created.texts("Warnings") {
        cli.err(&format!("WARNING: {w}\n")).await;
    }
    let id = created.text("Id").to_string();
    if !cidfile.is_empty() {
        let fail = |e: HostError| {
            Failure::new(format!(
                "failed to create the container ID file: open {cidfile}: {e}"
            ))
        };
        let file = cli
            .host
            .create(&cli.absolute(cidfile), 0o666)
            .await
            .map_err(fail)?;
        file.write(id.as_bytes()).await.map_err(fail)?;
        file.close().await.map_err(fail)?;
    }
    Ok(id)
}

/// Whether a 404 is about the image and not, say, a network.
fn is_image(e: &ApiFailure) -> bool {
    e.message().to_lowercase().contains("no such image")
}

const PULL: Flag = Flag::long(
    "pull",
    "string",
    "Pull image before creating (\"always\", \"|missing\", \"never\") (default \"missing\")",
);

const ALL: [Flag; flags::COUNT + 1] = flags::with(&[PULL]);
