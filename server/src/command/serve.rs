//! `bottleship serve`: the site over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::net::TcpListener;

use crate::daemon::listen::raise_descriptor_limit;
use crate::hosted::{self, Hosted};
use crate::listener;
use crate::oci;
use crate::site::{self, Previews};

#[derive(Args)]
pub struct Serve {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, env = "BOTTLESHIP_ADDR", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,
    /// Directory of the built site
    #[arg(long, env = "BOTTLESHIP_SITE", default_value = "target/site")]
    site: PathBuf,
    /// Directory for what the server keeps
    #[arg(long, env = "BOTTLESHIP_DATA", default_value = "target/data")]
    data: PathBuf,
    /// Give visitors Docker hosts on this machine's kernel, too; needs root and an OCI runtime
    #[arg(long)]
    hosted: bool,
    /// Configuration of hosted sessions
    #[arg(long, env = "BOTTLESHIP_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say whether the configuration can be, and end
    #[arg(long)]
    check_config: bool,
    /// Origins for previews of published ports, `{port}` standing for the port: https://p{port}.example.org. They must
    /// lead to this server. By default a few more ports of the same address, where that is this machine's own
    #[arg(long, env = "BOTTLESHIP_PREVIEWS", value_name = "PATTERN")]
    previews: Option<String>,
}

/// How many previews may be open at once without a pattern.
const PREVIEWS: usize = 4;

impl Serve {
    pub fn run(self) -> Result<ExitCode> {
        let config = hosted::config::Config::load(self.config.as_deref())?;
        if self.check_config {
            println!("the configuration is fine");
            return Ok(ExitCode::SUCCESS);
        }
        let index = self.site.join("index.html");
        if !index.is_file() {
            bail!(
                "{} does not exist: build the site with `cargo xtask build`",
                index.display()
            );
        }
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("can't make the data directory {}", self.data.display()))?;
        if self.hosted {
            return self.run_hosted(config);
        }
        tokio::runtime::Runtime::new()?.block_on(async {
            let listener = TcpListener::bind(self.addr)
                .await
                .with_context(|| format!("can't listen on {}", self.addr))?;
            let addr = listener.local_addr()?;
            let (previews, listeners) = previews(self.previews.as_deref(), addr).await?;
            println!("listening on http://{addr}");
            for listener in listeners {
                let preview = site::preview(&self.site);
                tokio::spawn(listener::serve(listener, preview, std::future::pending()));
            }
            let site = site::with_previews(&self.site, &previews);
            listener::serve(listener, site, super::terminated()).await;
            anyhow::Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn run_hosted(self, config: hosted::config::Config) -> Result<ExitCode> {
        let wanted = Some(config.runtime.as_str()).filter(|name| !name.is_empty());
        let without = "hosted sessions are not possible here; without --hosted, visitors have the Docker host in the tab";
        oci::enter(wanted).context(without)?;
        let machine = oci::Machine::prepare(&self.data, wanted).context(without)?;
        eprintln!("bottleship: {}", machine.statement);
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            raise_descriptor_limit();
            let terminated = super::terminated();
            let hosted = Hosted::start(machine, config, &self.data, &self.site)
                .await
                .context(without)?;
            let listener = TcpListener::bind(self.addr)
                .await
                .with_context(|| format!("can't listen on {}", self.addr))?;
            println!("listening on http://{}", listener.local_addr()?);
            let router = hosted::router(hosted.clone(), &self.site);
            listener::serve(listener, router, terminated).await;
            // Terminals stay connected until their sessions end.
            hosted.drain().await;
            anyhow::Ok(())
        })?;
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }
}

/// Where previews are shown. A page keeps to itself by its origin, so each preview has one of its own; another port
/// of the same machine is one, and its service worker is no third party's.
pub async fn previews(
    pattern: Option<&str>,
    addr: SocketAddr,
) -> Result<(Previews, Vec<TcpListener>)> {
    if let Some(pattern) = pattern {
        if !pattern.contains("{port}") || !pattern.starts_with("http") {
            bail!("--previews must be an origin with {{port}} in it, not {pattern:?}");
        }
        return Ok((Previews::Pattern(pattern.to_owned()), Vec::new()));
    }
    let mut listeners = Vec::new();
    if addr.ip().is_loopback() {
        for _ in 0..PREVIEWS {
            let at = SocketAddr::new(addr.ip(), 0);
            let listener = TcpListener::bind(at)
                .await
                .context("can't listen for previews")?;
            listeners.push(listener);
        }
    }
    let ports = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|addr| addr.port()))
        .collect::<std::io::Result<_>>()?;
    Ok((Previews::Ports(ports), listeners))
}
