//! The classic builder's containers, as containers of the engine.

use async_trait::async_trait;
use bottleship_oci::config::ContainerConfig;

use super::ports::{StepContainers, StepHost, StepOutput};
use crate::api::stdcopy::Demux;
use crate::api::types::{CreateRequest, HostConfig, Resources};
use crate::api::{ApiError, types};
use crate::container::attach::{AttachOptions, attach};
use crate::container::wait::Condition;
use crate::container::{create, kill, remove, signal, start};
use crate::engine::Engine;

/// Containers of an engine.
pub struct EngineContainers(pub Engine);

/// The same configuration in the API's type; both have Docker's JSON.
fn api_config(config: &ContainerConfig) -> Result<types::ContainerConfig, ApiError> {
    let json = serde_json::to_vec(config).map_err(|e| ApiError::system(e.to_string()))?;
    types::from_slice(&json)
}

fn host_config(host: &StepHost) -> HostConfig {
    HostConfig {
        network_mode: host.network.clone(),
        shm_size: host.shm_size,
        extra_hosts: (!host.extra_hosts.is_empty()).then(|| host.extra_hosts.clone()),
        resources: Resources {
            memory: host.memory,
            memory_swap: host.memory_swap,
            cpu_shares: host.cpu_shares,
            cpu_period: host.cpu_period,
            cpu_quota: host.cpu_quota,
            ulimits: (!host.ulimits.is_empty()).then(|| host.ulimits.clone()),
            ..Resources::default()
        },
        ..HostConfig::default()
    }
}

#[async_trait(?Send)]
impl StepContainers for EngineContainers {
    async fn create(&self, config: &ContainerConfig, host: &StepHost) -> Result<String, ApiError> {
        let request = CreateRequest {
            config: api_config(config)?,
            host_config: Some(host_config(host)),
            networking_config: None,
        };
        Ok(create::create(&self.0, "", request).await?.id)
    }

    async fn run(&self, id: &str, output: &dyn StepOutput) -> Result<i64, ApiError> {
        let engine = &self.0;
        let container = engine.containers().find(id)?;
        let options = AttachOptions {
            stdout: true,
            stderr: true,
            framed: true,
            ..AttachOptions::default()
        };
        let mut client = attach(engine, container.streams(), options);
        let exit = container.wait(Condition::NextExit);
        start::start(engine, &container).await?;
        let mut demux = Demux::default();
        let mut written = Ok(());
        while let Some(Ok(data)) = client.reader.read().await {
            let frames = demux
                .push(&data)
                .map_err(|e| ApiError::system(format!("unrecognized stream: {e:?}")))?;
            for (stream, data) in frames {
                if written.is_ok() {
                    written = output.write(stream, data).await;
                }
            }
            if written.is_err() {
                // The client is gone, so the build ends; its process must not stay.
                let _ = kill::send(engine, &container, signal::SIGKILL).await;
                break;
            }
        }
        let exit = exit.await;
        written?;
        Ok(exit.code)
    }

    async fn remove(&self, id: &str) -> Result<(), ApiError> {
        let container = self.0.containers().find(id)?;
        remove::remove(&self.0, &container, id, true, true).await
    }
}
