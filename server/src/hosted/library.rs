//! The offered images, unpacked once before there are visitors: sessions only look at the layers.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use bottleship_engine::layer::Limits;
use http::{HeaderMap, Method};
use tokio::runtime::Handle;

use crate::daemon::thread::{self, EngineHandle, ResponseBody};
use crate::host::{
    DiskStore, HostFiles, NetworkFetch, OsEntropy, SITE_BASE, SiteFetch, SystemClock,
};
use crate::oci::{self, Machine, network};

/// Unpacks images of the site into the layers that sessions share.
///
/// # Errors
/// With the image that isn't there.
pub async fn stock(
    machine: &Machine,
    images: &[String],
    data: &Path,
    shared: &Path,
    site: &Path,
) -> Result<()> {
    if images.is_empty() {
        return Ok(());
    }
    let dir = data.join("library");
    oci::open_dir(&dir)?;
    let namespace = network::new_namespace()?;
    let place = oci::Place {
        places: oci::Places {
            layers: shared.to_owned(),
            shared: None,
            snapshots: dir.join("snapshots"),
            mapped: dir.join("mapped"),
        },
        setup: oci::Setup {
            cli: machine.cli.clone(),
            walls: oci::Walls::default(),
            cgroup: format!("{}/library", machine.cgroup),
            bundles: machine.run.join("library"),
        },
        bridges: namespace.clone(),
        ports: namespace,
        limits: Limits::default(),
        host_layers: Vec::new(),
        data: dir.clone(),
    };
    let config = bottleship_engine::Config {
        registry_mirrors: vec![SITE_BASE.into()],
        ..bottleship_engine::Config::default()
    };
    let (tokio, site) = (Handle::current(), site.to_owned());
    let started = tokio::task::spawn_blocking(move || {
        EngineHandle::start(move || {
            let network = Rc::new(NetworkFetch::new(tokio.clone())?);
            let outside = oci::Outside {
                store: Rc::new(DiskStore::open(&dir)?),
                fetch: Rc::new(SiteFetch::new(site, network)),
                clock: Rc::new(SystemClock::new()),
                entropy: Rc::new(OsEntropy),
                host: Some(Rc::new(HostFiles::new())),
            };
            let (engine, _) = oci::assemble(place, tokio, outside, config)?;
            Ok(engine)
        })
    });
    let engine = started.await??;
    for image in images {
        pull(&engine, image)
            .await
            .with_context(|| format!("server.images: {image}"))?;
    }
    Ok(())
}

async fn pull(engine: &EngineHandle, image: &str) -> Result<()> {
    let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
    let (_, body) = tokio::sync::mpsc::channel(1);
    let response = engine
        .request(thread::Request {
            method: Method::POST,
            target: format!("/images/create?fromImage={name}&tag={tag}"),
            headers: HeaderMap::new(),
            body,
        })
        .await?;
    let mut text = Vec::new();
    match response.body {
        ResponseBody::Bytes(bytes) => text.extend_from_slice(&bytes),
        ResponseBody::Stream(mut chunks) | ResponseBody::Upgrade(mut chunks, _) => {
            while let Some(Ok(chunk)) = chunks.recv().await {
                text.extend_from_slice(&chunk);
            }
        }
    }
    let said = String::from_utf8_lossy(&text);
    let failed = said.lines().find(|line| line.contains("\"error\""));
    if let Some(line) = failed {
        bail!("{line}");
    }
    if !response.status.is_success() {
        bail!("{}", said.trim());
    }
    Ok(())
}
