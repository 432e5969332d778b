//! An engine's images and layers in memory, with containers whose shell is ours.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_engine::api::ApiError;
use bottleship_engine::api::stdcopy::StdStream;
use bottleship_engine::api::types::{JsonMessage, Timestamp};
use bottleship_engine::build::images::EngineImages;
use bottleship_engine::build::ports::{
    BuildImages, Sandbox, SandboxSource, Sandboxes, StepContainers, StepHost, StepOutput,
};
use bottleship_engine::build::{BuildError, BuildRequest, Output, Ports, StepReport, build};
use bottleship_engine::clock::{ManualClock, SeededEntropy, random_id};
use bottleship_engine::emulated::{EmulatedSnapshots, StoredContent};
use bottleship_engine::fetch::{Fetch, NoFetch};
use bottleship_engine::image::{ImagePorts, Images, Settings};
use bottleship_engine::layer::Limits;
use bottleship_engine::pipe::pipe;
use bottleship_engine::snapshot::Snapshotter;
use bottleship_engine::store::{MemoryStore, Pieces, Store};
use bottleship_oci::config::{ContainerConfig, History, ImageConfig, RawConfig};
use bottleship_oci::{ImageId, Reference};
use bottleship_vfs::{CreatePerm, InodeRef, NewNode, Quota};
use bytes::Bytes;
use futures::executor::block_on;

use crate::shell;

pub struct World {
    pub images: Images,
    pub snapshots: Rc<EmulatedSnapshots>,
    pub ports: Ports,
    pub reports: Rc<RefCell<Vec<StepReport>>>,
    /// Containers that exist, with their configurations.
    pub containers: Rc<RefCell<BTreeMap<String, ContainerConfig>>>,
    clock: Rc<ManualClock>,
}

/// What a build came to.
pub struct Built {
    pub messages: Vec<JsonMessage>,
    pub result: Result<ImageId, BuildError>,
    pub reports: Vec<StepReport>,
}

impl Built {
    /// What the stream shows.
    pub fn text(&self) -> String {
        self.messages.iter().map(|m| m.stream.as_str()).collect()
    }
}

impl World {
    pub fn new() -> World {
        World::with_fetch(Rc::new(NoFetch))
    }

    pub fn with_fetch(fetch: Rc<dyn Fetch>) -> World {
        let clock = Rc::new(ManualClock::new(Timestamp::from_unix(1_700_000_000, 0)));
        let entropy = Rc::new(SeededEntropy::new([7; 32]));
        let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
        let content = Rc::new(StoredContent::new(store.clone()));
        let file_clock = bottleship_vfs::Clock::new();
        let snapshots = EmulatedSnapshots::new(
            content.clone(),
            store.clone(),
            file_clock,
            (Quota::unlimited(), Quota::unlimited()),
            Limits::default(),
        );
        let snapshots = Rc::new(snapshots.expect("snapshots"));
        let images = Images::new(
            ImagePorts {
                content: content.clone(),
                snapshots: snapshots.clone(),
                store: store.clone(),
                fetch: fetch.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                events: Rc::new(|_, _, _| {}),
            },
            Settings::default(),
        );
        let reports = Rc::new(RefCell::new(Vec::new()));
        let seen = reports.clone();
        let containers = Rc::new(RefCell::default());
        let ports = Ports {
            images: Rc::new(EngineImages {
                images: images.clone(),
                accounts: BTreeMap::new(),
                platform: None,
            }),
            containers: Rc::new(Containers {
                snapshots: snapshots.clone(),
                images: images.clone(),
                existing: containers.clone(),
                entropy: entropy.clone(),
            }),
            sandboxes: Rc::new(Processes),
            snapshots: snapshots.clone(),
            content,
            store,
            fetch,
            clock: clock.clone(),
            entropy,
            observer: Some(Rc::new(move |report: &StepReport| {
                seen.borrow_mut().push(report.clone());
            })),
            limits: Limits {
                archive_bytes: 64 << 20,
                ..Limits::default()
            },
            docker_version: "28.2.2".into(),
        };
        let world = World {
            images,
            snapshots,
            ports,
            reports,
            containers,
            clock,
        };
        world.base("busybox:latest");
        world
    }

    /// An image with a shell, as if pulled.
    fn base(&self, name: &str) {
        block_on(async {
            let rootfs = self.snapshots.prepare("base", None).await.expect("prepare");
            put(&rootfs.tree, "bin/sh", b"#!", 0o755);
            let passwd = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/home:/bin/false\n";
            put(&rootfs.tree, "etc/passwd", passwd, 0o644);
            put(
                &rootfs.tree,
                "etc/group",
                b"root:x:0:\nstaff:x:50:\n",
                0o644,
            );
            let layer = self.snapshots.commit("base").await.expect("commit");
            self.snapshots.remove("base").await.expect("remove");
            let config = ImageConfig {
                architecture: "amd64".into(),
                os: "linux".into(),
                created: Some("2023-05-18T22:34:17Z".into()),
                config: Some(ContainerConfig {
                    env: Some(vec![
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                    ]),
                    cmd: Some(vec!["sh".into()]),
                    ..ContainerConfig::default()
                }),
                history: vec![History {
                    created_by: "/bin/sh -c #(nop)  CMD [\"sh\"]".into(),
                    ..History::default()
                }],
                rootfs: bottleship_oci::RootFs {
                    diff_ids: layer.map(|l| l.diff_id).into_iter().collect(),
                    ..Default::default()
                },
                ..ImageConfig::default()
            };
            let tag = Reference::parse(name).expect("reference");
            let config = RawConfig::new(config);
            let made = self.images.register(config, None, &[tag], false).await;
            made.expect("register");
        });
    }

    /// Builds a context.
    pub fn build(&self, context: &[(&str, &[u8])], request: &BuildRequest) -> Built {
        self.build_archive(&tar(context), request)
    }

    pub fn build_archive(&self, archive: &[u8], request: &BuildRequest) -> Built {
        self.clock.advance(1_000_000_000);
        self.reports.borrow_mut().clear();
        let (writer, mut reader) = pipe(1 << 20);
        let output = Output::new(writer, request.quiet);
        let archive = Bytes::copy_from_slice(archive);
        let archive = Rc::new(Pieces::from(archive));
        let result = block_on(async {
            let built = async {
                let output = output;
                build(&self.ports, request, archive, &output).await
            };
            let read = reader.read_to_end(1 << 24);
            let (built, read) = futures::join!(built, read);
            (built, read.expect("the stream"))
        });
        let lines = String::from_utf8(result.1).expect("UTF-8");
        let parse = |line| serde_json::from_str(line).expect("a JSON line");
        Built {
            messages: lines.lines().map(parse).collect(),
            result: result.0,
            reports: self.reports.borrow().clone(),
        }
    }

    pub fn config(&self, id: &ImageId) -> ImageConfig {
        let image = self.images.get(id).expect("the image");
        image.config.config.clone()
    }

    /// The tree of an image.
    pub fn tree(&self, id: &ImageId) -> InodeRef {
        let top = self.images.get(id).expect("the image").top();
        block_on(self.snapshots.view(top.as_ref())).expect("view")
    }

    /// The content of a file of an image.
    pub fn file(&self, id: &ImageId, path: &str) -> Option<String> {
        let data = bottleship_engine::build::tree::read(&self.tree(id), path, 1 << 20);
        let data = data.expect("read")?;
        Some(String::from_utf8_lossy(&data).into_owned())
    }
}

/// A tar of files; names ending in `/` are directories, in `.sh` programs.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        let dir = name.ends_with('/');
        header.set_entry_type(match dir {
            true => tar::EntryType::Directory,
            false => tar::EntryType::Regular,
        });
        header.set_mode(if dir || name.ends_with(".sh") {
            0o755
        } else {
            0o644
        });
        header.set_size(data.len() as u64);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, name, *data).expect("tar");
    }
    builder.into_inner().expect("tar")
}

pub fn put(root: &InodeRef, path: &str, data: &[u8], mode: u32) {
    let perm = |mode| CreatePerm {
        mode,
        uid: 0,
        gid: 0,
    };
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let dir = bottleship_engine::build::tree::mkdir_all(root, dir, perm(0o755));
    let (dir, _) = dir.expect("mkdir");
    let _ = dir.unlink(name.as_bytes());
    let file = dir.create(name.as_bytes(), NewNode::File, perm(mode));
    file.expect("create").write_at(0, data).expect("write");
}

struct Containers {
    snapshots: Rc<EmulatedSnapshots>,
    images: Images,
    existing: Rc<RefCell<BTreeMap<String, ContainerConfig>>>,
    entropy: Rc<SeededEntropy>,
}

#[async_trait(?Send)]
impl StepContainers for Containers {
    async fn create(&self, config: &ContainerConfig, _: &StepHost) -> Result<String, ApiError> {
        let id = random_id(&*self.entropy);
        let top = self.images.find(&config.image)?.top();
        self.snapshots.prepare(&id, top.as_ref()).await?;
        self.existing
            .borrow_mut()
            .insert(id.clone(), config.clone());
        Ok(id)
    }

    async fn run(&self, id: &str, output: &dyn StepOutput) -> Result<i64, ApiError> {
        let config = self.existing.borrow()[id].clone();
        let rootfs = self.snapshots.rootfs(id).await?;
        if config.user == "nosuch" {
            let text = "unable to find user nosuch: no matching entries in passwd file";
            return Err(ApiError::invalid(text));
        }
        let ran = shell::run(
            &rootfs.tree,
            &[],
            &config.cmd.unwrap_or_default(),
            &config.env.unwrap_or_default(),
            &config.working_dir,
        )?;
        say(ran, output).await
    }

    async fn remove(&self, id: &str) -> Result<(), ApiError> {
        self.existing.borrow_mut().remove(id);
        Ok(self.snapshots.remove(id).await?)
    }
}

async fn say(ran: shell::Ran, output: &dyn StepOutput) -> Result<i64, ApiError> {
    for (stream, text) in [(StdStream::Stdout, ran.out), (StdStream::Stderr, ran.err)] {
        if !text.is_empty() {
            output.write(stream, text.into()).await?;
        }
    }
    Ok(ran.code)
}

struct Processes;

#[async_trait(?Send)]
impl Sandboxes for Processes {
    async fn run(&self, sandbox: Sandbox, output: &dyn StepOutput) -> Result<i64, ApiError> {
        let mounts: Vec<(String, InodeRef)> = sandbox
            .mounts
            .iter()
            .filter_map(|mount| match &mount.source {
                SandboxSource::Tree(tree) => Some((mount.target.clone(), tree.clone())),
                SandboxSource::Tmpfs(_) => None,
            })
            .collect();
        let ran = shell::run(
            &sandbox.rootfs.tree,
            &mounts,
            &sandbox.args,
            &sandbox.env,
            &sandbox.cwd,
        )?;
        say(ran, output).await
    }
}

/// The images port, for tests that look for names.
pub fn found(world: &World, name: &str) -> Option<ImageId> {
    let images: &dyn BuildImages = &*world.ports.images;
    images.find(name).expect("a name").map(|image| image.id())
}
