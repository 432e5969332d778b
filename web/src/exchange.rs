//! A request to a server in the emulated machine, for previews of published ports.

use std::net::{Ipv4Addr, SocketAddr};

use bottleship_engine::emulated::DockerHost;
use js_sys::{Function, Uint8Array};
use wasm_bindgen::prelude::JsValue;

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Connects to a port of the host as `curl localhost:PORT` would, sends `data`, and hands what comes back to `chunk`
/// until that answers true, the server closes, or it throws.
///
/// # Errors
/// Linux's words when nobody listens or the connection breaks.
pub async fn exchange(
    host: &DockerHost,
    port: u16,
    data: &[u8],
    chunk: &Function,
) -> Result<(), String> {
    let kernel = host.kernel();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |errno| format!("localhost:{port}: {errno}");
    let stream = kernel
        .connect(kernel.host_ns().net(), to)
        .await
        .map_err(failed)?;
    stream.write_all(data).await.map_err(failed)?;
    let mut buffer = vec![0; PIECE];
    loop {
        let count = stream.read(&mut buffer).await.map_err(failed)?;
        let piece = Uint8Array::from(buffer.get(..count).unwrap_or_default());
        if count == 0 {
            return Ok(());
        }
        let enough = chunk
            .call1(&JsValue::NULL, &piece)
            .map_err(|error| crate::error_text(&error))?;
        if enough.is_truthy() {
            return Ok(());
        }
    }
}
