//! The offered images: built from recipes (`static/images/*.toml`) into a registry of static files.
//!
//! A recipe names Debian packages, files and a configuration. Packages are unpacked: no maintainer
//! script is run (only Python's own compiler is), no root is needed, no network but apt's. The same package versions give the same
//! digests.

mod debian;
pub mod hello;
mod image;
mod python;
mod recipe;
mod registry;
mod tree;
mod wheels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use debian::Apt;
use image::Built;
use recipe::Recipe;

/// `bottleship images …`
#[derive(Args)]
pub struct Images {
    #[command(subcommand)]
    action: Action,
    /// Directory of the recipes
    #[arg(
        long,
        env = "BOTTLESHIP_RECIPES",
        default_value = "static/images",
        global = true
    )]
    recipes: PathBuf,
}

#[derive(Subcommand)]
enum Action {
    /// Build the images into the static registry of a site
    Build(Build),
    /// List the recipes
    List,
}

#[derive(Args)]
struct Build {
    /// Directory of the site; images go to v2/ in it, the Docker host's file system to host.tar
    #[arg(long, default_value = "target/site")]
    out: PathBuf,
    /// Directory that keeps downloaded packages
    #[arg(long, default_value = "target/images")]
    cache: PathBuf,
    /// Ask for the newest package versions
    #[arg(long)]
    update: bool,
    /// Recipes to build; all of them if none is named
    names: Vec<String>,
}

impl Images {
    /// Runs the subcommand.
    pub fn run(self) -> Result<ExitCode> {
        let recipes = load(&self.recipes)?;
        match self.action {
            Action::Build(build) => build.run(&recipes)?,
            Action::List => list(&recipes),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// All recipes of a directory, by name.
fn load(dir: &Path) -> Result<BTreeMap<String, Recipe>> {
    let mut recipes = BTreeMap::new();
    let entries = std::fs::read_dir(dir)
        .with_context(|| format!("can't read the recipes in {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let recipe = Recipe::read(&path)?;
            recipes.insert(recipe.name.clone(), recipe);
        }
    }
    if recipes.is_empty() {
        bail!("no recipe (*.toml) in {}", dir.display());
    }
    Ok(recipes)
}

fn list(recipes: &BTreeMap<String, Recipe>) {
    for recipe in recipes.values().filter(|r| !r.host) {
        let note = recipe
            .stand_in
            .as_deref()
            .map(|s| format!(" ({s})"))
            .unwrap_or_default();
        println!(
            "{:<14} {:<22} {}{note}",
            recipe.name,
            recipe.tags.join(","),
            recipe.description
        );
    }
}

impl Build {
    fn run(&self, recipes: &BTreeMap<String, Recipe>) -> Result<()> {
        for name in &self.names {
            if !recipes.contains_key(name) {
                bail!("no recipe for {name:?}: see `bottleship images list`");
            }
        }
        let wanted = |name: &str| self.names.is_empty() || self.names.iter().any(|n| n == name);
        let apt = Apt::open(&self.cache, self.update);
        let mut built: BTreeMap<String, Built> = BTreeMap::new();
        let mut registry = registry::Registry::create(&self.out)?;
        let mut skipped = Vec::new();
        for name in order(recipes)? {
            if !wanted(name)
                && !recipes
                    .values()
                    .any(|r| wanted(&r.name) && r.from.as_deref() == Some(name))
            {
                continue;
            }
            let recipe = &recipes[name];
            let base = recipe.from.as_ref().and_then(|from| built.get(from));
            if recipe.from.is_some() && base.is_none() {
                skipped.push(name);
                continue;
            }
            let apt = match &apt {
                Ok(apt) => Some(apt),
                Err(_) if recipe.packages.is_empty() => None,
                Err(error) => {
                    eprintln!("{name}: not built: {error:#}");
                    skipped.push(name);
                    continue;
                }
            };
            let image =
                image::build(recipe, base, apt).with_context(|| format!("can't build {name}"))?;
            if recipe.host {
                registry.write_host(&image)?;
            } else {
                registry.add(recipe, &image)?;
            }
            println!("{name}: {}", image.summary());
            built.insert(name.to_string(), image);
        }
        registry.finish()?;
        if !skipped.is_empty() {
            println!("not built: {}", skipped.join(", "));
        }
        Ok(())
    }
}

/// Names with every recipe after the one it is built on.
fn order(recipes: &BTreeMap<String, Recipe>) -> Result<Vec<&str>> {
    let mut order: Vec<&str> = Vec::new();
    while order.len() < recipes.len() {
        let before = order.len();
        for (name, recipe) in recipes {
            let ready = recipe
                .from
                .as_deref()
                .is_none_or(|from| order.contains(&from));
            if ready && !order.contains(&name.as_str()) {
                order.push(name);
            }
        }
        if order.len() == before {
            let left: Vec<&String> = recipes
                .keys()
                .filter(|n| !order.contains(&n.as_str()))
                .collect();
            bail!("recipes built on each other, or on none: {left:?}");
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipes() -> BTreeMap<String, Recipe> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static/images");
        load(&dir).unwrap_or_else(|e| panic!("{e:#}"))
    }

    #[test]
    fn every_recipe_reads_and_comes_after_its_base() {
        let recipes = recipes();
        let order = order(&recipes).unwrap_or_else(|e| panic!("{e:#}"));
        for (i, name) in order.iter().enumerate() {
            if let Some(from) = &recipes[*name].from {
                assert!(order[..i].contains(&from.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn circles_are_refused() {
        let mut recipes = recipes();
        let mut own = recipes["hello-world"].clone();
        own.from = Some("hello-world".into());
        recipes.insert("hello-world".into(), own);
        assert!(order(&recipes).is_err());
    }

    #[test]
    fn images_without_packages_are_built_the_same_every_time() {
        let recipes = recipes();
        let out = std::env::temp_dir().join(format!("bottleship-images-{}", std::process::id()));
        let mut digests = Vec::new();
        for _ in 0..2 {
            let image = image::build(&recipes["hello-world"], None, None)
                .unwrap_or_else(|e| panic!("{e:#}"));
            let mut registry = registry::Registry::create(&out).unwrap_or_else(|e| panic!("{e:#}"));
            registry
                .add(&recipes["hello-world"], &image)
                .unwrap_or_else(|e| panic!("{e:#}"));
            registry.finish().unwrap_or_else(|e| panic!("{e:#}"));
            digests.push(image.manifest_digest());
        }
        assert_eq!(digests[0], digests[1]);
        let manifest = std::fs::read(out.join("v2/library/hello-world/manifests/latest"))
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(digests[0].verifies(&manifest));
        let _ = std::fs::remove_dir_all(&out);
    }
}
