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

struct Daemon {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Daemon {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bottleship"))
            .args(["daemon", "--host", "tcp://127.0.0.1:0", "--data"])
            .arg(dir.path().join("data"))
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
