use std::time::Duration;

use http::StatusCode;

use super::find;
use crate::api::ApiResult;
use crate::api::message::{Call, Response, go_json};
use crate::container::stats::{measure, top as processes};
use crate::pipe::{CAPACITY, pipe};

/// Between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

pub async fn top(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let answer = processes(&call.engine, &container, call.query.get("ps_args")).await?;
    Ok(Response::json(StatusCode::OK, &answer))
}

/// One document, or one a second while someone reads.
pub async fn stats(call: Call, id: &str) -> ApiResult {
    let container = find(&call, id)?;
    let (stream, one_shot) = (
        call.query.bool_or("stream", true),
        call.query.bool("one-shot"),
    );
    let engine = call.engine.clone();
    if !stream {
        let running = container.record().state.running;
        let first = measure(&engine, &container, None).await?;
        if one_shot || !running {
            return Ok(Response::json(StatusCode::OK, &first));
        }
        // Two measurements give a rate.
        engine.sleep(INTERVAL).await;
        let second = measure(&engine, &container, Some(&first)).await?;
        return Ok(Response::json(StatusCode::OK, &second));
    }
    let (mut writer, reader) = pipe(CAPACITY);
    call.engine.executor().spawn(async move {
        let mut previous = None;
        while !container.is_removed() {
            let Ok(stats) = measure(&engine, &container, previous.as_ref()).await else {
                return;
            };
            if writer.write(go_json(&stats).into()).await.is_err() {
                return;
            }
            previous = Some(stats);
            let gone = std::pin::pin!(writer.reader_gone());
            futures::future::select(std::pin::pin!(engine.sleep(INTERVAL)), gone).await;
        }
    });
    Ok(Response::with("application/json", reader))
}
