//! A session's terminals. A terminal goes on without anybody connected, and whoever connects sees its screen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bottleship_engine::Engine;
use bottleship_engine::runtime::{ProcessSpec, RuntimeError, Spawned};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The largest terminal.
const COLUMNS: u16 = 500;
const ROWS: u16 = 300;
/// Bytes a second of a terminal that nobody looks at.
const UNSEEN_RATE: u64 = 256 << 10;

/// What a client sends.
pub enum Input {
    /// Keys.
    Bytes(Bytes),
    /// Rows and columns.
    Resize(u16, u16),
}

/// What a client is sent.
pub enum Frame {
    /// The terminal's bytes.
    Bytes(Bytes),
    /// The screen as it is, after everything before it was cleared.
    Restore(Bytes),
    /// Somebody else looks at it now.
    Replaced,
    /// Its shell ended.
    Over,
}

/// A terminal's handle. It is over when `attach` is closed.
#[derive(Clone)]
pub struct Terminal {
    /// Keys and sizes.
    pub input: mpsc::Sender<Input>,
    /// Where output is to go from now on.
    pub attach: mpsc::Sender<mpsc::Sender<Frame>>,
}

/// A size a terminal may have.
pub fn clamp(rows: u16, columns: u16) -> (u16, u16) {
    (rows.clamp(1, ROWS), columns.clamp(1, COLUMNS))
}

/// A visitor's process in the session's host.
pub fn process_of_host(args: Vec<String>) -> ProcessSpec {
    let env = [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM=xterm-256color",
        "HOME=/root",
        "USER=root",
        "SHELL=/bin/sh",
    ];
    ProcessSpec {
        args,
        env: env.map(str::to_owned).into(),
        cwd: "/root".into(),
        capabilities: super::session::capabilities(),
        no_new_privileges: true,
        stdin: true,
        ..ProcessSpec::default()
    }
}

/// Starts a shell in the session's host; to be run on the engine's thread.
///
/// # Errors
/// What the runtime says.
pub async fn shell(
    engine: &Engine,
    host: &str,
    size: (u16, u16),
    output: mpsc::Sender<Bytes>,
    mut input: mpsc::Receiver<Input>,
) -> Result<(), RuntimeError> {
    let (rows, columns) = clamp(size.0, size.1);
    let process = ProcessSpec {
        terminal: true,
        console_size: Some((rows, columns)),
        ..process_of_host(vec!["/bin/sh".into(), "-l".into()])
    };
    let Spawned { process, stdio } = engine.ports().runtime.exec(host, process).await?;
    process.start().await?;
    if let Some(mut stdout) = stdio.stdout {
        engine.executor().spawn(async move {
            while let Some(Ok(data)) = stdout.read().await {
                if output.send(data).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut stdin = stdio.stdin;
    engine.executor().spawn(async move {
        while let Some(event) = input.recv().await {
            match (event, stdin.as_mut()) {
                (Input::Bytes(data), Some(stdin)) => {
                    if stdin.write(data).await.is_err() {
                        return;
                    }
                }
                (Input::Bytes(_), None) => {}
                (Input::Resize(rows, columns), _) => {
                    // A terminal that is gone has no size.
                    let _ = process.resize(rows, columns).await;
                }
            }
        }
    });
    Ok(())
}

/// The screen as a client would see it. What a visitor's program writes must not take the server down: a screen that
/// can't be followed any more is not restored.
struct Screen(Option<vt100::Parser>);

impl Screen {
    fn new((rows, columns): (u16, u16)) -> Screen {
        Screen(Some(vt100::Parser::new(rows, columns, 0)))
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut vt100::Parser) -> T) -> Option<T> {
        let parser = self.0.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| work(parser))) {
            Ok(value) => Some(value),
            Err(_) => {
                self.0 = None;
                None
            }
        }
    }

    fn contents(&mut self) -> Bytes {
        let contents = self.with(|parser| {
            let screen = parser.screen();
            let mut bytes = Vec::new();
            if screen.alternate_screen() {
                bytes.extend(b"\x1b[?1049h");
            }
            bytes.extend(screen.state_formatted());
            bytes
        });
        contents.unwrap_or_default().into()
    }
}

/// Room for so many bytes a second.
struct Rate {
    rate: u64,
    spent: Instant,
}

impl Rate {
    /// Waits until these bytes may pass.
    async fn pass(&mut self, bytes: usize, rate: u64) {
        self.rate = rate.max(1);
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        self.spent = self.spent.max(now) + cost;
        // A tenth of a second may come at once.
        let ahead = self.spent.saturating_duration_since(now);
        if ahead > Duration::from_millis(100) {
            tokio::time::sleep(ahead - Duration::from_millis(100)).await;
        }
    }
}

/// Follows a terminal until its shell ends, and gives what it shows to who is attached.
pub async fn follow(
    size: (u16, u16),
    rate: u64,
    mut output: mpsc::Receiver<Bytes>,
    mut attach: mpsc::Receiver<mpsc::Sender<Frame>>,
    mut resized: mpsc::Receiver<(u16, u16)>,
) {
    let mut screen = Screen::new(clamp(size.0, size.1));
    let mut limit = Rate {
        rate,
        spent: Instant::now(),
    };
    let mut client: Option<mpsc::Sender<Frame>> = None;
    loop {
        tokio::select! {
            biased;
            Some(new) = attach.recv() => {
                if let Some(old) = client.take() {
                    let _ = old.try_send(Frame::Replaced);
                }
                if new.send(Frame::Restore(screen.contents())).await.is_ok() {
                    client = Some(new);
                }
            }
            Some((rows, columns)) = resized.recv() => {
                screen.with(|parser| parser.screen_mut().set_size(rows, columns));
            }
            data = output.recv() => {
                let Some(data) = data else { break };
                limit.pass(data.len(), if client.is_some() { rate } else { UNSEEN_RATE }).await;
                screen.with(|parser| parser.process(&data));
                // A client that does not read stops the program, and nothing else.
                if let Some(to) = &client {
                    let sent = tokio::select! {
                        sent = to.send(Frame::Bytes(data)) => sent.is_ok(),
                        Some(new) = attach.recv() => {
                            let _ = to.try_send(Frame::Replaced);
                            let restored = new.send(Frame::Restore(screen.contents())).await;
                            client = restored.is_ok().then_some(new);
                            continue;
                        }
                    };
                    if !sent {
                        client = None;
                    }
                }
            }
        }
    }
    if let Some(client) = client {
        let _ = client.send(Frame::Over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_one_that_can_be() {
        assert_eq!(clamp(0, 0), (1, 1));
        assert_eq!(clamp(65535, 65535), (ROWS, COLUMNS));
        assert_eq!(clamp(24, 80), (24, 80));
    }

    #[tokio::test]
    async fn who_comes_back_sees_the_screen() {
        let (out, output) = mpsc::channel(4);
        let (attach, attached) = mpsc::channel(1);
        let (_resize, resized) = mpsc::channel(1);
        let task = tokio::spawn(follow((5, 20), 1 << 20, output, attached, resized));
        out.send(Bytes::from_static(b"one\r\ntwo \x1b[31mred\x1b[0m"))
            .await
            .expect("taken");
        let (to_first, mut first) = mpsc::channel(8);
        attach.send(to_first).await.expect("attached");
        let seen = |frame: Option<Frame>| match frame {
            Some(Frame::Restore(bytes) | Frame::Bytes(bytes)) => {
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Some(Frame::Replaced) => "replaced".into(),
            Some(Frame::Over) => "over".into(),
            None => "closed".into(),
        };
        let screen = seen(first.recv().await) + &seen_later(&mut first).await;
        assert!(
            screen.contains("one") && screen.contains("red"),
            "{screen:?}"
        );
        let (to_second, mut second) = mpsc::channel(8);
        attach.send(to_second).await.expect("attached");
        assert_eq!(seen(first.recv().await), "replaced");
        let screen = seen(second.recv().await);
        assert!(
            screen.contains("one") && screen.contains("red"),
            "{screen:?}"
        );
        drop(out);
        assert_eq!(seen(second.recv().await), "over");
        task.await.expect("ended");
    }

    /// What comes within a moment: output that was under way when somebody attached.
    async fn seen_later(from: &mut mpsc::Receiver<Frame>) -> String {
        let mut text = String::new();
        while let Ok(Some(Frame::Bytes(bytes))) =
            tokio::time::timeout(Duration::from_millis(300), from.recv()).await
        {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        text
    }
}
