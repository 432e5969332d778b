use http::StatusCode;
use serde_json::{Value, json};

use super::Bench;

fn names(answer: &Value) -> Vec<String> {
    let list = answer["Volumes"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|v| v["Name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn volumes_are_made_listed_and_removed() {
    let bench = Bench::new();
    let made = bench.post(
        "/volumes/create",
        json!({"Name": "data", "Labels": {"k": "v"}}),
    );
    assert_eq!(
        (made.status, &made.json()["Mountpoint"]),
        (
            StatusCode::CREATED,
            &json!("/var/lib/docker/volumes/data/_data")
        )
    );
    let anonymous = bench.post("/volumes/create", json!({})).json();
    assert_eq!(anonymous["Name"].as_str().map(str::len), Some(64));
    assert_eq!(names(&bench.get("/volumes").json()).len(), 2);
    assert_eq!(
        names(
            &bench
                .get("/volumes?filters=%7B%22label%22%3A%5B%22k%22%5D%7D")
                .json()
        ),
        ["data"]
    );

    bench.create_with(
        "uu",
        json!({"Image": "busybox", "HostConfig": {"Binds": ["data:/d:ro"]}}),
    );
    let used = bench.delete("/volumes/data");
    let id = bench.inspect("uu")["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(
        (used.status, used.message()),
        (
            StatusCode::CONFLICT,
            format!("remove data: volume is in use - [{id}]")
        )
    );
    let mount = &bench.inspect("uu")["Mounts"][0];
    assert_eq!(
        (&mount["Type"], &mount["RW"], &mount["Mode"]),
        (&json!("volume"), &json!(false), &json!("ro"))
    );
    bench.delete("/containers/uu");
    assert_eq!(bench.delete("/volumes/data").status, StatusCode::NO_CONTENT);
    let gone = bench.get("/volumes/data");
    assert_eq!(
        (gone.status, gone.message()),
        (StatusCode::NOT_FOUND, "get data: no such volume".into())
    );
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let bench = Bench::new();
    bench.create_with("aa", json!({"Image": "busybox", "Volumes": {"/anon": {}}}));
    assert_eq!(names(&bench.get("/volumes").json()).len(), 1);
    bench.delete("/containers/aa?v=1");
    assert_eq!(names(&bench.get("/volumes").json()).len(), 0);
    bench.create_with("bb", json!({"Image": "busybox", "Volumes": {"/anon": {}}}));
    bench.delete("/containers/bb");
    assert_eq!(names(&bench.get("/volumes").json()).len(), 1);
    bench.post("/volumes/create", json!({"Name": "named"}));
    let pruned = bench.post("/volumes/prune", Value::Null).json();
    assert_eq!(pruned["VolumesDeleted"].as_array().map(Vec::len), Some(1));
    let pruned = bench.post("/v1.41/volumes/prune", Value::Null).json();
    assert_eq!(pruned["VolumesDeleted"], json!(["named"]));
}

#[test]
fn a_new_volume_takes_the_images_files() {
    let bench = Bench::new();
    bench.create_with(
        "vv",
        json!({"Image": "busybox", "HostConfig": {"Binds": ["conf:/etc"]}}),
    );
    let tree =
        futures::executor::block_on(bench.engine.ports().volumes.open("conf")).expect("open");
    for name in ["hosts", "hostname", "mtab"] {
        assert!(tree.root.lookup(name.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn mounts_are_refused_in_dockers_words() {
    let bench = Bench::new();
    let message = |host: Value| {
        bench
            .post(
                "/containers/create",
                json!({"Image": "busybox", "HostConfig": host}),
            )
            .message()
    };
    assert_eq!(
        message(json!({"Binds": ["bad name:/x"]})),
        "create bad name: \"bad name\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    );
    assert_eq!(
        message(json!({"Mounts": [{"Type": "bind", "Source": "/tnope", "Target": "/y"}]})),
        "invalid mount config for type \"bind\": bind source path does not exist: /tnope"
    );
    assert_eq!(
        message(json!({"Binds": ["a1:/x", "b1:/x"]})),
        "Duplicate mount point: /x"
    );
    assert_eq!(
        message(json!({"VolumesFrom": ["nosuch"]})),
        "No such container: nosuch"
    );
    assert_eq!(
        message(json!({"VolumeDriver": "nosuchdriver", "Binds": ["lab2:/x"]})),
        "create lab2: error looking up volume plugin nosuchdriver: plugin \"nosuchdriver\" not found"
    );
}

#[test]
fn a_bind_makes_its_source_directory() {
    let bench = Bench::new();
    bench.create_with(
        "bb",
        json!({"Image": "busybox", "HostConfig": {"Binds": ["/srv/made/up:/x"]}}),
    );
    let made = futures::executor::block_on(bench.engine.ports().host.open("/srv/made/up"));
    assert!(made.is_ok_and(|tree| tree.is_some()));
    assert_eq!(bench.inspect("bb")["Mounts"][0]["Propagation"], "rprivate");
}
