//! `bottleship lesson serve`: the site with an author's lessons, shown anew as soon as a file is saved.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use bottleship_engine::lesson::format::{
    Bank, Lesson, LessonError, Level, MAX_LESSON, Seed, Setup,
};
use clap::Args;
use futures::{Stream, stream};
use http::{StatusCode, header};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tower_http::services::ServeDir;

use super::files::{self, Kind};
use crate::command::serve::previews;
use crate::site;

/// How often the files are looked at. Looking works in containers and on network disks, where nobody tells of changes.
const LOOK: Duration = Duration::from_millis(300);
/// Where the page hears of changes; the page knows it from its head.
const EVENTS: &str = "lessons/events";
/// In the place of the site's service worker, which would keep an older page: it goes and takes what it kept along.
const NO_WORKER: &str = "self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) await caches.delete(name);
  await self.registration.unregister();
})()));
";

#[derive(Args)]
pub struct Serve {
    /// Directory of lessons, or one lesson
    dir: PathBuf,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8081")]
    addr: SocketAddr,
    /// Directory of the built site
    #[arg(long, env = "BOTTLESHIP_SITE", value_name = "DIR")]
    site: Option<PathBuf>,
}

/// A lesson as the page lists it.
#[derive(Clone, Debug, Serialize, PartialEq)]
struct Listed {
    name: String,
    /// Its address below the page's.
    path: String,
    course: String,
    title: String,
    summary: String,
    level: Level,
    minutes: u32,
}

/// What a change means for a page that shows the lesson.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Changed {
    /// As in [`Listed::path`].
    path: String,
    /// The file, as the author knows it.
    file: String,
    /// What is wrong with it.
    error: Option<LessonError>,
    /// Whether it prepares the host otherwise than before.
    prepares: bool,
}

/// A file as it was when it was looked at.
struct Seen {
    stamp: (SystemTime, u64),
    setup: Option<Setup>,
    listed: Option<Listed>,
    error: Option<LessonError>,
}

struct Author {
    dir: PathBuf,
    given: PathBuf,
    site: PathBuf,
    seen: Mutex<BTreeMap<PathBuf, Seen>>,
    changes: broadcast::Sender<Changed>,
}

impl Serve {
    pub fn run(self) -> Result<ExitCode> {
        let site = crate::command::site_dir(self.site.as_deref())?;
        if !site.join("index.html").is_file() {
            bail!(
                "{} is no built site: build it with `cargo xtask build`",
                site.display()
            );
        }
        let given = self
            .dir
            .canonicalize()
            .with_context(|| format!("can't read {}", self.dir.display()))?;
        let dir = match given.is_dir() {
            true => given.clone(),
            false => given.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        let author = Arc::new(Author {
            dir,
            given,
            site,
            seen: Mutex::default(),
            changes: broadcast::channel(64).0,
        });
        author.look(true)?;
        if author.lessons().is_empty() {
            bail!(
                "there is no lesson in {}; `bottleship lesson new {}` writes one",
                self.dir.display(),
                self.dir.join("my.md").display()
            );
        }
        tokio::runtime::Runtime::new()?.block_on(async {
            let listener = TcpListener::bind(self.addr)
                .await
                .with_context(|| format!("can't listen on {}", self.addr))?;
            let addr = listener.local_addr()?;
            let (previews, listeners) = previews(None, addr).await?;
            println!("listening on http://{addr}");
            for lesson in author.lessons() {
                println!("  http://{addr}/?lesson={}  {}", lesson.name, lesson.title);
            }
            for listener in listeners {
                let served = axum::serve(listener, site::preview(&author.site));
                tokio::spawn(async move { served.await });
            }
            tokio::spawn(watch(author.clone()));
            let router = site::with_routes(&author.site, &previews, router(author.clone()));
            // Pages keep listening: they don't hold up the end.
            tokio::select! {
                served = axum::serve(listener, router) => served.context("the server stopped"),
                () = crate::command::terminated() => Ok(()),
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What an author's site has of its own.
fn router(author: Arc<Author>) -> Router {
    let lessons = ServeDir::new(&author.dir);
    Router::new()
        .route("/", get(page))
        .route("/index.html", get(page))
        .route(
            "/lessons/index.json",
            get(async |State(author): State<Arc<Author>>| Json(author.lessons())),
        )
        .route(&format!("/{EVENTS}"), get(events))
        .route(
            "/sw.js",
            get(async || ([(header::CONTENT_TYPE, "text/javascript")], NO_WORKER)),
        )
        .nest_service("/lessons", lessons)
        .with_state(author)
}

/// The page, which is told where it hears of changes.
async fn page(State(author): State<Arc<Author>>) -> Response {
    match tokio::fs::read_to_string(author.site.join("index.html")).await {
        Ok(html) => {
            let meta = format!("<meta name=\"bottleship-author\" content=\"./{EVENTS}\">\n</head>");
            Html(html.replacen("</head>", &meta, 1)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// What changed, as it changes; first what is wrong now.
async fn events(
    State(author): State<Arc<Author>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let wrong = author.wrong();
    let receiver = author.changes.subscribe();
    let event = |changed: &Changed| Event::default().json_data(changed).unwrap_or_default();
    let first: Vec<_> = wrong.iter().map(|changed| Ok(event(changed))).collect();
    let later = stream::unfold(receiver, move |mut receiver| async move {
        loop {
            match receiver.recv().await {
                Ok(changed) => return Some((Ok(event(&changed)), receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(futures::StreamExt::chain(stream::iter(first), later)).keep_alive(KeepAlive::default())
}

async fn watch(author: Arc<Author>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let again = author.clone();
        let looked = tokio::task::spawn_blocking(move || again.look(false)).await;
        if let Ok(Err(error)) = looked {
            // An editor that replaces a file leaves none for a moment.
            eprintln!("bottleship: {error:#}");
        }
    }
}

impl Author {
    /// Looks at the files, and tells of those that changed.
    fn look(&self, first: bool) -> Result<()> {
        let mut found = files::find(std::slice::from_ref(&self.given))?;
        // A bank of drills is checked as it is saved; a translation, when its lesson is tested.
        found.retain(|(_, kind)| *kind != Kind::Translation);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone: Vec<PathBuf> = seen.keys().cloned().collect();
        for (path, kind) in found {
            gone.retain(|old| *old != path);
            let Ok(metadata) = std::fs::metadata(&path) else {
                continue;
            };
            let stamp = (
                metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                metadata.len(),
            );
            let before = seen.get(&path);
            if before.is_some_and(|before| before.stamp == stamp) {
                continue;
            }
            let now = self.read(&path, kind, stamp);
            let file = self.shown(&path);
            match &now.error {
                Some(error) => eprintln!("{}:{}: {}", path.display(), error.line, error.message),
                None if !first => println!("{file} is fine"),
                None => {}
            }
            let prepares = match (before.and_then(|before| before.setup.as_ref()), &now.setup) {
                (Some(before), Some(now)) => before != now,
                _ => false,
            };
            let changed = Changed {
                path: address(&file),
                file,
                error: now.error.clone(),
                prepares,
            };
            // What the last good file prepared is what the host was prepared with.
            let setup = match (now.setup, before) {
                (None, Some(before)) => before.setup.clone(),
                (setup, _) => setup,
            };
            seen.insert(path, Seen { setup, ..now });
            // Nobody may be listening.
            let _ = self.changes.send(changed);
        }
        for path in gone {
            seen.remove(&path);
        }
        Ok(())
    }

    fn shown(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.dir).unwrap_or(path);
        below.to_string_lossy().replace('\\', "/")
    }

    fn read(&self, path: &Path, kind: Kind, stamp: (SystemTime, u64)) -> Seen {
        let file = self.shown(path);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.trim_start_matches(|c: char| c.is_ascii_digit());
        let name = name.strip_prefix('-').unwrap_or(&stem).to_owned();
        let course = match file.rsplit_once('/') {
            Some((course, _)) => course.to_owned(),
            None => "lessons".to_owned(),
        };
        let mut listed = Listed {
            path: address(&file),
            title: name.clone(),
            name,
            course,
            summary: String::new(),
            level: Level::default(),
            minutes: 1,
        };
        let unreadable = |message: String| LessonError { line: 1, message };
        let source = match stamp.1 > MAX_LESSON as u64 {
            true => Err(unreadable(format!(
                "the file has more than {MAX_LESSON} bytes"
            ))),
            false => std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string())),
        };
        let read = source.and_then(|source| match kind {
            Kind::Bank => Bank::parse(&source).map(|_| None),
            _ => Lesson::parse(&source, &Seed::new("1")).map(Some),
        });
        let (setup, error) = match read {
            Ok(Some(lesson)) => {
                listed.title = lesson.title;
                listed.summary = lesson.summary;
                listed.minutes = lesson.minutes;
                listed.level = lesson.level;
                (Some(lesson.start), None)
            }
            Ok(None) => (None, None),
            Err(error) => {
                listed.summary = error.to_string();
                (None, Some(error))
            }
        };
        Seen {
            stamp,
            setup,
            listed: (kind == Kind::Lesson).then_some(listed),
            error,
        }
    }

    /// The lessons in their order.
    fn lessons(&self) -> Vec<Listed> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values()
            .filter_map(|seen| seen.listed.clone())
            .collect()
    }

    fn wrong(&self) -> Vec<Changed> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = |(path, seen): (&PathBuf, &Seen)| {
            let file = self.shown(path);
            Some(Changed {
                path: address(&file),
                file,
                error: Some(seen.error.clone()?),
                prepares: false,
            })
        };
        seen.iter().filter_map(wrong).collect()
    }
}

/// Where the page gets a file.
fn address(file: &str) -> String {
    format!("./lessons/{file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(dir: &Path) -> Author {
        Author {
            dir: dir.to_path_buf(),
            given: dir.to_path_buf(),
            site: dir.to_path_buf(),
            seen: Mutex::default(),
            changes: broadcast::channel(64).0,
        }
    }

    const LESSON: &str = "---\ntitle: T\nsummary: S\nminutes: 3\nstart: docker pull busybox\ntasks:\n  a:\n    title: A\n    check: {image: busybox}\n    solution: docker pull busybox\n---\ntext\n";

    fn save(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_saved_file_is_told_of_once_with_what_is_wrong_and_what_it_prepares() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("course")).unwrap();
        let file = dir.path().join("course/02-second.md");
        save(&file, LESSON);
        let author = author(dir.path());
        author.look(true).unwrap();
        let listed = author.lessons();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (
                listed[0].name.as_str(),
                listed[0].path.as_str(),
                listed[0].course.as_str()
            ),
            ("second", "./lessons/course/02-second.md", "course")
        );
        let mut changes = author.changes.subscribe();
        author.look(false).unwrap();
        assert!(changes.try_recv().is_err(), "nothing was saved");

        save(&file, &LESSON.replace("text\n", "other text\n"));
        author.look(false).unwrap();
        let changed = changes.try_recv().unwrap();
        assert_eq!((changed.error.clone(), changed.prepares), (None, false));
        assert!(changes.try_recv().is_err());

        save(
            &file,
            &LESSON.replace("minutes: 3", "minutes: 3\nhurry: yes"),
        );
        author.look(false).unwrap();
        let error = changes.try_recv().unwrap().error.unwrap();
        assert_eq!(error.line, 5);
        assert_eq!(author.wrong().len(), 1);
        // It stays in the list, so that what is wrong can be shown.
        assert_eq!(author.lessons().len(), 1);

        save(
            &file,
            &LESSON.replace("pull busybox\nt", "pull -q busybox\nt"),
        );
        author.look(false).unwrap();
        let changed = changes.try_recv().unwrap();
        assert!(changed.prepares, "compared with the last good file");
        assert!(author.wrong().is_empty());

        std::fs::remove_file(&file).unwrap();
        author.look(false).unwrap();
        assert!(author.lessons().is_empty());
    }
}
