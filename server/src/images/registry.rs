//! The registry as static files: what a client asks for is there under the path it asks for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bottleship_oci::media_type;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::image::Built;
use super::recipe::Recipe;

/// `v2/` of a site.
pub struct Registry {
    dir: PathBuf,
    site: PathBuf,
    catalog: BTreeMap<String, Entry>,
}

/// What the catalogue (`v2/catalog.json`) says about a repository: search and the pages use it, and
/// servers that would have to guess types from file names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    description: String,
    licenses: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stand_in: Option<String>,
    /// Bytes that a pull transfers.
    size: usize,
    media_type: String,
    /// Tag to manifest digest.
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Default)]
struct Catalog {
    repositories: Vec<Entry>,
}

impl Registry {
    /// Opens the registry of the site in `site`; images that are there stay until replaced.
    pub fn create(site: &Path) -> Result<Registry> {
        let dir = site.join("v2");
        std::fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
        let known: Catalog = match std::fs::read(dir.join("catalog.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(_) => Catalog::default(),
        };
        let catalog = known
            .repositories
            .into_iter()
            .map(|e| (e.name.clone(), e))
            .collect();
        Ok(Registry {
            dir,
            site: site.into(),
            catalog,
        })
    }

    /// Writes an image in place of what the repository had.
    pub fn add(&mut self, recipe: &Recipe, image: &Built) -> Result<()> {
        let name = format!("library/{}", recipe.name);
        let repository = self.dir.join(&name);
        if repository.exists() {
            std::fs::remove_dir_all(&repository)
                .with_context(|| format!("can't clear {}", repository.display()))?;
        }
        let blobs = repository.join("blobs");
        for layer in &image.layers {
            write(
                &blobs.join(bottleship_oci::Digest::of(&layer.gzip).as_str()),
                &layer.gzip,
            )?;
        }
        write(&blobs.join(image.config.id().as_str()), &image.config.raw)?;
        let digest = image.manifest_digest().to_string();
        let manifests = repository.join("manifests");
        write(&manifests.join(&digest), &image.manifest)?;
        for tag in &image.tags {
            write(&manifests.join(tag), &image.manifest)?;
        }
        let mut tags = image.tags.clone();
        tags.sort();
        write(
            &repository.join("tags/list"),
            json!({"name": name, "tags": tags}).to_string().as_bytes(),
        )?;
        let entry = Entry {
            name: name.clone(),
            description: recipe.description.clone(),
            licenses: recipe.licenses.clone(),
            stand_in: recipe.stand_in.clone(),
            size: image.transfer_size(),
            media_type: media_type::OCI_MANIFEST.into(),
            tags: image
                .tags
                .iter()
                .map(|t| (t.clone(), digest.clone()))
                .collect(),
        };
        self.catalog.insert(name, entry);
        Ok(())
    }

    /// Writes the Docker host's root file system.
    pub fn write_host(&self, image: &Built) -> Result<()> {
        write(&self.site.join("host.tar"), &image.tar)
    }

    /// Writes the catalogue.
    pub fn finish(self) -> Result<()> {
        let names: Vec<&String> = self.catalog.keys().collect();
        write(
            &self.dir.join("_catalog"),
            json!({"repositories": names}).to_string().as_bytes(),
        )?;
        let catalog = Catalog {
            repositories: self.catalog.into_values().collect(),
        };
        write(
            &self.dir.join("catalog.json"),
            &serde_json::to_vec_pretty(&catalog)?,
        )
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("can't make {}", parent.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}
