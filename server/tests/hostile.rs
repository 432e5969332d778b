//! What strangers send to a daemon over loopback TCP: it answers in Docker's or HTTP's words, does nothing, grows no
//! further than its limits, and goes on serving others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time that a peer may take at most; the machine may be slow.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of memory that the daemon may ever have had. Its own limits allow one request 4 MiB.
const MEMORY: u64 = 512 << 20;

/// What nobody may read.
const SECRET: &str = "what lies beside the site";

struct Daemon {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Daemon {
        Daemon::start_with(&[])
    }

    fn start_with(more: &[&str]) -> Daemon {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bottleship"));
        command
            .args(["daemon", "--host", "tcp://127.0.0.1:0", "--data"])
            .arg(dir.path().join("data"))
            .args(more);
        Daemon::spawn(command, dir)
    }

    /// The site's server, for a site of one page with a secret beside it.
    fn site() -> Daemon {
        let dir = tempfile::tempdir().expect("a directory");
        let site = dir.path().join("site");
        std::fs::create_dir(&site).expect("a directory");
        std::fs::write(site.join("index.html"), "<!doctype html>the page").expect("a page");
        std::fs::write(dir.path().join("secret"), SECRET).expect("a secret");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bottleship"));
        command
            .args(["serve", "--addr", "127.0.0.1:0", "--site"])
            .arg(&site)
            .arg("--data")
            .arg(dir.path().join("data"));
        Daemon::spawn(command, dir)
    }

    fn spawn(mut command: Command, dir: tempfile::TempDir) -> Daemon {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let port = line.trim().rsplit(':').next().unwrap_or_default();
        let port = port.parse().unwrap_or_else(|_| panic!("no port: {line:?}"));
        Daemon {
            child,
            port,
            _dir: dir,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Everything that comes back for these bytes. Writing may fail: whoever sends too much is cut off.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        rest(&mut stream)
    }

    fn status(&self, bytes: &[u8]) -> u16 {
        status(&self.send(bytes))
    }

    /// A well-formed request for JSON.
    fn ask(&self, method: &str, target: &str, body: &str) -> (u16, String) {
        self.ask_as(method, target, "application/json", body)
    }

    fn ask_as(&self, method: &str, target: &str, kind: &str, body: &str) -> (u16, String) {
        let answer = self.send(
            format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status(&answer), body.to_owned())
    }

    /// Nothing was made and the daemon still serves.
    fn unharmed(&mut self) {
        assert!(self.child.try_wait().expect("its state").is_none());
        let (status, containers) = self.ask("GET", "/containers/json?all=1", "");
        assert_eq!(
            (status, containers.contains("\"Id\"")),
            (200, false),
            "{containers}"
        );
        let peak = proc(self.child.id(), "VmHWM");
        assert!(peak < MEMORY, "{peak} bytes");
    }

    /// It still serves, and has never held more than its limits allow.
    fn serves(&mut self) {
        assert!(self.child.try_wait().expect("its state").is_none());
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let ping = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let good = self.status(request) == 200 || self.status(ping) == 200;
        assert!(good, "it does not answer any more");
        let peak = proc(self.child.id(), "VmHWM");
        assert!(peak < MEMORY, "{peak} bytes");
    }

    fn descriptors(&self) -> usize {
        let dir = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(Path::new(&dir)).map_or(0, Iterator::count)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of `/proc/PID/status` in bytes; 0 where that cannot be read.
fn proc(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.unwrap_or(0) << 10
}

fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The first answer's status; 0 without one.
fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|s| s.get(..3));
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Rows W03, W04, W05, W06, W09, W10.
#[test]
fn other_hosts_and_pages_get_nothing() {
    let mut daemon = Daemon::start();
    let port = daemon.port;
    let own = format!("127.0.0.1:{port}");
    for target in [
        "/_ping",
        "/version",
        "/v1.51/containers/json",
        "/containers/x/attach?stream=1",
        "/nonsense",
    ] {
        for host in [
            format!("rebind.attacker.example:{port}"),
            "127.0.0.1.nip.io".to_owned(),
            "0.0.0.0".to_owned(),
            "[::ffff:127.0.0.1]".to_owned(),
            "2130706433".to_owned(),
            format!("localhost:{}", port.wrapping_add(1)),
        ] {
            for method in ["GET", "POST", "OPTIONS"] {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                );
                assert_eq!(daemon.status(request.as_bytes()), 403, "{request}");
            }
        }
        for field in [
            "Origin: https://evil.example",
            "Origin: null",
            "Sec-Fetch-Site: cross-site",
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {own}\r\n{field}\r\n\r\n");
            let answer = daemon.send(request.as_bytes());
            assert_eq!(status(&answer), 403, "{request}");
            let allows = answer.to_lowercase().contains("access-control-allow");
            assert!(!allows, "{answer}");
        }
    }
    let two = format!("GET /_ping HTTP/1.1\r\nHost: {own}\r\nHost: evil\r\n\r\n");
    assert_eq!(daemon.status(two.as_bytes()), 400);
    let absolute = format!("GET http://evil.example/_ping HTTP/1.1\r\nHost: {own}\r\n\r\n");
    assert_eq!(daemon.status(absolute.as_bytes()), 403);
    // What a page may send across origins without asking first.
    let create = r#"{"Image":"busybox"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
    ] {
        let (status, body) = daemon.ask_as("POST", "/containers/create", kind, create);
        assert_eq!(status, 400, "{kind}: {body}");
        assert!(body.contains("Content-Type"), "{body}");
    }
    daemon.unharmed();
}

/// Rows W16 and W17: the answer is an error, and what follows is never read as another request.
#[test]
fn broken_heads_and_bodies() {
    let mut daemon = Daemon::start();
    let host = "Host: localhost\r\n";
    let long = "x".repeat(1 << 20);
    let many: String = (0..10_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let hidden = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let json = "Content-Type: application/json\r\n";
    for (name, request) in [
        (
            "long field",
            format!("GET /_ping HTTP/1.1\r\n{host}X: {long}\r\n\r\n"),
        ),
        (
            "many fields",
            format!("GET /_ping HTTP/1.1\r\n{host}{many}\r\n"),
        ),
        ("long target", format!("GET /{long} HTTP/1.1\r\n{host}\r\n")),
        (
            "NUL",
            format!("GET /_ping HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
        ),
        (
            "bare CR",
            format!("GET /_ping HTTP/1.1\r\n{host}X: a\rb\r\n\r\n"),
        ),
        (
            "folded",
            format!("GET /_ping HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"),
        ),
        (
            "blank in name",
            format!("GET /_ping HTTP/1.1\r\n{host}X : a\r\n\r\n"),
        ),
        ("no version", format!("GET /_ping\r\n{host}\r\n")),
        (
            "other version",
            format!("GET /_ping HTTP/3.0\r\n{host}\r\n"),
        ),
        ("method", format!("G<T /_ping HTTP/1.1\r\n{host}\r\n")),
        (
            "TLS",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(),
        ),
        (
            "two lengths",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{hidden}"
            ),
        ),
        (
            "negative length",
            format!("POST /auth HTTP/1.1\r\n{host}{json}Content-Length: -1\r\n\r\n{hidden}"),
        ),
        (
            "huge length",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Content-Length: 99999999999999999999\r\n\r\n{hidden}"
            ),
        ),
        (
            "chunked last but one",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "unknown coding",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "chunk overflow",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{hidden}"
            ),
        ),
        (
            "chunk extension",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\n1;{long}\r\n{{\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "chunk without end",
            format!(
                "POST /auth HTTP/1.1\r\n{host}{json}Transfer-Encoding: chunked\r\n\r\n5\r\n{{}}"
            ),
        ),
    ] {
        let mut stream = daemon.connect();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let answer = rest(&mut stream);
        // Cut off without a word is fine, too: not every client waits for one.
        let code = status(&answer);
        assert!(code == 0 || (400..500).contains(&code), "{name}: {answer}");
        assert!(
            !answer.contains("ApiVersion"),
            "{name}: a second request was read"
        );
    }
    daemon.unharmed();
}

#[test]
fn broken_documents_names_and_filters() {
    let mut daemon = Daemon::start();
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "{",
        "[]",
        "nul",
        "\"x\"",
        "1e999",
        "{\"Image\":1}",
        "{\"Image\":[]}",
        "{\"Image\":\"x\"}{}",
        "{\"HostConfig\":{\"Memory\":1e400}}",
        "{\"HostConfig\":\"x\"}",
        "{\"HostConfig\":{\"Memory\":99999999999999999999}}",
        "{\"Cmd\":{\"a\":1}}",
        "\u{0}",
        &deep,
    ] {
        let (status, answer) = daemon.ask("POST", "/containers/create", body);
        let shown: String = body.chars().take(40).collect();
        assert_eq!(status, 400, "{shown}: {answer}");
        assert!(answer.starts_with("{\"message\":\""), "{shown}: {answer}");
    }
    for version in [
        "v9.9",
        "v1.99",
        "v1.0",
        "v0.1",
        "v1.",
        "v.",
        "v1.51.1",
        "v99999999999.1",
    ] {
        let (status, answer) = daemon.ask("GET", &format!("/{version}/info"), "");
        assert!(matches!(status, 400 | 404), "{version}: {answer}");
    }
    for id in [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2fetc",
        "%00",
        "a%0ab",
        "%c0%ae",
        "%ff",
        "-x",
        ";",
        "%5c",
        &"x".repeat(10_000),
    ] {
        for path in [
            format!("/containers/{id}/json"),
            format!("/images/{id}/json"),
            format!("/networks/{id}"),
            format!("/volumes/{id}"),
            format!("/exec/{id}/json"),
            format!("/containers/{id}/archive?path=/{id}"),
        ] {
            let (status, answer) = daemon.ask("GET", &path, "");
            assert!((400..500).contains(&status), "{path}: {status} {answer}");
            let (status, answer) = daemon.ask("DELETE", &path, "");
            assert!((400..500).contains(&status), "{path}: {status} {answer}");
        }
        let create = format!("/containers/create?name={id}");
        let (status, answer) = daemon.ask("POST", &create, "{\"Image\":\"x\"}");
        assert!((400..500).contains(&status), "{create}: {status} {answer}");
    }
    for filters in [
        "x",
        "{",
        "[]",
        "1",
        "null",
        "{\"label\":1}",
        "{\"label\":{\"a\":{}}}",
        "{\"nonsense\":[\"x\"]}",
        "{\"status\":[\"x\"]}",
        "{\"exited\":[\"x\"]}",
        "{\"before\":[\"nothing\"]}",
        "{\"ancestor\":[\"\\u0000\"]}",
        "{\"label\":[\"=\"]}",
        "{\"name\":[\"(((\"]}",
        &deep,
    ] {
        let encoded: String = filters.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in ["/containers/json", "/images/json", "/networks", "/volumes"] {
            let (status, answer) = daemon.ask("GET", &format!("{path}?filters={encoded}"), "");
            let fine = matches!(status, 200 | 400 | 404 | 414 | 431);
            let shown: String = filters.chars().take(40).collect();
            assert!(fine, "{path} {shown}: {status} {answer}");
        }
    }
    daemon.unharmed();
}

#[test]
fn endless_documents_meet_the_limit() {
    let mut daemon = Daemon::start();
    let mut stream = daemon.connect();
    let head = "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it reads");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    // It stops reading long before 64 MiB.
    for _ in 0..1024 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let answer = rest(&mut stream);
    assert!(matches!(status(&answer), 0 | 400), "{answer}");
    daemon.unharmed();
    // A body that is announced and never comes.
    let announced = "POST /containers/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Content-Length: 1125899906842624\r\n\r\n{";
    let mut stream = daemon.connect();
    stream.write_all(announced.as_bytes()).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("it can end");
    let answer = rest(&mut stream);
    assert!(matches!(status(&answer), 0 | 400), "{answer}");
    daemon.unharmed();
}

/// Rows W14, W15, W25.
#[test]
fn slow_and_vanished_clients_hold_nothing() {
    let mut daemon = Daemon::start();
    daemon.unharmed();
    let before = daemon.descriptors();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| daemon.connect()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /_ping HTTP/1.1\r\nHo");
    }
    // Others are served meanwhile.
    daemon.unharmed();
    for stream in &mut slow {
        // Cut off, with an answer or without.
        let _ = rest(stream);
    }
    // Clients that hang up in the middle of waiting, following and sending.
    for target in ["/events", "/containers/create", "/build", "/images/load"] {
        for _ in 0..50 {
            let mut stream = daemon.connect();
            let method = if target == "/events" { "GET" } else { "POST" };
            let head = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n",
                if target == "/events" { 0 } else { 100 }
            );
            let _ = stream.write_all(head.as_bytes());
        }
    }
    drop(slow);
    let deadline = Instant::now() + PATIENCE;
    while daemon.descriptors() > before {
        assert!(
            Instant::now() < deadline,
            "{} stay open",
            daemon.descriptors() - before
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.unharmed();
}

/// Row W18: HTTP/2 is not spoken, so that its floods are a broken request and no more.
#[test]
fn floods_of_the_newer_protocol() {
    /// A frame: length, kind, flags, stream.
    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }
    // GET / over http.
    let head = [0x82, 0x84, 0x86];
    let rapid_reset = |n: u32| {
        let stream = 2 * n + 1;
        [
            frame(1, 5, stream, &head),
            frame(3, 0, stream, &8u32.to_be_bytes()),
        ]
        .concat()
    };
    let floods: [(&str, Vec<u8>); 5] = [
        ("rapid reset", (0..20_000).flat_map(rapid_reset).collect()),
        (
            "continuation",
            [
                frame(1, 0, 1, &head),
                frame(9, 0, 1, &[0x40; 1000]).repeat(2_000),
            ]
            .concat(),
        ),
        (
            "settings",
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]).repeat(50_000),
        ),
        ("ping", frame(6, 0, 0, &[0; 8]).repeat(50_000)),
        ("header bomb", frame(1, 5, 1, &[0xbe; 16_000]).repeat(100)),
    ];
    for mut server in [Daemon::start(), Daemon::site()] {
        for (name, flood) in &floods {
            let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
            let bytes = [preface.as_slice(), &frame(4, 0, 0, &[]), flood].concat();
            let answer = server.send(&bytes);
            let code = status(&answer);
            assert!(code == 0 || (400..600).contains(&code), "{name}: {answer}");
            // Settings would be the first thing that a server of it says.
            assert!(!answer.starts_with('\0'), "{name}: it speaks HTTP/2");
            server.serves();
        }
        let upgrade =
            b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
        assert_ne!(server.status(upgrade), 101);
        server.serves();
    }
}

/// Row W19: a request is not decompressed because it says so, and where compressed archives are taken there is a limit.
#[test]
fn compressed_requests() {
    let mut daemon = Daemon::start_with(&["--image-disk", "16777216"]);
    let gzip = |chunks: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..chunks {
            encoder.write_all(&[b' '; 1 << 20]).expect("in memory");
        }
        encoder.finish().expect("in memory")
    };
    let post = |target: &str, kind: &str, coding: &str, body: &[u8]| {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             {coding}Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let small = gzip(1);
    let coded = post(
        "/containers/create",
        "application/json",
        "Content-Encoding: gzip\r\n",
        &small,
    );
    assert_eq!(daemon.status(&coded), 400);
    // An archive of one file as large as it says, in a thousandth of that.
    let mut header = [0u8; 512];
    header[..4].copy_from_slice(b"file");
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(b"01000000000");
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&header).expect("in memory");
    for _ in 0..128 {
        encoder.write_all(&[0; 1 << 20]).expect("in memory");
    }
    let bomb = encoder.finish().expect("in memory");
    assert!(bomb.len() < 1 << 20);
    for target in ["/images/load", "/build", "/images/create?fromSrc=-"] {
        let answer = daemon.send(&post(target, "application/x-tar", "", &bomb));
        let refused = (400..600).contains(&status(&answer)) || answer.contains("\"error\"");
        assert!(refused, "{target}: {answer}");
        daemon.unharmed();
    }
}

/// Row W26: a path means one thing or nothing, and never what lies beside the site.
#[test]
fn tricky_paths_of_the_site() {
    let mut server = Daemon::site();
    let ok =
        server.send(b"GET /index.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(ok.contains("the page"), "{ok}");
    for path in [
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/x/../../secret",
        "//secret",
        "//../secret",
        "/..;/secret",
        "/%c0%ae%c0%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/..\\secret",
        "/..%5csecret",
        "/%00/../secret",
        "/index.html%00",
        "/%252e%252e/secret",
        "/v2/../../secret",
        "/v2/..%2f..%2fsecret",
        "/v2/x/blobs/sha256:../../../../secret",
        "/./../secret",
        "/proc/self/environ",
        "http://localhost/../secret",
        "*",
        "/%",
        "/%zz",
        "/%ff%fe",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            );
            let answer = server.send(request.as_bytes());
            assert!(!answer.contains(SECRET), "{method} {path}: {answer}");
            let code = status(&answer);
            assert!(
                code == 0 || (300..500).contains(&code),
                "{method} {path}: {answer}"
            );
        }
    }
    server.serves();
}

/// Rows W14 and W16 for the site: whoever says nothing is cut off, and heads have a limit.
#[test]
fn the_site_waits_for_no_head_for_ever() {
    let mut server = Daemon::site();
    let mut slow: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHo");
    }
    server.serves();
    for stream in &mut slow {
        // Patience of the test's is longer than the server's, so this ends because the server ended it.
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let waited = ended.is_err_and(|e| {
            matches!(
                e.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        });
        assert!(!waited, "it still waits for a head");
    }
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let code = server.status(long.as_bytes());
    assert!(code == 0 || (400..500).contains(&code), "{code}");
    server.serves();
}
