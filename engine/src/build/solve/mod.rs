//! BuildKit's way: the Dockerfile is converted to steps, each step is taken from the cache or done, and one image is
//! made of the last one's layers.

mod cache;
mod exec;
mod export;
mod files;
pub mod progress;

use std::collections::BTreeMap;

use bottleship_dockerfile::convert::{
    self, BaseImage, BaseImages, Failure, Op, Plan, Platform, Source, Step,
};
use bottleship_dockerfile::image::Image;
use bottleship_dockerfile::lint::{Config, Linter};
use bottleship_oci::{ChainId, DiffId, ImageId, Reference};
use bottleship_vfs::InodeRef;
use sha2::Digest as _;

use self::cache::{Cache, Found, Inputs};
use self::progress::{Progress, Vertex};
use super::ports::StoredImage;
use super::report::{CacheOutcome, StepReport};
use super::{BuildError, BuildRequest, Context, Output, Ports, context, download};
use crate::api::ApiError;

pub use self::cache::clear;

type Result<T> = std::result::Result<T, BuildError>;

/// What a step made.
#[derive(Clone)]
struct Made {
    /// By what it is known to the steps after it.
    key: String,
    tree: Tree,
    /// When each of its layers was made, RFC 3339; `None` for those of a base image.
    times: Vec<Option<String>>,
    /// It was done anew.
    fresh: bool,
}

/// A file tree.
#[derive(Clone)]
enum Tree {
    /// Layers, bottom first; `None` for a step that changed nothing.
    Layers(Vec<Option<DiffId>>),
    /// Files that are no layer: the context, a download.
    Context(InodeRef),
}

impl Made {
    fn layers(&self) -> &[Option<DiffId>] {
        match &self.tree {
            Tree::Layers(layers) => layers,
            Tree::Context(_) => &[],
        }
    }

    fn top(&self) -> Option<ChainId> {
        let layers: Vec<DiffId> = self.layers().iter().flatten().cloned().collect();
        ChainId::chain(&layers).pop()
    }
}

fn not_found(path: &str) -> ApiError {
    let path = path.trim_start_matches('/');
    ApiError::not_found(format!(
        "failed to compute cache key: failed to calculate checksum of ref {}: \"/{path}\": not found",
        &cache::hash([path])[..25]
    ))
}

/// Puts BuildKit's prefix before an error, unless it has it.
fn solve_error(error: impl Into<BuildError>) -> BuildError {
    let mut error = error.into();
    if !error.error.message.starts_with("failed to solve") {
        error.error.message = format!("failed to solve: {}", error.error.message);
    }
    error
}

/// Builds an image and returns its id. Everything is reported on `output` except the error.
///
/// # Errors
/// See [`BuildError`].
pub async fn build(
    ports: &Ports,
    request: &BuildRequest,
    context: &Context,
    output: &Output,
) -> Result<ImageId> {
    let solve = Solve {
        ports,
        request,
        context,
        progress: Progress::new(output, &ports.clock),
        cache: Cache::new(&ports.store, &ports.snapshots),
    };
    solve.run().await.map_err(solve_error)
}

struct Solve<'a> {
    ports: &'a Ports,
    request: &'a BuildRequest,
    context: &'a Context,
    progress: Progress,
    cache: Cache,
}

/// Base images found so far, by full name.
#[derive(Default)]
struct Bases(BTreeMap<String, StoredImage>);

impl BaseImages for Bases {
    fn normalize(&self, name: &str) -> std::result::Result<String, String> {
        let reference = Reference::parse(name).map_err(|e| e.to_string())?;
        Ok(reference.with_default_tag().to_string())
    }

    fn resolve(
        &self,
        reference: &str,
        _platform: &Platform,
    ) -> std::result::Result<Option<BaseImage>, String> {
        let Some(stored) = self.0.get(reference) else {
            return Ok(None);
        };
        let image: Image = serde_json::from_slice(&stored.config.raw).map_err(|e| e.to_string())?;
        Ok(Some(BaseImage {
            digest: String::new(),
            image,
        }))
    }
}

/// What the steps are done with.
struct Job<'a> {
    plan: &'a Plan,
    bases: &'a Bases,
    context: &'a Context,
    dockerfile: &'a str,
}

impl Job<'_> {
    /// By what a step is known from build to build: its place and its text, before variables are put in.
    fn identity(&self, step: &Step) -> String {
        let place = step.name.split(']').next().unwrap_or_default();
        let Some(lines) = step.location else {
            return step.name.clone();
        };
        let count = lines.end.saturating_sub(lines.start) + 1;
        let text = self.dockerfile.lines().skip(lines.start.saturating_sub(1));
        let text: Vec<&str> = text.take(count).collect();
        format!("{place}] {}", text.join("\n"))
    }
}

impl Solve<'_> {
    async fn run(&self) -> Result<ImageId> {
        let name = &self.request.dockerfile;
        let vertex = self
            .internal(&format!("load build definition from {name}"))
            .await?;
        let dockerfile = match self.context.dockerfile(name) {
            Ok(dockerfile) => dockerfile,
            Err(error) => {
                let message =
                    format!("failed to read dockerfile: open {name}: no such file or directory");
                vertex.failed(&message).await?;
                let message = match error.kind {
                    crate::api::ErrorKind::NotFound => message,
                    _ => error.message,
                };
                return Err(ApiError::invalid(message).into());
            }
        };
        let size = dockerfile.len() as u64;
        vertex.part("transferring dockerfile:", size).await?;
        vertex.done(false).await?;
        let matcher = self.context.ignore(name)?;
        let context = match &matcher {
            Some(matcher) => self.context.without(matcher)?,
            None => self.context.clone(),
        };
        let options = self.options(matcher);
        let (plan, bases) = self.plan(&dockerfile, &options, &vertex).await?;
        let ignored = self.internal("load .dockerignore").await?;
        ignored.part("transferring context:", 2).await?;
        ignored.done(false).await?;
        let job = Job {
            plan: &plan,
            bases: &bases,
            context: &context,
            dockerfile: &String::from_utf8_lossy(&dockerfile),
        };
        let made = self.steps(&job).await?;
        let result = plan.result.and_then(|at| made.get(at));
        self.export(&plan, result).await
    }

    fn options(&self, ignore: Option<bottleship_dockerfile::ignore::Matcher>) -> convert::Options {
        let given = self.request.build_args.iter();
        let build_args = given.filter_map(|(k, v)| Some((k.clone(), v.clone()?)));
        convert::Options {
            build_args: build_args.collect(),
            labels: self.request.labels.clone(),
            target: self.request.target.clone(),
            no_cache: self.request.no_cache,
            target_platform: platform(&self.request.platform),
            ignore,
            ..convert::Options::default()
        }
    }

    async fn internal(&self, what: &str) -> Result<Vertex> {
        let name = format!("[internal] {what}");
        let digest = format!("sha256:{}", cache::hash([name.as_str()]));
        Ok(self.progress.start(&digest, &name).await?)
    }

    /// Converts the Dockerfile, fetching the images it names.
    async fn plan(
        &self,
        dockerfile: &[u8],
        options: &convert::Options,
        definition: &Vertex,
    ) -> Result<(Plan, Bases)> {
        let mut bases = Bases::default();
        loop {
            let config = Config::of_dockerfile(dockerfile);
            let config = config.map_err(|e| BuildError::invalid(e.message))?;
            let mut linter = Linter::new(config);
            let converted = convert::convert(dockerfile, options, &bases, &mut linter);
            if let Err(Failure::Missing { reference, .. }) = &converted {
                let stored = self.base(reference).await?;
                bases.0.insert(reference.clone(), stored);
                continue;
            }
            for finding in linter.findings() {
                definition.warning(finding).await?;
            }
            return match converted {
                Ok(plan) => Ok((plan, bases)),
                Err(failure) => Err(BuildError::invalid(failure.to_string())),
            };
        }
    }

    async fn base(&self, reference: &str) -> Result<StoredImage> {
        let vertex = self
            .internal(&format!("load metadata for {reference}"))
            .await?;
        let images = &self.ports.images;
        let here = match self.request.pull {
            true => None,
            false => images.find(reference)?,
        };
        let found = match here {
            Some(image) => Ok(image),
            None => images.pull(reference, &Output::none()).await,
        };
        match found {
            Ok(image) => {
                vertex.done(false).await?;
                Ok(image)
            }
            Err(error) => {
                vertex.failed(&error.message).await?;
                let message = format!(
                    "{reference}: failed to resolve source metadata for {reference}: {}",
                    error.message
                );
                Err(ApiError { message, ..error }.into())
            }
        }
    }

    async fn steps(&self, job: &Job<'_>) -> Result<Vec<Made>> {
        let plan = job.plan;
        let mut made: Vec<Made> = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.iter().enumerate() {
            let inputs: Vec<Made> = step
                .inputs
                .iter()
                .filter_map(|input| made.get(*input).cloned())
                .collect();
            let keys: Vec<&str> = inputs.iter().map(|m| m.key.as_str()).collect();
            let operation = format!("{:?}", step.op);
            let identity = [operation.as_str(), &step.name].into_iter().chain(keys);
            let digest = format!("sha256:{}", cache::hash(identity));
            let vertex = self.progress.start(&digest, &step.name).await?;
            match self.step(job, step, &inputs, &vertex).await {
                Ok((result, outcome)) => {
                    vertex.done(outcome == CacheOutcome::Hit).await?;
                    self.report(plan, at, &result, outcome);
                    made.push(result);
                }
                Err(error) => {
                    vertex.failed(&error.message).await?;
                    return Err(error.into());
                }
            }
        }
        Ok(made)
    }

    fn report(&self, plan: &Plan, at: usize, result: &Made, cache: CacheOutcome) {
        if let (Some(observer), Some(step)) = (&self.ports.observer, plan.steps.get(at)) {
            observer(&StepReport {
                step: at + 1,
                total: plan.steps.len(),
                name: step.name.clone(),
                lines: step.location.map(|l| (l.start, l.end)),
                cache,
                result: result.top().map(|c| c.to_string()).unwrap_or_default(),
            });
        }
    }

    async fn step(
        &self,
        job: &Job<'_>,
        step: &Step,
        inputs: &[Made],
        vertex: &Vertex,
    ) -> std::result::Result<(Made, CacheOutcome), ApiError> {
        match &step.op {
            Op::Source(source) => {
                let made = self.source(source, job, vertex).await?;
                Ok((made, CacheOutcome::None))
            }
            Op::Merge { lower, upper } => self.merge(*lower, *upper, inputs).await,
            Op::Exec(exec) => {
                let base = exec.root.and_then(|at| inputs.get(at));
                let keys: Vec<String> = inputs.iter().map(|m| m.key.clone()).collect();
                let (operation, files) = exec::inputs(exec, inputs, &keys)?;
                let wanted = Inputs {
                    operation,
                    base: base.map(|m| m.key.clone()).unwrap_or_default(),
                    files,
                    environment: exec.env.join("\0"),
                };
                self.layered((step, &job.identity(step)), base, wanted, async |top| {
                    let host = &self.request.host;
                    exec::run(self.ports, exec, top, inputs, host, vertex).await
                })
                .await
            }
            Op::File { input, actions } => {
                let base = input.and_then(|at| inputs.get(at));
                let sources = self.sources(inputs).await?;
                let empty = files::Source {
                    tree: context::tree_of(&bottleship_vfs::Clock::new(), 0)?,
                    context: false,
                };
                let wanted = file_inputs(actions, base, &sources, &empty)?;
                self.layered((step, &job.identity(step)), base, wanted, async |top| {
                    let snapshots = &self.ports.snapshots;
                    let key = crate::clock::random_id(&*self.ports.entropy);
                    let rootfs = snapshots.prepare(&key, top).await?;
                    let limits = &self.ports.limits;
                    let done = files::apply(&rootfs.tree, actions, &sources, &empty, limits);
                    let layer = match done {
                        Ok(()) => snapshots.commit(&key).await.map_err(ApiError::from),
                        Err(error) => Err(ApiError::invalid(error.0)),
                    };
                    // Whatever happened, nobody needs it any more.
                    let removed = snapshots.remove(&key).await;
                    let layer = layer?;
                    removed?;
                    Ok(layer.map(|l| l.diff_id))
                })
                .await
            }
        }
    }

    /// Takes a step's layer from the cache, or makes it.
    async fn layered(
        &self,
        (step, identity): (&Step, &str),
        base: Option<&Made>,
        wanted: Inputs,
        make: impl AsyncFnOnce(Option<&ChainId>) -> std::result::Result<Option<DiffId>, ApiError>,
    ) -> std::result::Result<(Made, CacheOutcome), ApiError> {
        let mut layers = base.map(|m| m.layers().to_vec()).unwrap_or_default();
        let fresh_base = base.is_some_and(|m| m.fresh);
        let found = self
            .cache
            .find(identity, &wanted, step.ignore_cache, fresh_base)
            .await?;
        let (layer, time, outcome) = match found {
            Found::Hit(layer, time) => (layer, time, CacheOutcome::Hit),
            Found::Miss(outcome) => {
                let layer = make(base.and_then(Made::top).as_ref()).await?;
                let now = self.ports.clock.now();
                (layer, bottleship_oci::time::format(now.nanos()), outcome)
            }
        };
        layers.push(layer.clone());
        let mut times = base.map(|m| m.times.clone()).unwrap_or_default();
        times.push(Some(time.clone()));
        let fresh = outcome != CacheOutcome::Hit;
        let key = match fresh && step.ignore_cache {
            // Done again although nothing changed: what comes after is to be done again, too, if it differs.
            true => cache::hash([
                wanted.key().as_str(),
                layer.as_ref().map_or("", DiffId::as_str),
            ]),
            false => wanted.key(),
        };
        let made = Made {
            key,
            tree: Tree::Layers(layers),
            times,
            fresh,
        };
        if fresh {
            let top = made.top();
            self.cache
                .put(identity, &wanted, (layer, top), time)
                .await?;
        }
        Ok((made, outcome))
    }

    /// Lays the layers of `COPY --link` over others.
    async fn merge(
        &self,
        lower: Option<usize>,
        upper: usize,
        inputs: &[Made],
    ) -> std::result::Result<(Made, CacheOutcome), ApiError> {
        let snapshots = &self.ports.snapshots;
        let below = lower.and_then(|at| inputs.get(at));
        let above = inputs.get(upper);
        let mut layers = below.map(|m| m.layers().to_vec()).unwrap_or_default();
        let mut top = below.and_then(Made::top);
        let mut alone: Vec<DiffId> = Vec::new();
        for layer in above.map(Made::layers).unwrap_or_default() {
            layers.push(layer.clone());
            let Some(layer) = layer else { continue };
            alone.push(layer.clone());
            let own = ChainId::chain(&alone).pop();
            let info = match &own {
                Some(chain) => snapshots.layer(chain).await?,
                None => None,
            };
            let info = info.ok_or_else(|| ApiError::system(format!("layer {layer} is gone")))?;
            top = Some(snapshots.apply(top.as_ref(), &info.blob).await?.chain_id);
        }
        let key = |made: Option<&Made>| made.map(|m| m.key.clone()).unwrap_or_default();
        let mut times = below.map(|m| m.times.clone()).unwrap_or_default();
        times.extend(above.iter().flat_map(|m| m.times.clone()));
        let fresh = above.is_some_and(|m| m.fresh);
        let made = Made {
            key: cache::hash(["merge", &key(below), &key(above)]),
            tree: Tree::Layers(layers),
            times,
            fresh,
        };
        let outcome = if fresh {
            CacheOutcome::None
        } else {
            CacheOutcome::Hit
        };
        Ok((made, outcome))
    }

    async fn source(
        &self,
        source: &Source,
        job: &Job<'_>,
        vertex: &Vertex,
    ) -> std::result::Result<Made, ApiError> {
        match source {
            Source::Image(name) => {
                let stored = job.bases.0.get(name);
                let stored =
                    stored.ok_or_else(|| ApiError::not_found(format!("{name}: not found")))?;
                let layers = &stored.config.config.rootfs.diff_ids;
                let chain = ChainId::chain(layers).pop();
                let chain = chain.map(|c| c.to_string()).unwrap_or_default();
                Ok(Made {
                    key: cache::hash(["image", &chain]),
                    tree: Tree::Layers(layers.iter().cloned().map(Some).collect()),
                    times: vec![None; layers.len()],
                    fresh: false,
                })
            }
            Source::Context { .. } => {
                let files = super::tree::walk(job.context.root());
                let files = files.map_err(|e| ApiError::system(e.strerror()))?;
                let size = files.iter().filter(|f| f.2.is_file()).map(|f| f.2.size);
                vertex.part("transferring context:", size.sum()).await?;
                Ok(Made {
                    key: cache::hash(["context"]),
                    tree: Tree::Context(job.context.root().clone()),
                    times: Vec::new(),
                    fresh: false,
                })
            }
            Source::Http {
                url,
                checksum,
                filename,
            } => {
                let limit = self.ports.limits.archive_bytes;
                let now = self.ports.clock.now();
                let file = download::download(&*self.ports.fetch, url, limit, now).await?;
                let content = file.content(limit)?;
                let digest = format!("sha256:{}", hex::encode(sha2::Sha256::digest(&content)));
                if !checksum.is_empty() && *checksum != digest {
                    return Err(ApiError::invalid(format!(
                        "digest mismatch {digest}: {checksum}"
                    )));
                }
                vertex.part("downloading", content.len() as u64).await?;
                Ok(Made {
                    key: cache::hash(["http", &digest]),
                    tree: Tree::Context(file.renamed(filename)?),
                    times: Vec::new(),
                    fresh: false,
                })
            }
            Source::Git { remote, .. } => Err(ApiError::invalid(format!(
                "failed to load cache key: {remote}: Git repositories are not supported here, clone it and copy the directory"
            ))),
        }
    }

    async fn sources(&self, inputs: &[Made]) -> std::result::Result<Vec<files::Source>, ApiError> {
        let mut out = Vec::new();
        for made in inputs {
            out.push(match &made.tree {
                Tree::Context(tree) => files::Source {
                    tree: tree.clone(),
                    context: true,
                },
                Tree::Layers(_) => files::Source {
                    tree: self.ports.snapshots.view(made.top().as_ref()).await?,
                    context: false,
                },
            });
        }
        Ok(out)
    }
}

fn platform(text: &str) -> Option<Platform> {
    let (os, architecture) = text.split_once('/')?;
    Some(Platform::new(os, architecture))
}

/// What a file step depends on: its base, its actions, and the content of the files it copies, wherever they are.
fn file_inputs(
    actions: &[convert::FileAction],
    base: Option<&Made>,
    sources: &[files::Source],
    empty: &files::Source,
) -> std::result::Result<Inputs, ApiError> {
    let mut sums = Vec::new();
    let mut parts = Vec::new();
    for action in actions {
        let convert::FileAction::Copy(copy) = action else {
            parts.push(format!("{action:?}"));
            continue;
        };
        let source = copy.from.and_then(|at| sources.get(at)).unwrap_or(empty);
        let sum = files::content(copy, source).map_err(|e| ApiError::not_found(e.0))?;
        sums.push(sum);
        let mut copy = copy.clone();
        copy.from = None;
        parts.push(format!("{copy:?}"));
    }
    Ok(Inputs {
        operation: cache::hash(parts.iter().map(String::as_str)),
        base: base.map(|m| m.key.clone()).unwrap_or_default(),
        files: cache::hash(sums.iter().map(String::as_str)),
        environment: String::new(),
    })
}
