//! A registry inside the engine, as the engine's own client sees it.

use std::rc::Rc;

use async_trait::async_trait;

use super::Registry;
use crate::api::{Body, Request};
use crate::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};

#[async_trait(?Send)]
impl Fetch for Registry {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let address = request
            .url
            .split_once("://")
            .map_or(request.url.as_str(), |(_, rest)| rest);
        let target = address.find('/').map_or("/", |at| &address[at..]);
        let request = Request {
            method: request.method,
            target: target.into(),
            headers: request.headers,
            body: Body::Bytes(request.body),
        };
        let response = self.handle(request).await;
        Ok(FetchResponse {
            status: response.status,
            headers: response.headers,
            body: response.body.into_stream(),
        })
    }
}

/// A registry inside the engine for an address where nobody else answers.
pub struct Fallback {
    /// Asked first.
    pub outside: Rc<dyn Fetch>,
    /// Answers when `outside` cannot be reached.
    pub registry: Registry,
}

#[async_trait(?Send)]
impl Fetch for Fallback {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let again = FetchRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        match self.outside.fetch(request).await {
            Ok(response) => Ok(response),
            Err(_) => self.registry.fetch(again).await,
        }
    }
}
