//! The engine: its ports, its state, and the loop that drives both.

use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use futures::future::LocalBoxFuture;

use crate::api;
use crate::clock::{Clock, Entropy, random_id};
use crate::config::Config;
use crate::content::ContentStore;
use crate::events::Events;
use crate::executor::{Executor, RunState};
use crate::fetch::Fetch;
use crate::network::Network;
use crate::runtime::Runtime;
use crate::snapshot::Snapshotter;
use crate::store::Store;

/// Everything the engine needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Blobs by digest.
    pub content: Rc<dyn ContentStore>,
    /// Layers and writable file systems.
    pub snapshots: Rc<dyn Snapshotter>,
    /// Running containers.
    pub runtime: Rc<dyn Runtime>,
    /// Container networks.
    pub network: Rc<dyn Network>,
    /// Durable state.
    pub store: Rc<dyn Store>,
    /// HTTP to elsewhere.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub entropy: Rc<dyn Entropy>,
}

struct Inner {
    ports: Ports,
    config: Config,
    executor: Executor,
    events: Events,
}

/// A Docker engine. Clones are handles of the same engine.
#[derive(Clone)]
pub struct Engine(Rc<Inner>);

impl Engine {
    /// An engine on these ports.
    pub fn new(ports: Ports, config: Config) -> Self {
        let events = Events::new(ports.clock.clone());
        Engine(Rc::new(Inner {
            ports,
            config,
            executor: Executor::new(),
            events,
        }))
    }

    /// Answers a request of the Engine API. The future may be polled by any
    /// executor; what it starts in the background runs in [`Engine::run`].
    pub fn handle(&self, request: api::Request) -> LocalBoxFuture<'static, api::Response> {
        Box::pin(api::router::handle(self.clone(), request))
    }

    /// Does what there is to do: background tasks, timers, and about so many
    /// instructions of emulated processes.
    pub fn run(&self, instructions: u64) -> RunState {
        let executor = &self.0.executor;
        let timer = self.advance();
        let runtime = self.0.ports.runtime.drive(instructions);
        // What processes did wakes tasks here, and tasks may wake processes.
        if executor.run_until_stalled() {
            return RunState::Runnable;
        }
        let timer = timer.map_or(RunState::Idle, |until| RunState::Sleeping { until });
        runtime.soonest(timer)
    }

    fn advance(&self) -> Option<u64> {
        let executor = &self.0.executor;
        loop {
            executor.run_until_stalled();
            let next = executor.fire_timers(self.0.ports.clock.monotonic());
            if !executor.run_until_stalled() {
                return next;
            }
        }
    }

    /// Has this waker called when [`Engine::run`] should be called again
    /// although it said idle or sleeping.
    pub fn set_waker(&self, waker: Waker) {
        self.0.executor.set_host_waker(waker);
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        &self.0.ports
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The executor, for background tasks.
    pub fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// What happened.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// The host's time.
    pub fn now(&self) -> api::types::Timestamp {
        self.0.ports.clock.now()
    }

    /// A fresh id of 64 hex digits.
    pub fn new_id(&self) -> String {
        random_id(&*self.0.ports.entropy)
    }

    /// Resolves after a while.
    pub async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let until = self.0.ports.clock.monotonic().saturating_add(nanos);
        self.0.executor.sleep_until(until).await;
    }

    /// Resolves with `None` when the future did not within a while.
    pub async fn timeout<T>(
        &self,
        duration: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let sleep = std::pin::pin!(self.sleep(duration));
        let future = std::pin::pin!(future);
        match futures::future::select(future, sleep).await {
            futures::future::Either::Left((value, _)) => Some(value),
            futures::future::Either::Right(_) => None,
        }
    }
}
