use base64::Engine as _;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Bench;
use crate::api::stdcopy::{Demux, StdStream};
use crate::api::{Body, Request};
use crate::pipe::Duplex;

fn split(bytes: &[u8]) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    for (stream, data) in Demux::default().push(bytes).expect("framed") {
        let text = String::from_utf8_lossy(&data).into_owned();
        if stream == StdStream::Stderr {
            err.push_str(&text)
        } else {
            out.push_str(&text)
        }
    }
    (out, err)
}

fn upgrade(bench: &Bench, target: &str) -> Duplex {
    let response = bench.send(Request::post(target).upgrade());
    assert_eq!(response.status, StatusCode::SWITCHING_PROTOCOLS);
    match response.body {
        Body::Upgrade(duplex) => duplex,
        other => panic!("{other:?}"),
    }
}

fn read_all(bench: &Bench, duplex: Duplex) -> Vec<u8> {
    let Duplex { mut reader, writer } = duplex;
    let read = bench.engine.executor().run(async move {
        let _open = writer;
        reader.read_to_end(1 << 20).await
    });
    bench.settle();
    futures::executor::block_on(read)
        .and_then(Result::ok)
        .unwrap_or_default()
}

#[test]
fn output_is_attached_framed_and_logged() {
    let bench = Bench::new();
    let id = bench.create("oo", &["both"]);
    let duplex = upgrade(
        &bench,
        &format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1"),
    );
    bench.start(&id);
    assert_eq!(
        split(&read_all(&bench, duplex)),
        ("out\n".into(), "err\n".into())
    );
    let logs = bench.get("/containers/oo/logs?stdout=1&stderr=1");
    assert_eq!(
        logs.headers["content-type"],
        "application/vnd.docker.multiplexed-stream"
    );
    assert_eq!(split(&logs.bytes), ("out\n".into(), "err\n".into()));
    assert_eq!(
        split(&bench.get("/containers/oo/logs?stderr=1").bytes),
        (String::new(), "err\n".into())
    );
    assert_eq!(
        split(
            &bench
                .get("/containers/oo/logs?stdout=1&stderr=1&tail=1")
                .bytes
        )
        .1,
        "err\n"
    );
    assert_eq!(
        bench
            .get("/containers/oo/logs?stdout=1&stderr=1&tail=0")
            .bytes,
        b""
    );
    let stamped = split(
        &bench
            .get("/v1.41/containers/oo/logs?stdout=1&timestamps=1")
            .bytes,
    )
    .0;
    assert!(
        stamped.starts_with("2027-01-15T08:00:00.") && stamped.ends_with("Z out\n"),
        "{stamped}"
    );
    assert_eq!(
        bench.get("/containers/oo/logs").status,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn input_reaches_the_process_and_its_end_is_noticed() {
    let bench = Bench::new();
    let config = json!({"Image": "busybox", "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true, "AttachStdin": true});
    let id = bench.create_with("cc", config);
    let mut duplex = upgrade(
        &bench,
        &format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1"),
    );
    // Before the start: it is kept for the process.
    assert_eq!(duplex.writer.try_write(b"early "), Ok(6));
    bench.settle();
    bench.start(&id);
    assert_eq!(duplex.writer.try_write(b"late"), Ok(4));
    duplex.writer.close();
    assert_eq!(split(&read_all(&bench, duplex)).0, "early late");
    assert_eq!(bench.inspect("cc")["State"]["ExitCode"], 0);
}

#[test]
fn a_terminal_is_not_framed_and_detach_keys_detach() {
    let bench = Bench::new();
    let id = bench.create_with(
        "tt",
        json!({"Image": "busybox", "Cmd": ["cat"], "OpenStdin": true, "Tty": true}),
    );
    let mut duplex = upgrade(
        &bench,
        &format!("/containers/{id}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a"),
    );
    bench.start(&id);
    let _ = duplex.writer.try_write(b"hi");
    bench.settle();
    assert_eq!(duplex.reader.try_read().as_deref(), Some(&b"hi"[..]));
    let _ = duplex.writer.try_write(b"\x01");
    bench.settle();
    let rest = duplex.reader.read_to_end(1 << 10);
    assert_eq!(futures::executor::block_on(rest), Ok(Vec::new()));
    assert_eq!(bench.status("tt"), "running");
    let size = bench.post("/containers/tt/resize?h=24&w=80", Value::Null);
    assert_eq!(size.status, StatusCode::OK);
    assert_eq!(
        bench
            .post("/containers/tt/resize?h=x&w=80", Value::Null)
            .status,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn logs_are_followed_until_the_container_ends() {
    let bench = Bench::new();
    let id = bench.run("ff", &["trap", "0"]);
    let response = bench.send(Request::get(format!(
        "/containers/{id}/logs?stdout=1&follow=1"
    )));
    let body = bench.engine.executor().run(response.body.collect(1 << 16));
    bench.settle();
    bench.post("/containers/ff/stop", Value::Null);
    let bytes = futures::executor::block_on(body)
        .and_then(Result::ok)
        .unwrap_or_default();
    assert_eq!(split(&bytes).0, "got term\n");
}

#[test]
fn a_follower_that_goes_away_is_forgotten_while_nothing_is_written() {
    let bench = Bench::new();
    let id = bench.run("ff", &["sleep", "9"]);
    let response = bench.send(Request::get(format!(
        "/containers/{id}/logs?stdout=1&follow=1"
    )));
    bench.settle();
    drop(response);
    bench.settle();
    assert_eq!(bench.status("ff"), "running");
}

#[test]
fn a_driver_without_a_log_says_so() {
    let bench = Bench::new();
    let host = json!({"LogConfig": {"Type": "none"}});
    let id = bench.create_with(
        "nn",
        json!({"Image": "busybox", "Cmd": ["echo", "x"], "HostConfig": host}),
    );
    bench.start(&id);
    let logs = bench.get("/containers/nn/logs?stdout=1");
    assert_eq!(
        (logs.status, logs.message()),
        (
            StatusCode::NOT_IMPLEMENTED,
            "configured logging driver does not support reading".into()
        )
    );
}

#[test]
fn exec_runs_a_further_process() {
    let bench = Bench::new();
    bench.run("ee", &["sleep", "9"]);
    let exec = bench.post(
        "/containers/ee/exec",
        json!({"Cmd": ["both"], "AttachStdout": true, "AttachStderr": true, "Env": ["A=1"]}),
    );
    assert_eq!(exec.status, StatusCode::CREATED);
    let id = exec.json()["Id"].as_str().unwrap_or_default().to_owned();
    let duplex = upgrade(&bench, &format!("/exec/{id}/start"));
    assert_eq!(
        split(&read_all(&bench, duplex)),
        ("out\n".into(), "err\n".into())
    );
    let state = bench.get(&format!("/exec/{id}/json")).json();
    assert_eq!(
        (
            &state["ExitCode"],
            &state["Running"],
            &state["ProcessConfig"]["entrypoint"]
        ),
        (&json!(3), &json!(false), &json!("both"))
    );
    assert!(
        bench.runtime.execs.borrow()[0]
            .env
            .contains(&"A=1".to_owned())
    );
    assert_eq!(
        bench
            .post(&format!("/exec/{id}/start"), json!({"Detach": true}))
            .status,
        StatusCode::CONFLICT
    );

    let exec = bench
        .post(
            "/containers/ee/exec",
            json!({"Cmd": ["nosuch"], "AttachStdout": true}),
        )
        .json();
    let id = exec["Id"].as_str().unwrap_or_default().to_owned();
    let duplex = upgrade(&bench, &format!("/exec/{id}/start"));
    let said = split(&read_all(&bench, duplex)).0;
    assert_eq!(
        said,
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown\r\n"
    );
    assert_eq!(
        bench.get(&format!("/exec/{id}/json")).json()["ExitCode"],
        126
    );
    assert_eq!(
        bench.get("/exec/none/json").message(),
        "No such exec instance: none"
    );
    let actions = bench.actions();
    assert!(
        actions.contains(&"container exec_start: both".to_owned())
            && actions.contains(&"container exec_die".to_owned())
    );
}

#[test]
fn files_are_copied_in_and_out() {
    let bench = Bench::new();
    bench.create("cp", &["true"]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(6);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, "a.txt", &b"alpha\n"[..])
        .expect("in memory");
    let tar = builder.into_inner().expect("in memory");
    let put = Request::new(Method::PUT, "/containers/cp/archive?path=/etc").body(Bytes::from(tar));
    assert_eq!(bench.ask(put).status, StatusCode::OK);

    let head = bench.ask(Request::new(
        Method::HEAD,
        "/containers/cp/archive?path=/etc/a.txt",
    ));
    let stat = base64::engine::general_purpose::STANDARD
        .decode(&head.headers["x-docker-container-path-stat"])
        .expect("base64");
    let stat: Value = serde_json::from_slice(&stat).expect("json");
    assert_eq!(
        (&stat["name"], &stat["size"], &stat["mode"]),
        (&json!("a.txt"), &json!(6), &json!(0o644))
    );

    let got = bench.get("/containers/cp/archive?path=/etc/a.txt");
    let mut archive = tar::Archive::new(&got.bytes[..]);
    let names: Vec<String> = archive
        .entries()
        .expect("tar")
        .map(|e| {
            e.expect("entry")
                .path()
                .expect("path")
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(names, ["a.txt"]);
    let changes = bench.get("/containers/cp/changes").json();
    assert_eq!(
        changes,
        json!([{"Kind": 0, "Path": "/etc"}, {"Kind": 1, "Path": "/etc/a.txt"}])
    );
    let missing = bench.get("/containers/cp/archive?path=/nofile");
    assert_eq!(
        (missing.status, missing.message()),
        (
            StatusCode::NOT_FOUND,
            "Could not find the file /nofile in container cp".into()
        )
    );
    let not_dir = Request::new(Method::PUT, "/containers/cp/archive?path=/etc/a.txt")
        .body(Bytes::from_static(b""));
    assert_eq!(
        bench.ask(not_dir).message(),
        "extraction point is not a directory"
    );
    let export = bench.get("/containers/cp/export");
    let mut archive = tar::Archive::new(&export.bytes[..]);
    let names: Vec<String> = archive
        .entries()
        .expect("tar")
        .map(|e| {
            e.expect("entry")
                .path()
                .expect("path")
                .display()
                .to_string()
        })
        .collect();
    assert!(
        names.contains(&".dockerenv".to_owned()) && names.contains(&"etc/a.txt".to_owned()),
        "{names:?}"
    );
}
