//! `bottleship serve`: the site over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::net::TcpListener;

use crate::site;

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
}

impl Serve {
    pub fn run(self) -> Result<ExitCode> {
        let index = self.site.join("index.html");
        if !index.is_file() {
            bail!(
                "{} does not exist: build the site with `cargo xtask build`",
                index.display()
            );
        }
        std::fs::create_dir_all(&self.data)
            .with_context(|| format!("can't make the data directory {}", self.data.display()))?;
        tokio::runtime::Runtime::new()?.block_on(async {
            let listener = TcpListener::bind(self.addr)
                .await
                .with_context(|| format!("can't listen on {}", self.addr))?;
            println!("listening on http://{}", listener.local_addr()?);
            axum::serve(listener, site::router(&self.site))
                .with_graceful_shutdown(super::terminated())
                .await
                .context("the server stopped")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
