//! What a recipe says.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bottleship_oci::Reference;
use serde::Deserialize;

/// One image, or the Docker host's own file system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// Name under `library/`.
    pub name: String,
    /// Its tags; the first is the canonical one. `{package}` stands for that package's version
    /// without epoch and Debian revision.
    #[serde(default)]
    pub tags: Vec<String>,
    /// One line for `docker search`.
    pub description: String,
    /// SPDX expression of what is in the image.
    #[serde(default)]
    pub licenses: String,
    /// Set if the image only stands in for the one of that name; says what it is instead.
    #[serde(default)]
    pub stand_in: Option<String>,
    /// Another recipe whose layers come first.
    #[serde(default)]
    pub from: Option<String>,
    /// This is the Docker host's root file system, not an image.
    #[serde(default)]
    pub host: bool,
    /// Debian packages.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Take the packages' dependencies too.
    #[serde(default)]
    pub dependencies: bool,
    /// Packages to leave out although something depends on them.
    #[serde(default)]
    pub without: Vec<String>,
    /// Keep dpkg's database, so that dpkg and apt work in the image.
    #[serde(default)]
    pub dpkg_database: bool,
    /// `/bin`, `/lib` … are links into `/usr`.
    #[serde(default)]
    pub merged_usr: bool,
    /// Paths (globs; a directory takes what is below) not taken from packages. Copyright files are
    /// always kept.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Make links to busybox for all its applets in this directory.
    #[serde(default)]
    pub applets: Option<String>,
    /// The built-in hello program, put at this path.
    #[serde(default)]
    pub hello: Option<String>,
    /// Compile Python's library with this program of the packages, so that it starts faster.
    #[serde(default)]
    pub compile_python: Option<String>,
    /// Debian packages of Python modules that are put in as wheels, for `pip` to install.
    #[serde(default)]
    pub wheels: Vec<String>,
    /// Directories: path and mode.
    #[serde(default)]
    pub directories: BTreeMap<String, u32>,
    /// Files: path and content.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
    /// Copies of files that packages ship: path and source.
    #[serde(default)]
    pub copies: BTreeMap<String, String>,
    /// Symbolic links: path and target.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// Lines for /etc/passwd, each with a group of its own.
    #[serde(default)]
    pub users: Vec<String>,
    /// Owners of paths, `uid:gid`.
    #[serde(default)]
    pub owners: BTreeMap<String, String>,
    /// What containers run with.
    #[serde(default)]
    pub config: Config,
}

/// A file given in the recipe.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum File {
    /// Content, mode 0644.
    Text(String),
    /// Content and mode.
    Full {
        /// Its content.
        content: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// The image configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    pub cmd: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub env: Vec<String>,
    pub user: String,
    pub working_dir: String,
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    pub stop_signal: String,
    pub labels: BTreeMap<String, String>,
}

impl Recipe {
    /// Reads and checks a recipe.
    pub fn read(path: &Path) -> Result<Recipe> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read {shown}"))?;
        let recipe: Recipe =
            toml::from_str(&text).with_context(|| format!("{shown} is no recipe"))?;
        if !recipe.host {
            Reference::parse(&recipe.name)
                .with_context(|| format!("{shown}: name {:?}", recipe.name))?;
            if recipe.tags.is_empty() {
                bail!("{shown}: no tags");
            }
        }
        Ok(recipe)
    }
}
