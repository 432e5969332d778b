use serde_json::{Value, json};

use super::Bench;

/// Drops an engine as `kill -9` does and starts another on what it stored.
fn crash(bench: Bench) -> Bench {
    let store = bench.store.clone();
    drop(bench);
    let bench = Bench::on(store);
    bench.settle();
    bench
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let bench = Bench::new();
    let created = bench.create_with("kept", json!({"Image": "busybox", "Cmd": ["echo", "logged"], "Labels": {"k": "v"}, "Volumes": {"/data": {}}}));
    bench.run("up", &["sleep", "9"]);
    bench.create_with(
        "temporary",
        json!({"Image": "busybox", "HostConfig": {"AutoRemove": true}}),
    );
    bench.post("/networks/create", json!({"Name": "app"}));
    bench.post("/volumes/create", json!({"Name": "vol"}));
    bench.start("kept");
    bench.settle();
    let before = bench.inspect("kept");

    let bench = crash(bench);
    let after = bench.inspect("kept");
    for field in [
        "Id",
        "Created",
        "Config",
        "HostConfig",
        "Mounts",
        "Path",
        "State",
    ] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let logs = bench.get("/containers/kept/logs?stdout=1");
    assert!(logs.text().ends_with("logged\n"));
    let up = bench.inspect("up")["State"].clone();
    assert_eq!(
        (&up["Status"], &up["ExitCode"]),
        (&json!("exited"), &json!(255))
    );
    assert_eq!(bench.get("/containers/temporary/json").status, 404);
    assert_eq!(
        bench.get("/networks/app").json()["IPAM"]["Config"][0]["Subnet"],
        "172.18.0.0/16"
    );
    assert_eq!(bench.get("/volumes/vol").status, 200);
    assert_eq!(bench.delete(&format!("/containers/{created}")).status, 204);
    let bench = crash(bench);
    assert_eq!(bench.get("/containers/kept/json").status, 404);
}

#[test]
fn a_restart_policy_starts_containers_after_a_crash() {
    let bench = Bench::new();
    for (name, policy) in [
        ("always", "always"),
        ("unless", "unless-stopped"),
        ("never", "no"),
        ("halted", "unless-stopped"),
    ] {
        let id = bench.create_with(name, json!({"Image": "busybox", "Cmd": ["sleep", "9"], "HostConfig": {"RestartPolicy": {"Name": policy}}}));
        bench.start(&id);
    }
    bench.post("/containers/halted/stop", Value::Null);
    let bench = crash(bench);
    let status = |name: &str| bench.status(name);
    assert_eq!(
        ["always", "unless", "never", "halted"].map(status),
        ["running", "running", "exited", "exited"]
    );
}

#[test]
fn a_containers_files_survive_a_crash() {
    let bench = Bench::new();
    bench.create("files", &["true"]);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header, "kept.txt", &b"bytes"[..])
        .expect("in memory");
    let body = tar.into_inner().expect("in memory");
    let put =
        crate::api::Request::new(http::Method::PUT, "/containers/files/archive?path=/").body(body);
    assert_eq!(bench.ask(put).status, 200);
    let bench = crash(bench);
    let changes = bench.get("/containers/files/changes").json();
    assert_eq!(changes, json!([{"Kind": 1, "Path": "/kept.txt"}]));
}
