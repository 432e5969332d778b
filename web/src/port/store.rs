//! The engine's store on IndexedDB, through web/js/store.js.

use std::cell::Cell;

use async_trait::async_trait;
use bottleship_engine::store::{Op, Store, StoreError, foreign};
use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::{JsCast, JsValue, wasm_bindgen};

use crate::error_text;

#[wasm_bindgen(module = "/js/store.js")]
extern "C" {
    #[wasm_bindgen(js_name = PageStore)]
    type JsStore;
    #[wasm_bindgen(static_method_of = JsStore, js_class = "PageStore", catch)]
    async fn open(name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn list(this: &JsStore, bucket: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn load(this: &JsStore, bucket: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn get(this: &JsStore, bucket: &str, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn commit(this: &JsStore, ops: Array, strict: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn clear(this: &JsStore) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &JsStore);
}

/// A store in an IndexedDB database. A commit is one transaction, with strict durability unless it is deferred; the
/// browser writes all of a database's transactions to one log, so that a strict one takes those before it along.
pub struct PageStore {
    js: JsStore,
    deferring: Cell<bool>,
}

impl PageStore {
    /// Opens the database of that name, making it when it is not there.
    ///
    /// # Errors
    /// When the browser refuses storage (some private windows), in its words.
    pub async fn open(name: &str) -> Result<Self, StoreError> {
        let store = JsStore::open(name).await.map_err(failure)?;
        Ok(PageStore {
            js: store.unchecked_into(),
            deferring: Cell::new(false),
        })
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When the browser can't write.
    pub async fn clear(&self) -> Result<(), StoreError> {
        self.js.clear().await.map(drop).map_err(failure)
    }

    /// Lets go of the database, so that it can be deleted.
    pub fn close(&self) {
        self.js.close();
    }
}

fn failure(error: JsValue) -> StoreError {
    let text = error_text(&error);
    let full = error
        .dyn_ref::<js_sys::Object>()
        .and_then(|e| js_sys::Reflect::get(e, &"name".into()).ok())
        .is_some_and(|name| name == "QuotaExceededError");
    if full {
        StoreError::Full
    } else {
        StoreError::Failed(format!("IndexedDB: {text}"))
    }
}

/// The two columns that store.js answers with.
fn columns(answer: JsValue) -> (Array, Array) {
    let pair: Array = answer.unchecked_into();
    (pair.get(0).unchecked_into(), pair.get(1).unchecked_into())
}

fn bytes(value: JsValue) -> Bytes {
    Bytes::from(value.unchecked_into::<Uint8Array>().to_vec())
}

#[async_trait(?Send)]
impl Store for PageStore {
    async fn list(&self, bucket: &'static str) -> Result<Vec<(String, u64)>, StoreError> {
        let (keys, sizes) = columns(self.js.list(bucket).await.map_err(failure)?);
        Ok(keys
            .iter()
            .zip(sizes.iter())
            .filter_map(|(key, size)| Some((key.as_string()?, size.as_f64()? as u64)))
            .collect())
    }

    async fn load(&self, bucket: &'static str) -> Result<Vec<(String, Bytes)>, StoreError> {
        let (keys, values) = columns(self.js.load(bucket).await.map_err(failure)?);
        Ok(keys
            .iter()
            .zip(values.iter())
            .filter_map(|(key, value)| Some((key.as_string()?, bytes(value))))
            .collect())
    }

    async fn get(&self, bucket: &'static str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let value = self.js.get(bucket, key).await.map_err(failure)?;
        Ok((!value.is_undefined()).then(|| bytes(value)))
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        let all = Array::new();
        for op in &ops {
            let (bucket, key, value) = match op {
                Op::Put { bucket, key, value } => {
                    (bucket, key, Uint8Array::from(value.as_ref()).into())
                }
                Op::Delete { bucket, key } => (bucket, key, JsValue::NULL),
                Op::PutStaged { .. } => return Err(foreign()),
            };
            all.push(&Array::of3(&(*bucket).into(), &key.as_str().into(), &value));
        }
        let strict = !self.deferring.get();
        let done = self.js.commit(all, strict).await;
        done.map(drop).map_err(failure)
    }

    fn defer(&self, on: bool) -> bool {
        self.deferring.replace(on)
    }
}
