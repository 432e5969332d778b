//! `docker container cp`: copy files between a container and the local file system.

use crate::cli::archive::{self, Out, Reader, Source};
use crate::cli::config::unbase64;
use crate::cli::host_path;
use crate::cli::prelude::*;
use futures::StreamExt;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container cp", "cp"],
    usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-",
    about: "	docker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH\n\nCopy files/folders between a container and the local filesystem\n\nUse '-' as the source to read a tar archive from stdin\nand extract it to a directory destination in a container.\nUse '-' as the destination to stream a tar archive of a\ncontainer source to stdout.",
    args: Args::Exact(2),
    flags: &[
        Flag::new(
            'a',
            "archive",
            "",
            "Archive mode (copy all uid/gid information)",
        ),
        Flag::new(
            'L',
            "follow-link",
            "",
            "Always follow symbol link in SRC_PATH",
        ),
        Flag::new(
            'q',
            "quiet",
            "",
            "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let (source, target) = (m.arg(0), m.arg(1));
    if source.is_empty() {
        return Err(Failure::new("source can not be empty"));
    }
    if target.is_empty() {
        return Err(Failure::new("destination can not be empty"));
    }
    let quiet = m.on("quiet") || (!m.given("quiet") && !cli.host.is_tty(Stream::Stderr));
    match (split(source), split(target)) {
        ((Some(_), _), (Some(_), _)) => {
            Err(Failure::new("copying between containers is not supported"))
        }
        ((None, _), (None, _)) => Err(Failure::new("must specify at least one container source")),
        ((Some(id), path), (None, _)) => from_container(cli, m, id, path, quiet).await,
        ((None, _), (Some(id), path)) => to_container(cli, m, id, path, quiet).await,
    }
}

/// `CONTAINER:PATH`, or a path of this host.
fn split(arg: &str) -> (Option<&str>, &str) {
    if arg.starts_with('/') {
        return (None, arg);
    }
    match arg.split_once(':') {
        Some((c, p)) if !c.starts_with('.') => (Some(c), p),
        _ => (None, arg),
    }
}

/// A path cleaned, its final `/.` kept, as directory and name.
fn dir_and_base(path: &str) -> (String, String) {
    let clean = host_path("/", path);
    if path == "." || path.ends_with("/.") {
        return (clean, ".".into());
    }
    match clean.rsplit_once('/') {
        Some((d, b)) if !b.is_empty() => {
            (if d.is_empty() { "/".into() } else { d.into() }, b.into())
        }
        _ => ("/".into(), "/".into()),
    }
}

fn asserts_directory(path: &str) -> bool {
    path.ends_with('/') || path == "." || path.ends_with("/.")
}

/// An absolute path whose final `/` or `/.` is kept.
fn local(cli: &Cli<'_>, path: &str) -> String {
    let full = cli.absolute(path);
    if path == "." || path.ends_with("/.") {
        format!("{}/.", full.trim_end_matches('/'))
    } else if path.ends_with('/') && full != "/" {
        format!("{full}/")
    } else {
        full
    }
}

/// What is known about one end of a copy.
struct End {
    path: String,
    exists: bool,
    is_dir: bool,
}

/// Where to extract, and the renaming of the first path element of entries.
fn prepare(
    source: &End,
    source_rename: &str,
    target: &End,
) -> Result<(String, Option<(String, String)>), Failure> {
    let (dir, base) = dir_and_base(&target.path);
    let (_, source_base) = dir_and_base(&source.path);
    let source_base = if source_rename.is_empty() {
        source_base
    } else {
        source_rename.to_string()
    };
    if target.exists && target.is_dir {
        return Ok((target.path.clone(), None));
    }
    if target.exists && source.is_dir {
        return Err(Failure::new("cannot copy directory"));
    }
    // No path at all is the container's root, which a file can't become.
    if !target.exists
        && !source.is_dir
        && (asserts_directory(&target.path) || target.path.is_empty())
    {
        return Err(Failure::new("no such directory"));
    }
    let source_base = if source_base == "/" {
        String::new()
    } else {
        source_base
    };
    Ok((dir, Some((source_base, base))))
}

const MODE_DIR: u64 = 1 << 31;
const MODE_SYMLINK: u64 = 1 << 27;

/// The daemon's stat of a path in a container.
async fn stat(cli: &Cli<'_>, id: &str, path: &str) -> Result<J, ApiFailure> {
    let params = Params::new().add("path", path);
    let target = format!("/containers/{}/archive{params}", segment(id));
    let r = cli.send(Request::new(http::Method::HEAD, target)).await?;
    Ok(path_stat(&r))
}

fn path_stat(r: &Response) -> J {
    r.headers
        .get("x-docker-container-path-stat")
        .and_then(|v| v.to_str().ok())
        .and_then(unbase64)
        .and_then(|b| serde_json::from_slice(&b).ok())
        .unwrap_or(J::Null)
}

fn mode(stat: &J) -> u64 {
    stat.at("mode").as_u64().unwrap_or(0)
}

/// The target of a symbolic link at `path`.
fn follow(path: &str, link: &str) -> String {
    if link.starts_with('/') {
        link.to_string()
    } else {
        host_path(&dir_and_base(path).0, link)
    }
}

async fn from_container(
    cli: &Cli<'_>,
    m: &Matches,
    id: &str,
    path: &str,
    quiet: bool,
) -> Result<(), Failure> {
    let target = if m.arg(1) == "-" {
        "-".to_string()
    } else {
        let target = local(cli, m.arg(1));
        let (dir, _) = dir_and_base(&target);
        if let Err(e) = cli.host.stat(&dir, true).await
            && e.not_found()
        {
            return Err(Failure::new(format!(
                "invalid output path: directory {} does not exist",
                quote(&dir)
            )));
        }
        target
    };
    let (mut path, mut rename) = (path.to_string(), String::new());
    if m.on("follow-link")
        && let Ok(s) = stat(cli, id, &path).await
        && mode(&s) & MODE_SYMLINK != 0
    {
        rename = dir_and_base(&path).1;
        path = follow(&path, s.text("linkTarget"));
    }
    let params = Params::new().add("path", &path);
    let response = cli
        .send(Request::get(format!(
            "/containers/{}/archive{params}",
            segment(id)
        )))
        .await?;
    if target == "-" {
        let mut body = response.body.into_stream();
        while let Some(chunk) = body.next().await {
            cli.out_bytes(&chunk.map_err(|e| Failure::new(e.to_string()))?)
                .await;
        }
        return Ok(());
    }
    let source = End {
        is_dir: mode(&path_stat(&response)) & MODE_DIR != 0,
        path,
        exists: true,
    };
    let there = cli.host.stat(&target, true).await;
    let end = End {
        path: target.clone(),
        exists: there.is_ok(),
        is_dir: there.is_ok_and(|i| i.is_dir()),
    };
    let (dir, renaming) = prepare(&source, &rename, &end)?;
    let renaming = match (renaming, rename.is_empty()) {
        // Entries bear the name of the link's target.
        (Some((_, to)), false) => Some((dir_and_base(&source.path).1, to)),
        (None, false) => Some((dir_and_base(&source.path).1, rename)),
        (r, true) => r,
    };
    let size = extract(cli, Reader::new(response), &dir, renaming).await?;
    if !quiet {
        cli.err(&format!(
            "Successfully copied {} to {}\n",
            units::human_size(size as f64, 3),
            cli.absolute(m.arg(1))
        ))
        .await;
    }
    Ok(())
}

/// Unpacks below `dir`, never outside it; returns the bytes of the archive's files and headers.
async fn extract(
    cli: &Cli<'_>,
    mut archive: Reader,
    dir: &str,
    renaming: Option<(String, String)>,
) -> Result<u64, Failure> {
    let (mut size, mut directories) = (0, Vec::new());
    let renamed = |name: &str| match &renaming {
        Some((from, to)) => name.replacen(from.as_str(), to, 1),
        None => name.to_string(),
    };
    while let Some(e) = archive.next().await? {
        let name = renamed(&e.name);
        let parts: Vec<&str> = name
            .split('/')
            .filter(|p| !p.is_empty() && *p != ".")
            .collect();
        if parts.contains(&"..") {
            return Err(Failure::new(format!(
                "{} is outside of {}",
                quote(&name),
                quote(dir)
            )));
        }
        let path = archive::join(dir.trim_end_matches("/."), &parts.join("/"));
        let fail = |what: &str, e: HostError| Failure::new(format!("{what} {path}: {e}"));
        // A link that came with the archive must not lead what follows elsewhere.
        let mut parent = dir.trim_end_matches("/.").trim_end_matches('/').to_string();
        for p in parts.iter().take(parts.len().saturating_sub(1)) {
            parent = format!("{parent}/{p}");
            match cli.host.stat(&parent, false).await {
                Ok(i) if i.is_dir() => {}
                Ok(_) => {
                    return Err(Failure::new(format!(
                        "{} is not a directory",
                        quote(&parent)
                    )));
                }
                Err(_) => cli
                    .host
                    .mkdir(&parent, 0o755)
                    .await
                    .map_err(|e| fail("mkdir", e))?,
            }
        }
        size += 512 + e.size.div_ceil(512) * 512;
        let old = cli.host.stat(&path, false).await.ok();
        if let Some(i) = &old {
            let dir = e.flag == b'5';
            if i.is_dir() && !dir {
                return Err(Failure::new(format!(
                    "cannot overwrite directory {} with non-directory {}",
                    quote(&path),
                    quote(dir_name(&path))
                )));
            }
            if !i.is_dir() && dir {
                return Err(Failure::new(format!(
                    "cannot overwrite non-directory {} with directory {}",
                    quote(&path),
                    quote(dir_name(&path))
                )));
            }
            if !i.is_dir() {
                cli.host
                    .remove(&path)
                    .await
                    .map_err(|e| fail("unlinkat", e))?;
            }
        }
        match e.flag {
            b'5' => {
                if old.is_none() {
                    cli.host
                        .mkdir(&path, e.mode | 0o700)
                        .await
                        .map_err(|e| fail("mkdir", e))?;
                }
                directories.push((path, e.mode, e.mtime));
            }
            b'2' => cli
                .host
                .symlink(&e.link, &path)
                .await
                .map_err(|e| fail("symlink", e))?,
            b'1' => {
                let link = renamed(&e.link);
                let inside = link.split('/').all(|p| p != "..");
                let to = archive::join(dir, link.trim_start_matches('/'));
                if !inside {
                    return Err(Failure::new(format!(
                        "invalid hardlink {} -> {}",
                        quote(&to),
                        quote(&e.link)
                    )));
                }
                cli.host
                    .link(&to, &path)
                    .await
                    .map_err(|e| fail("link", e))?;
            }
            b'0' | 0 | b'7' => {
                let file = cli
                    .host
                    .create(&path, e.mode | 0o200)
                    .await
                    .map_err(|e| fail("open", e))?;
                loop {
                    let part = archive.contents().await?;
                    if part.is_empty() {
                        break;
                    }
                    file.write(&part).await.map_err(|e| fail("write", e))?;
                }
                file.close().await.map_err(|e| fail("close", e))?;
                cli.host
                    .set_attributes(&path, e.mode, e.mtime, None)
                    .await
                    .map_err(|e| fail("chmod", e))?;
            }
            // Devices and pipes need privileges the client may lack.
            _ => {
                cli.err(&format!("skipping {path}: not a file, directory or link\n"))
                    .await
            }
        }
    }
    // Last, since what is put into a directory changes its time.
    for (path, mode, mtime) in directories.into_iter().rev() {
        let _ = cli.host.set_attributes(&path, mode, mtime, None).await;
    }
    Ok(size)
}

fn dir_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

async fn to_container(
    cli: &Cli<'_>,
    m: &Matches,
    id: &str,
    path: &str,
    quiet: bool,
) -> Result<(), Failure> {
    let source = if m.arg(0) == "-" {
        "-".to_string()
    } else {
        local(cli, m.arg(0))
    };
    let mut there = stat(cli, id, path).await;
    let mut target = path.to_string();
    if let Ok(s) = &there
        && mode(s) & MODE_SYMLINK != 0
    {
        target = follow(path, s.text("linkTarget"));
        there = stat(cli, id, &target).await;
    }
    let end = End {
        path: target.clone(),
        exists: there.is_ok(),
        is_dir: there.as_ref().is_ok_and(|s| mode(s) & MODE_DIR != 0),
    };
    let put = |dir: &str| {
        let params = Params::new()
            .add_if(m.on("archive"), "copyUIDGID", "true")
            .add("noOverwriteDirNonDir", "true")
            .add("path", dir);
        Request::new(
            http::Method::PUT,
            format!("/containers/{}/archive{params}", segment(id)),
        )
        .header(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/x-tar"),
        )
    };
    let done = async |_: Response| Ok(());
    if source == "-" {
        if !end.is_dir {
            return Err(Failure::new(format!(
                "destination \"{id}:{path}\" must be a directory"
            )));
        }
        return cli
            .upload(put(&target), async |w| cli.pump_file("-", w).await, done)
            .await;
    }
    let (dir, base) = dir_and_base(&source);
    let (mut root, mut base, mut rename) = (dir, base, String::new());
    if m.on("follow-link") {
        let real = match cli.host.real_path(&source).await {
            Ok(real) => real,
            Err(e) => {
                // What is missing is where the link leads.
                let missing = match cli.host.read_link(&cli.absolute(&source)).await {
                    Ok(to) => host_path(&root, &to),
                    Err(_) => cli.absolute(&source),
                };
                return Err(Failure::new(format!("lstat {missing}: {e}")));
            }
        };
        let (d, b) = dir_and_base(&real);
        if b != base && base != "." {
            rename = base;
            (root, base) = (d, b);
        }
    }
    let full = archive::join(&root, &base);
    let info = cli
        .host
        .stat(&full, false)
        .await
        .map_err(|e| Failure::new(format!("lstat {full}: {e}")))?;
    if source.ends_with('/') && !info.is_dir() {
        return Err(Failure::new(format!("{source}: not a directory")));
    }
    let start = End {
        path: if base == "." {
            format!("{root}/.")
        } else {
            full
        },
        exists: true,
        is_dir: info.is_dir(),
    };
    let (to, renaming) = prepare(&start, &rename, &end)?;
    if let Some((_, new)) = renaming {
        rename = new;
    }
    let what = Source {
        root,
        base,
        rename,
        include_base: true,
        ignore: None,
        own_by_root: false,
        extra: Vec::new(),
    };
    let sent = std::cell::Cell::new(0);
    cli.upload(
        put(&to),
        async |w| {
            let mut out = Out::new(w);
            let result = cli.archive(&what, &mut out).await;
            sent.set(out.sent);
            result
        },
        done,
    )
    .await?;
    if !quiet {
        cli.err(&format!(
            "Successfully copied {} to {id}:{path}\n",
            units::human_size(sent.get() as f64, 3)
        ))
        .await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_copy() {
        assert_eq!(split("c:/x"), (Some("c"), "/x"));
        assert_eq!(split("./c:/x"), (None, "./c:/x"));
        assert_eq!(split("/c:x"), (None, "/c:x"));
        assert_eq!(dir_and_base("/a/b/."), ("/a/b".into(), ".".into()));
        assert_eq!(dir_and_base("/a/"), ("/".into(), "a".into()));
        assert_eq!(dir_and_base("/"), ("/".into(), "/".into()));
    }

    #[test]
    fn docker_s_cases() {
        let end = |path: &str, exists, is_dir| End {
            path: path.into(),
            exists,
            is_dir,
        };
        let p = |s: End, t: End| prepare(&s, "", &t).map_err(|f| f.text);
        assert_eq!(
            p(end("/s/f", true, false), end("/t", true, true)),
            Ok(("/t".into(), None))
        );
        assert_eq!(
            p(end("/s/f", true, false), end("/t/g", false, false)),
            Ok(("/t".into(), Some(("f".into(), "g".into()))))
        );
        assert_eq!(
            p(end("/s", true, true), end("/t", true, false)),
            Err("cannot copy directory".into())
        );
        assert_eq!(
            p(end("/s", true, false), end("/t/", false, false)),
            Err("no such directory".into())
        );
    }
}
