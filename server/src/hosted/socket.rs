//! A session's terminal over a WebSocket: binary messages are its bytes, text messages are JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::api::{SLOWEST, Visited};
use super::session::Session;
use super::terminal::{Frame, Input, clamp};

/// Bytes of a message at most.
const MESSAGE: usize = 64 << 10;
/// A client that is not heard of for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
const PING: Duration = Duration::from_secs(20);
/// The visitor is warned so long before the end.
const WARNING: Duration = Duration::from_secs(60);
/// Sizes a second that are looked at.
const RESIZE: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
pub struct Which {
    #[serde(default = "first")]
    terminal: u8,
}

fn first() -> u8 {
    1
}

#[derive(Deserialize)]
struct Control {
    resize: Option<Size>,
}

#[derive(Deserialize)]
struct Size {
    cols: u16,
    rows: u16,
}

/// Connects to a terminal of a session.
pub async fn connect(
    Visited(session): Visited,
    Query(Which { terminal }): Query<Which>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_message_size(MESSAGE)
        .max_frame_size(MESSAGE)
        .max_write_buffer_size(256 << 10)
        .write_buffer_size(0)
        .on_upgrade(move |socket| serve(socket, session, terminal))
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(
        tokio::time::timeout(SLOWEST, socket.send(message)).await,
        Ok(Ok(()))
    )
}

async fn say(socket: &mut WebSocket, value: serde_json::Value) -> bool {
    send(socket, Message::Text(value.to_string().into())).await
}

async fn bid_farewell(mut socket: WebSocket, reason: &str) {
    say(&mut socket, json!({ "ended": reason })).await;
    let close = CloseFrame {
        code: 1000,
        reason: "".into(),
    };
    send(&mut socket, Message::Close(Some(close))).await;
}

/// Resolves when the session ended, with the reason.
async fn end_of(ended: &mut watch::Receiver<Option<String>>) -> String {
    match ended.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // Whoever would tell is gone.
        Err(_) => String::new(),
    }
}

async fn serve(mut socket: WebSocket, session: Arc<Session>, number: u8) {
    let _connected = session.connect();
    let mut ended = session.ended.subscribe();
    let opened = session.terminal(number).await;
    let (terminal, resized) = match opened {
        Ok(opened) => opened,
        Err(error) => return bid_farewell(socket, &error.to_string()).await,
    };
    let (to_client, mut frames) = mpsc::channel(4);
    if terminal.attach.send(to_client).await.is_err() {
        return bid_farewell(socket, "the shell has ended").await;
    }
    let hello =
        json!({ "session": { "terminal": number, "seconds_left": session.left().as_secs() } });
    if !say(&mut socket, hello).await {
        return;
    }
    let mut heard = Instant::now();
    let mut ping = tokio::time::interval(PING);
    let mut warned = false;
    let mut last_resize = Instant::now() - RESIZE;
    loop {
        let until_warning = session.left().saturating_sub(WARNING);
        tokio::select! {
            frame = frames.recv() => {
                let sent = match frame {
                    Some(Frame::Bytes(data)) => send(&mut socket, Message::Binary(data)).await,
                    Some(Frame::Restore(data)) => {
                        say(&mut socket, json!({ "restore": true })).await
                            && send(&mut socket, Message::Binary(data)).await
                    }
                    Some(Frame::Replaced) => {
                        return bid_farewell(socket, "this terminal is open elsewhere now").await;
                    }
                    Some(Frame::Over) | None => {
                        return bid_farewell(socket, "the shell has ended").await;
                    }
                };
                if !sent {
                    return;
                }
            }
            message = socket.recv() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(data))) => {
                        // Keys wait while the program does not read them, and with them the client.
                        if terminal.input.send(Input::Bytes(data)).await.is_err() {
                            return bid_farewell(socket, "the shell has ended").await;
                        }
                    }
                    Some(Ok(Message::Text(text))) => {
                        let Ok(control) = serde_json::from_str::<Control>(&text) else {
                            continue;
                        };
                        if let Some(Size { cols, rows }) = control.resize {
                            tokio::time::sleep_until(last_resize + RESIZE).await;
                            last_resize = Instant::now();
                            let (rows, columns) = clamp(rows, cols);
                            let _ = terminal.input.send(Input::Resize(rows, columns)).await;
                            let _ = resized.send((rows, columns)).await;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE || !send(&mut socket, Message::Ping(Default::default())).await {
                    return;
                }
            }
            () = tokio::time::sleep(until_warning), if !warned => {
                warned = true;
                let seconds = session.left().as_secs();
                if !say(&mut socket, json!({ "warning": { "seconds_left": seconds } })).await {
                    return;
                }
            }
            reason = end_of(&mut ended) => {
                return bid_farewell(socket, &reason).await;
            }
        }
    }
}
