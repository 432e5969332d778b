use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Bench;
use crate::api::Request;

#[test]
fn ping_tells_the_version() {
    let bench = Bench::new();
    let ping = bench.get("/_ping");
    assert_eq!((ping.status, ping.text().as_str()), (StatusCode::OK, "OK"));
    for (name, value) in [
        ("api-version", "1.51"),
        ("ostype", "linux"),
        ("builder-version", "1"),
    ] {
        assert_eq!(ping.headers[name], value);
    }
    let head = bench.ask(Request::new(Method::HEAD, "/_ping"));
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    let version = bench.get("/v1.41/version").json();
    assert_eq!(
        (&version["ApiVersion"], &version["MinAPIVersion"]),
        (&json!("1.51"), &json!("1.24"))
    );
    let old = bench.get("/v1.12/version");
    assert_eq!(old.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.get("/nosuch").message(), "page not found");
    assert_eq!(
        bench.get("/services").status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        bench.get("/plugins/x/json").message(),
        "plugin \"x\" not found"
    );
    assert_eq!(
        bench.post("/session", Value::Null).status,
        StatusCode::NOT_IMPLEMENTED
    );
}

#[test]
fn info_counts_containers() {
    let bench = Bench::new();
    bench.run("up", &["sleep", "1"]);
    bench.run("done", &["true"]);
    let info = bench.get("/info").json();
    assert_eq!(
        (
            &info["Containers"],
            &info["ContainersRunning"],
            &info["ContainersStopped"]
        ),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        (&info["Driver"], &info["OSType"], &info["NCPU"]),
        (&json!("overlay2"), &json!("linux"), &json!(2))
    );
    let usage = bench.get("/system/df").json();
    assert_eq!(usage["Containers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn events_are_told_past_and_present() {
    let bench = Bench::new();
    let id = bench.create_with(
        "ee",
        json!({"Image": "busybox", "Cmd": ["exit", "3"], "Labels": {"k": "v"}}),
    );
    bench.start(&id);
    let filters =
        crate::api::query::encode(&json!({"event": ["die"], "container": ["ee"]}).to_string());
    let until = bench.engine.now().seconds() + 1;
    let lines = bench
        .get(&format!("/events?since=1&until={until}&filters={filters}"))
        .text();
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    assert_eq!(events.len(), 1, "{lines}");
    let event = &events[0];
    assert_eq!(
        (
            &event["status"],
            &event["Type"],
            &event["Action"],
            &event["id"]
        ),
        (
            &json!("die"),
            &json!("container"),
            &json!("die"),
            &json!(id)
        )
    );
    let attributes =
        json!({"execDuration": "0", "exitCode": "3", "image": "busybox", "k": "v", "name": "ee"});
    assert_eq!(event["Actor"]["Attributes"], attributes);

    let live = bench.send(Request::get("/events"));
    bench.post("/volumes/create", json!({"Name": "vol"}));
    let mut stream = live.body.into_stream();
    let first = futures::executor::block_on(futures::StreamExt::next(&mut stream));
    let first: Value =
        serde_json::from_slice(&first.and_then(Result::ok).unwrap_or_default()).expect("json");
    assert_eq!(
        (&first["Type"], &first["Action"]),
        (&json!("volume"), &json!("create"))
    );
}

#[test]
fn garbage_is_refused_without_a_panic() {
    let bench = Bench::new();
    let targets = [
        "/containers/create",
        "/networks/create",
        "/volumes/create",
        "/containers/xx/exec",
        "/containers//json",
        "/%zz/%",
        "/v1.41",
        "/containers/create?name=%00",
    ];
    for target in targets {
        for body in [&b""[..], b"{", b"[]", b"null", b"{\"Cmd\": 7}", b"\xff\xfe"] {
            let answer = bench.ask(Request::post(target).body(body.to_vec()));
            assert!(
                answer.status.is_client_error() || answer.status.is_success(),
                "{target} {body:?}: {}",
                answer.status
            );
        }
    }
}

#[test]
fn a_login_asks_the_registry() {
    let bench = Bench::new();
    let auth = json!({"username": "x", "password": "y", "serveraddress": "127.0.0.1:1"});
    let answer = bench.post("/auth", auth);
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let message = answer.message();
    assert!(
        message.starts_with("Get \"http") && message.contains("127.0.0.1:1/v2/"),
        "{message}"
    );
}
