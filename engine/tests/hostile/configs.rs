//! Configurations of images, and of containers: rows C21 to C30.

use bottleship_oci::config::RawConfig;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::bench::{Bench, archive, image, raw_image};

fn run(config: &RawConfig) -> Result<String, String> {
    Bench::new().run(config, &json!({}))
}

#[test]
fn a_good_image_runs() {
    assert_eq!(run(&image(|_| {})), Ok("uid 0 cwd /\n".into()));
    let config = image(|c| {
        c.user = "1000:1000".into();
        c.working_dir = "/made/now".into();
    });
    assert_eq!(run(&config), Ok("uid 1000 cwd /made/now\n".into()));
}

/// Row C21: the working directory is the container's own.
#[test]
fn c21_working_directories_stay_inside() {
    for fd in 3..64 {
        let outcome = run(&image(|c| c.working_dir = format!("/proc/self/fd/{fd}")));
        assert!(outcome.is_err(), "C21 {fd}: {outcome:?}");
    }
    for dir in [
        "/escape",
        "/up/../../x",
        "/../../..",
        "relative",
        "/proc/1/root",
        "/x\u{1b}]0;y",
    ] {
        let outcome = run(&image(|c| c.working_dir = dir.into()));
        // Inside of the container's own root, or nowhere.
        if let Ok(text) = &outcome {
            assert!(
                text.starts_with("uid 0 cwd /") && !text.contains(".."),
                "C21 {dir}: {text}"
            );
            assert!(!text.contains("unreachable"), "C21 {dir}: {text}");
        }
    }
}

/// Row C22: what is no user is nobody, and never root.
#[test]
fn c22_users_out_of_range() {
    for user in [
        "4294967296",
        "-1",
        "2147483648:0",
        "0x0",
        "root\n",
        "1000 0",
        "1:4294967296",
        "99999999999999999999",
        ":",
        "+0",
        "0:-1",
        "nobody",
        "1000:nogroup",
        "\u{0}",
        " 0",
    ] {
        let outcome = run(&image(|c| c.user = user.into()));
        assert!(
            !matches!(&outcome, Ok(text) if text.starts_with("uid 0")) || user == ":",
            "C22 {user:?}: {outcome:?}"
        );
        let by_the_user = Bench::new().run(&image(|_| {}), &json!({"User": user}));
        assert!(
            !matches!(&by_the_user, Ok(text) if text.starts_with("uid 0")) || user == ":",
            "C22 --user {user:?}: {by_the_user:?}"
        );
    }
}

/// Row C23: volumes lie inside of the container, and not over what the kernel shows.
#[test]
fn c23_volumes_stay_inside() {
    for (path, fine) in [
        ("/../../../../var/lib/x", true),
        ("/proc", false),
        ("/proc/sys", false),
        ("/sys/kernel", true),
        ("/up/up/up", true),
        ("relative", true),
        ("/", false),
        ("", false),
        ("/a:b:c", true),
    ] {
        let bench = Bench::new();
        let config = raw_image(json!({"Volumes": {path: {}}}));
        let outcome = bench.run(&config, &json!({}));
        assert!(fine || outcome.is_err(), "C23 {path:?}: {outcome:?}");
        let containers = bench.get("/containers/json?all=1").json();
        for mount in containers[0]["Mounts"].as_array().into_iter().flatten() {
            let destination = mount["Destination"].as_str().unwrap_or_default();
            assert!(!destination.contains(".."), "C23 {path:?}: {destination}");
        }
    }
}

/// Row C24: what an image says of itself decides nothing.
#[test]
fn c24_labels_are_no_policy() {
    let bench = Bench::new();
    let labels = [
        ("containerd.io/restart.status", "running"),
        ("io.bottleship.privileged", "true"),
        ("cdi.k8s.io/devices", "vendor.com/device=all"),
        ("com.docker.compose.project", "x"),
    ];
    let config = raw_image(
        json!({"Labels": serde_json::Map::from_iter(labels.map(|(k, v)| (k.to_owned(), json!(v))))}),
    );
    assert!(bench.run(&config, &json!({})).is_ok());
    let listed = bench.get("/containers/json?all=1").json();
    let id = listed[0]["Id"].as_str().unwrap_or_default();
    let host = bench.get(&format!("/containers/{id}/json")).json()["HostConfig"].clone();
    assert_eq!(host["RestartPolicy"]["Name"], "no", "C24");
    assert_eq!(host["Privileged"], false, "C24");
    assert!(host["Devices"].as_array().is_none_or(Vec::is_empty), "C24");
    assert!(
        host["DeviceRequests"].as_array().is_none_or(Vec::is_empty),
        "C24"
    );
}

/// Rows C25 to C27: values of the wrong kind, out of range, or far too many.
#[test]
fn values_of_the_wrong_kind() {
    let many = vec!["x".repeat(100); 100_000];
    for (row, config) in [
        (
            "C25 no equals sign",
            json!({"Env": ["LD_PRELOAD", "=x", ""]}),
        ),
        (
            "C25 line feed",
            json!({"Env": ["A=1\nB=2", "PATH=/evil", "LD_PRELOAD=/evil.so"]}),
        ),
        ("C25 number", json!({"Env": [1]})),
        ("C25 NUL", json!({"Env": ["A=\u{0}"]})),
        ("C26 number", json!({"Entrypoint": 1})),
        ("C26 object", json!({"Entrypoint": {"a": "b"}})),
        ("C26 many arguments", json!({"Cmd": many})),
        ("C26 empty", json!({"Entrypoint": [], "Cmd": []})),
        ("C26 empty word", json!({"Entrypoint": [""]})),
        ("C26 NUL", json!({"Entrypoint": ["/bin/probe\u{0}x"]})),
        ("C27 port 0", json!({"ExposedPorts": {"0/tcp": {}}})),
        ("C27 port 70000", json!({"ExposedPorts": {"70000/udp": {}}})),
        ("C27 no port", json!({"ExposedPorts": {"x/../y": {}}})),
        ("C27 range", json!({"ExposedPorts": {"1-65535/tcp": {}}})),
        ("C27 signal", json!({"StopSignal": "KILL; rm"})),
        (
            "C27 interval",
            json!({"Healthcheck": {"Test": ["CMD", "x"], "Interval": 1}}),
        ),
        (
            "C27 negative",
            json!({"Healthcheck": {"Test": ["CMD", "x"], "Interval": -1, "Retries": -5}}),
        ),
        (
            "C27 test",
            json!({"Healthcheck": {"Test": [], "Interval": "1s"}}),
        ),
    ] {
        let bench = Bench::new();
        let outcome = bench.run(&raw_image(config.clone()), &json!({}));
        if let Err(error) = &outcome {
            assert!(
                !error.chars().any(|c| c.is_control() && c != '\n'),
                "{row}: {error:?}"
            );
        }
        let publish_all = json!({"HostConfig": {"PublishAllPorts": true}});
        let mut create = publish_all;
        for (key, value) in config.as_object().into_iter().flatten() {
            create[key] = value.clone();
        }
        let by_the_user = Bench::new().run(&image(|_| {}), &create);
        let must_fail = matches!(
            row,
            "C25 number"
                | "C26 number"
                | "C26 object"
                | "C26 many arguments"
                | "C26 NUL"
                | "C25 NUL"
        );
        assert!(!must_fail || outcome.is_err(), "{row}: {outcome:?}");
        assert!(
            !must_fail || by_the_user.is_err(),
            "{row}, by the user: {by_the_user:?}"
        );
        // And the engine goes on.
        assert_eq!(
            bench.run(&image(|_| {}), &json!({})),
            Ok("uid 0 cwd /\n".into()),
            "{row}"
        );
    }
}

/// Row C27: an interval that would keep the machine busy with health checks alone.
#[test]
fn c27_health_checks_have_a_floor() {
    for interval in [1, 999_999, -1] {
        let create =
            json!({"Image": "x:1", "Healthcheck": {"Test": ["CMD", "x"], "Interval": interval}});
        let bench = Bench::new();
        assert_eq!(
            bench
                .tar("/images/load", archive(&image(|_| {}), "x:1"))
                .error(),
            None
        );
        bench.refused("C27", &bench.post("/containers/create", &create));
    }
    let signal = json!({"Image": "x:1", "StopSignal": "KILL; rm"});
    let bench = Bench::new();
    assert_eq!(
        bench
            .tar("/images/load", archive(&image(|_| {}), "x:1"))
            .error(),
        None
    );
    bench.refused("C27", &bench.post("/containers/create", &signal));
}

/// Row C29: the same layer twice is two layers of a chain, and neither stands in for the other.
#[test]
fn c29_layers_are_known_by_all_below_them() {
    let bench = Bench::new();
    let once = image(|_| {});
    assert_eq!(
        bench.tar("/images/load", archive(&once, "x:1")).error(),
        None
    );
    let mut twice = once.config.clone();
    twice.rootfs.diff_ids.push(twice.rootfs.diff_ids[0].clone());
    let loaded = bench.tar("/images/load", archive(&RawConfig::new(twice), "y:1"));
    assert_eq!(loaded.error(), None, "C29");
    let layers = |name: &str| {
        let image = bench.get(&format!("/images/{name}/json")).json();
        image["RootFS"]["Layers"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((layers("x:1"), layers("y:1")), (1, 2), "C29");
    let gone = bench.ask(http::Method::DELETE, "/images/y:1", "", bytes::Bytes::new());
    assert_eq!(gone.status, 200, "C29: {}", gone.text());
    assert_eq!(
        bench.run(&once, &json!({})),
        Ok("uid 0 cwd /\n".into()),
        "C29"
    );
}

/// Row C30: a build believes its own records, not what an image says it was built from.
#[test]
fn c30_history_is_no_build_cache() {
    let bench = Bench::new();
    assert_eq!(
        bench
            .tar("/images/load", archive(&image(|_| {}), "x:1"))
            .error(),
        None
    );
    let mut poisoned = image(|c| c.cmd = Some(vec!["evil".into()])).config;
    poisoned.history.push(bottleship_oci::History {
        created_by: "/bin/sh -c #(nop)  CMD [\"good\"]".into(),
        empty_layer: true,
        ..Default::default()
    });
    let poisoned = RawConfig::new(poisoned);
    assert_eq!(
        bench
            .tar("/images/load", archive(&poisoned, "poison:1"))
            .error(),
        None
    );
    let context = crate::tars::Tar::new()
        .file("Dockerfile", "FROM x:1\nCMD [\"good\"]\n")
        .end();
    let built = bench.tar("/build?t=made:1&version=1", context);
    assert_eq!(built.error(), None, "C30");
    let made: Value = bench.get("/images/made:1/json").json();
    assert_eq!(
        made["Config"]["Cmd"],
        json!(["good"]),
        "C30: {}",
        built.text()
    );
}
