//! The directories that Docker's overlay2 driver would keep layers in. Nothing is there; `docker inspect` names them.

use sha2::{Digest, Sha256};

use crate::api::types::{GraphDriverData, StringMap};

/// The directory of a layer or container. Docker draws these names by chance; here they follow from whose they are, so
/// that layers that are shared are seen to be.
fn directory(root: &str, of: &str) -> String {
    let name = hex::encode(Sha256::digest(format!("overlay2 {of}")));
    format!("{root}/overlay2/{name}")
}

/// `GraphDriver` of an image or container: `own` is its upper layer, `lower` what is below, the topmost first.
pub fn describe(driver: &str, root: &str, own: &str, lower: Vec<String>) -> GraphDriverData {
    let dir = directory(root, own);
    let mut data: StringMap = [
        ("MergedDir", format!("{dir}/merged")),
        ("UpperDir", format!("{dir}/diff")),
        ("WorkDir", format!("{dir}/work")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if !lower.is_empty() {
        data.insert("LowerDir".into(), lower.join(":"));
    }
    GraphDriverData {
        data: Some(data),
        name: driver.into(),
    }
}

/// What is below a container: its init layer, then its image's layers.
pub fn below_container(root: &str, id: &str, layers: &[String]) -> Vec<String> {
    let init = format!("{}-init/diff", directory(root, id));
    std::iter::once(init).chain(below(root, layers)).collect()
}

/// The directories of layers.
pub fn below(root: &str, layers: &[String]) -> Vec<String> {
    layers
        .iter()
        .map(|layer| format!("{}/diff", directory(root, layer)))
        .collect()
}
