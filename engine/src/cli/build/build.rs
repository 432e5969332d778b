//! `docker image build`: build an image from a Dockerfile.

use super::context::{Context, Prepared};
use super::{Builder, builder, buildkit};
use crate::cli::config::{base64, decode_auth};
use crate::cli::container::opts::{object, parse_extra_host, parse_ulimit, size};
use crate::cli::jsonmessage::{Display, Documents};
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["image build", "build", "builder build"],
    usage: "[OPTIONS] PATH | URL | -",
    about: "Build an image from a Dockerfile",
    args: Args::Exact(1),
    flags: &[
        Flag::long(
            "add-host",
            "list",
            "Add a custom host-to-IP mapping (\"host:ip\")",
        ),
        Flag::long("build-arg", "list", "Set build-time variables"),
        Flag::long(
            "cache-from",
            "strings",
            "Images to consider as cache sources",
        ),
        Flag::long(
            "cgroup-parent",
            "string",
            "Set the parent cgroup for the \"RUN\" instructions during build",
        ),
        Flag::long("compress", "", "Compress the build context using gzip"),
        Flag::long(
            "cpu-period",
            "int",
            "Limit the CPU CFS (Completely Fair Scheduler) period",
        ),
        Flag::long(
            "cpu-quota",
            "int",
            "Limit the CPU CFS (Completely Fair Scheduler) quota",
        ),
        Flag::new('c', "cpu-shares", "int", "CPU shares (relative weight)"),
        Flag::long(
            "cpuset-cpus",
            "string",
            "CPUs in which to allow execution (0-3, 0,1)",
        ),
        Flag::long(
            "cpuset-mems",
            "string",
            "MEMs in which to allow execution (0-3, 0,1)",
        ),
        Flag::long(
            "disable-content-trust",
            "",
            "Skip image verification (default true)",
        ),
        Flag::new(
            'f',
            "file",
            "string",
            "Name of the Dockerfile (Default is \"PATH/Dockerfile\")",
        ),
        Flag::long("force-rm", "", "Always remove intermediate containers"),
        Flag::long("iidfile", "string", "Write the image ID to the file"),
        Flag::long("isolation", "string", "Container isolation technology"),
        Flag::long("label", "list", "Set metadata for an image"),
        Flag::new('m', "memory", "bytes", "Memory limit"),
        Flag::long(
            "memory-swap",
            "bytes",
            "Swap limit equal to memory plus swap: -1 to enable unlimited swap",
        ),
        Flag::long(
            "network",
            "string",
            "Set the networking mode for the RUN instructions during build (default \"default\")",
        ),
        Flag::long("no-cache", "", "Do not use cache when building the image"),
        Flag::long(
            "platform",
            "string",
            "Set platform if server is multi-platform capable",
        ),
        Flag::hidden("progress", "string"),
        Flag::hidden("load", ""),
        Flag::long(
            "pull",
            "",
            "Always attempt to pull a newer version of the image",
        ),
        Flag::new(
            'q',
            "quiet",
            "",
            "Suppress the build output and print image ID on success",
        ),
        Flag::long(
            "rm",
            "",
            "Remove intermediate containers after a successful build (default true)",
        ),
        Flag::long("security-opt", "strings", "Security options"),
        Flag::long("shm-size", "bytes", "Size of \"/dev/shm\""),
        Flag::long(
            "squash",
            "",
            "Squash newly built layers into a single new layer",
        )
        .needs(Need::Experimental),
        Flag::new(
            't',
            "tag",
            "list",
            "Name and optionally a tag in the \"name:tag\" format",
        ),
        Flag::long("target", "string", "Set the target build stage to build."),
        Flag::long("ulimit", "ulimit", "Ulimit options (default [])"),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    match builder(cli)? {
        Builder::BuildKit => buildkit::run(cli, m).await,
        Builder::ClassicAsked | Builder::ClassicOnly => run_classic(cli, m).await,
    }
}

/// The query both builders take.
pub fn params(cli: &Cli<'_>, m: &Matches, dockerfile: &str) -> Params {
    let mut args = serde_json::Map::new();
    for a in m.list("build-arg") {
        // A bare name takes the client's value, or none.
        let (k, v) = match a.split_once('=') {
            Some((k, v)) => (k, J::from(v)),
            None => (a, cli.host.env(a).map_or(J::Null, J::from)),
        };
        args.insert(k.into(), v);
    }
    let size_of = |name: &str| size(m, name);
    let mut p = Params::new().add_if(!args.is_empty(), "buildargs", J::Object(args).to_string());
    let caches = m.list("cache-from");
    p = p
        .add_if(!caches.is_empty(), "cachefrom", json!(caches).to_string())
        .add_if(
            m.given("cgroup-parent"),
            "cgroupparent",
            m.str("cgroup-parent"),
        );
    for (flag, name) in [
        ("cpu-period", "cpuperiod"),
        ("cpu-quota", "cpuquota"),
        ("cpu-shares", "cpushares"),
        ("cpuset-cpus", "cpusetcpus"),
        ("cpuset-mems", "cpusetmems"),
    ] {
        p = p.add_if(m.given(flag), name, m.str(flag));
    }
    p = p.add("dockerfile", dockerfile);
    for h in m.list("add-host") {
        if let Ok(h) = parse_extra_host(h) {
            p = p.add("extrahosts", h);
        }
    }
    let labels = m.list("label");
    p = p
        .add_if(m.on("force-rm"), "forcerm", "1")
        .add_if(!labels.is_empty(), "labels", object(&labels).to_string())
        .add_if(m.given("memory"), "memory", size_of("memory").to_string())
        .add_if(
            m.given("memory-swap"),
            "memswap",
            size_of("memory-swap").to_string(),
        )
        .add_if(
            !matches!(m.str("network"), "" | "default"),
            "networkmode",
            m.str("network"),
        )
        .add_if(m.on("no-cache"), "nocache", "1")
        .add_if(
            m.given("platform"),
            "platform",
            m.str("platform").to_lowercase(),
        )
        .add_if(m.on("pull"), "pull", "1")
        .add_if(m.on("quiet"), "q", "1")
        .add_if(!m.on_or("rm", true), "rm", "0")
        .add_if(
            m.given("shm-size"),
            "shmsize",
            size_of("shm-size").to_string(),
        );
    for t in m.list("tag") {
        p = p.add("t", t);
    }
    let limits: Vec<J> = m
        .list("ulimit")
        .into_iter()
        .filter_map(|u| parse_ulimit(u).ok())
        .map(|(name, soft, hard)| json!({"Name": name, "Soft": soft, "Hard": hard}))
        .collect();
    p.add_if(m.given("target"), "target", m.str("target"))
        .add_if(!limits.is_empty(), "ulimits", J::Array(limits).to_string())
}

/// The credentials of every registry, for images a build may need.
pub async fn registry_config(cli: &Cli<'_>) -> String {
    let config = cli.load_config().await;
    let mut all = serde_json::Map::new();
    for (registry, entry) in config.entries("auths") {
        if let Some((user, password)) = decode_auth(entry.text("auth")) {
            all.insert(
                registry.into(),
                json!({"username": user, "password": password, "serveraddress": registry}),
            );
        }
    }
    base64(J::Object(all).to_string().as_bytes(), true)
}

/// The request for a prepared context.
pub async fn request(cli: &Cli<'_>, prepared: &Prepared, params: Params) -> Request {
    let params = match &prepared.context {
        Context::Remote(url) => params.add("remote", url),
        _ => params,
    };
    let config = registry_config(cli).await;
    let mut r = Request::post(format!("/build{params}")).header(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/x-tar"),
    );
    if let Ok(v) = http::HeaderValue::from_str(&config) {
        r = r.header(http::HeaderName::from_static("x-registry-config"), v);
    }
    r
}

/// Writes `--iidfile`.
pub async fn write_iidfile(cli: &Cli<'_>, m: &Matches, id: &str) -> Result<(), Failure> {
    let path = m.str("iidfile");
    if path.is_empty() {
        return Ok(());
    }
    if id.is_empty() {
        return Err(Failure::new(format!(
            "server did not provide an image ID. Cannot write {path}"
        )));
    }
    let fail = |e: HostError| Failure::new(format!("open {path}: {e}"));
    let file = cli
        .host
        .create(&cli.absolute(path), 0o666)
        .await
        .map_err(fail)?;
    file.write(id.as_bytes()).await.map_err(fail)?;
    file.close().await.map_err(fail)
}

async fn run_classic(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let quiet = m.on("quiet");
    let prepared = cli.build_context(m.arg(0), m.str("file")).await?;
    let params = params(cli, m, &prepared.dockerfile).add("version", "1");
    let request = request(cli, &prepared, params).await;
    let remote = matches!(prepared.context, Context::Remote(_));
    let mut id = String::new();
    let mut held = String::new();
    let result = cli
        .upload(
            request,
            async |w| {
                let sent = cli.send_context(&prepared.context, w).await?;
                if !quiet && !remote {
                    let size = units::human_size(sent as f64, 4);
                    cli.out(&format!(
                        "Sending build context to Docker daemon {size:>8}\r\r\n"
                    ))
                    .await;
                }
                Ok(())
            },
            async |response| {
                let mut documents = Documents::new(response);
                let mut display = Display::new(cli, Stream::Stdout);
                while let Some(d) = documents.next().await? {
                    if !d.at("aux").is_null() {
                        id = d.at("aux").text("ID").to_string();
                        continue;
                    }
                    let text = display.message(&d)?;
                    if quiet {
                        held.push_str(&text);
                    } else {
                        cli.out(&text).await;
                    }
                }
                Ok(())
            },
        )
        .await;
    if let Err(f) = result {
        cli.err(&held).await;
        return Err(f);
    }
    if quiet {
        if id.is_empty() {
            id = held.trim().to_string();
        }
        cli.out(&held).await;
    }
    write_iidfile(cli, m, &id).await
}
