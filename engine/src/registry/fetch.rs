//! A registry inside the engine, as the engine's own client sees it.

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
