//! Containers: namespaces, limits, terminals, builtins; with the host's busybox.

mod support;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use bottleship_linux::abi::Signal;
use bottleship_linux::abi::tty::WinSize;
use bottleship_linux::{
    ExitStatus, Limits, Namespaces, NetChoice, NsSpec, ProcessSpec, PtyMaster, RunState,
    SpawnError, Status, Stdio, Sys,
};
use bottleship_vfs::{MountFlags, MountNs, Quota, Tmpfs};
use support::Machine;

const BUSYBOX: &str = "/usr/bin/busybox";

fn machine() -> Option<Machine> {
    let mut machine = Machine::new();
    match machine.import(Path::new(BUSYBOX)) {
        Ok(()) => {
            machine.write("/bin/sh", b"#!/usr/bin/busybox sh\n", 0o755);
            Some(machine)
        }
        Err(error) => {
            println!("skipped: no busybox here ({error})");
            None
        }
    }
}

/// Namespaces of their own, with a root that holds busybox, `/proc` and `/dev`.
fn container(machine: &Machine) -> Namespaces {
    let kernel = machine.kernel();
    let root = Tmpfs::new(&kernel.clock(), Quota::unlimited()).unwrap();
    let mounts = MountNs::new(root, "overlay", MountFlags::empty());
    let top = mounts.root();
    let perm = |mode| bottleship_vfs::CreatePerm {
        mode,
        uid: 0,
        gid: 0,
    };
    let made = |name: &[u8]| {
        top.inode()
            .create(name, bottleship_vfs::NewNode::Dir, perm(0o755))
            .unwrap()
    };
    let (bin, dev, _, _) = (made(b"bin"), made(b"dev"), made(b"proc"), made(b"tmp"));
    let source = machine.resolve(BUSYBOX.as_bytes()).unwrap();
    let mut bytes = vec![0; source.attr().unwrap().size as usize];
    source.inode().read_at(0, &mut bytes).unwrap();
    let file = bin
        .create(b"busybox", bottleship_vfs::NewNode::File, perm(0o755))
        .unwrap();
    file.write_at(0, &bytes).unwrap();
    kernel.populate_dev(&dev).unwrap();
    let ns = kernel.new_ns(NsSpec {
        base: kernel.host_ns(),
        pid: true,
        uts: Some(b"c0ffee".to_vec()),
        ipc: true,
        mnt: mounts.clone(),
        net: NetChoice::New,
    });
    let creds = bottleship_vfs::Creds::root();
    let walk = bottleship_vfs::Walk {
        root: &top,
        cwd: &top,
        creds: &creds,
    };
    let at = |path: &[u8]| {
        walk.resolve(path, bottleship_vfs::ResolveFlags::FOLLOW)
            .unwrap()
    };
    for (kind, place) in [("proc", "/proc"), ("devpts", "/dev/pts")] {
        let fs = kernel.filesystem(&ns, kind).unwrap();
        mounts
            .mount(&at(place.as_bytes()), fs, kind, MountFlags::empty())
            .unwrap();
    }
    ns
}

fn spec(command: &str) -> ProcessSpec {
    let mut spec = ProcessSpec::new(
        ["/bin/busybox", "sh", "-c", command]
            .map(|arg| arg.as_bytes().to_vec())
            .to_vec(),
    );
    spec.envp = vec![b"PATH=/bin".to_vec()];
    spec
}

/// Runs a shell command in a container to its end.
fn run(machine: &Machine, limits: Limits, command: &str) -> (String, ExitStatus, bool) {
    let kernel = machine.kernel();
    let ns = container(machine);
    let cgroup = kernel.new_cgroup("docker/test", limits);
    let (reader, out) = kernel.pipe_from_guest();
    let mut spec = spec(command);
    spec.stdio = [Stdio::Null, out.clone(), out.clone()];
    let process = kernel.spawn(&ns, &cgroup, spec).unwrap();
    drop(out);
    let mut text = Vec::new();
    let mut buf = [0; 65536];
    for round in 0..3000 {
        kernel.set_time(
            1_700_000_000_000_000_000 + round * 10_000_000,
            1 + round * 10_000_000,
        );
        let state = kernel.run(1_000_000);
        while let Ok(n @ 1..) = reader.try_read(&mut buf) {
            text.extend_from_slice(&buf[..n]);
        }
        if let Status::Exited(status) = process.status() {
            let left = cgroup.stats();
            assert_eq!(
                (left.pids, cgroup.pids().len()),
                (0, 0),
                "nothing is left running"
            );
            assert_eq!(left.memory_usage, 0, "all memory is given back");
            return (
                String::from_utf8_lossy(&text).into_owned(),
                status,
                cgroup.oom_killed(),
            );
        }
        assert!(
            state != RunState::Idle || kernel.wants_to_run(),
            "nothing runs: {}",
            String::from_utf8_lossy(&text)
        );
    }
    panic!("still running: {}", String::from_utf8_lossy(&text));
}

#[test]
fn a_container_sees_its_own_processes_and_name() {
    let Some(machine) = machine() else { return };
    let (text, status, _) = run(
        &machine,
        Limits::default(),
        "echo $$; busybox hostname; busybox ps -o pid,comm; busybox readlink /proc/self; cat /proc/1/comm; busybox sleep 100 & busybox ls /proc | busybox grep -c '^[0-9]'",
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["1", "c0ffee"], "{text}");
    assert!(
        text.contains("PID   COMMAND") && text.contains("1 busybox"),
        "{text}"
    );
    assert_eq!(status, ExitStatus::Code(0), "{text}");
}

#[test]
fn exit_codes_and_signals() {
    let Some(machine) = machine() else { return };
    assert_eq!(
        run(&machine, Limits::default(), "exit 42").1,
        ExitStatus::Code(42)
    );
    // The first process has no handler for it, so it doesn't take it.
    assert_eq!(
        run(&machine, Limits::default(), "kill -TERM 1; exit 3").1,
        ExitStatus::Code(3)
    );
    assert_eq!(
        run(&machine, Limits::default(), "kill -KILL 1; exit 4").1,
        ExitStatus::Code(4)
    );
    assert_eq!(
        run(
            &machine,
            Limits::default(),
            "trap 'exit 5' TERM; kill -TERM 1; exit 6"
        )
        .1,
        ExitStatus::Code(5)
    );
    assert_eq!(
        run(
            &machine,
            Limits::default(),
            "sh -c 'kill -SEGV $$'; exit $?"
        )
        .1,
        ExitStatus::Code(139)
    );
}

#[test]
fn orphans_are_reaped_by_the_first_process() {
    let Some(machine) = machine() else { return };
    let (text, status, _) = run(
        &machine,
        Limits::default(),
        "(sh -c 'busybox sleep 0.1; echo $PPID' &) ; busybox sleep 0.3; busybox ps | busybox grep -c sleep; wait; exit 0",
    );
    assert_eq!(status, ExitStatus::Code(0), "{text}");
}

#[test]
fn a_fork_bomb_hits_the_pids_limit() {
    let Some(machine) = machine() else { return };
    let limits = Limits {
        pids: Some(10),
        ..Limits::default()
    };
    let (text, _, _) = run(
        &machine,
        limits,
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do busybox sleep 50 & done; echo end",
    );
    assert!(
        text.contains("can't fork: Resource temporarily unavailable"),
        "{text}"
    );
}

#[test]
fn too_much_memory_kills_and_says_so() {
    let Some(machine) = machine() else { return };
    let limits = Limits {
        memory: Some(16 << 20),
        ..Limits::default()
    };
    let (text, status, oom) = run(
        &machine,
        limits,
        "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done",
    );
    assert_eq!(
        (status, status.code(), oom),
        (ExitStatus::Signal(Signal::SIGKILL), 137, true),
        "{text}"
    );
    let (text, status, oom) = run(
        &machine,
        limits,
        "busybox dd if=/dev/zero of=/dev/null bs=40M count=1; echo $?",
    );
    assert!(
        text.contains("137") && oom && status == ExitStatus::Code(0),
        "{text}"
    );
}

#[test]
fn a_quota_slows_down_and_a_busy_loop_is_contained() {
    let Some(machine) = machine() else { return };
    let kernel = machine.kernel();
    let ns = container(&machine);
    let cgroup = kernel.new_cgroup(
        "docker/loop",
        Limits {
            cpu_quota: Some(10_000),
            ..Limits::default()
        },
    );
    let process = kernel
        .spawn(&ns, &cgroup, spec("while :; do :; done"))
        .unwrap();
    kernel.set_time(0, 1);
    let before = kernel.instructions();
    while let RunState::Runnable = kernel.run(1_000_000) {}
    let used = (kernel.instructions() - before) * 5;
    assert!(
        (9_000_000..20_000_000).contains(&used),
        "{used} ns of a 10 ms quota"
    );
    assert!(
        matches!(kernel.run(1_000_000), RunState::Sleeping { until_monotonic_ns } if until_monotonic_ns <= 100_000_001)
    );
    cgroup.update(Limits::default());
    let before = kernel.instructions();
    assert_eq!(kernel.run(1_000_000), RunState::Runnable);
    assert!(kernel.instructions() - before < 1_300_000);
    cgroup.freeze();
    kernel.run(10_000);
    let before = kernel.instructions();
    kernel.run(1_000_000);
    assert_eq!(kernel.instructions(), before);
    cgroup.thaw();
    kernel.run(100_000);
    assert!(kernel.instructions() > before);
    cgroup.freeze();
    process.kill(Signal::SIGKILL);
    kernel.run(100_000);
    assert_eq!(
        process.status(),
        Status::Exited(ExitStatus::Signal(Signal::SIGKILL))
    );
}

#[test]
fn what_cant_be_started_says_why() {
    let Some(machine) = machine() else { return };
    let kernel = machine.kernel();
    let ns = container(&machine);
    let group = kernel.root_cgroup();
    let start = |argv0: &str, cwd: &str| {
        let mut spec = ProcessSpec::new(vec![argv0.as_bytes().to_vec()]);
        spec.envp = vec![b"PATH=/usr/bin:/bin".to_vec()];
        spec.cwd = cwd.as_bytes().to_vec();
        kernel.spawn(&ns, &group, spec).map(|_| ()).unwrap_err()
    };
    assert_eq!(
        start("nosuch", "/").to_string(),
        "exec: \"nosuch\": executable file not found in $PATH"
    );
    assert_eq!(
        start("/nosuch", "/").to_string(),
        "exec: \"/nosuch\": stat /nosuch: no such file or directory"
    );
    assert_eq!(
        start("/tmp", "/").to_string(),
        "exec: \"/tmp\": is a directory"
    );
    assert!(matches!(start("busybox", "/nowhere"), SpawnError::Cwd(..)));
    assert_eq!(group.stats().pids, 0);
}

/// Lets 10 ms pass.
fn tick(machine: &Machine, clock: &Cell<u64>) {
    clock.set(clock.get() + 10_000_000);
    machine
        .kernel()
        .set_time(1_700_000_000_000_000_000 + clock.get(), clock.get());
    machine.kernel().run(1_000_000);
}

/// Collects what the terminal shows, until it contains `wanted`.
fn until(
    machine: &Machine,
    clock: &Cell<u64>,
    master: &PtyMaster,
    seen: &mut String,
    wanted: &str,
) {
    let mut buf = [0; 4096];
    for _ in 0..500 {
        tick(machine, clock);
        while let Ok(n @ 1..) = master.try_read(&mut buf) {
            seen.push_str(&String::from_utf8_lossy(&buf[..n]));
        }
        if seen.contains(wanted) {
            *seen = String::new();
            return;
        }
    }
    panic!("no {wanted:?} in {seen:?}");
}

#[test]
fn job_control_on_a_terminal() {
    let Some(machine) = machine() else { return };
    let kernel = machine.kernel();
    let ns = container(&machine);
    let (master, pty) = kernel.pty(&ns, WinSize::new(80, 24)).unwrap();
    let mut spec = ProcessSpec::new([&b"/bin/busybox"[..], b"sh"].map(<[u8]>::to_vec).to_vec());
    spec.envp = vec![
        b"PATH=/bin".to_vec(),
        b"PS1=# ".to_vec(),
        b"TERM=dumb".to_vec(),
    ];
    spec.stdio = [
        Stdio::Tty(pty.clone()),
        Stdio::Tty(pty.clone()),
        Stdio::Tty(pty.clone()),
    ];
    spec.controlling_tty = Some(pty);
    let process = kernel.spawn(&ns, &kernel.root_cgroup(), spec).unwrap();
    let clock = Cell::new(1);
    let seen = &mut String::new();
    let key = |text: &str| assert_eq!(master.try_write(text.as_bytes()), Ok(text.len()));
    until(&machine, &clock, &master, seen, "# ");
    key("busybox tty; busybox stty size\r");
    until(&machine, &clock, &master, seen, "/dev/pts/0\r\n24 80\r\n");
    key("busybox sleep 1000\r");
    until(&machine, &clock, &master, seen, "sleep 1000\r\n");
    for _ in 0..20 {
        tick(&machine, &clock);
    }
    key("\x03");
    until(&machine, &clock, &master, seen, "^C");
    key("echo code $?\r");
    until(&machine, &clock, &master, seen, "code 130\r\n");
    key("busybox sleep 1000\r");
    until(&machine, &clock, &master, seen, "sleep 1000\r\n");
    for _ in 0..20 {
        tick(&machine, &clock);
    }
    key("\x1a");
    until(&machine, &clock, &master, seen, "Stopped");
    key("jobs; kill -9 %1; echo x\r");
    until(&machine, &clock, &master, seen, "x\r\n");
    master.resize(WinSize::new(100, 30));
    key("busybox stty size; exit 7\r");
    until(&machine, &clock, &master, seen, "30 100\r\n");
    for _ in 0..20 {
        tick(&machine, &clock);
    }
    assert_eq!(process.status(), Status::Exited(ExitStatus::Code(7)));
    let mut buf = [0; 4096];
    while let Ok(1..) = master.try_read(&mut buf) {}
    assert!(master.try_read(&mut buf).is_err());
}

#[test]
fn a_builtin_is_a_process_like_any_other() {
    let Some(mut machine) = machine() else { return };
    let log = Rc::new(RefCell::new(Vec::new()));
    let notes = log.clone();
    machine.kernel().register_builtin(
        "docker",
        Rc::new(move |sys: Sys| {
            let notes = notes.clone();
            Box::pin(async move {
                let args: Vec<String> = sys
                    .argv()
                    .iter()
                    .map(|arg| String::from_utf8_lossy(arg).into_owned())
                    .collect();
                match args.get(1).map(String::as_str) {
                    Some("upper") => loop {
                        let chunk = sys.read(0, 4096).await.unwrap();
                        if chunk.is_empty() {
                            return 0;
                        }
                        sys.write_all(1, &chunk.to_ascii_uppercase()).await.unwrap();
                    },
                    Some("wait") => {
                        sys.catch(&[Signal::SIGINT]).unwrap();
                        let signal = sys.next_signal().await;
                        sys.write_all(1, format!("got {signal}\n").as_bytes())
                            .await
                            .unwrap();
                        9
                    }
                    Some("forever") => std::future::pending().await,
                    Some("spam") => loop {
                        if sys.write(1, b"spam\n").await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    },
                    _ => {
                        notes.borrow_mut().push((
                            args,
                            sys.cwd().unwrap(),
                            sys.var("X"),
                            sys.isatty(0),
                        ));
                        sys.write_all(1, b"out\n").await.unwrap();
                        let fd = sys.open(b"made", 0o101, 0o666).unwrap();
                        sys.write_all(fd, b"contents").await.unwrap();
                        sys.close(fd).unwrap();
                        3
                    }
                }
            })
        }),
    );
    machine.write("/usr/bin/docker", b"#!/builtin/docker\n", 0o755);
    let shell = |machine: &mut Machine, line: &str| {
        let argv = [BUSYBOX, "sh", "-c", line].map(|arg| arg.as_bytes().to_vec());
        let output = machine.run(&argv, b"", |_, _| ());
        (
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr),
            output.code,
        )
    };
    machine.cwd = b"/tmp".to_vec();
    let (text, code) = shell(&mut machine, "X=1 docker ps -a; echo $?; busybox cat made");
    assert_eq!((text.as_str(), code), ("out\n3\ncontents", 0));
    assert_eq!(
        log.borrow()[0],
        (
            vec!["docker".into(), "ps".into(), "-a".into()],
            b"/tmp".to_vec(),
            Some(b"1".to_vec()),
            false
        )
    );
    assert_eq!(
        shell(
            &mut machine,
            "echo \"[$(echo abc | docker upper | busybox rev)]\""
        )
        .0,
        "[CBA]\n"
    );
    assert_eq!(
        shell(&mut machine, "docker spam | busybox head -n 2; echo end").0,
        "spam\nspam\nend\n"
    );
    assert_eq!(
        shell(
            &mut machine,
            "docker wait & busybox sleep 0.1; kill -INT $!; wait $!; echo $?"
        )
        .0,
        "got SIGINT\n9\n"
    );
    assert_eq!(
        shell(
            &mut machine,
            "docker forever & busybox sleep 0.1; kill $!; wait $!; echo $?"
        )
        .0,
        "143\nTerminated\n"
    );
    assert_eq!(
        shell(
            &mut machine,
            "for i in 1 2 3; do docker x; done | busybox wc -l"
        )
        .0
        .trim(),
        "3"
    );
}

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a browser's promise does: it settles while the kernel is idle, and nobody else calls the kernel.
#[test]
fn a_builtin_woken_from_outside_has_the_host_run_the_kernel() {
    let Some(machine) = machine() else { return };
    machine.write("/usr/bin/ask", b"#!/builtin/ask\n", 0o755);
    let asked: Rc<RefCell<Option<Waker>>> = Rc::default();
    let answered = Rc::new(Cell::new(false));
    let (waiting, answer) = (asked.clone(), answered.clone());
    machine.kernel().register_builtin(
        "ask",
        Rc::new(move |_| {
            let (waiting, answer) = (waiting.clone(), answer.clone());
            Box::pin(poll_fn(move |context| {
                if answer.get() {
                    return Poll::Ready(5);
                }
                waiting.replace(Some(context.waker().clone()));
                Poll::Pending
            }))
        }),
    );
    let kernel = machine.kernel();
    let woken = Arc::new(Count::default());
    kernel.set_waker(Waker::from(woken.clone()));
    let ask = ProcessSpec::new(vec![b"/usr/bin/ask".to_vec()]);
    let process = kernel
        .spawn(&kernel.host_ns(), &kernel.root_cgroup(), ask)
        .unwrap();
    while kernel.run(10_000_000) == RunState::Runnable {}
    let before = woken.0.load(Ordering::Relaxed);
    answered.set(true);
    asked.take().expect("it waits").wake();
    assert_eq!(woken.0.load(Ordering::Relaxed), before + 1);
    assert_eq!(kernel.run(10_000_000), RunState::Idle);
    assert_eq!(process.status(), Status::Exited(ExitStatus::Code(5)));
}

#[test]
fn an_idle_kernel_is_idle() {
    let Some(machine) = machine() else { return };
    let kernel = machine.kernel();
    let ns = container(&machine);
    let (writer, stdin) = kernel.pipe_to_guest();
    let mut cat = spec("busybox cat");
    cat.stdio[0] = stdin;
    let process = kernel.spawn(&ns, &kernel.root_cgroup(), cat).unwrap();
    kernel.set_time(0, 1);
    while kernel.run(10_000_000) == RunState::Runnable {}
    let woken = Arc::new(Count::default());
    kernel.set_waker(Waker::from(woken.clone()));
    let before = kernel.instructions();
    assert_eq!(kernel.run(10_000_000), RunState::Idle);
    assert_eq!(kernel.instructions(), before);
    assert_eq!(writer.try_write(b"x"), Ok(1));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(kernel.run(10_000_000), RunState::Idle);
    drop(writer);
    while kernel.run(10_000_000) == RunState::Runnable {}
    assert_eq!(process.status(), Status::Exited(ExitStatus::Code(0)));
}
