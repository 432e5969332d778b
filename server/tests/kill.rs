//! A daemon that is killed at any moment keeps what it acknowledged, and opens again.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Daemon, docker};

/// How often the daemon is killed, each time somewhere else in the client's work.
const KILLS: u64 = 44;

/// What is expected of a thing once the daemon is up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its making was acknowledged.
    There,
    /// Its removal was.
    Gone,
    /// Its removal, or its making anew, was asked for and not acknowledged.
    Either,
}

/// By kind and name.
type Fates = Mutex<BTreeMap<(&'static str, String), Fate>>;

/// A static program that writes `/out` and `/vol/out` and exits with 0.
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: usize = 64 + 56;
    let mut code: Vec<u8> = Vec::new();
    // Addresses of the strings, known once the code's length is.
    let (paths, text): ([&[u8]; 2], &[u8]) = ([b"/out\0", b"/vol/out\0"], b"written\n");
    let code_len = 2 * (5 + 10 + 5 + 5 + 2 + 2 + 5 + 10 + 5 + 2) + 2 + 5 + 2;
    let mut at = BASE + (HEADERS + code_len) as u64;
    let text_at = at + (paths[0].len() + paths[1].len()) as u64;
    for path in paths {
        let number = |code: &mut Vec<u8>, n: u32| {
            code.push(0xb8); // mov eax, n
            code.extend(n.to_le_bytes());
        };
        number(&mut code, 2); // open
        code.extend([0x48, 0xbf]); // mov rdi, path
        code.extend(at.to_le_bytes());
        code.push(0xbe); // mov esi, O_WRONLY | O_CREAT
        code.extend(0x41u32.to_le_bytes());
        code.push(0xba); // mov edx, 0644
        code.extend(0o644u32.to_le_bytes());
        code.extend([0x0f, 0x05, 0x89, 0xc7]); // syscall; mov edi, eax
        number(&mut code, 1); // write
        code.extend([0x48, 0xbe]); // mov rsi, text
        code.extend(text_at.to_le_bytes());
        code.push(0xba); // mov edx, length
        code.extend((text.len() as u32).to_le_bytes());
        code.extend([0x0f, 0x05]);
        at += path.len() as u64;
    }
    code.extend([0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]); // exit(0)
    assert_eq!(code.len(), code_len);
    code.extend(paths.concat());
    code.extend(text);
    let size = (HEADERS + code.len()) as u64;
    let mut elf = Vec::new();
    elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]); // EXEC, x86-64
    elf.extend((BASE + HEADERS as u64).to_le_bytes());
    elf.extend(64u64.to_le_bytes());
    elf.extend([0; 12]);
    elf.extend([64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]); // LOAD, readable and executable
    elf.extend(0u64.to_le_bytes());
    for word in [BASE, BASE, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A tar of one executable file.
fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, name, content)
        .expect("a tar in memory");
    tar.into_inner().expect("a tar in memory")
}

/// Does what clients do until the daemon is gone; notes what was acknowledged.
fn work(socket: &Path, round: u64, stop: &AtomicBool, fates: &Fates) {
    let run = |arguments: &[&str], input: &[u8]| {
        // A daemon that was killed meanwhile closes the pipe.
        docker(socket, arguments, |stdin| drop(stdin.write_all(input)))
    };
    for step in 0.. {
        let name = format!("n{round}-{step}");
        let (built, committed, again) = (
            format!("built-{name}"),
            format!("committed-{name}"),
            format!("again-{name}"),
        );
        let there = |kind: &'static str, name: &str, arguments: &[&str], input: &[u8]| {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let key = (kind, name.to_owned());
            // What was removed may come back without the answer coming through.
            if let Some(fate) = fates.lock().unwrap().get_mut(&key) {
                *fate = Fate::Either;
            }
            if run(arguments, input).is_some() {
                fates.lock().unwrap().insert(key, Fate::There);
            }
        };
        let gone = |kind: &'static str, name: &str, arguments: &[&str]| {
            let key = (kind, name.to_owned());
            if stop.load(Ordering::Relaxed) || !fates.lock().unwrap().contains_key(&key) {
                return;
            }
            fates.lock().unwrap().insert(key.clone(), Fate::Either);
            if run(arguments, b"").is_some() {
                fates.lock().unwrap().insert(key, Fate::Gone);
            }
        };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Large enough to be stored apart from the database.
        let mut content = program();
        content.extend(name.repeat(40_000).into_bytes());
        there(
            "image",
            &name,
            &["import", "-", &name],
            &layer("program", &content),
        );
        there("volume", &name, &["volume", "create", &name], b"");
        let mounted = format!("{name}:/vol");
        let line = ["run", "--name", &name, "-v", &mounted, &name, "/program"];
        there("ran", &name, &line, b"");
        there("image", &committed, &["commit", &name, &committed], b"");
        let dockerfile = format!("FROM {name}\nENV A={step}\nRUN [\"/program\"]\n");
        there(
            "image",
            &built,
            &["build", "-t", &built, "-"],
            dockerfile.as_bytes(),
        );
        there("image", &again, &["tag", &built, &again], b"");
        let file = socket.with_file_name("saved.tar");
        let file = file.to_str().expect("a path in UTF-8");
        if run(&["save", "-o", file, &committed], b"").is_some() {
            gone("image", &committed, &["rmi", &committed]);
            there("image", &committed, &["load", "-i", file], b"");
        }
        // What the step before this one left.
        let old = format!("n{round}-{}", step - 1);
        gone("ran", &old, &["rm", &old]);
        gone("volume", &old, &["volume", "rm", &old]);
        gone(
            "image",
            &format!("again-{old}"),
            &["rmi", &format!("again-{old}")],
        );
    }
}

/// Whether a thing is there, and whole.
fn is_there(daemon: &Daemon, kind: &str, name: &str) -> bool {
    match kind {
        "image" => daemon.docker(&["image", "inspect", name]).is_some(),
        "volume" => daemon.docker(&["volume", "inspect", name]).is_some(),
        _ => {
            let code = daemon.docker(&["inspect", "-f", "{{.State.ExitCode}}", name]);
            let wrote = |path: &str| {
                let from = format!("{name}:{path}");
                let tar = daemon.docker(&["cp", &from, "-"]);
                tar.is_some_and(|tar| tar.contains("written\n"))
            };
            code.as_deref() == Some("0") && wrote("/out") && wrote("/vol/out")
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let fates: Arc<Fates> = Arc::default();
    for round in 0..KILLS {
        let daemon = Daemon::start(dir.path());
        let stop = Arc::new(AtomicBool::new(false));
        let worker = {
            let (socket, stop, fates) = (daemon.socket.clone(), stop.clone(), fates.clone());
            thread::spawn(move || work(&socket, round, &stop, &fates))
        };
        // Somewhere else in the work each time.
        thread::sleep(Duration::from_millis(60 + 97 * round % 1500));
        drop(daemon);
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    }
    let daemon = Daemon::start(dir.path());
    let fates = fates.lock().unwrap().clone();
    assert!(
        fates.len() > KILLS as usize,
        "the test did next to nothing: {fates:?}"
    );
    for ((kind, name), fate) in &fates {
        let there = is_there(&daemon, kind, name);
        match fate {
            Fate::There => assert!(there, "{kind} {name} was acknowledged and is gone"),
            Fate::Gone => assert!(!there, "{kind} {name} was removed and is there"),
            Fate::Either => {}
        }
    }
    let scratch = dir.path().join("scratch.tar");
    let scratch = scratch.to_str().expect("a path in UTF-8");
    // What is listed is whole: every image can be saved, every container's files read.
    for image in daemon
        .docker(&["images", "-q", "--no-trunc"])
        .expect("a list")
        .lines()
    {
        assert!(
            daemon.docker(&["save", "-o", scratch, image]).is_some(),
            "image {image} is not whole"
        );
    }
    for container in daemon.docker(&["ps", "-aq"]).expect("a list").lines() {
        assert!(
            daemon
                .docker(&["export", "-o", scratch, container])
                .is_some(),
            "container {container} is not whole"
        );
    }
}
