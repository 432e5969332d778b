//! The engine: its ports, its state, and the loop that drives both.

use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, Shared};

use crate::api::{self, ApiError};
use crate::build::Builds;
use crate::clock::{Clock, Entropy, random_id};
use crate::config::Config;
use crate::container::Containers;
use crate::content::ContentStore;
use crate::dirs::{HostDirs, VolumeDirs};
use crate::events::Events;
use crate::executor::{Executor, RunState};
use crate::fetch::Fetch;
use crate::image::{ImagePorts, ImageUser, Images, Settings};
use crate::network::Network;
use crate::networking::Networks;
use crate::runtime::Runtime;
use crate::snapshot::Snapshotter;
use crate::store::Store;
use crate::volume::Volumes;

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
    /// Volumes' files.
    pub volumes: Rc<dyn VolumeDirs>,
    /// The host's files, for bind mounts.
    pub host: Rc<dyn HostDirs>,
    /// The time and numbers all file trees share.
    pub file_clock: bottleship_vfs::Clock,
    /// Durable state.
    pub store: Rc<dyn Store>,
    /// HTTP to elsewhere.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Randomness.
    pub entropy: Rc<dyn Entropy>,
    /// Runs the engine's background tasks, and those of ports.
    pub executor: Executor,
}

struct Inner {
    ports: Ports,
    config: Config,
    executor: Executor,
    events: Events,
    containers: Containers,
    networks: Networks,
    volumes: Volumes,
    images: Images,
    builds: Builds,
    loaded: Shared<LocalBoxFuture<'static, Result<(), ApiError>>>,
}

/// A handle that does not keep the engine alive.
#[derive(Clone)]
pub struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    /// The engine, unless it is gone.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

/// A Docker engine. Clones are handles of the same engine.
#[derive(Clone)]
pub struct Engine(Rc<Inner>);

impl Engine {
    /// An engine on these ports. It reads what a former engine stored before it
    /// answers its first request.
    pub fn new(ports: Ports, config: Config) -> Self {
        let engine = Engine(Rc::new_cyclic(|weak: &Weak<Inner>| {
            let weak = WeakEngine(weak.clone());
            let images = images(&ports, &config, weak.clone());
            let load: LocalBoxFuture<'static, _> = Box::pin(async move {
                match weak.upgrade() {
                    Some(engine) => engine.load().await,
                    None => Ok(()),
                }
            });
            let executor = ports.executor.clone();
            Inner {
                events: Events::new(ports.clock.clone()),
                ports,
                config,
                executor,
                containers: Containers::default(),
                networks: Networks::default(),
                volumes: Volumes::default(),
                images,
                builds: Builds::default(),
                loaded: load.shared(),
            }
        }));
        let loaded = engine.0.loaded.clone();
        engine.executor().spawn(async move {
            // Its error is reported by every request.
            let _ = loaded.await;
        });
        engine
    }

    async fn load(&self) -> Result<(), ApiError> {
        self.volumes().load(self).await?;
        self.networks().load(self).await?;
        self.images().load_state().await?;
        self.containers().load(self).await?;
        // What a crash left half done.
        let used = self.containers().all().into_iter();
        let used = used.filter_map(|c| c.record().layer.as_ref()?.parse().ok());
        self.images().collect(&used.collect()).await
    }

    /// Resolves when what a former engine stored was read.
    pub async fn loaded(&self) -> Result<(), ApiError> {
        self.0.loaded.clone().await
    }

    /// A handle that does not keep the engine alive.
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Rc::downgrade(&self.0))
    }

    /// The containers.
    pub fn containers(&self) -> &Containers {
        &self.0.containers
    }

    /// The networks.
    pub fn networks(&self) -> &Networks {
        &self.0.networks
    }

    /// The volumes.
    pub fn volumes(&self) -> &Volumes {
        &self.0.volumes
    }

    /// The images.
    pub fn images(&self) -> &Images {
        &self.0.images
    }

    /// The builds, for who watches them.
    pub fn builds(&self) -> &Builds {
        &self.0.builds
    }

    /// The containers, as far as images care.
    pub fn image_users(&self) -> Vec<ImageUser> {
        let user = |container: crate::container::Container| {
            let record = container.record();
            let running = matches!(record.state.status(), "running" | "paused" | "restarting");
            let image = record.image_id.parse().ok()?;
            Some(ImageUser {
                container: record.id.clone(),
                image,
                running,
            })
        };
        self.containers()
            .all()
            .into_iter()
            .filter_map(user)
            .collect()
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
        self.set_file_time();
        let timer = self.advance();
        let runtime = self.0.ports.runtime.drive(instructions);
        // What processes did wakes tasks here, and tasks may wake processes.
        if executor.run_until_stalled() {
            return RunState::Runnable;
        }
        let timer = timer.map_or(RunState::Idle, |until| RunState::Sleeping { until });
        runtime.soonest(timer)
    }

    fn set_file_time(&self) {
        let now = self.now();
        let time = bottleship_vfs::Time {
            sec: now.seconds(),
            nsec: now.subsec_nanos(),
        };
        self.0.ports.file_clock.set(time);
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
        self.sleep_for(duration).await;
    }

    /// Resolves after a while, without keeping the engine alive until then.
    pub fn sleep_for(&self, duration: Duration) -> impl Future<Output = ()> + use<> {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let until = self.0.ports.clock.monotonic().saturating_add(nanos);
        self.0.executor.sleep_until(until)
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

fn images(ports: &Ports, config: &Config, engine: WeakEngine) -> Images {
    let events = Rc::new(
        move |action: &str, id: &str, attributes: api::types::StringMap| {
            if let Some(engine) = engine.upgrade() {
                engine.events().emit("image", action, id, attributes);
            }
        },
    );
    let settings = Settings {
        insecure_registries: config.insecure_registries.clone(),
        mirrors: config.registry_mirrors.clone(),
        max_blob: config.max_archive as u64,
        docker_version: api::SERVER_VERSION.into(),
        ..Settings::default()
    };
    let ports = ImagePorts {
        content: ports.content.clone(),
        snapshots: ports.snapshots.clone(),
        store: ports.store.clone(),
        fetch: ports.fetch.clone(),
        clock: ports.clock.clone(),
        entropy: ports.entropy.clone(),
        events,
    };
    Images::new(ports, settings)
}
