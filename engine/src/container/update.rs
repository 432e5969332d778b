//! `docker update`.

use super::store::Container;
use super::{spec, validate};
use crate::api::ApiError;
use crate::api::types::{Resources, UpdateRequest, UpdateResponse};
use crate::engine::Engine;

/// Changes limits and the restart policy.
pub async fn update(
    engine: &Engine,
    container: &Container,
    request: UpdateRequest,
) -> Result<UpdateResponse, ApiError> {
    let _guard = container.lock().await;
    let id = container.id();
    let refused = |error: ApiError| error.context(format!("Cannot update container {id}"));
    if container.record().state.removal_in_progress || container.record().state.dead {
        let message = "Container is marked for removal and cannot be \"update\".";
        return Err(refused(ApiError::conflict(message)));
    }
    let mut merged = container.record().host_config.resources.clone();
    let asked = &request.resources;
    if asked.memory != 0 && asked.memory_swap == 0 && asked.memory > merged.memory_swap {
        return Err(refused(ApiError::conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        )));
    }
    merge(&mut merged, &request.resources).map_err(refused)?;
    validate::check_resources(engine, &merged)?;
    let policy = &request.restart_policy;
    if !policy.name.is_empty() {
        let auto_remove = container.record().host_config.auto_remove;
        if auto_remove && policy.name != "no" {
            return Err(refused(ApiError::invalid(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            )));
        }
        validate::check_restart_policy(policy, auto_remove)?;
    }
    if container.record().state.running && !container.record().state.restarting {
        engine
            .ports()
            .runtime
            .update(&id, &spec::limits(&merged))
            .await
            .map_err(|e| refused(e.into()))?;
    }
    {
        let mut record = container.record_mut();
        record.host_config.resources = merged;
        if !policy.name.is_empty() {
            record.host_config.restart_policy = policy.clone();
        }
    }
    container.save(engine).await?;
    container.emit(engine, "update", &[]);
    Ok(UpdateResponse { warnings: None })
}

/// What is given replaces what was; zero is "not given".
fn merge(own: &mut Resources, new: &Resources) -> Result<(), ApiError> {
    let set = |own: &mut i64, new: i64| {
        if new != 0 {
            *own = new;
        }
    };
    if new.nano_cpus > 0 && own.cpu_period > 0 {
        return Err(ApiError::invalid(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ));
    }
    if new.nano_cpus > 0 && own.cpu_quota > 0 {
        return Err(ApiError::invalid(
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ));
    }
    if new.memory != 0
        && own.memory_swap > 0
        && new.memory > own.memory_swap
        && new.memory_swap == 0
    {
        return Err(ApiError::invalid(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    set(&mut own.cpu_shares, new.cpu_shares);
    set(&mut own.nano_cpus, new.nano_cpus);
    set(&mut own.cpu_period, new.cpu_period);
    set(&mut own.cpu_quota, new.cpu_quota);
    set(&mut own.memory, new.memory);
    set(&mut own.memory_swap, new.memory_swap);
    set(&mut own.memory_reservation, new.memory_reservation);
    if !new.cpuset_cpus.is_empty() {
        own.cpuset_cpus = new.cpuset_cpus.clone();
    }
    if !new.cpuset_mems.is_empty() {
        own.cpuset_mems = new.cpuset_mems.clone();
    }
    if new.blkio_weight != 0 {
        own.blkio_weight = new.blkio_weight;
    }
    if new.pids_limit.is_some() {
        own.pids_limit = new.pids_limit;
    }
    Ok(())
}
