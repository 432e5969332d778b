//! Makes what running containers write durable now and then, so that a crash
//! costs seconds of their work.

use std::time::Duration;

use crate::engine::{Engine, WeakEngine};

/// The shortest time between two rounds.
const INTERVAL: Duration = Duration::from_secs(5);
/// A round that took long is followed by a pause this many times as long.
const PATIENCE: u64 = 50;

/// Starts the rounds; they end with the engine.
pub fn keep(engine: &Engine) {
    let weak = engine.downgrade();
    engine.executor().spawn(rounds(weak));
}

async fn rounds(weak: WeakEngine) {
    let mut pause = INTERVAL;
    loop {
        let Some(sleep) = weak.upgrade().map(|engine| engine.sleep_for(pause)) else {
            return;
        };
        sleep.await;
        let Some(engine) = weak.upgrade() else { return };
        let started = engine.ports().clock.monotonic();
        sync(&engine).await;
        let took = engine.ports().clock.monotonic().saturating_sub(started);
        pause = INTERVAL.max(Duration::from_nanos(took.saturating_mul(PATIENCE)));
    }
}

/// Stores the files, volumes and logs of running containers that will be there
/// after a crash. What cannot be stored now is tried again in the next round.
pub async fn sync(engine: &Engine) {
    for container in engine.containers().all() {
        let (id, wanted, volumes) = {
            let record = container.record();
            let volumes: Vec<String> = record
                .mounts
                .iter()
                .filter(|m| m.r#type == "volume")
                .map(|m| m.name.clone())
                .collect();
            (record.id.clone(), record.state.running, volumes)
        };
        if !wanted {
            continue;
        }
        for volume in volumes {
            let _ = engine.ports().volumes.sync(&volume).await;
        }
        if !container.record().host_config.auto_remove {
            let _ = engine.ports().snapshots.sync(&id).await;
            let _ = container.save_log(engine).await;
        }
    }
}
