//! A host made of documents, for tests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use crate::check::{Check, Entry, FileState, Outcome, Output, World, WorldError};

#[derive(Default)]
pub struct Fake {
    pub documents: RefCell<BTreeMap<String, Value>>,
    pub files: RefCell<BTreeMap<String, String>>,
    pub outputs: RefCell<BTreeMap<String, Output>>,
    pub entries: RefCell<Vec<Entry>>,
}

impl Fake {
    pub fn set(&self, path: &str, document: Value) {
        self.documents
            .borrow_mut()
            .insert(path.to_owned(), document);
    }

    pub fn file(&self, key: &str, text: &str) {
        self.files
            .borrow_mut()
            .insert(key.to_owned(), text.to_owned());
    }

    pub fn entered(&self, line: &str, exit: i32) {
        let (line, exit) = (line.to_owned(), Some(exit));
        self.entries.borrow_mut().push(Entry {
            line,
            exit,
            ..Entry::default()
        });
    }

    /// Judges checks written as YAML.
    pub fn judge(&self, yaml: &str) -> Vec<Outcome> {
        let checks = Check::read_all(crate::yaml::parse(yaml, 1).unwrap()).unwrap();
        futures::executor::block_on(crate::judge_all(&checks, self))
    }

    /// Judges one check: why it fails, or nothing.
    pub fn why(&self, yaml: &str) -> Option<String> {
        self.judge(yaml).remove(0).why
    }

    fn of(&self, key: String) -> Result<Option<FileState>, WorldError> {
        let file = self.files.borrow().get(&key).cloned();
        Ok(file.map(|text| FileState {
            bytes: text.into_bytes(),
        }))
    }
}

#[async_trait(?Send)]
impl World for Fake {
    async fn get(&self, path: &str) -> Result<Option<Value>, WorldError> {
        Ok(self.documents.borrow().get(path).cloned())
    }

    async fn logs(&self, container: &str) -> Result<String, WorldError> {
        Ok(self
            .files
            .borrow()
            .get(&format!("logs {container}"))
            .cloned()
            .unwrap_or_default())
    }

    async fn image_file(&self, image: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        self.of(format!("image {image} {path}"))
    }

    async fn container_file(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<FileState>, WorldError> {
        self.of(format!("container {container} {path}"))
    }

    async fn volume_file(&self, volume: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        self.of(format!("volume {volume} {path}"))
    }

    async fn host_file(&self, path: &str) -> Result<Option<FileState>, WorldError> {
        self.of(format!("host {path}"))
    }

    async fn run(&self, line: &str) -> Result<Output, WorldError> {
        let output = self.outputs.borrow().get(line).cloned();
        output.ok_or_else(|| WorldError("the shell is away".into()))
    }

    fn commands(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }
}
