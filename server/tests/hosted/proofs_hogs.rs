//! Neighbours: what one session can take from another.

use std::time::Instant;

use tokio_tungstenite::tungstenite::Message;

use crate::client::Server;
use crate::machine::with_each;
use crate::plain::Plain;

/// A program that holds more memory than a session has.
const MEMORY: &str = "head -c 160000000 /dev/zero | tail -c 160000000 | wc -c | grep 160000000";
/// More than a session has in a file system that is memory.
const TMPFS: &str =
    "head -c 160000000 /dev/zero > /dev/shm/full; code=$?; rm -f /dev/shm/full; test $code = 0";
/// More processes than a session has.
const PROCESSES: &str = "for i in $(seq 130); do sleep 5 & done; true";
/// More bytes and more files than a session's disk has.
const DISK: &str =
    "dd if=/dev/zero of=/var/full bs=1M count=140; code=$?; rm -f /var/full; exit $code";
const FILES: &str = "mkdir /var/n; i=0; code=0; while [ $i -lt 9000 ]; do : > /var/n/$i || { code=1; break; }; i=$((i+1)); done; rm -rf /var/n; exit $code";

/// Proof 4.
#[test]
fn a_hog_is_held_and_its_neighbour_goes_on() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut neighbour = server.open();
        neighbour.make_image();
        let mut hog = server.open();
        hog.make_image();
        for line in [MEMORY, TMPFS, PROCESSES, DISK, FILES] {
            hog.refused(&format!(
                "docker run --rm --shm-size 1g busybox sh -c '{line}'"
            ));
            // The hog's own session goes on, too.
            hog.ok("true");
        }
        let hold = |hog: &mut crate::client::Session<'_>, line: &str| {
            hog.send(Message::Binary(format!("{line}\n").into_bytes().into()));
        };
        // Processes without end, each of which burns what it gets.
        hold(
            &mut hog,
            "docker run -d busybox sh -c 'b() { b | b & }; b; while :; do :; done'",
        );
        let mut worst = std::time::Duration::ZERO;
        for _ in 0..20 {
            let began = Instant::now();
            assert!(neighbour.ok("echo still here").contains("still here"));
            worst = worst.max(began.elapsed());
        }
        println!(
            "beside a fork bomb, the slowest of 20 echoes took {} ms",
            worst.as_millis()
        );
        neighbour.ok("docker run --rm busybox true");
        neighbour.end();
        hog.end();
        drop(server);
        let open = Plain::start(dir, site, &runtime.0, &["--shm-size", "1g"]);
        for line in [MEMORY, TMPFS, PROCESSES, DISK, FILES] {
            let (text, code) = open.run(line);
            assert_eq!(code, 0, "{line}: {text}");
        }
    });
}

/// Proof 5.
#[test]
fn neighbours_neither_see_nor_reach_each_other_nor_the_host() {
    with_each(|dir, site, runtime| {
        let server = Server::start(dir, site, runtime, "");
        let mut neighbour = server.open();
        let mut spy = server.open();
        spy.make_image();
        neighbour.make_image();
        neighbour.ok("docker run -d --name secret -p 7777:7777 busybox sh -c 'while :; do echo word | nc -l -p 7777; done' >/dev/null");
        neighbour.ok("docker run -d busybox sleep 98765 >/dev/null");
        let port = server
            .address
            .rsplit(':')
            .next()
            .expect("a port")
            .to_owned();
        let seen = "ps | grep -v grep | grep 'sleep 98765'";
        // Not by wget: a static one looks names up in libraries that are not there.
        let ask = |address: &str, port: &str| {
            format!(
                "(printf \"GET /healthz HTTP/1.0\\r\\n\\r\\n\"; sleep 1) | nc -w 2 {address} {port} | grep ."
            )
        };
        let host = ask("127.0.0.1", &port);
        for line in [
            seen,
            "docker ps -a | grep secret",
            "ls /sys/fs/cgroup/bottleship",
            "ip route | grep default",
            &ask("127.0.0.1", "7777"),
            &ask("169.254.169.254", "80"),
            &ask("172.17.0.1", &port),
            "nslookup example.com",
            &host,
            &format!(
                "docker run --rm busybox sh -c '{}'",
                ask("172.17.0.1", &port)
            ),
            &format!("docker run --rm --network host busybox sh -c '{host}'"),
            // Every process of the session's own is in sight, and no other can be signalled.
            "test $(ls -d /proc/[0-9]* | wc -l) -gt 30",
            "kill -0 4000000 2>/dev/null",
        ] {
            spy.refused(line);
        }
        // It is there: the neighbour reaches it.
        neighbour.ok("ps >/dev/null; docker exec secret nc 127.0.0.1 7777 </dev/null | grep word");
        let open = Plain::start(dir, site, &runtime.0, &[]);
        for line in [seen, &host] {
            let (text, code) = open.run(line);
            assert_eq!(code, 0, "{line}: {text}");
        }
        neighbour.end();
        spy.end();
    });
}
