//! What `POST /build` asks for.

use std::collections::BTreeMap;

use bottleship_oci::Reference;

use super::ports::StepHost;
use crate::api::ApiError;
use crate::api::query::Query;

/// The parameters of a build.
#[derive(Clone, Debug, Default)]
pub struct BuildRequest {
    /// Path of the Dockerfile in the context.
    pub dockerfile: String,
    /// Names for the image.
    pub tags: Vec<Reference>,
    /// `--build-arg`; without a value, the Dockerfile's default counts.
    pub build_args: BTreeMap<String, Option<String>>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--target`.
    pub target: String,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--cache-from`: when any are named, only steps of these images count.
    pub cache_from: Vec<String>,
    /// `--pull`.
    pub pull: bool,
    /// Remove the containers of steps that succeed.
    pub remove: bool,
    /// Remove those of steps that fail, too.
    pub force_remove: bool,
    /// `-q`.
    pub quiet: bool,
    /// `--platform`.
    pub platform: String,
    /// Where the context is, unless it is the request's body.
    pub remote: String,
    /// BuildKit was asked for (`version=2`).
    pub buildkit: bool,
    /// Limits and surroundings of RUN.
    pub host: StepHost,
}

impl BuildRequest {
    /// Reads the query.
    ///
    /// # Errors
    /// A tag or a JSON parameter is wrong.
    pub fn parse(query: &Query) -> Result<BuildRequest, ApiError> {
        let mut tags: Vec<Reference> = Vec::new();
        for name in query.all("t").into_iter().filter(|t| !t.is_empty()) {
            let reference = Reference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))?;
            if reference.digest().is_some() {
                return Err(ApiError::invalid(
                    "build tag cannot contain a digest".to_owned(),
                ));
            }
            let reference = reference.with_default_tag();
            if !tags.contains(&reference) {
                tags.push(reference);
            }
        }
        let dockerfile = match query.get("dockerfile") {
            "" => "Dockerfile",
            name => name,
        };
        Ok(BuildRequest {
            dockerfile: dockerfile.to_owned(),
            tags,
            build_args: json(query, "buildargs", "build args")?,
            labels: json(query, "labels", "labels")?,
            target: query.get("target").to_owned(),
            no_cache: query.bool("nocache"),
            cache_from: json(query, "cachefrom", "cache sources")?,
            pull: query.bool("pull"),
            remove: query.bool_or("rm", true),
            force_remove: query.bool("forcerm"),
            quiet: query.bool("q"),
            platform: query.get("platform").to_owned(),
            remote: query.get("remote").to_owned(),
            buildkit: query.get("version") == "2",
            host: StepHost {
                network: query.get("networkmode").to_owned(),
                memory: query.int_or_zero("memory"),
                memory_swap: query.int_or_zero("memswap"),
                cpu_shares: query.int_or_zero("cpushares"),
                cpu_period: query.int_or_zero("cpuperiod"),
                cpu_quota: query.int_or_zero("cpuquota"),
                shm_size: query.int_or_zero("shmsize"),
                extra_hosts: query
                    .all("extrahosts")
                    .into_iter()
                    .flat_map(|list| list.split(','))
                    .filter(|host| !host.is_empty())
                    .map(str::to_owned)
                    .collect(),
                ulimits: json(query, "ulimits", "ulimit")?,
            },
        })
    }
}

fn json<T: serde::de::DeserializeOwned + Default>(
    query: &Query,
    name: &str,
    what: &str,
) -> Result<T, ApiError> {
    match query.get(name) {
        "" | "null" => Ok(T::default()),
        text => serde_json::from_str(text)
            .map_err(|e| ApiError::invalid(format!("error reading {what}: {e}"))),
    }
}
