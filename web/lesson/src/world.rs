//! The engine's host, which is in another wasm module, as checks see it.

use async_trait::async_trait;
use bottleship_lesson::{Entry, FileState, Output, World, WorldError};
use js_sys::{Error, Uint8Array};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// `BottleshipWorld` of the engine's module.
    pub type PageWorld;

    #[wasm_bindgen(method, catch)]
    async fn get(this: &PageWorld, path: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn logs(this: &PageWorld, container: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn file(this: &PageWorld, kind: &str, of: &str, path: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn run(this: &PageWorld, line: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn commands(this: &PageWorld) -> Result<String, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setUp)]
    pub async fn set_up(this: &PageWorld, setup: &str) -> Result<JsValue, JsValue>;
}

/// A host to look at.
pub struct EngineWorld(pub PageWorld);

fn thrown(error: JsValue) -> WorldError {
    let message = error.dyn_ref::<Error>().map(|error| error.message().into());
    WorldError(message.unwrap_or_else(|| format!("{error:?}")))
}

/// An answer that is a JSON text, or nothing.
fn read<T: DeserializeOwned>(answer: &JsValue) -> Result<Option<T>, WorldError> {
    let text = answer.as_string();
    text.map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| WorldError(error.to_string()))
}

impl EngineWorld {
    async fn file(
        &self,
        kind: &str,
        of: &str,
        path: &str,
    ) -> Result<Option<FileState>, WorldError> {
        let answer = self.0.file(kind, of, path).await.map_err(thrown)?;
        let bytes = answer.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
        Ok(bytes.map(|bytes| FileState { bytes }))
    }
}

#[async_trait(?Send)]
impl World for EngineWorld {
    async fn get(&self, path: &str) -> Result<Option<Value>, WorldError> {
        read(&self.0.get(path).await.map_err(thrown)?)
    }

    async fn logs(&self, container: &str) -> Result<String, WorldError> {
        let answer = self.0.logs(container).await.map_err(thrown)?;
        Ok(answer.as_string().unwrap_or_default())
    }

    async fn image_file(&self, image: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        self.file("image", image, path).await
    }

    async fn container_file(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<FileState>, WorldError> {
        self.file("container", container, path).await
    }

    async fn volume_file(&self, volume: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        self.file("volume", volume, path).await
    }

    async fn host_file(&self, path: &str) -> Result<Option<FileState>, WorldError> {
        self.file("host", "", path).await
    }

    async fn run(&self, line: &str) -> Result<Output, WorldError> {
        let output = read(&self.0.run(line).await.map_err(thrown)?)?;
        output.ok_or_else(|| WorldError(format!("{line}: no answer")))
    }

    fn commands(&self) -> Vec<Entry> {
        let text = self.0.commands().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}
