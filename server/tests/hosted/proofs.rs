//! What a process in a session is, sees and may do.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::client::{Server, Session};
use crate::machine::{fingerprint, with_each};
use crate::plain::Plain;
use crate::probe::{
    DESCRIPTORS, REFUSED, RULES, STATUS, WAYS_OUT, call_line, check_descriptors, check_status,
};

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

/// How a visitor gets a process: in the host's terminal, a container, and an exec without and with a terminal.
const WAYS_IN: [&str; 4] = [
    "",
    "docker run --rm busybox ",
    "docker exec held ",
    "docker exec -t held ",
];

fn with_container(session: &mut Session<'_>) {
    session.make_image();
    session.ok("docker run -d --name held busybox sleep 1000 >/dev/null");
}

/// Proof 1.
#[test]
fn every_process_has_its_walls() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        with_container(&mut session);
        for way in WAYS_IN {
            let text = session.ok(&format!("{way}sh -c '{STATUS}'"));
            check_status(&text).unwrap_or_else(|wrong| panic!("{way:?}: {wrong}"));
        }
        session.end();
        let open = Plain::start(dir, site, &runtime.0, &[]);
        let (text, _) = open.run(STATUS);
        assert!(check_status(&text).is_err(), "{text}");
    });
}

/// What changes of a node when a container takes it.
fn identity(node: &Path) -> (u32, u32, u32, u64) {
    let meta = std::fs::metadata(node).expect("there");
    (meta.uid(), meta.gid(), meta.mode(), meta.rdev())
}

/// Proof 2.
#[test]
fn the_hosts_null_stays_as_it_is() {
    with_each(|dir, site, runtime| {
        let null = Path::new("/dev/null");
        let before = identity(null);
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        with_container(&mut session);
        for line in [
            "docker run --rm busybox true",
            "docker run --rm -t busybox true",
            "docker run --rm -i busybox true </dev/null",
            "docker exec held true",
            "docker exec -t held true",
            "docker exec -d held true",
            "docker pause held && docker unpause held",
            "docker restart -t 0 held",
            "docker rm -f held",
            "chmod 600 /dev/null; chown 1:1 /dev/null; true",
            "docker run --rm busybox sh -c 'chmod 600 /dev/null; chown 1:1 /dev/null; true'",
        ] {
            session.ok(line);
            assert_eq!(identity(null), before, "after {line}");
        }
        session.end();
        // The look would see it.
        let node = dir.join("node");
        std::fs::write(&node, "").expect("a node");
        let before = identity(&node);
        std::os::unix::fs::chown(&node, Some(70000), None).expect("chown");
        assert_ne!(identity(&node), before);
        std::os::unix::fs::chown(&node, Some(0), None).expect("chown");
        std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        assert_ne!(identity(&node), before);
    });
}

/// Proof 3.
#[test]
fn what_leads_out_is_refused() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        with_container(&mut session);
        // The container gets its programs, too: its root is the session's to write to.
        for line in WAYS_OUT {
            session.refused(line);
            session.refused(&format!("docker exec held sh -c '{line}'"));
        }
        for (name, number, arguments) in REFUSED {
            let line = call_line(name, number, arguments);
            assert_eq!(session.run(&line).1, EPERM, "{name}");
        }
        for line in [
            "docker run --rm --privileged busybox true",
            "docker run --rm --cap-add SYS_ADMIN busybox true",
            "docker run --rm --security-opt seccomp=unconfined busybox true",
            "docker run --rm --pid host busybox true",
            "docker run --rm --device /dev/null:/dev/sda busybox true",
            "docker exec --privileged held true",
        ] {
            session.refused(line);
        }
        session.end();
        let open = Plain::start(dir, site, &runtime.0, &[]);
        for line in WAYS_OUT {
            let (text, code) = open.run(line);
            assert_eq!(code, 0, "{line}: {text}");
        }
        for (name, number, arguments) in REFUSED {
            let (text, code) = open.run(&call_line(name, number, arguments));
            assert_ne!(code, EPERM, "{name}: {text}");
        }
    });
}

/// The filter's rules, each from both sides.
#[test]
fn every_rule_of_the_filter_is_met_on_both_sides() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        for (name, number, allowed, refused) in RULES {
            for arguments in allowed {
                let (text, code) = session.run(&call_line(name, number, *arguments));
                assert_ne!(code, EPERM, "{name} {arguments:?}: {text}");
            }
            for arguments in refused {
                let (text, code) = session.run(&call_line(name, number, *arguments));
                assert_eq!(code, EPERM, "{name} {arguments:?}: {text}");
            }
        }
        assert_eq!(session.run(&call_line("clone3", 435, [0, 0, 0])).1, ENOSYS);
        session.end();
        let open = Plain::start(dir, site, &runtime.0, &[]);
        for (name, number, _, refused) in RULES {
            for arguments in refused {
                let (text, code) = open.run(&call_line(name, number, *arguments));
                assert_ne!(code, EPERM, "{name} {arguments:?}: {text}");
            }
        }
        assert_ne!(open.run(&call_line("clone3", 435, [0, 0, 0])).1, ENOSYS);
    });
}

/// Proof 6.
#[test]
fn shared_layers_stay_as_they_are() {
    with_each(|dir, site, runtime| {
        let shared = dir.join("data/shared");
        let server = Server::start(dir, site, runtime, "");
        let before = fingerprint(&shared);
        assert!(!before.is_empty());
        let mut session = server.open();
        session.make_image();
        let everywhere =
            "find / -xdev -type f -exec sh -c 'echo evil >> \"$1\"; chown 5 \"$1\"' _ {} \\;";
        session.run("find /etc /root /usr -xdev -type f -exec sh -c 'echo evil >> \"$1\"; chown 5 \"$1\"' _ {} \\;");
        session.run(&format!(
            "docker run --rm busybox sh -c '{}'",
            everywhere.replace('\'', "'\\''")
        ));
        session.run("rm -rf /usr/lib/bottleship /etc");
        session.end();
        assert!(fingerprint(&shared) == before, "a shared layer changed");
        drop(server);
        let bind = format!("{}:/shared", shared.display());
        let open = Plain::start(dir, site, &runtime.0, &["-v", &bind]);
        let (text, code) =
            open.run("find /shared -name passwd -exec sh -c 'echo evil >> \"$1\"' _ {} \\;");
        assert_eq!(code, 0, "{text}");
        assert!(
            fingerprint(&shared) != before,
            "the look does not see a change"
        );
    });
}

/// Proof 7.
#[test]
fn only_three_descriptors_are_inherited() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut session = server.open();
        with_container(&mut session);
        for way in WAYS_IN {
            let text = session.ok(&format!("{way}sh -c '{DESCRIPTORS}'"));
            check_descriptors(&text).unwrap_or_else(|wrong| panic!("{way:?}: {wrong}"));
        }
        let leaked = session.ok(&format!("docker exec held sh -c 'exec 7</; {DESCRIPTORS}'"));
        assert!(check_descriptors(&leaked).is_err(), "{leaked}");
        session.end();
    });
}
