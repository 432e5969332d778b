//! `docker search`.

use super::Images;
use super::remote::Remote;
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::SearchResult;
use bottleship_oci::reference::DEFAULT_DOMAIN;
use serde::Deserialize;

/// The most bytes of a catalogue.
const LIMIT: usize = 4 << 20;
const FILTERS: [&str; 3] = ["is-automated", "is-official", "stars"];

/// What to search for.
pub struct Search<'a> {
    /// Part of a name or description.
    pub term: &'a str,
    /// Results at most; 0 for 25.
    pub limit: usize,
    /// `is-official`, `stars`.
    pub filters: &'a Filters,
}

/// `v2/catalog.json` of a static registry.
#[derive(Deserialize)]
struct Catalog {
    repositories: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    description: String,
}

impl Images {
    /// Repositories of the registries in place of Docker Hub that match, official ones first.
    pub async fn search(&self, search: Search<'_>) -> Result<Vec<SearchResult>, ApiError> {
        let filters = search.filters;
        if let Some(name) = filters.names().find(|name| !FILTERS.contains(name)) {
            return Err(ApiError::invalid(format!("invalid filter '{name}'")));
        }
        let official = filters.bool("is-official")?;
        let automated = filters.bool("is-automated")?.unwrap_or(false);
        let stars: i64 = match filters.get("stars") {
            [] => 0,
            [n, ..] => n
                .parse()
                .map_err(|_| ApiError::invalid(format!("invalid filter 'stars=[{n}]'")))?,
        };
        let limit = if search.limit == 0 { 25 } else { search.limit };
        if limit > 100 {
            return Err(ApiError::invalid(format!(
                "Limit {limit} is outside the range of [1, 100]"
            )));
        }
        let term = search.term.to_lowercase();
        let mut results = Vec::new();
        for remote in Remote::endpoints(self, DEFAULT_DOMAIN, "", Default::default())? {
            let Ok(Some(bytes)) = remote.document("catalog.json", LIMIT).await else {
                continue;
            };
            let Ok(catalog) = serde_json::from_slice::<Catalog>(&bytes) else {
                continue;
            };
            for Entry { name, description } in catalog.repositories {
                let short = name.strip_prefix("library/").unwrap_or(&name).to_string();
                let is_official = short != name;
                let matches = short.to_lowercase().contains(&term)
                    || description.to_lowercase().contains(&term);
                if matches && official.is_none_or(|o| o == is_official) && !automated && stars <= 0
                {
                    results.push(SearchResult {
                        name: short,
                        is_official,
                        description,
                        ..Default::default()
                    });
                }
            }
        }
        results.sort_by(|a, b| (!a.is_official, &a.name).cmp(&(!b.is_official, &b.name)));
        results.dedup_by(|a, b| a.name == b.name);
        results.truncate(limit);
        Ok(results)
    }
}
