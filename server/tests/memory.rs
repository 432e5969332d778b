//! A daemon's memory does not grow with what it is sent.

mod common;

use std::io::Write;

use bottleship_oci::{Algorithm, Digester};
use common::{Daemon, docker};

/// Bytes of the image's one file.
const SIZE: u64 = 1 << 30;
/// Bytes of memory a daemon may ever have had.
const MOST: u64 = 256 << 20;

/// Peak resident memory of a process, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("VmHWM in kB") * 1024
}

/// The header of a file of that many bytes.
fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).expect("a short name");
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Writes a layer of one file: mostly zeros, with something else in each MiB.
fn layer(out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(&header("large", SIZE))?;
    let mut block = vec![0; 1 << 20];
    for i in 0..SIZE >> 20 {
        block[..8].copy_from_slice(&i.to_le_bytes());
        out.write_all(&block)?;
    }
    out.write_all(&[0; 1024])
}

fn small(out: &mut dyn Write, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(&header(name, bytes.len() as u64))?;
    out.write_all(bytes)?;
    out.write_all(&vec![0; bytes.len().next_multiple_of(512) - bytes.len()])
}

#[test]
fn loading_an_image_of_a_gibibyte_takes_little_memory() {
    let mut digester = Digester::new(Algorithm::Sha256);
    layer(&mut digester).unwrap();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}},"history":[{{"created_by":"ADD"}}]}}"#,
        digester.finish()
    );
    let manifest = r#"[{"Config":"c.json","RepoTags":["large:1"],"Layers":["layer.tar"]}]"#;
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path());
    let loaded = docker(&daemon.socket, &["load"], |out| {
        let written = header_of_layer(out).and_then(|()| layer(out));
        let written = written.and_then(|()| small(out, "c.json", config.as_bytes()));
        let written = written.and_then(|()| small(out, "manifest.json", manifest.as_bytes()));
        written
            .and_then(|()| out.write_all(&[0; 1024]))
            .expect("the daemon takes all of it");
    });
    assert_eq!(loaded.as_deref(), Some("Loaded image: large:1"));
    // Its files are read without being held, too.
    let made = daemon.docker(&["create", "--name", "large", "large:1", "x"]);
    assert!(made.is_some());
    let mut count = 0u64;
    let export = std::process::Command::new(env!("CARGO_BIN_EXE_bottleship"))
        .args(["docker", "export", "large"])
        .env("DOCKER_HOST", format!("unix://{}", daemon.socket.display()))
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut export = export.expect("docker starts");
    let mut out = export.stdout.take().expect("piped");
    count += std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert!(export.wait().unwrap().success());
    assert!(count > SIZE, "{count} bytes exported");
    let peak = peak(daemon.child.id());
    println!("peak: {} MiB", peak >> 20);
    assert!(peak < MOST, "the daemon took {} MiB", peak >> 20);
}

/// The layer's own place in the archive.
fn header_of_layer(out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(&header("layer.tar", 512 + SIZE + 1024))
}
