//! The services that buildx calls on `POST /grpc`: `moby.buildkit.v1.Control`, and for the frontend's part
//! `moby.buildkit.v1.frontend.LLBBridge`. The client says in `Control/Solve` where the result goes, asks the bridge
//! to run the frontend, and ends the build by `Return`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use bottleship_engine::api::SERVER_VERSION;
use bottleship_engine::api::query::encode;
use futures::Stream;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use super::build::{IMAGE_ID, TRACE};
use super::output::{self, Output};
use super::proto::{
    ApiCap, BuildkitVersion, Empty, FrontendRequest, FrontendResponse, InfoResponse,
    ListWorkersResponse, Platform, PongResponse, Ref, ReturnRequest, SolveRequest, SolveResponse,
    SolveResult, StatusRequest, StatusResponse, WorkerRecord,
};
use super::solve::Solve;
use super::trace;
use crate::daemon::thread::{self, EngineHandle};

/// Builds of one connection at a time at most.
const MOST_BUILDS: usize = 64;
/// Bytes of a build's status that are kept for who asks late.
const MOST_STATUS: usize = 32 << 20;

/// What the bridge can do, by the names that clients ask for.
const CAPABILITIES: [&str; 7] = [
    "solve.base",
    "solve.inlinereturn",
    "return",
    "returnmap",
    "proto.refarray",
    "gateway.solve.evaluate",
    "gateway.solve.metadata",
];

/// The image that a result's name stands for is the name.
#[derive(Default)]
struct State {
    outputs: Vec<Output>,
    tags: String,
    session: Option<String>,
    statuses: Vec<StatusResponse>,
    bytes: usize,
    /// The image, or why there is none.
    result: Option<Result<String, String>>,
    returned: bool,
    ended: bool,
}

/// A build under way.
#[derive(Default)]
struct Build {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Build {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_replace(());
    }

    fn tell(&self, status: StatusResponse) {
        let bytes = status.encoded_len();
        self.change(|state| {
            // Output without end is not kept; the steps are.
            if state.bytes + bytes <= MOST_STATUS || status.logs.is_empty() {
                state.bytes += bytes;
                state.statuses.push(status);
            }
        });
    }

    async fn wait<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(found) = look(&self.state()) {
                return found;
            }
            // The sender is in `self`.
            let _ = changed.changed().await;
        }
    }
}

/// The services of one connection.
struct Control {
    engine: EngineHandle,
    builds: Mutex<HashMap<String, Arc<Build>>>,
}

/// Serves a connection until it ends.
pub async fn serve(engine: EngineHandle, connection: Upgraded) {
    let control = Arc::new(Control {
        engine,
        builds: Mutex::default(),
    });
    let service = service_fn(move |request| {
        let control = control.clone();
        async move { Ok::<_, Infallible>(control.route(request).await) }
    });
    // A client that breaks off is not worth a word.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(connection, service)
        .await;
}

fn status(error: &anyhow::Error) -> Status {
    Status::unknown(format!("{error:#}"))
}

fn worker() -> WorkerRecord {
    WorkerRecord {
        id: "bottleship".into(),
        labels: HashMap::new(),
        platforms: vec![Platform {
            architecture: "amd64".into(),
            os: "linux".into(),
        }],
    }
}

impl Control {
    async fn route(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/moby.buildkit.v1.Control/ListWorkers" => {
                unary(request, |_: tonic::Request<Empty>| async {
                    Ok(ListWorkersResponse {
                        record: vec![worker()],
                    })
                })
                .await
            }
            "/moby.buildkit.v1.Control/Info" => {
                unary(request, |_: tonic::Request<Empty>| async {
                    let version = BuildkitVersion {
                        package: "bottleship".into(),
                        version: SERVER_VERSION.into(),
                        revision: String::new(),
                    };
                    Ok(InfoResponse {
                        version: Some(version),
                    })
                })
                .await
            }
            "/moby.buildkit.v1.Control/Solve" => {
                unary(request, move |r: tonic::Request<SolveRequest>| async move {
                    self.solve(r.into_inner()).await.map_err(|e| status(&e))
                })
                .await
            }
            "/moby.buildkit.v1.Control/Status" => self.statuses(request).await,
            "/moby.buildkit.v1.frontend.LLBBridge/Ping" => {
                unary(request, |_: tonic::Request<Empty>| async {
                    let caps = CAPABILITIES.iter().map(|id| ApiCap {
                        id: (*id).into(),
                        enabled: true,
                    });
                    Ok(PongResponse {
                        frontend_caps: caps.collect(),
                        llb_caps: Vec::new(),
                        workers: vec![worker()],
                    })
                })
                .await
            }
            "/moby.buildkit.v1.frontend.LLBBridge/Solve" => {
                unary(
                    request,
                    move |r: tonic::Request<FrontendRequest>| async move {
                        let build = self.named(&r).map_err(|e| status(&e))?;
                        let request = r.into_inner();
                        self.frontend(&build, &request.frontend, &request.opts)
                            .await
                            .map_err(|e| status(&e))
                    },
                )
                .await
            }
            "/moby.buildkit.v1.frontend.LLBBridge/Return" => {
                unary(
                    request,
                    move |r: tonic::Request<ReturnRequest>| async move {
                        let build = self.named(&r).map_err(|e| status(&e))?;
                        let error = r.into_inner().error;
                        build.change(|state| {
                            state.returned = true;
                            if let Some(error) = error {
                                state.result = Some(Err(error.message));
                            }
                        });
                        Ok(Empty {})
                    },
                )
                .await
            }
            path => Status::unimplemented(format!(
                "unknown method {path}: this builder takes Dockerfiles, and no LLB"
            ))
            .into_http(),
        }
    }

    /// The build of a name; a client may ask for its status before it asks for the build.
    fn build(&self, name: &str) -> Result<Arc<Build>> {
        let mut builds = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(build) = builds.get(name) {
            return Ok(build.clone());
        }
        builds.retain(|_, build| !build.state().ended);
        ensure!(builds.len() < MOST_BUILDS, "too many builds at once");
        let build = Arc::<Build>::default();
        builds.insert(name.to_owned(), build.clone());
        Ok(build)
    }

    /// The build that a call of the bridge belongs to.
    fn named<T>(&self, request: &tonic::Request<T>) -> Result<Arc<Build>> {
        let name = request.metadata().get("buildkit-controlapi-buildid");
        let name = name.context("the call names no build")?.to_str()?;
        self.build(name)
    }

    async fn solve(&self, request: SolveRequest) -> Result<SolveResponse> {
        let build = self.build(&request.reference)?;
        let done = self.run(&build, request).await;
        build.change(|state| state.ended = true);
        done
    }

    async fn run(&self, build: &Build, request: SolveRequest) -> Result<SolveResponse> {
        let mut exporters = request
            .exporters
            .into_iter()
            .map(|e| (e.kind, e.attrs))
            .collect::<Vec<_>>();
        if exporters.is_empty() && !request.exporter.is_empty() {
            exporters.push((request.exporter, request.exporter_attrs));
        }
        let outputs: Vec<Output> = exporters
            .into_iter()
            .map(|(kind, attrs)| Output {
                kind,
                attrs: Some(attrs),
            })
            .collect();
        outputs.iter().try_for_each(Output::check)?;
        let names = outputs
            .iter()
            .filter(|o| !o.is_files())
            .filter_map(|o| o.attrs.as_ref()?.get("name"));
        let tags = names.cloned().collect::<Vec<_>>().join(",");
        build.change(|state| {
            state.session = Some(request.session.clone());
            state.tags.clone_from(&tags);
            state.outputs.clone_from(&outputs);
        });
        if !request.frontend.is_empty() {
            self.frontend(build, &request.frontend, &request.frontend_attrs)
                .await?;
        } else {
            build.wait(|state| state.returned.then_some(())).await;
        }
        let result = build.state().result.clone();
        // A client that only wanted to know what the builder can do has no result.
        let Some(image) = result.transpose().map_err(anyhow::Error::msg)? else {
            return Ok(SolveResponse::default());
        };
        for output in outputs.iter().filter(|output| output.is_files()) {
            let session = self.engine.sessions().get(&request.session).await?;
            output.send(&self.engine, &session, &image).await?;
            output::forget(&self.engine, &image).await?;
        }
        let said = ["containerimage.digest", "containerimage.config.digest"];
        let mut answer: HashMap<String, String> = said
            .iter()
            .map(|key| ((*key).to_owned(), image.clone()))
            .collect();
        if !tags.is_empty() {
            answer.insert("image.name".into(), tags);
        }
        Ok(SolveResponse {
            exporter_response: answer,
        })
    }

    /// Runs the only frontend there is.
    async fn frontend(
        &self,
        build: &Build,
        frontend: &str,
        opts: &HashMap<String, String>,
    ) -> Result<FrontendResponse> {
        ensure!(
            frontend == "dockerfile.v0",
            "frontend {frontend:?} is not supported: only dockerfile.v0 is"
        );
        let (session, tags) = build
            .wait(|state| Some((state.session.clone()?, state.tags.clone())))
            .await;
        let session = self.engine.sessions().get(&session).await?;
        let options = options(opts, &tags)?;
        let solve = Solve {
            engine: self.engine.clone(),
            dockerfile: opts
                .get("filename")
                .map_or("Dockerfile", String::as_str)
                .to_owned(),
            query: options,
            headers: HeaderMap::new(),
        };
        let mut messages = solve.of_session(&session).await?;
        let mut image = None;
        while let Some(message) = messages.next().await? {
            if let Some(error) = message["error"].as_str() {
                // The client puts it before every error.
                bail!("{}", error.trim_start_matches("failed to solve: "));
            }
            match message["id"].as_str() {
                Some(TRACE) => build.tell(trace::status(&message["aux"])),
                Some(IMAGE_ID) => image = message["aux"]["ID"].as_str().map(str::to_owned),
                _ => {}
            }
        }
        let image = image.context("the build made no image")?;
        build.change(|state| state.result = Some(Ok(image.clone())));
        let reference = Some(Ref { id: image });
        Ok(FrontendResponse {
            result: Some(SolveResult {
                reference,
                metadata: HashMap::new(),
            }),
        })
    }

    async fn statuses(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let service = tower::service_fn(move |request: tonic::Request<StatusRequest>| {
            let build = self
                .build(&request.into_inner().reference)
                .map_err(|e| status(&e));
            async move { Ok::<_, Status>(tonic::Response::new(follow(build?))) }
        });
        Grpc::new(ProstCodec::<StatusResponse, StatusRequest>::default())
            .server_streaming(service, request)
            .await
    }
}

/// A build's status from its beginning to its end.
fn follow(
    build: Arc<Build>,
) -> impl Stream<Item = Result<StatusResponse, Status>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut seen = 0;
        loop {
            let next = build.wait(|state| match state.statuses.get(seen) {
                Some(status) => Some(Some(status.clone())),
                None => state.ended.then_some(None),
            });
            let Some(status) = next.await else { return };
            seen += 1;
            if sender.send(Ok(status)).await.is_err() {
                return;
            }
        }
    });
    thread::stream(receiver)
}

/// Answers a call of one message with one message.
async fn unary<In, Out, F>(
    request: Request<Incoming>,
    call: impl FnOnce(tonic::Request<In>) -> F + Send + 'static,
) -> Response<Body>
where
    In: Message + Default + Send + 'static,
    Out: Message + Default + Send + 'static,
    F: Future<Output = Result<Out, Status>> + Send + 'static,
{
    let mut call = Some(call);
    let service = tower::service_fn(move |request: tonic::Request<In>| {
        let call = call.take();
        async move {
            // A service is called once for its request.
            let call = call.ok_or_else(|| Status::internal("called twice"))?;
            Ok::<_, Status>(tonic::Response::new(call(request).await?))
        }
    });
    Grpc::new(ProstCodec::<Out, In>::default())
        .unary(service, request)
        .await
}

/// BuildKit's options of a Dockerfile as the query of `POST /build`.
fn options(opts: &HashMap<String, String>, tags: &str) -> Result<String> {
    let mut query: Vec<(&str, String)> = Vec::new();
    let mut arguments = serde_json::Map::new();
    let mut labels = serde_json::Map::new();
    let mut sorted: Vec<_> = opts.iter().collect();
    sorted.sort();
    for (key, value) in sorted {
        match key.split_once(':') {
            Some(("build-arg", name)) => {
                arguments.insert(name.to_owned(), json!(value));
            }
            Some(("label", name)) => {
                labels.insert(name.to_owned(), json!(value));
            }
            Some(("context" | "input", name)) => {
                bail!("additional build context {name:?} is not supported")
            }
            _ => match key.as_str() {
                "target" => query.push(("target", value.clone())),
                "no-cache" => query.push(("nocache", "1".into())),
                "image-resolve-mode" if value == "pull" => query.push(("pull", "1".into())),
                "force-network-mode" => query.push(("networkmode", value.clone())),
                "platform" => query.push(("platform", value.clone())),
                "add-hosts" => query.push(("extrahosts", value.replace('=', ":"))),
                "shm-size" => query.push(("shmsize", value.clone())),
                "context" => {
                    bail!("a build context at {value:?} is not supported: give a directory")
                }
                "requestid" => bail!("{value} is not supported"),
                _ => {}
            },
        }
    }
    for tag in tags.split(',').filter(|tag| !tag.is_empty()) {
        query.push(("t", tag.to_owned()));
    }
    query.push(("buildargs", serde_json::Value::from(arguments).to_string()));
    query.push(("labels", serde_json::Value::from(labels).to_string()));
    let pairs = query
        .iter()
        .map(|(key, value)| format!("{key}={}", encode(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(opts: &[(&str, &str)]) -> Result<String> {
        let opts = opts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        options(&opts.collect(), "docker.io/library/a:1,b:2")
    }

    #[test]
    fn options_become_a_query() {
        let query = asked(&[
            ("build-arg:A", "1 & 2"),
            ("label:l", ""),
            ("no-cache", ""),
            ("target", "final"),
            ("filename", "elsewhere"),
        ]);
        assert_eq!(
            query.expect("they are all known"),
            "nocache=1&target=final&t=docker.io%2Flibrary%2Fa%3A1&t=b%3A2\
             &buildargs=%7B%22A%22%3A%221%20%26%202%22%7D&labels=%7B%22l%22%3A%22%22%7D"
        );
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (key, value, said) in [
            ("context", "https://example.com/x.git", "give a directory"),
            (
                "context:base",
                "docker-image://x",
                "additional build context \"base\"",
            ),
            (
                "requestid",
                "frontend.lint",
                "frontend.lint is not supported",
            ),
        ] {
            let error = asked(&[(key, value)]).expect_err(key).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
