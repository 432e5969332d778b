//! A server with hosted sessions, and a visitor of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{BOTTLESHIP, PATIENCE};

pub struct Server {
    pub child: Child,
    pub address: String,
    pub tokio: Runtime,
}

impl Server {
    pub fn start(
        dir: &Path,
        site: &Path,
        (runtime, allowed): &(String, String),
        more: &str,
    ) -> Server {
        let config = dir.join("hosted.toml");
        // Little, so that it is soon used up; `more` says otherwise.
        let session: String = [
            "memory = 134217728",
            "disk = 134217728",
            "inodes = 8000",
            "pids = 120",
        ]
        .iter()
        .filter(|line| !more.contains(line.split(' ').next().unwrap_or_default()))
        .map(|line| format!("{line}\n"))
        .collect();
        let text = format!(
            "runtime = {runtime:?}\nallow_runtime = {allowed:?}\n[server]\nsessions = 3\nwarm = 1\nmemory_reserve = 0\ndisk_reserve = 0\nimages = []\ndrain = 1\n\
             [session]\n{session}{more}\n[access]\nsessions_per_address = 10\nstarts_per_minute = 1000\n"
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

    pub fn http(&self, request: &str) -> (u16, String) {
        self.http_with(request, "")
    }

    /// A request with a body: the answer's status, and all of its text.
    pub fn http_with(&self, request: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
        write!(
            stream,
            "{first} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{rest}\r\n{body}",
            self.address,
            body.len()
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

    pub fn open(&self) -> Session<'_> {
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

pub struct Session<'a> {
    server: &'a Server,
    pub id: String,
    pub preview: String,
    pub socket: Option<WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>>,
    number: u32,
}

impl Session<'_> {
    pub fn connect(&mut self) {
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

    pub fn send(&mut self, message: Message) {
        let socket = self.socket.as_mut().expect("connected");
        self.server
            .tokio
            .block_on(socket.send(message))
            .expect("sent");
    }

    /// What a line writes, and its exit code.
    pub fn try_run(&mut self, line: &str, patience: Duration) -> Option<(String, i32)> {
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

    pub fn run(&mut self, line: &str) -> (String, i32) {
        self.try_run(line, PATIENCE)
            .unwrap_or_else(|| panic!("no answer to {line:?}"))
    }

    pub fn ok(&mut self, line: &str) -> String {
        let (text, code) = self.run(line);
        assert_eq!(code, 0, "{line}: {text}");
        text
    }

    pub fn refused(&mut self, line: &str) {
        let (text, code) = self.run(line);
        assert_ne!(code, 0, "{line} was not refused: {text}");
    }

    /// An image of the host's own busybox.
    pub fn make_image(&mut self) {
        self.ok("tar c -C / bin etc | docker import - busybox >/dev/null");
    }

    pub fn end(self) {
        let (status, answer) = self
            .server
            .http(&format!("DELETE /api/sessions/{}", self.id));
        assert_eq!(status, 204, "{answer}");
    }
}
