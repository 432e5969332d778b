//! What visitors and operators see.

use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use tokio_tungstenite::tungstenite::Message;

use crate::BOTTLESHIP;
use crate::client::Server;
use crate::machine::with_each;

/// An honest no, a screen that comes back, ports, the end.
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
