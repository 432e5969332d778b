use http::StatusCode;
use serde_json::{Value, json};

use super::{Bench, ip};
use crate::network::{Answer, Question};

#[test]
fn networks_give_addresses_and_names() {
    let bench = Bench::new();
    let made = bench.post(
        "/networks/create",
        json!({"Name": "app", "Driver": "bridge"}),
    );
    assert_eq!(made.status, StatusCode::CREATED);
    let again = bench.post("/networks/create", json!({"Name": "app"}));
    assert_eq!(
        (again.status, again.message()),
        (
            StatusCode::CONFLICT,
            "network with name app already exists".into()
        )
    );
    let ipam = bench.get("/networks/app").json()["IPAM"].clone();
    assert_eq!(
        ipam["Config"],
        json!([{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}])
    );

    let config = |alias: &str| {
        let endpoints = json!({"app": {"Aliases": [alias]}});
        json!({"Image": "busybox", "Cmd": ["sleep", "9"], "HostConfig": {"NetworkMode": "app"}, "NetworkingConfig": {"EndpointsConfig": endpoints}})
    };
    for (name, alias) in [("one", "db"), ("two", "cache")] {
        let id = bench.create_with(name, config(alias));
        bench.start(&id);
    }
    let settings = bench.inspect("one")["NetworkSettings"]["Networks"]["app"].clone();
    assert_eq!(
        (
            &settings["IPAddress"],
            &settings["Gateway"],
            &settings["MacAddress"]
        ),
        (
            &json!("172.18.0.2"),
            &json!("172.18.0.1"),
            &json!("02:42:ac:12:00:02")
        )
    );
    let resolvers: Vec<_> = bench.network.resolvers.borrow().values().cloned().collect();
    assert_eq!(resolvers.len(), 2);
    for resolver in resolvers {
        let addresses = |name| resolver(Question::Addresses(name));
        let found = |address| Some(Answer::Addresses(vec![ip(address)]));
        assert_eq!(addresses("db"), found("172.18.0.2"));
        assert_eq!(addresses("two.app."), found("172.18.0.3"));
        assert_eq!(addresses("nobody"), None);
        let names = |address| resolver(Question::Names(ip(address)));
        let named = Answer::Names(vec!["two.app".to_owned()]);
        assert_eq!(names("172.18.0.3"), Some(named));
        assert_eq!(names("172.18.0.99"), None);
    }
    let members = bench.get("/networks/app").json()["Containers"]
        .as_object()
        .map(serde_json::Map::len);
    assert_eq!(members, Some(2));
    let busy = bench.delete("/networks/app");
    assert_eq!(busy.status, StatusCode::FORBIDDEN);
    assert!(
        busy.message().ends_with("has active endpoints"),
        "{}",
        busy.message()
    );

    assert_eq!(
        bench
            .post("/networks/bridge/connect", json!({"Container": "one"}))
            .status,
        StatusCode::OK
    );
    assert_eq!(
        bench.inspect("one")["NetworkSettings"]["Networks"]
            .as_object()
            .map(serde_json::Map::len),
        Some(2)
    );
    assert_eq!(
        bench
            .post("/networks/app/disconnect", json!({"Container": "one"}))
            .status,
        StatusCode::OK
    );
    assert_eq!(
        bench.inspect("one")["NetworkSettings"]["Networks"]
            .as_object()
            .map(serde_json::Map::len),
        Some(1)
    );
    bench.delete("/containers/one?force=1");
    bench.delete("/containers/two?force=1");
    assert_eq!(
        bench.post("/networks/prune", Value::Null).json(),
        json!({"NetworksDeleted": ["app"]})
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let bench = Bench::new();
    let create = |body: Value| bench.post("/networks/create", body).message();
    assert_eq!(
        bench.delete("/networks/bridge").message(),
        "bridge is a pre-defined network and cannot be removed"
    );
    assert_eq!(
        bench.get("/networks/nosuch").message(),
        "network nosuch not found"
    );
    assert_eq!(
        create(json!({"Name": "z", "Driver": "nosuchdriver"})),
        "plugin \"nosuchdriver\" not found"
    );
    let subnet = |name: &str| json!({"Name": name, "IPAM": {"Config": [{"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.1"}]}});
    assert_eq!(
        bench.post("/networks/create", subnet("fixed")).status,
        StatusCode::CREATED
    );
    assert_eq!(
        create(subnet("overlap")),
        "Pool overlaps with other one on this address space"
    );

    let with_ip = |network: &str, address: &str| {
        let mut endpoints = serde_json::Map::new();
        endpoints.insert(
            network.into(),
            json!({"IPAMConfig": {"IPv4Address": address}}),
        );
        json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": network}, "NetworkingConfig": {"EndpointsConfig": endpoints}})
    };
    let id = bench.create_with("ff", with_ip("fixed", "10.99.0.50"));
    let start = bench.post(&format!("/containers/{id}/start"), Value::Null);
    assert_eq!(
        start.message(),
        "Invalid address 10.99.0.50: It does not belong to any of this network's subnets"
    );
    let refused = bench.post("/containers/create", with_ip("bridge", "172.17.0.9"));
    assert_eq!(
        refused.message(),
        "user specified IP address is supported on user defined networks only"
    );
    let id = bench.create_with(
        "nn",
        json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "nosuch"}}),
    );
    let start = bench.post(&format!("/containers/{id}/start"), Value::Null);
    assert_eq!(
        (start.status, start.message()),
        (StatusCode::NOT_FOUND, "network nosuch not found".into())
    );
}

#[test]
fn ports_are_published_on_both_families_and_only_once() {
    let bench = Bench::new();
    let config = json!({"Image": "busybox", "Cmd": ["sleep", "9"], "ExposedPorts": {"80/tcp": {}, "81/tcp": {}}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}});
    let id = bench.create_with("p1", config.clone());
    bench.start(&id);
    let ports = bench.inspect("p1")["NetworkSettings"]["Ports"].clone();
    let both =
        json!([{"HostIp": "0.0.0.0", "HostPort": "18080"}, {"HostIp": "::", "HostPort": "18080"}]);
    assert_eq!(ports, json!({"80/tcp": both, "81/tcp": null}));
    assert_eq!(
        bench.network.published.borrow()[0].container_ip,
        ip("172.17.0.2")
    );
    let id = bench.create_with("p2", config.clone());
    let clash = bench.post(&format!("/containers/{id}/start"), Value::Null);
    assert_eq!(clash.status, StatusCode::INTERNAL_SERVER_ERROR);
    let message = clash.message();
    assert!(
        message.starts_with("driver failed programming external connectivity on endpoint p2 ("),
        "{message}"
    );
    assert!(
        message.ends_with("): Bind for 0.0.0.0:18080 failed: port is already allocated"),
        "{message}"
    );
    assert_eq!(bench.status("p2"), "created");
    bench.delete("/containers/p1?force=1");
    bench.start("p2");
    let all = json!({"Image": "busybox", "Cmd": ["sleep", "9"], "ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PublishAllPorts": true}});
    let id = bench.create_with("p3", all);
    bench.start(&id);
    assert_eq!(
        bench.inspect("p3")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"],
        "32768"
    );
}

#[test]
fn host_and_none_have_no_addresses() {
    let bench = Bench::new();
    for mode in ["host", "none"] {
        let id = bench.create_with(
            mode,
            json!({"Image": "busybox", "Cmd": ["sleep", "9"], "HostConfig": {"NetworkMode": mode}}),
        );
        bench.start(&id);
        let settings = bench.inspect(&id)["NetworkSettings"]["Networks"][mode].clone();
        assert_eq!(settings["IPAddress"], "", "{mode}");
        assert_eq!(
            bench.runtime.specs.borrow()[&id].network.is_none(),
            mode == "host"
        );
    }
    let id = bench.create_with("cc", json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "container:none"}}));
    bench.start(&id);
    let shared = bench.runtime.specs.borrow()[&id].network.clone();
    assert_eq!(
        shared,
        Some(
            bench.inspect("none")["NetworkSettings"]["SandboxID"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        )
    );
}
