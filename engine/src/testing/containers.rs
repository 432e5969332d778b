use http::StatusCode;
use serde_json::{Value, json};

use super::Bench;

#[test]
fn a_container_lives_as_docker_tells_it() {
    let bench = Bench::new();
    let id = bench.create("web", &["sleep", "1000"]);
    assert_eq!((id.len(), bench.status("web").as_str()), (64, "created"));
    bench.start("web");
    assert_eq!(bench.status(&id[..12]), "running");
    let again = bench.post("/containers/web/start", Value::Null);
    assert_eq!(
        (again.status, again.bytes.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    let rows = bench.get("/containers/json").json();
    assert_eq!(
        (&rows[0]["Command"], &rows[0]["Names"][0], &rows[0]["State"]),
        (&json!("sleep 1000"), &json!("/web"), &json!("running"))
    );
    assert_eq!(rows[0]["Status"], "Up Less than a second");

    assert_eq!(
        bench.post("/containers/web/pause", Value::Null).status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(bench.status("web"), "paused");
    let exec = bench.post("/containers/web/exec", json!({"Cmd": ["true"]}));
    assert_eq!(
        (exec.status, exec.message()),
        (
            StatusCode::CONFLICT,
            "Container web is paused, unpause the container before exec".into()
        )
    );
    bench.post("/containers/web/unpause", Value::Null);

    let busy = bench.delete("/containers/web");
    assert_eq!(busy.status, StatusCode::CONFLICT);
    assert_eq!(
        busy.message(),
        "cannot remove container \"web\": container is running: stop the container before removing or force remove"
    );
    assert_eq!(
        bench.post("/containers/web/stop?t=1", Value::Null).status,
        StatusCode::NO_CONTENT
    );
    let state = bench.inspect("web")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["ExitCode"], &state["Pid"]),
        (&json!("exited"), &json!(143), &json!(0))
    );
    assert_eq!(
        bench.post("/containers/web/stop", Value::Null).status,
        StatusCode::NOT_MODIFIED
    );
    let kill = bench.post("/containers/web/kill", Value::Null);
    assert_eq!(
        kill.message(),
        format!("cannot kill container: web: container {id} is not running")
    );
    assert_eq!(
        bench.delete("/containers/web").status,
        StatusCode::NO_CONTENT
    );
    let gone = bench.get("/containers/web/json");
    assert_eq!(
        (gone.status, gone.message()),
        (StatusCode::NOT_FOUND, "No such container: web".into())
    );
    let expected = [
        "container create",
        "network connect",
        "container start",
        "container pause",
        "container unpause",
        "container kill",
        "container die",
        "network disconnect",
        "container stop",
        "container destroy",
    ];
    let told: Vec<String> = bench
        .actions()
        .into_iter()
        .filter(|action| !action.starts_with("image"))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn stop_kills_what_does_not_listen() {
    let bench = Bench::new();
    bench.run("deaf", &["stubborn"]);
    let before = crate::clock::Clock::monotonic(&*bench.clock);
    assert_eq!(
        bench.post("/containers/deaf/stop?t=3", Value::Null).status,
        StatusCode::NO_CONTENT
    );
    let waited = crate::clock::Clock::monotonic(&*bench.clock) - before;
    assert_eq!(waited / 1_000_000_000, 3);
    assert_eq!(bench.inspect("deaf")["State"]["ExitCode"], 137);
}

#[test]
fn a_signal_may_be_caught_and_a_wrong_one_is_refused() {
    let bench = Bench::new();
    bench.run("tt", &["trap", "5"]);
    let wrong = bench.post("/containers/tt/kill?signal=NOPE", Value::Null);
    assert_eq!(
        (wrong.status, wrong.message()),
        (StatusCode::BAD_REQUEST, "Invalid signal: NOPE".into())
    );
    assert_eq!(
        bench
            .post("/containers/tt/kill?signal=HUP", Value::Null)
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(bench.status("tt"), "running");
    bench.post("/containers/tt/stop", Value::Null);
    assert_eq!(bench.inspect("tt")["State"]["ExitCode"], 5);
}

#[test]
fn a_program_that_is_not_there_fails_the_start_with_127() {
    let bench = Bench::new();
    let id = bench.create("bad", &["nosuch"]);
    let failed = bench.post(&format!("/containers/{id}/start"), Value::Null);
    assert_eq!(failed.status, StatusCode::BAD_REQUEST);
    let text = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nosuch\": executable file not found in $PATH: unknown";
    assert_eq!(failed.message(), text);
    let state = bench.inspect("bad")["State"].clone();
    assert_eq!(
        (&state["Status"], &state["ExitCode"], &state["Error"]),
        (&json!("created"), &json!(127), &json!(text))
    );
}

#[test]
fn a_container_that_removes_itself_is_gone_after_its_exit() {
    let bench = Bench::new();
    let id = bench.create_with(
        "rm",
        json!({"Image": "busybox", "Cmd": ["exit", "4"], "HostConfig": {"AutoRemove": true}}),
    );
    let wait = bench.send(crate::api::Request::post(format!(
        "/containers/{id}/wait?condition=removed"
    )));
    assert_eq!(wait.status, StatusCode::OK);
    bench.start(&id);
    let body = bench.engine.executor().run(wait.body.collect(1000));
    bench.settle();
    let body = futures::executor::block_on(body)
        .and_then(Result::ok)
        .unwrap_or_default();
    assert_eq!(&body[..], b"{\"StatusCode\":4}\n");
    assert_eq!(bench.get("/containers/json?all=1").json(), json!([]));
}

#[test]
fn restart_policies_start_again_with_growing_pauses() {
    let bench = Bench::new();
    let host = json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}});
    let id = bench.create_with(
        "rr",
        json!({"Image": "busybox", "Cmd": ["exit", "7"], "HostConfig": host}),
    );
    bench.start(&id);
    assert_eq!(bench.status("rr"), "restarting");
    bench.pass(5000);
    let inspected = bench.inspect("rr");
    assert_eq!(
        (&inspected["RestartCount"], &inspected["State"]["Status"]),
        (&json!(2), &json!("exited"))
    );

    let host = json!({"RestartPolicy": {"Name": "always"}});
    let id = bench.create_with(
        "aa",
        json!({"Image": "busybox", "Cmd": ["exit", "1"], "HostConfig": host}),
    );
    bench.start(&id);
    bench.pass(1000);
    bench.post("/containers/aa/stop", Value::Null);
    bench.pass(100_000);
    assert_eq!(bench.status("aa"), "exited");
}

#[test]
fn names_are_unique_and_changed_by_rename() {
    let bench = Bench::new();
    let id = bench.create("one", &["true"]);
    let taken = bench.post("/containers/create?name=one", json!({"Image": "busybox"}));
    assert_eq!(taken.status, StatusCode::CONFLICT);
    let expected = format!(
        "Conflict. The container name \"/one\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
    );
    assert_eq!(taken.message(), expected);
    assert_eq!(
        bench
            .post("/containers/one/rename?name=two", Value::Null)
            .status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(bench.inspect("two")["Name"], "/two");
    bench.create("one", &["true"]);
    let bad = bench.post("/containers/create?name=a%20b", json!({"Image": "busybox"}));
    assert_eq!(
        bad.message(),
        "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    );
}

#[test]
fn bad_configurations_are_refused_in_dockers_words() {
    let bench = Bench::new();
    let message = |host: Value| {
        let answer = bench.post(
            "/containers/create",
            json!({"Image": "busybox", "HostConfig": host}),
        );
        (answer.status.as_u16(), answer.message())
    };
    assert_eq!(
        message(json!({"Memory": 1 << 20})),
        (400, "Minimum memory limit allowed is 6MB".into())
    );
    assert_eq!(
        message(json!({"NanoCpus": 64_000_000_000i64})),
        (
            400,
            "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available".into()
        )
    );
    assert_eq!(
        message(json!({"MemorySwap": 1 << 30})),
        (
            400,
            "You should always set the Memory limit when using Memoryswap limit, see usage".into()
        )
    );
    assert_eq!(
        message(json!({"CapAdd": ["BOGUS"]})),
        (
            400,
            "invalid CapAdd: unknown capability: \"CAP_BOGUS\"".into()
        )
    );
    assert_eq!(
        message(json!({"LogConfig": {"Type": "nosuch"}})),
        (
            400,
            "logger: no log driver named 'nosuch' is registered".into()
        )
    );
    let missing = bench.post("/containers/create", json!({"Image": "nosuch"}));
    assert_eq!(
        (missing.status.as_u16(), missing.message()),
        (404, "No such image: nosuch:latest".into())
    );
    assert_eq!(
        bench.post("/containers/create", json!({})).status,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn lists_are_filtered() {
    let bench = Bench::new();
    bench.run("up", &["sleep", "1"]);
    bench.run("done", &["exit", "3"]);
    bench.create_with("lab", json!({"Image": "busybox", "Labels": {"k": "v"}}));
    let names = |query: &str| {
        let rows = bench.get(&format!("/containers/json?{query}")).json();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| {
                row["Names"][0]
                    .as_str()
                    .unwrap_or_default()
                    .trim_start_matches('/')
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    let filter = |json: Value| {
        format!(
            "all=1&filters={}",
            crate::api::query::encode(&json.to_string())
        )
    };
    assert_eq!(names(""), ["up"]);
    assert_eq!(names("all=1").len(), 3);
    assert_eq!(names("limit=1").len(), 1);
    assert_eq!(names(&filter(json!({"exited": {"3": true}}))), ["done"]);
    assert_eq!(names(&filter(json!({"label": {"k=v": true}}))), ["lab"]);
    assert_eq!(names(&filter(json!({"status": ["created"]}))), ["lab"]);
    assert_eq!(names(&filter(json!({"name": {"u": true}}))), ["up"]);
    assert_eq!(
        names(&filter(json!({"ancestor": {"busybox": true}}))).len(),
        3
    );
    let bad = bench.get("/containers/json?filters=%7B%22bogus%22%3A%7B%22x%22%3Atrue%7D%7D");
    assert_eq!(
        (bad.status, bad.message()),
        (StatusCode::BAD_REQUEST, "invalid filter 'bogus'".into())
    );
    let pruned = bench.post("/containers/prune", Value::Null).json();
    assert_eq!(
        pruned["ContainersDeleted"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn health_checks_change_the_status() {
    let bench = Bench::new();
    let check = json!({"Test": ["CMD", "false"], "Interval": 1_000_000_000, "Retries": 2});
    let id = bench.create_with(
        "hh",
        json!({"Image": "busybox", "Cmd": ["sleep", "9"], "Healthcheck": check}),
    );
    bench.start(&id);
    let health = || bench.inspect("hh")["State"]["Health"].clone();
    assert_eq!(health()["Status"], "starting");
    bench.pass(1100);
    assert_eq!(
        (&health()["Status"], &health()["FailingStreak"]),
        (&json!("starting"), &json!(1))
    );
    bench.pass(1100);
    assert_eq!(health()["Status"], "unhealthy");
    assert!(
        bench
            .actions()
            .contains(&"container health_status: unhealthy".to_owned())
    );
    let ok = json!({"Test": ["CMD-SHELL", "x"], "Interval": 1_000_000_000});
    let id = bench.create_with(
        "ok",
        json!({"Image": "busybox", "Cmd": ["sleep", "9"], "Healthcheck": ok}),
    );
    // The fake shell is not there; an exec that cannot start counts as a failure.
    bench.start(&id);
    bench.pass(1100);
    assert_eq!(bench.inspect("ok")["State"]["Health"]["FailingStreak"], 1);
}

#[test]
fn limits_are_updated() {
    let bench = Bench::new();
    bench.run("uu", &["sleep", "1"]);
    let update = bench.post(
        "/containers/uu/update",
        json!({"Memory": 104857600, "MemorySwap": 209715200}),
    );
    assert_eq!(
        (update.status, update.json()),
        (StatusCode::OK, json!({"Warnings": null}))
    );
    assert_eq!(bench.inspect("uu")["HostConfig"]["Memory"], 104857600);
    let refused = bench.post(
        "/containers/uu/update",
        json!({"RestartPolicy": {"Name": "bogus"}}),
    );
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[test]
fn what_runs_is_told_by_top_and_stats() {
    let bench = Bench::new();
    let id = bench.run("st", &["sleep", "7"]);
    let top = bench.get("/containers/st/top?ps_args=-o%20pid,args").json();
    assert_eq!(
        top,
        json!({"Processes": [["1", "sleep 7"]], "Titles": ["PID", "COMMAND"]})
    );
    let stats = bench.get("/containers/st/stats?stream=false").json();
    assert_eq!(
        (
            &stats["memory_stats"]["usage"],
            &stats["id"],
            &stats["networks"]["eth0"]["rx_bytes"]
        ),
        (&json!(4096), &json!(id), &json!(10))
    );
    bench.post("/containers/st/stop", Value::Null);
    let top = bench.get("/containers/st/top");
    assert_eq!(
        (top.status, top.message()),
        (
            StatusCode::CONFLICT,
            format!("Container {id} is not running")
        )
    );
    assert_eq!(
        bench.get("/containers/st/stats?stream=0").json()["memory_stats"],
        json!({})
    );
}
