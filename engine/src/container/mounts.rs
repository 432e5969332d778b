//! What is mounted into a container: volumes, binds, tmpfs.

use std::collections::BTreeMap;

use crate::api::ApiError;
use crate::api::types::{
    ContainerConfig, HostConfig, Mount, MountPoint, StringMap, VolumeCreateRequest,
};
use crate::engine::Engine;
use crate::volume::mountpoint;

/// A container's mounts, resolved at create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// By destination.
    pub points: Vec<MountPoint>,
    /// Destinations whose volume takes the image's content when it is empty.
    pub copy_up: Vec<String>,
    /// Names of the volumes made for this container alone.
    pub anonymous: Vec<String>,
}

type ByDestination = BTreeMap<String, MountPoint>;

/// Resolves everything a container asks for, making volumes as needed.
pub async fn resolve(
    engine: &Engine,
    config: &ContainerConfig,
    host: &HostConfig,
) -> Result<Mounts, ApiError> {
    let mut mounts = Mounts::default();
    let mut points = ByDestination::new();
    for spec in host.volumes_from.iter().flatten() {
        add_volumes_from(engine, spec, &mut points)?;
    }
    let mut own = ByDestination::new();
    for bind in host.binds.iter().flatten() {
        let point = resolve_bind(engine, bind, &host.volume_driver, &mut mounts).await?;
        insert_once(&mut own, point)?;
    }
    for mount in host.mounts.iter().flatten() {
        let point = resolve_mount(engine, mount, &mut mounts).await?;
        insert_once(&mut own, point)?;
    }
    for destination in host.tmpfs.iter().flatten().map(|(path, _)| path) {
        if !destination.starts_with('/') {
            return Err(ApiError::invalid(format!(
                "invalid mount path: '{destination}' mount path must be absolute"
            )));
        }
        check_destination("tmpfs", destination)?;
        let clean = clean_path(destination);
        if own.contains_key(&clean) {
            return Err(ApiError::invalid(format!("Duplicate mount point: {clean}")));
        }
    }
    // What the container asks for replaces what it takes from others.
    points.append(&mut own);
    for destination in config.volumes.iter().flatten().map(|(path, _)| path) {
        let clean = clean_path(destination);
        if clean == "/" {
            return Err(ApiError::invalid(
                "invalid volume specification: destination can't be '/'",
            ));
        }
        let taken = points.contains_key(&clean)
            || host
                .tmpfs
                .iter()
                .flatten()
                .any(|(path, _)| clean_path(path) == clean);
        if !taken {
            let volume =
                new_volume(engine, "", &host.volume_driver, None, None, &mut mounts).await?;
            mounts.copy_up.push(clean.clone());
            points.insert(
                clean.clone(),
                volume_point(engine, &volume, &clean, "", true),
            );
        }
    }
    mounts.points = points.into_values().collect();
    Ok(mounts)
}

fn insert_once(points: &mut ByDestination, point: MountPoint) -> Result<(), ApiError> {
    let destination = point.destination.clone();
    match points.insert(destination.clone(), point) {
        None => Ok(()),
        Some(_) => Err(ApiError::invalid(format!(
            "Duplicate mount point: {destination}"
        ))),
    }
}

fn add_volumes_from(
    engine: &Engine,
    spec: &str,
    points: &mut ByDestination,
) -> Result<(), ApiError> {
    let (name, mode) = spec.split_once(':').unwrap_or((spec, "rw"));
    if name.is_empty() || !matches!(mode, "" | "rw" | "ro" | "z" | "Z") {
        return Err(ApiError::invalid(format!("invalid mode: {mode}")));
    }
    // Not 404: clients would take that for a missing image.
    let found = engine.containers().find(name);
    let other = found.map_err(|error| ApiError::invalid(error.message))?;
    for point in &other.record().mounts {
        let mut point = point.clone();
        point.rw &= mode != "ro";
        points.insert(point.destination.clone(), point);
    }
    Ok(())
}

async fn resolve_bind(
    engine: &Engine,
    spec: &str,
    driver: &str,
    mounts: &mut Mounts,
) -> Result<MountPoint, ApiError> {
    let invalid = || ApiError::invalid(format!("invalid volume specification: '{spec}'"));
    let parts: Vec<&str> = spec.split(':').collect();
    let (source, destination, mode) = match parts[..] {
        [destination] => ("", destination, ""),
        [source, destination] => (source, destination, ""),
        [source, destination, mode] => (source, destination, mode),
        _ => return Err(invalid()),
    };
    if destination.is_empty() || (parts.len() > 1 && source.is_empty()) {
        return Err(invalid());
    }
    let kind = if source.starts_with('/') {
        "bind"
    } else {
        "volume"
    };
    check_destination(kind, destination).map_err(|e| {
        ApiError::invalid(format!(
            "invalid volume specification: '{spec}': {}",
            e.message
        ))
    })?;
    let options: Vec<&str> = mode
        .split(',')
        .filter(|option| !option.is_empty())
        .collect();
    for option in &options {
        let known: &[&str] = if kind == "bind" {
            &[
                "ro",
                "rw",
                "z",
                "Z",
                "rprivate",
                "private",
                "rshared",
                "shared",
                "rslave",
                "slave",
                "nocopy",
                "cached",
                "delegated",
                "consistent",
            ]
        } else {
            &["ro", "rw", "z", "Z", "nocopy"]
        };
        if !known.contains(option) {
            return Err(ApiError::invalid(format!("invalid mode: {mode}")));
        }
    }
    let rw = !options.contains(&"ro");
    let destination = clean_path(destination);
    if kind == "bind" {
        let source = clean_path(source);
        if engine.ports().host.open(&source).await?.is_none() {
            engine.ports().host.create_dir(&source).await?;
        }
        return Ok(bind_point(&source, &destination, mode, rw, "rprivate"));
    }
    let volume = new_volume(engine, source, driver, None, None, mounts).await?;
    if !options.contains(&"nocopy") {
        mounts.copy_up.push(destination.clone());
    }
    // Docker relabels named volumes unless told otherwise, and shows it.
    let mode = if mode.is_empty() { "z" } else { mode };
    Ok(volume_point(engine, &volume, &destination, mode, rw))
}

async fn resolve_mount(
    engine: &Engine,
    mount: &Mount,
    mounts: &mut Mounts,
) -> Result<MountPoint, ApiError> {
    let kind = mount.r#type.as_str();
    let invalid =
        |what: &str| ApiError::invalid(format!("invalid mount config for type {kind:?}: {what}"));
    if mount.target.is_empty() {
        return Err(invalid("field Target must not be empty"));
    }
    check_destination(kind, &mount.target)?;
    let target = clean_path(&mount.target);
    let conflicting = |field: &str| invalid(&format!("field {field} must not be specified"));
    match kind {
        "bind" => {
            if mount.source.is_empty() {
                return Err(invalid("field Source must not be empty"));
            }
            if mount.volume_options.is_some() {
                return Err(conflicting("VolumeOptions"));
            }
            if !mount.source.starts_with('/') {
                return Err(invalid(&format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    mount.source
                )));
            }
            let source = clean_path(&mount.source);
            let options = mount.bind_options.clone().unwrap_or_default();
            if engine.ports().host.open(&source).await?.is_none() {
                if !options.create_mountpoint {
                    return Err(invalid(&format!(
                        "bind source path does not exist: {}",
                        mount.source
                    )));
                }
                engine.ports().host.create_dir(&source).await?;
            }
            let propagation = if options.propagation.is_empty() {
                "rprivate"
            } else {
                &options.propagation
            };
            Ok(bind_point(
                &source,
                &target,
                "",
                !mount.read_only,
                propagation,
            ))
        }
        "volume" => {
            if mount.bind_options.is_some() {
                return Err(conflicting("BindOptions"));
            }
            let options = mount.volume_options.clone().unwrap_or_default();
            if !options.subpath.is_empty() {
                return Err(ApiError::not_implemented(
                    "volume subpaths are not supported here",
                ));
            }
            let driver = options.driver_config.clone().unwrap_or_default();
            let volume = new_volume(
                engine,
                &mount.source,
                &driver.name,
                options.labels,
                driver.options,
                mounts,
            )
            .await?;
            if !options.no_copy {
                mounts.copy_up.push(target.clone());
            }
            Ok(volume_point(
                engine,
                &volume,
                &target,
                "z",
                !mount.read_only,
            ))
        }
        "tmpfs" => {
            if !mount.source.is_empty() {
                return Err(conflicting("Source"));
            }
            Ok(MountPoint {
                r#type: "tmpfs".into(),
                destination: target,
                rw: !mount.read_only,
                ..MountPoint::default()
            })
        }
        "image" | "npipe" | "cluster" => Err(ApiError::not_implemented(format!(
            "mounts of type {kind:?} are not supported here"
        ))),
        _ => Err(invalid("mount type unknown")),
    }
}

async fn new_volume(
    engine: &Engine,
    name: &str,
    driver: &str,
    labels: Option<StringMap>,
    options: Option<StringMap>,
    mounts: &mut Mounts,
) -> Result<String, ApiError> {
    let request = VolumeCreateRequest {
        name: name.into(),
        driver: driver.into(),
        driver_opts: options,
        labels,
    };
    let volume = engine.volumes().create(engine, request).await?;
    if name.is_empty() {
        mounts.anonymous.push(volume.name.clone());
    }
    Ok(volume.name)
}

fn volume_point(
    engine: &Engine,
    name: &str,
    destination: &str,
    mode: &str,
    rw: bool,
) -> MountPoint {
    MountPoint {
        r#type: "volume".into(),
        name: name.into(),
        source: mountpoint(&engine.config().root_dir, name),
        destination: destination.into(),
        driver: "local".into(),
        mode: mode.into(),
        rw,
        propagation: String::new(),
    }
}

fn bind_point(
    source: &str,
    destination: &str,
    mode: &str,
    rw: bool,
    propagation: &str,
) -> MountPoint {
    MountPoint {
        r#type: "bind".into(),
        source: source.into(),
        destination: destination.into(),
        mode: mode.into(),
        rw,
        propagation: propagation.into(),
        ..MountPoint::default()
    }
}

fn check_destination(kind: &str, path: &str) -> Result<(), ApiError> {
    let invalid = |what: String| {
        Err(ApiError::invalid(format!(
            "invalid mount config for type {kind:?}: {what}"
        )))
    };
    if !path.starts_with('/') {
        return invalid(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        ));
    }
    if clean_path(path) == "/" {
        return invalid("invalid specification: destination can't be '/'".into());
    }
    Ok(())
}

/// Go's `filepath.Clean` of an absolute path.
pub fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, clean) in [
            ("/a//b/./c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("/", "/"),
            ("//", "/"),
        ] {
            assert_eq!(clean_path(path), clean);
        }
    }

    #[test]
    fn destinations_are_absolute_and_not_the_root() {
        let message = |path| check_destination("bind", path).map_err(|e| e.message);
        assert_eq!(message("rel"), Err("invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute".into()));
        assert_eq!(message("/x/.."), Err("invalid mount config for type \"bind\": invalid specification: destination can't be '/'".into()));
        assert_eq!(message("/x"), Ok(()));
    }
}
