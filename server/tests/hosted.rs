//! Hosted sessions, and the proofs that their walls hold: as root, where crun is installed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");
/// The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// Docker's default capabilities without MKNOD and AUDIT_WRITE.
const CAPABILITIES: &str = "00000000800425fb";

/// The runtimes there are, as the configuration names them; none where sessions can't be.
fn runtimes() -> Vec<(String, String)> {
    if !Path::new("/proc/self/ns/user").exists() || std::fs::metadata("/proc/1").is_err() {
        println!("skipped: no namespaces here");
        return Vec::new();
    }
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" {
        println!("skipped: hosted sessions need root");
        return Vec::new();
    }
    for program in ["ip", "mkfs.ext4", "unshare", "busybox"] {
        let found = Command::new("sh")
            .args([
                "-c",
                &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}"),
            ])
            .output()
            .expect("sh runs");
        if !found.status.success() {
            println!("skipped: {program} is not installed");
            return Vec::new();
        }
    }
    let version = |name: &str| {
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("PATH=$PATH:/usr/sbin:/sbin {name} --version"),
            ])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next()?.rsplit(' ').next()?.to_owned();
        Some((name.to_owned(), format!("{name} {version}")))
    };
    let found: Vec<_> = ["crun", "runc"].into_iter().filter_map(version).collect();
    if found.is_empty() {
        println!("skipped: neither crun nor runc is installed");
    }
    found
}

/// A site with nothing but a page and a host whose only program is busybox.
fn site(dir: &Path) -> PathBuf {
    let site = dir.join("site");
    std::fs::create_dir_all(&site).expect("a directory");
    std::fs::write(site.join("index.html"), "<!doctype html>").expect("a page");
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("busybox");
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, data: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(data.len() as u64);
        match kind {
            tar::EntryType::Symlink => tar.append_link(&mut header, path, link),
            _ => tar.append_data(&mut header, path, data),
        }
        .expect("an entry");
    };
    for dir in [
        "bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var", "mnt",
    ] {
        add(
            dir,
            tar::EntryType::Directory,
            if dir == "tmp" { 0o1777 } else { 0o755 },
            b"",
            "",
        );
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, "");
    let applets = Command::new("busybox")
        .arg("--list")
        .output()
        .expect("applets")
        .stdout;
    for applet in String::from_utf8_lossy(&applets)
        .lines()
        .filter(|name| *name != "busybox")
    {
        add(
            &format!("bin/{applet}"),
            tar::EntryType::Symlink,
            0o777,
            b"",
            "busybox",
        );
    }
    add("var/run", tar::EntryType::Symlink, 0o777, b"", "/run");
    add(
        "etc/passwd",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\n",
        "",
    );
    let tar = tar.into_inner().expect("a tar");
    std::fs::write(site.join("host.tar"), tar).expect("written");
    site
}

struct Server {
    child: Child,
    address: String,
    tokio: Runtime,
}

impl Server {
    fn start(dir: &Path, site: &Path, (runtime, allowed): &(String, String), more: &str) -> Server {
        let config = dir.join("hosted.toml");
        let text = format!(
            "runtime = {runtime:?}\nallow_runtime = {allowed:?}\n[server]\nsessions = 3\nwarm = 1\nmemory_reserve = 0\ndisk_reserve = 0\nimages = []\ndrain = 1\n\
             [session]\nmemory = 134217728\ndisk = 134217728\ninodes = 8000\npids = 120\n{more}\n[access]\nsessions_per_address = 10\nstarts_per_minute = 1000\n"
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut child = Command::new(BOTTLESHIP)
            .args(["serve", "--hosted", "--addr", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--site")
            .arg(site)
            .arg("--data")
            .arg(dir.join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines
            .find_map(|line| {
                line.ok()?
                    .strip_prefix("listening on http://")
                    .map(str::to_owned)
            })
            .expect("the server listens");
        Server {
            child,
            address: line,
            tokio: Runtime::new().expect("tokio"),
        }
    }

    fn http(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
        write!(
            stream,
            "{first} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 0\r\n{rest}\r\n",
            self.address
        )
        .expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        (status, answer)
    }

    fn open(&self) -> Session<'_> {
        let (status, answer) = self.http("POST /api/sessions");
        assert_eq!(status, 201, "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let body = &body[body.find('{').expect("json")..=body.rfind('}').expect("json")];
        let value: serde_json::Value = serde_json::from_str(body).expect("json");
        assert!(value["expires_at"].as_str().is_some());
        let mut session = Session {
            server: self,
            id: value["id"].as_str().expect("an id").to_owned(),
            preview: value["preview"].as_str().expect("a path").to_owned(),
            socket: None,
            number: 0,
        };
        session.connect();
        session
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.child.try_wait().ok().flatten().is_none() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Session<'a> {
    server: &'a Server,
    id: String,
    preview: String,
    socket: Option<WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>>,
    number: u32,
}

impl Session<'_> {
    fn connect(&mut self) {
        let url = format!(
            "ws://{}/api/sessions/{}/terminal",
            self.server.address, self.id
        );
        let (socket, _) = self
            .server
            .tokio
            .block_on(tokio_tungstenite::connect_async(url))
            .expect("a terminal");
        self.socket = Some(socket);
        self.send(Message::Text(
            "{\"resize\":{\"cols\":200,\"rows\":50}}".into(),
        ));
        self.run("stty -echo; PS1=; PS2=");
    }

    fn send(&mut self, message: Message) {
        let socket = self.socket.as_mut().expect("connected");
        self.server
            .tokio
            .block_on(socket.send(message))
            .expect("sent");
    }

    /// What a line writes, and its exit code.
    fn try_run(&mut self, line: &str, patience: Duration) -> Option<(String, i32)> {
        self.number += 1;
        let mark = format!("MARK{}", self.number);
        // The mark is put together by the shell, so that the echo of the line isn't taken for it.
        let line = format!("{line}\nprintf '\\n%s%s=%s;' MARK {} $?\n", self.number);
        self.send(Message::Binary(line.into_bytes().into()));
        let socket = self.socket.as_mut().expect("connected");
        let mut seen = String::new();
        let found = self.server.tokio.block_on(async {
            tokio::time::timeout(patience, async {
                while let Some(Ok(message)) = socket.next().await {
                    match message {
                        Message::Binary(data) => seen.push_str(&String::from_utf8_lossy(&data)),
                        Message::Text(text) if text.contains("ended") => println!("{text}"),
                        _ => {}
                    }
                    if let Some((before, after)) = seen.split_once(&format!("{mark}="))
                        && let Some((code, _)) = after.split_once(';')
                    {
                        return Some((before.to_owned(), code.parse().ok()?));
                    }
                }
                None
            })
            .await
        });
        found.ok().flatten()
    }

    fn run(&mut self, line: &str) -> (String, i32) {
        self.try_run(line, PATIENCE)
            .unwrap_or_else(|| panic!("no answer to {line:?}"))
    }

    fn ok(&mut self, line: &str) -> String {
        let (text, code) = self.run(line);
        assert_eq!(code, 0, "{line}: {text}");
        text
    }

    fn refused(&mut self, line: &str) {
        let (text, code) = self.run(line);
        assert_ne!(code, 0, "{line} was not refused: {text}");
    }

    /// An image of the host's own busybox.
    fn make_image(&mut self) {
        self.ok("tar c -C / bin etc | docker import - busybox >/dev/null");
    }

    fn end(self) {
        let (status, answer) = self
            .server
            .http(&format!("DELETE /api/sessions/{}", self.id));
        assert_eq!(status, 204, "{answer}");
    }
}

/// A program that makes one system call and exits with its error number.
fn call(number: u32, arguments: [u32; 3]) -> Vec<u8> {
    let mut code = Vec::new();
    for (register, value) in [
        (0xbf_u8, arguments[0]),
        (0xbe, arguments[1]),
        (0xba, arguments[2]),
    ] {
        code.push(register);
        code.extend(value.to_le_bytes());
    }
    code.push(0xb8);
    code.extend(number.to_le_bytes());
    code.extend([
        0x0f, 0x05, 0xf7, 0xd8, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05,
    ]);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0x40_0078_u64, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = 120 + code.len() as u64;
    for word in [0, 0x40_0000, 0x40_0000, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// Every file below a directory with what it is.
fn fingerprint(dir: &Path) -> BTreeMap<PathBuf, (u32, u32, u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).expect("readable").flatten() {
            let meta = entry.metadata().expect("readable");
            if meta.is_dir() {
                pending.push(entry.path());
            }
            let content = match meta.is_file() {
                true => std::fs::read(entry.path()).expect("readable"),
                false => Vec::new(),
            };
            found.insert(
                entry.path(),
                (meta.mode(), meta.uid(), meta.size(), content),
            );
        }
    }
    found
}

fn with_each(test: impl Fn(&Path, &Path, &(String, String))) {
    for runtime in runtimes() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let site = site(dir.path());
        println!("with {}", runtime.1);
        test(dir.path(), &site, &runtime);
    }
}

const STATUS: &str =
    "grep -E \"^(Seccomp|NoNewPrivs|CapBnd|CapEff):\" /proc/self/status; cat /proc/self/uid_map";

fn check_status(text: &str, whose: &str) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("{whose}: no {name} in {text}"))
            .trim()
            .to_owned()
    };
    assert_eq!(field("Seccomp:"), "2", "{whose}");
    assert_eq!(field("NoNewPrivs:"), "1", "{whose}");
    assert_eq!(field("CapBnd:"), CAPABILITIES, "{whose}");
    assert_eq!(field("CapEff:"), CAPABILITIES, "{whose}");
    let map: Vec<u64> = text
        .lines()
        .filter_map(|line| {
            let numbers: Vec<u64> = line
                .split_whitespace()
                .map_while(|w| w.parse().ok())
                .collect();
            (numbers.len() == 3).then(|| numbers[1])
        })
        .collect();
    assert!(map.len() == 1 && map[0] >= 65536, "{whose}: {text}");
}

/// Proofs 1, 2, 3, 6, 7: what a process is, and what it may not do.
#[test]
fn walls_stand_around_every_process() {
    with_each(|dir, site, runtime| {
        let null = std::fs::metadata("/dev/null").expect("there");
        let server = Server::start(dir, site, runtime, "");
        let before = fingerprint(&dir.join("data/shared"));
        let mut session = server.open();
        session.make_image();
        check_status(&session.ok(STATUS), "a terminal");
        check_status(
            &session.ok(&format!("docker run --rm busybox sh -c '{STATUS}'")),
            "a container",
        );
        session.ok("docker run -d --name held busybox sleep 1000 >/dev/null");
        check_status(
            &session.ok(&format!("docker exec held sh -c '{STATUS}'")),
            "an exec",
        );
        check_status(
            &session.ok(&format!("docker exec -t held sh -c '{STATUS}'")),
            "an exec with a terminal",
        );
        for what in [
            "",
            "docker run --rm busybox ",
            "docker exec held ",
            "docker exec -t held ",
        ] {
            let open = session.ok(&format!(
                "{what}sh -c 'ls /proc/self/fd | tr \"\\n\" \" \"'"
            ));
            // One more is ls reading the directory.
            let open: Vec<&str> = open.split_whitespace().collect();
            assert_eq!(open, ["0", "1", "2", "3"], "{what}");
        }
        for line in [
            "unshare -U true",
            "unshare -m true",
            "mount -t tmpfs t /mnt",
            "mount -t proc p /mnt",
            "mknod /tmp/sda b 8 0",
            "cat /proc/kcore",
            "echo 1 > /proc/sys/kernel/panic",
            "echo b > /proc/sysrq-trigger",
            "nsenter -t 1 -m true",
            "cat /dev/mem",
            "docker run --rm --privileged busybox true",
            "docker run --rm --cap-add SYS_ADMIN busybox true",
            "docker run --rm --security-opt seccomp=unconfined busybox true",
            "docker run --rm --pid host busybox true",
            "docker exec --privileged held true",
        ] {
            session.refused(line);
        }
        // EPERM, by number: keyctl, bpf, io_uring_setup, perf_event_open, AF_VSOCK, AF_ALG, netfilter, userfaultfd.
        let calls = [
            ("keyctl", call(250, [0, 0, 0])),
            ("bpf", call(321, [0, 0, 0])),
            ("io_uring", call(425, [1, 0, 0])),
            ("perf", call(298, [0, 0, 0])),
            ("vsock", call(41, [40, 1, 0])),
            ("alg", call(41, [38, 5, 0])),
            ("netfilter", call(41, [16, 3, 12])),
            ("clone", call(56, [0x1000_0000, 0, 0])),
        ];
        for (name, program) in calls {
            let hex: String = program
                .iter()
                .map(|byte| format!("\\x{byte:02x}"))
                .collect();
            session.ok(&format!(
                "printf '{hex}' > /tmp/{name}; chmod +x /tmp/{name}"
            ));
            assert_eq!(session.run(&format!("/tmp/{name}")).1, 1, "{name}");
        }
        // What is allowed is: the other branch of the same rules.
        for (name, program, expected) in [
            ("inet", call(41, [2, 1, 0]), true),
            ("route", call(41, [16, 3, 0]), true),
        ] {
            let hex: String = program
                .iter()
                .map(|byte| format!("\\x{byte:02x}"))
                .collect();
            session.ok(&format!(
                "printf '{hex}' > /tmp/{name}; chmod +x /tmp/{name}"
            ));
            // A descriptor, negated.
            assert_eq!(
                session.run(&format!("/tmp/{name}")).1 > 200,
                expected,
                "{name}"
            );
        }
        session.ok(
            "cp /bin/busybox /bin/x; echo evil > /etc/passwd; rm -rf /usr/lib/bottleship; true",
        );
        session.end();
        assert!(
            fingerprint(&dir.join("data/shared")) == before,
            "a shared layer changed"
        );
        let after = std::fs::metadata("/dev/null").expect("there");
        assert_eq!(
            (null.uid(), null.gid(), null.mode()),
            (after.uid(), after.gid(), after.mode())
        );
    });
}

/// Proofs 4 and 5: hogs are held, and neighbours neither see nor feel each other.
#[test]
fn hogs_are_held_and_neighbours_apart() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut neighbour = server.open();
        let mut hog = server.open();
        hog.make_image();
        neighbour.make_image();
        neighbour.ok("docker run -d --name secret busybox sleep 999 >/dev/null");
        assert!(!hog.ok("docker ps -a").contains("secret"));
        assert!(!hog.ok("ps").contains("sleep 999"));
        // No way out, and none to the host.
        let port = server
            .address
            .rsplit(':')
            .next()
            .expect("a port")
            .to_owned();
        for line in [
            "ip route | grep default".to_owned(),
            format!("wget -T 2 -qO- http://127.0.0.1:{port}/healthz"),
            "wget -T 2 -qO- http://169.254.169.254/".into(),
            "nslookup example.com".into(),
            format!("docker run --rm busybox wget -T 2 -qO- http://172.17.0.1:{port}/healthz"),
        ] {
            hog.refused(&line);
        }
        // Disk and files.
        let (text, code) = hog.run("dd if=/dev/zero of=/root/full bs=1M 2>&1");
        assert!(code != 0 && text.contains("No space left"), "{text}");
        hog.ok("rm /root/full");
        hog.refused("mkdir /root/n; i=0; while [ $i -lt 9000 ]; do : > /root/n/$i || exit 1; i=$((i+1)); done");
        // An `exit` in it ended that shell: a new one.
        hog.connect();
        hog.ok("rm -rf /root/n");
        // Memory: the hog dies, its session does not.
        hog.refused("docker run --rm busybox tail /dev/zero");
        hog.ok("true");
        // Processes.
        hog.send(Message::Binary(
            b"docker run -d --name bomb busybox sh -c 'b() { b | b & }; b; sleep 60'\n"
                .to_vec()
                .into(),
        ));
        for _ in 0..5 {
            assert!(neighbour.ok("echo still here").contains("still here"));
        }
        neighbour.ok("docker run --rm busybox true");
        neighbour.end();
        hog.end();
    });
}

/// Proof 8: whatever moment the server is killed at, the next one leaves nothing of it.
#[test]
fn nothing_is_left_of_a_killed_server() {
    with_each(|dir, site, runtime| {
        let mut server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        session.make_image();
        session.ok("docker run -d busybox sleep 12345 >/dev/null");
        session.send(Message::Binary(
            b"docker run -d busybox sleep 12345; docker rm -f $(docker ps -q)\n"
                .to_vec()
                .into(),
        ));
        drop(session);
        server.child.kill().expect("killed");
        server.child.wait().expect("gone");
        drop(server);
        let server = Server::start(dir, site, runtime, "[session]".get(..0).unwrap_or(""));
        drop(server);
        let marker = dir.display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
        assert!(!mounts.contains(&marker), "{mounts}");
        // The kernel lets go of a loop device a moment after its mount.
        let loops = || {
            let output = Command::new("losetup").arg("-a").output();
            String::from_utf8_lossy(&output.expect("losetup runs").stdout).into_owned()
        };
        let deadline = Instant::now() + PATIENCE;
        while loops().contains(&marker) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(!loops().contains(&marker), "{}", loops());
        for process in std::fs::read_dir("/proc").expect("proc").flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            assert!(!line.starts_with("sleep 12345"), "{line}");
        }
    });
}

/// Proof 9, and what visitors see: many at once, an honest no, a screen that comes back, ports, the end.
#[test]
fn a_session_is_what_it_says() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        session.make_image();
        let text = session
            .ok("for i in 1 2 3 4 5 6 7 8; do docker run --rm busybox echo out$i & done; wait");
        for i in 1..=8 {
            assert!(text.contains(&format!("out{i}")), "{text}");
        }
        // A dropped connection and back.
        session.ok("echo remember-me");
        session.socket = None;
        let url = format!(
            "ws://{}/api/sessions/{}/terminal",
            server.address, session.id
        );
        let (mut socket, _) = server
            .tokio
            .block_on(tokio_tungstenite::connect_async(url))
            .expect("back");
        let restored = server.tokio.block_on(async {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Binary(data) = message {
                    return String::from_utf8_lossy(&data).into_owned();
                }
            }
            String::new()
        });
        assert!(restored.contains("remember-me"), "{restored:?}");
        session.socket = Some(socket);
        // A published port, by the server.
        session.ok("docker run -d -p 8099:80 busybox sh -c 'mkdir /w; echo hello-port > /w/index.html; httpd -f -p 80 -h /w' >/dev/null; sleep 1");
        let mut seen = String::new();
        for _ in 0..20 {
            let (_, answer) = server.http(&format!("GET {}8099/", session.preview));
            seen = answer;
            if seen.contains("hello-port") {
                break;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        assert!(seen.contains("hello-port"), "{seen}");
        assert!(
            seen.to_lowercase()
                .contains("content-security-policy: sandbox"),
            "{seen}"
        );
        // Files.
        session.ok("echo my-work > /root/file");
        let (status, answer) = server.http(&format!(
            "GET /api/sessions/{}/files?path=/root",
            session.id
        ));
        assert!(status == 200 && answer.contains("my-work"));
        // A page of elsewhere, and others' ids.
        let (status, _) = server.http(&format!(
            "GET /api/sessions/{}\norigin: https://evil.example\r\n",
            session.id
        ));
        assert_eq!(status, 403);
        assert_eq!(server.http("GET /api/sessions/0123").0, 404);
        // Full, honestly.
        let (second, third) = (server.open(), server.open());
        let (status, answer) = server.http("POST /api/sessions");
        assert_eq!(status, 503, "{answer}");
        assert!(
            answer.contains("\"queue\":1") && answer.to_lowercase().contains("retry-after"),
            "{answer}"
        );
        second.end();
        third.end();
        // The reason stays.
        let id = session.id.clone();
        session.end();
        let (status, answer) = server.http(&format!("GET /api/sessions/{id}"));
        assert!(
            status == 410 && answer.contains("ended by its visitor"),
            "{answer}"
        );
        assert!(
            server
                .http("GET /metrics")
                .1
                .contains("bottleship_sessions_started_total 3")
        );
    });
}

/// Without the operator's word, a runtime that lacks published fixes gets no strangers.
#[test]
fn a_runtime_with_known_holes_is_refused() {
    with_each(|dir, site, (runtime, _)| {
        let config = dir.join("strict.toml");
        std::fs::write(&config, format!("runtime = {runtime:?}\n")).expect("a configuration");
        let output = Command::new(BOTTLESHIP)
            .args(["doctor", "--config"])
            .arg(&config)
            .output()
            .expect("doctor runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lacks = text.contains("lacks the fixes");
        assert_eq!(
            output.status.success(),
            !lacks && text.contains("are possible"),
            "{text}"
        );
        if !lacks {
            println!("skipped: this {runtime} lacks no fix that is known");
            return;
        }
        let output = Command::new(BOTTLESHIP)
            .args(["serve", "--hosted", "--addr", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--site")
            .arg(site)
            .arg("--data")
            .arg(dir.join("data"))
            .output()
            .expect("serve runs");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("strangers' sessions are refused"), "{said}");
    });
}
