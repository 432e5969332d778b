//! `docker image pull`: download an image from a registry.

use crate::cli::jsonmessage::{Display, Documents};
use crate::cli::prelude::*;
use bottleship_oci::Reference;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image pull", "pull"],
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    about: "Download an image from a registry",
    args: Args::Exact(1),
    flags: &[
        Flag::new(
            'a',
            "all-tags",
            "",
            "Download all tagged images in the repository",
        ),
        Flag::long(
            "disable-content-trust",
            "",
            "Skip image verification (default true)",
        ),
        Flag::long(
            "platform",
            "string",
            "Set platform if server is multi-platform capable",
        ),
        Flag::new('q', "quiet", "", "Suppress verbose output"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let r = Reference::parse(m.arg(0)).map_err(|e| Failure::new(e.to_string()))?;
    let (all, quiet) = (m.on("all-tags"), m.on("quiet"));
    if all && !r.is_name_only() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let name_only = r.is_name_only();
    let r = if all { r } else { r.with_default_tag() };
    if !all && name_only && !quiet {
        cli.out(&format!(
            "Using default tag: {}\n",
            r.tag().unwrap_or("latest")
        ))
        .await;
    }
    create(
        cli,
        &r,
        all,
        m.str("platform"),
        if quiet { None } else { Some(Stream::Stdout) },
    )
    .await?;
    let shown = match (r.tag(), r.digest()) {
        (_, Some(d)) if r.tag().is_some() => format!("{}:{}@{d}", r.name(), r.tag().unwrap_or("")),
        (_, Some(d)) => format!("{}@{d}", r.name()),
        (Some(t), None) => format!("{}:{t}", r.name()),
        (None, None) => r.name(),
    };
    cli.out(&format!("{shown}\n")).await;
    Ok(())
}

/// Pulls an image for `docker run`, with its progress on `stream`.
pub async fn pull(
    cli: &Cli<'_>,
    image: &str,
    platform: &str,
    quiet: bool,
    stream: Stream,
) -> Result<(), Failure> {
    let r = Reference::parse(image).map_err(|e| Failure::new(e.to_string()))?;
    create(
        cli,
        &r,
        false,
        platform,
        if quiet { None } else { Some(stream) },
    )
    .await
}

async fn create(
    cli: &Cli<'_>,
    r: &Reference,
    all: bool,
    platform: &str,
    shown: Option<Stream>,
) -> Result<(), Failure> {
    let tag = match r.digest() {
        Some(d) => d.to_string(),
        None => r.tag().unwrap_or("latest").to_string(),
    };
    let params = Params::new()
        .add("fromImage", r.name())
        .add_if(!platform.is_empty(), "platform", platform.to_lowercase())
        .add_if(!all, "tag", tag);
    let auth = cli.registry_auth(r.domain()).await;
    let request = with_auth(Request::post(format!("/images/create{params}")), &auth);
    let response = cli.send(request).await?;
    show(cli, response, shown).await
}

/// Shows a progress stream, or only waits for its end.
pub async fn show(cli: &Cli<'_>, response: Response, shown: Option<Stream>) -> Result<(), Failure> {
    if let Some(stream) = shown {
        return cli.show_progress(response, stream, |_| {}).await;
    }
    let mut documents = Documents::new(response);
    let mut hidden = Display::new(cli, Stream::Stdout);
    while let Some(d) = documents.next().await? {
        hidden.message(&d)?;
    }
    Ok(())
}

/// With the credentials a daemon may need.
pub fn with_auth(request: Request, auth: &str) -> Request {
    match http::HeaderValue::from_str(auth) {
        Ok(v) => request.header(http::HeaderName::from_static("x-registry-auth"), v),
        Err(_) => request,
    }
}
