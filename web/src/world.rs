//! What the checks of lessons look at, for the module that judges them (web/lesson). All documents are JSON texts of
//! [`bottleship_engine::lesson::format`]'s types.

use bottleship_engine::lesson::format::{Setup, World};
use bottleship_engine::lesson::{HostWorld, set_up};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

use crate::engine::{BottleshipEngine, failed};

/// A Docker host to look at.
#[wasm_bindgen]
pub struct BottleshipWorld(HostWorld);

#[wasm_bindgen]
impl BottleshipWorld {
    /// An engine's host.
    pub fn of(engine: &BottleshipEngine) -> BottleshipWorld {
        BottleshipWorld(HostWorld(engine.host()))
    }

    /// `GET` of the Engine API: the document, nothing when it answers 404.
    pub async fn get(&self, path: &str) -> Result<Option<String>, JsError> {
        let document = self.0.get(path).await.map_err(failed)?;
        Ok(document.map(|document| document.to_string()))
    }

    /// A container's output.
    pub async fn logs(&self, container: &str) -> Result<String, JsError> {
        self.0.logs(container).await.map_err(failed)
    }

    /// A file of an `image`, a `container`, a `volume` or the `host`: its first bytes, or nothing.
    pub async fn file(
        &self,
        kind: &str,
        of: &str,
        path: &str,
    ) -> Result<Option<Uint8Array>, JsError> {
        let file = match kind {
            "image" => self.0.image_file(of, path).await,
            "container" => self.0.container_file(of, path).await,
            "volume" => self.0.volume_file(of, path).await,
            "host" => self.0.host_file(path).await,
            _ => return Err(failed(format!("there are no files of a {kind}"))),
        };
        Ok(file
            .map_err(failed)?
            .map(|file| Uint8Array::from(&file.bytes[..])))
    }

    /// Runs a line in a shell of the host: `Output`.
    pub async fn run(&self, line: &str) -> Result<String, JsError> {
        let output = self.0.run(line).await.map_err(failed)?;
        serde_json::to_string(&output).map_err(failed)
    }

    /// The `docker` commands entered since the start: `Entry`s.
    pub fn commands(&self) -> Result<String, JsError> {
        serde_json::to_string(&self.0.commands()).map_err(failed)
    }

    /// Prepares a fresh host as a `Setup` says.
    #[wasm_bindgen(js_name = setUp)]
    pub async fn set_up(&self, setup: &str) -> Result<(), JsError> {
        let setup: Setup = serde_json::from_str(setup).map_err(failed)?;
        set_up(&self.0.0, &setup).await.map_err(failed)
    }
}
