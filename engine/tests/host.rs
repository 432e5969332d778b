//! The Docker host as a machine: its shell, the `docker` program in it, and
//! containers of a real busybox on the emulated kernel.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bottleship_engine::api::stdcopy::StdStream;
use bottleship_engine::api::types::Timestamp;
use bottleship_engine::browse::{self, Of};
use bottleship_engine::clock::{Clock, SeededEntropy};
use bottleship_engine::emulated::{DockerHost, HostConfig, Machine, Output, Outside};
use bottleship_engine::fetch::NoFetch;
use bottleship_engine::store::MemoryStore;
use bottleship_engine::{Config, RunState};
use futures::FutureExt;

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 34] = [
    "sh", "ash", "ls", "cat", "echo", "true", "false", "sleep", "id", "pwd", "env", "sort", "grep",
    "wc", "touch", "mkdir", "rm", "head", "hostname", "tr", "cut", "sed", "mount", "ps", "kill",
    "test", "[", "find", "tar", "printf", "whoami", "seq", "yes", "stty",
];

/// The machine's own clocks.
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_nanos(since.as_nanos() as i128)
    }

    fn monotonic(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A root file system of busybox; `None` (and a word about it) where there is no static busybox.
fn root() -> Option<Vec<u8>> {
    let Ok(busybox) = std::fs::read(BUSYBOX) else {
        eprintln!("skipped: {BUSYBOX} is missing; install busybox-static");
        return None;
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, data: &[u8], link: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(data.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        if link.is_empty() {
            tar.append_data(&mut header, path, data).expect("in memory");
        } else {
            tar.append_link(&mut header, path, link).expect("in memory");
        }
    };
    for dir in ["bin", "etc", "root", "tmp", "usr", "usr/bin", "var", "home"] {
        let mode = if dir == "tmp" { 0o1777 } else { 0o755 };
        add(dir, tar::EntryType::Directory, mode, b"", "");
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, "");
    for applet in APPLETS {
        add(
            &format!("bin/{applet}"),
            tar::EntryType::Symlink,
            0o777,
            b"",
            "busybox",
        );
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
    add("etc/passwd", tar::EntryType::Regular, 0o644, passwd, "");
    add(
        "etc/group",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:\nnogroup:x:65534:\n",
        "",
    );
    tar.into_inner().ok()
}

struct Bench {
    host: DockerHost,
}

/// Runs the host until a future is done.
fn drive<T: 'static>(host: &DockerHost, future: impl Future<Output = T> + 'static) -> T {
    let done = Rc::new(RefCell::new(None));
    let slot = done.clone();
    host.engine().executor().spawn(async move {
        let value = future.await;
        *slot.borrow_mut() = Some(value);
    });
    let started = Instant::now();
    while started.elapsed().as_secs() < 60 {
        let state = host.run(2_000_000);
        if let Some(value) = done.borrow_mut().take() {
            return value;
        }
        if let RunState::Sleeping { until } = state {
            let now = host.engine().ports().clock.monotonic();
            std::thread::sleep(std::time::Duration::from_nanos(
                until.saturating_sub(now).min(5_000_000),
            ));
        }
        assert_ne!(state, RunState::Idle, "nothing left to do");
    }
    panic!("no end after a minute");
}

impl Bench {
    fn on(store: Rc<MemoryStore>) -> Option<Bench> {
        Bench::sized(store, Machine::default())
    }

    fn sized(store: Rc<MemoryStore>, machine: Machine) -> Option<Bench> {
        let root = root()?;
        let outside = Outside {
            store,
            fetch: Rc::new(NoFetch),
            clock: Rc::new(SystemClock(Instant::now())),
            entropy: Rc::new(SeededEntropy::new([3; 32])),
        };
        let config = HostConfig {
            root,
            machine,
            ..HostConfig::default()
        };
        let booted = DockerHost::boot(outside, config, Config::default()).now_or_never();
        Some(Bench {
            host: booted
                .expect("a memory store does not wait")
                .expect("booted"),
        })
    }

    /// A host with the image `busybox`.
    fn new() -> Option<Bench> {
        Bench::on(Rc::new(MemoryStore::default()))?.with_busybox()
    }

    fn with_busybox(self) -> Option<Bench> {
        let bench = self;
        bench
            .host
            .write_file("/root/busybox.tar", &root()?)
            .expect("written");
        bench.ok("docker import -c 'CMD [\"sh\"]' /root/busybox.tar busybox > /dev/null; rm /root/busybox.tar");
        Some(bench)
    }

    fn sh(&self, line: &str) -> Output {
        let (host, line) = (self.host.clone(), line.to_owned());
        drive(&self.host, async move { host.exec(&line).await }).expect("a shell")
    }

    /// Runs a line that must succeed without a word on standard error.
    fn ok(&self, line: &str) -> String {
        let output = self.sh(line);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.code, stderr.as_str()), (0, ""), "{line}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a line and returns exit code, output and errors.
    fn all(&self, line: &str) -> (i32, String, String) {
        let output = self.sh(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.code, text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn the_hosts_shell_runs_programs() {
    let Some(bench) = Bench::on(Rc::new(MemoryStore::default())) else {
        return;
    };
    assert_eq!(bench.ok("echo $((6*7)); pwd; id -u"), "42\n/root\n0\n");
    assert_eq!(bench.all("ls /nosuch; exit 3").0, 3);
    assert_eq!(
        bench.ok("docker --version"),
        "Docker version 28.2.2, build e6534b4\n"
    );
    assert!(bench.ok("docker ps").starts_with("CONTAINER ID"));
}

#[test]
fn containers_run_real_programs() {
    let Some(bench) = Bench::new() else { return };
    assert_eq!(bench.ok("docker run --rm busybox echo hello"), "hello\n");
    let (code, out, err) =
        bench.all("docker run --rm busybox sh -c 'echo out; echo err >&2; exit 3'");
    assert_eq!((code, out.as_str(), err.as_str()), (3, "out\n", "err\n"));
    let facts = bench.ok("docker run --rm -h box -e A=1 -w /made/up busybox sh -c 'hostname; echo $A; pwd; id -u; echo $$; echo $HOME'");
    assert_eq!(facts, "box\n1\n/made/up\n0\n1\n/root\n");
    assert_eq!(
        bench.ok("echo piped | docker run --rm -i busybox cat"),
        "piped\n"
    );
    assert_eq!(
        bench.ok("docker run --rm -u nobody busybox id -u"),
        "65534\n"
    );
    assert_eq!(
        bench.ok("docker run --rm busybox ls /"),
        "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp\nusr\nvar\n"
    );
}

#[test]
fn what_cannot_run_says_so_in_dockers_words() {
    let Some(bench) = Bench::new() else { return };
    let prefix = "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: ";
    let tail = ": unknown\n\nRun 'docker run --help' for more information\n";
    let (code, _, err) = bench.all("docker run --rm busybox nosuch");
    assert_eq!(
        (code, err),
        (
            127,
            format!("{prefix}\"nosuch\": executable file not found in $PATH{tail}")
        )
    );
    let (code, _, err) = bench.all("docker run --rm busybox /etc/passwd");
    assert_eq!(
        (code, err),
        (
            126,
            format!("{prefix}\"/etc/passwd\": permission denied{tail}")
        )
    );
    let (code, _, err) = bench.all("docker run --rm -u nosuch busybox id");
    let expected = "docker: Error response from daemon: unable to find user nosuch: no matching entries in passwd file\n\nRun 'docker run --help' for more information\n";
    assert_eq!((code, err.as_str()), (125, expected));
}

#[test]
fn a_container_in_the_background_is_executed_in_stopped_and_removed() {
    let Some(bench) = Bench::new() else { return };
    bench.ok("docker run -d --name web busybox sleep 1000");
    assert_eq!(
        bench.ok("docker exec web sh -c 'echo in; touch /tmp/done'; docker exec web ls /tmp"),
        "in\ndone\n"
    );
    assert_eq!(bench.all("docker exec web sh -c 'exit 7'").0, 7);
    assert_eq!(bench.ok("docker diff web"), "C /tmp\nA /tmp/done\n");
    assert_eq!(
        bench.ok("docker pause web; docker ps --format '{{.State}}'; docker unpause web"),
        "web\npaused\nweb\n"
    );
    assert_eq!(
        bench
            .ok("docker stop -t 0 web; docker inspect -f '{{.State.ExitCode}}' web; docker rm web"),
        "web\n137\nweb\n"
    );
    assert_eq!(bench.ok("docker ps -aq"), "");
}

#[test]
fn volumes_and_binds_keep_files() {
    let Some(bench) = Bench::new() else { return };
    bench.ok("docker run --rm -v data:/d busybox sh -c 'echo persisted > /d/f'");
    assert_eq!(
        bench.ok("docker run --rm -v data:/d busybox cat /d/f"),
        "persisted\n"
    );
    let (code, _, err) = bench.all("docker run --rm -v data:/d:ro busybox sh -c 'echo no > /d/g'");
    assert_eq!(
        (code, err.as_str()),
        (1, "sh: can't create /d/g: Read-only file system\n")
    );
    bench.ok("mkdir /srv; echo from host > /srv/a; docker run --rm -v /srv:/x busybox sh -c 'cat /x/a > /x/b'");
    assert_eq!(bench.ok("cat /srv/b"), "from host\n");
    assert_eq!(bench.ok("docker create --name cc busybox true > /dev/null; docker cp -q /srv/a cc:/root/z; docker cp cc:/root/z - | tar t"), "z\n");
}

#[test]
fn a_terminal_has_a_shell_that_runs_docker() {
    let Some(bench) = Bench::new() else { return };
    let terminal = Rc::new(bench.host.open_terminal(24, 80).expect("a terminal"));
    let shared = terminal.clone();
    let session = async move {
        let mut seen = String::new();
        for (keys, wanted) in [
            ("docker run --rm -it busybox sh\n", "/ #"),
            ("stty size\n", "24 80"),
            ("exit 4\n", "#"),
            ("echo code $?\n", "code 4\r\n"),
        ] {
            shared.write(keys.as_bytes()).await;
            let from = seen.len();
            while !seen.get(from..).unwrap_or_default().contains(wanted) {
                let bytes = shared.read(4096).await;
                assert!(!bytes.is_empty(), "the terminal closed: {seen}");
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        shared.write(b"exit\n").await;
        shared.exited().await
    };
    assert_eq!(drive(&bench.host, session), 0);
}

#[test]
fn the_host_its_images_and_containers_survive_a_crash() {
    let Some(_) = root() else { return };
    let store = Rc::new(MemoryStore::default());
    let Some(bench) = Bench::on(store.clone()) else {
        return;
    };
    bench
        .host
        .write_file("/root/busybox.tar", &root().expect("checked"))
        .expect("written");
    bench.ok("docker import /root/busybox.tar busybox > /dev/null; rm /root/busybox.tar");
    bench.ok("docker run --name kept busybox sh -c 'echo kept > /file'; echo note > /root/note");
    let host = bench.host.clone();
    drive(&bench.host, async move { host.sync().await }).expect("stored");
    drop(bench);
    let Some(bench) = Bench::on(store) else {
        return;
    };
    assert_eq!(
        bench.ok("cat /root/note; docker ps -a --format '{{.Names}}'"),
        "note\nkept\n"
    );
    assert_eq!(bench.ok("docker cp kept:/file - | tar xO"), "kept\n");
    assert_eq!(
        bench.ok("docker commit kept again > /dev/null; docker run --rm again cat /file"),
        "kept\n"
    );
}

/// Names in a listing, `!` before whiteouts, with the layer they come from.
fn names(bench: &Bench, of: Of<'static>, path: &'static str, layers: &[String]) -> Vec<String> {
    let host = bench.host.clone();
    let listing = drive(&bench.host, async move {
        browse::list(host.engine(), of, path, 100).await
    });
    let show = |entry: browse::Entry| {
        let layer = entry.layer.map(|layer| layer.as_str().to_owned());
        let at = layer.and_then(|layer| layers.iter().position(|known| *known == layer));
        let mark = if entry.whiteout { "!" } else { "" };
        let at = at.map_or("own".into(), |at| at.to_string());
        format!("{mark}{} {at}", String::from_utf8_lossy(&entry.name))
    };
    listing.expect(path).entries.into_iter().map(show).collect()
}

#[test]
fn layers_images_and_containers_can_be_looked_into() {
    let Some(bench) = Bench::new() else { return };
    bench.ok("docker run --name first busybox sh -c 'rm /etc/group; echo new > /etc/new; busybox ln -s new /etc/link'");
    bench.ok("docker commit first two > /dev/null");
    bench.ok(
        "docker run --name second two sh -c 'rm /etc/new; echo mine > /etc/mine; echo x >> /etc/passwd'",
    );
    let layers: Vec<String> = bench
        .ok("docker inspect -f '{{range .RootFS.Layers}}{{println .}}{{end}}' two")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(layers.len(), 2);
    let top: &'static str = layers[1].clone().leak();
    let image = names(&bench, Of::Image("two"), "/etc", &layers);
    for wanted in ["link 1", "new 1", "passwd 0"] {
        assert!(image.contains(&wanted.to_owned()), "{wanted}: {image:?}");
    }
    assert!(!image.iter().any(|name| name.contains("group")));
    let layer = names(&bench, Of::Layer(top), "/etc/", &layers);
    assert_eq!(layer, ["!group 1", "link 1", "new 1"]);
    let container = names(&bench, Of::Container("second"), "etc", &layers);
    for wanted in ["link 1", "mine own", "passwd own"] {
        assert!(
            container.contains(&wanted.to_owned()),
            "{wanted}: {container:?}"
        );
    }
    assert!(!container.iter().any(|name| name.starts_with("new")));

    let read = |of, path: &'static str, max| {
        let host = bench.host.clone();
        drive(&bench.host, async move {
            browse::read(host.engine(), of, path, max).await
        })
    };
    let content = read(Of::Container("second"), "/etc/mine", 3).expect("a file");
    assert_eq!((&content.data[..], content.size), (&b"min"[..], 5));
    let failures = [
        (
            Of::Image("two"),
            "/etc/link",
            "/etc/link: not a regular file",
        ),
        (Of::Image("two"), "/etc", "/etc: Is a directory"),
        (
            Of::Image("two"),
            "/etc/../bin/sh",
            "/etc/../bin/sh: Invalid argument",
        ),
        (
            Of::Image("two"),
            "/etc/group",
            "/etc/group: No such file or directory",
        ),
        (Of::Layer("sha256:0"), "/", "No such layer: sha256:0"),
        (Of::Container("nosuch"), "/", "No such container: nosuch"),
    ];
    for (of, path, message) in failures {
        let error = read(of, path, 10).expect_err(path);
        assert_eq!(error.message, message);
    }
    let host = bench.host.clone();
    let some = drive(&bench.host, async move {
        browse::list(host.engine(), Of::Image("two"), "/bin", 2).await
    });
    let some = some.expect("a directory");
    assert_eq!((some.entries.len(), some.more), (2, true));
}

#[test]
fn output_is_handed_over_as_it_comes_and_a_command_can_be_ended() {
    let Some(bench) = Bench::on(Rc::new(MemoryStore::default())) else {
        return;
    };
    let (cancel, cancelled) = futures::channel::oneshot::channel::<()>();
    let cancel = RefCell::new(Some(cancel));
    let host = bench.host.clone();
    let run = async move {
        let seen = RefCell::new(Vec::new());
        // The line ends only because its output was seen before it did.
        let line = "echo one; echo two >&2; yes | sed 's/y/more/' & sleep 1000";
        let take = async |stream, data: &[u8]| {
            if stream == StdStream::Stdout && data.starts_with(b"more") {
                drop(cancel.take());
            } else {
                seen.borrow_mut().push((stream, data.to_vec()));
            }
        };
        let ended = async {
            let _ = cancelled.await;
        };
        let code = host.exec_streaming(line, take, ended).await;
        (code, seen.into_inner())
    };
    let (code, mut seen) = drive(&bench.host, run);
    seen.truncate(2);
    seen.sort();
    let wanted = [
        (StdStream::Stdout, b"one\n".to_vec()),
        (StdStream::Stderr, b"two\n".to_vec()),
    ];
    assert_eq!((code, &seen[..]), (Ok(143), &wanted[..]));
}

#[test]
fn a_watched_build_tells_of_its_steps_and_why_they_were_done() {
    let Some(bench) = Bench::new() else { return };
    let steps: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = steps.clone();
    bench.host.engine().builds().watch(move |step| {
        let report = &step.report;
        let cache = serde_json::to_string(&report.cache).unwrap_or_default();
        let tags = step.tags.join(",");
        log.borrow_mut().push(format!(
            "{} {tags} {}/{} {cache}",
            step.build, report.step, report.total
        ));
    });
    bench.ok("mkdir b; printf 'FROM busybox\\nRUN echo 1 > 1\\nCOPY a .\\n' > b/Dockerfile; echo a > b/a");
    bench.ok("docker build -q -t shop b > /dev/null");
    steps.borrow_mut().clear();
    bench.ok("echo b > b/a; docker build -q -t shop b > /dev/null");
    let steps = steps.borrow();
    let of = |from: &str| {
        steps
            .iter()
            .any(|step| step.starts_with("2 shop:latest") && step.contains(from))
    };
    assert!(of("\"outcome\":\"hit\""), "{steps:?}");
    assert!(of("\"reason\":\"files\""), "{steps:?}");
}

#[test]
fn a_small_container_is_quick() {
    let Some(bench) = Bench::new() else { return };
    bench.ok("docker run --rm busybox true");
    let started = Instant::now();
    bench.ok("docker run --rm busybox true");
    eprintln!(
        "docker run --rm busybox true: {} ms",
        started.elapsed().as_millis()
    );
}

fn number(text: &str) -> u32 {
    text.trim().parse().expect("a number")
}

#[test]
fn a_fork_bomb_and_busy_loops_leave_the_host_answering() {
    let Some(bench) = Bench::new() else { return };
    bench.ok(
        "docker run -d --name bomb --pids-limit 20 busybox sh -c 'f() { f | f & }; f; sleep 1000'",
    );
    for n in 1..=4 {
        bench.ok(&format!(
            "docker run -d --name busy{n} busybox sh -c 'while :; do :; done'"
        ));
    }
    let names = bench.ok("docker ps --format '{{.Names}}' | sort");
    assert_eq!(names, "bomb\nbusy1\nbusy2\nbusy3\nbusy4\n");
    assert!(
        number(&bench.ok("docker top bomb | wc -l")) <= 21,
        "20 processes and the titles"
    );
    let (code, _, err) = bench.all(
        "docker run --rm --pids-limit 4 busybox sh -c 'for i in 1 2 3 4 5 6; do sleep 9 & done'",
    );
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("can't fork: Resource temporarily unavailable"),
        "{err}"
    );
    bench.ok("docker rm -f bomb busy1 busy2 busy3 busy4");
    assert_eq!(bench.ok("docker ps -aq"), "");
}

#[test]
fn a_memory_hog_is_killed_and_said_so() {
    let Some(bench) = Bench::new() else { return };
    let (code, ..) = bench.all("docker run --name hog -m 16m busybox busybox tail /dev/zero");
    assert_eq!(code, 137);
    assert_eq!(
        bench.ok("docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' hog"),
        "true 137\n"
    );
    // Without a limit of its own it meets the machine's, and the others live.
    let machine = Machine {
        memory: 48 << 20,
        ..Machine::default()
    };
    let bench = Bench::sized(Rc::new(MemoryStore::default()), machine)
        .and_then(Bench::with_busybox)
        .expect("as before");
    bench.ok("docker run -d --name calm busybox sleep 1000");
    let (code, ..) = bench.all("docker run --name hog busybox busybox tail /dev/zero");
    assert_eq!(code, 137);
    assert_eq!(bench.ok("docker ps --format '{{.Names}}'"), "calm\n");
}

#[test]
fn a_full_disk_is_an_error_and_removing_makes_room() {
    let machine = Machine {
        disk: 24 << 20,
        ..Machine::default()
    };
    let Some(bench) =
        Bench::sized(Rc::new(MemoryStore::default()), machine).and_then(Bench::with_busybox)
    else {
        return;
    };
    for _ in 0..2 {
        let (code, _, err) = bench
            .all("docker run --name full busybox sh -c 'yes > /f; echo $?; true > /g || exit 3'");
        assert!(err.contains("No space left on device"), "{code} {err}");
        assert_eq!(bench.ok("docker ps -aq | wc -l"), "1\n");
        bench.ok("docker rm full");
        assert_eq!(
            bench.ok("docker run --rm busybox sh -c 'echo x > /f; cat /f'"),
            "x\n"
        );
    }
}

#[test]
fn endless_output_is_kept_within_bounds_and_can_be_read() {
    let Some(bench) = Bench::new() else { return };
    bench
        .ok("docker run -d --name endless --log-opt max-size=64k --log-opt max-file=2 busybox yes");
    bench.ok("sleep 1; docker ps");
    assert_eq!(bench.ok("docker logs --tail 1 endless"), "y\n");
    let lines = bench.ok("docker logs endless | wc -l");
    assert!(number(&lines) <= 2 * 65536, "{lines}");
    bench.ok("docker rm -f endless");
}

/// A running container that is connected to a network finds its names; on the host's network it may have a name of its
/// own.
#[test]
fn networks_are_joined_later() {
    let Some(bench) = Bench::new() else { return };
    bench.ok("docker network create --subnet 172.30.0.0/16 later > /dev/null");
    bench.ok("docker run -d --name joiner busybox sleep 1000 > /dev/null");
    let before = bench.ok("docker exec joiner cat /etc/resolv.conf /etc/hosts");
    assert!(
        !before.contains("127.0.0.11") && !before.contains("172.30.0."),
        "{before}"
    );
    bench.ok("docker network connect --ip 172.30.0.20 later joiner");
    let joined = bench.ok("docker exec joiner cat /etc/resolv.conf /etc/hosts");
    assert!(
        joined.contains("nameserver 127.0.0.11\noptions ndots:0\n"),
        "{joined}"
    );
    assert!(
        joined.contains("172.17.0.2\t") && joined.contains("172.30.0.20\t"),
        "{joined}"
    );
    bench.ok("docker network disconnect later joiner");
    assert_eq!(
        bench.ok("docker exec joiner cat /etc/resolv.conf /etc/hosts"),
        before
    );
    let name = |more: &str| {
        bench.ok(&format!(
            "docker run --rm --network host {more} busybox hostname"
        ))
    };
    assert_eq!(name("--hostname own"), "own\n");
    assert_eq!(name(""), bench.ok("hostname"));
}
