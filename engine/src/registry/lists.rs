//! Lists: repositories, tags, referrers.

use bottleship_oci::{Digest, media_type};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use serde_json::{Value, json};

use super::error::Code;
use super::{Answer, Call, Registry, RegistryError, header};
use crate::api::Response;
use crate::api::query::{Query, encode};

/// The most entries of one page.
const PAGE: usize = 1000;

impl Registry {
    pub(super) fn catalog(&self, query: &Query) -> Answer {
        let state = self.state.borrow();
        let page = Page::of(query, state.repositories.keys())?;
        let response = Response::json(StatusCode::OK, &json!({"repositories": page.entries}));
        Ok(page.link(response, "/v2/_catalog"))
    }

    pub(super) fn tags(&self, call: &Call<'_>) -> Answer {
        let state = self.state.borrow();
        let repository = state.repositories.get(call.name);
        let repository = repository
            .ok_or_else(|| Code::NameUnknown.because("repository name not known to registry"))?;
        let page = Page::of(&call.query, repository.tags.keys())?;
        let response = Response::json(
            StatusCode::OK,
            &json!({"name": call.name, "tags": page.entries}),
        );
        Ok(page.link(response, &format!("/v2/{}/tags/list", call.name)))
    }

    /// An index of the manifests that are about another one.
    pub(super) async fn referrers(&self, call: &Call<'_>, subject: &Digest) -> Answer {
        let wanted = call.query.get("artifactType");
        let state = self.state.borrow();
        let manifests: Vec<Value> = state
            .repositories
            .get(call.name)
            .into_iter()
            .flat_map(|r| &r.manifests)
            .filter(|(_, link)| link.subject.as_ref() == Some(subject))
            .filter(|(_, link)| wanted.is_empty() || link.artifact_type.as_deref() == Some(wanted))
            .map(|(digest, link)| {
                let mut entry =
                    json!({"mediaType": link.media_type, "digest": digest, "size": link.size});
                if let Some(kind) = &link.artifact_type {
                    entry["artifactType"] = json!(kind);
                }
                if let Some(notes) = &link.annotations {
                    entry["annotations"] = json!(notes);
                }
                entry
            })
            .collect();
        let index =
            json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
        let response = Response::json(StatusCode::OK, &index).header(
            CONTENT_TYPE,
            HeaderValue::from_static(media_type::OCI_INDEX),
        );
        Ok(if wanted.is_empty() {
            response
        } else {
            let filters = HeaderName::from_static("oci-filters-applied");
            response.header(filters, HeaderValue::from_static("artifactType"))
        })
    }
}

/// A page of a sorted list.
struct Page {
    entries: Vec<String>,
    size: usize,
    more: bool,
}

impl Page {
    /// `n` entries after `last`.
    fn of<'a>(
        query: &Query,
        entries: impl Iterator<Item = &'a String>,
    ) -> Result<Page, RegistryError> {
        let bad = || Code::PaginationNumberInvalid.because("invalid number of results requested");
        let size = match query.has("n") {
            true => query.get("n").parse::<u64>().map_err(|_| bad())?,
            false => PAGE as u64,
        };
        let size = usize::try_from(size).unwrap_or(PAGE).min(PAGE);
        let last = query.get("last");
        let mut rest = entries.filter(|e| last.is_empty() || e.as_str() > last);
        let entries: Vec<String> = rest.by_ref().take(size).cloned().collect();
        Ok(Page {
            entries,
            size,
            more: size > 0 && rest.next().is_some(),
        })
    }

    fn link(&self, response: Response, path: &str) -> Response {
        match self.entries.last().filter(|_| self.more) {
            Some(last) => {
                let link = format!(
                    "<{path}?n={}&last={}>; rel=\"next\"",
                    self.size,
                    encode(last)
                );
                response.header(LINK, header(&link))
            }
            None => response,
        }
    }
}
