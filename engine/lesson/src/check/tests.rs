use serde_json::json;

use super::*;
use crate::testing::Fake;

fn refused(yaml: &str) -> String {
    let node = crate::yaml::parse(yaml, 1).unwrap();
    Check::read_all(node).unwrap_err().to_string()
}

fn host() -> Fake {
    let world = Fake::default();
    world.set(
        "/images/json",
        json!([{"RepoTags": ["web:1.0", "site:2"]}, {"RepoTags": ["busybox:latest"]}]),
    );
    let web = json!({
        "Id": "sha256:w", "Size": 5_000_000, "RootFS": {"Layers": ["l1", "l2"]},
        "Config": {
            "Cmd": ["httpd", "-f"], "User": "app", "WorkingDir": "/srv", "Env": ["PATH=/bin", "MODE=a=b"],
            "ExposedPorts": {"80/tcp": {}}, "Labels": {"owner": "me"}, "Volumes": {"/data": {}}
        }
    });
    world.set("/images/web:1.0/json", web.clone());
    world.set("/images/site:2/json", web);
    let busybox =
        json!({"Id": "sha256:b", "Size": 2_000_000, "RootFS": {"Layers": ["l1"]}, "Config": {}});
    world.set("/images/busybox:latest/json", busybox.clone());
    world.set("/images/busybox/json", busybox);
    world.set(
        "/images/web:1.0/history",
        json!([{"CreatedBy": "CMD [\"httpd\"]"}, {"CreatedBy": "COPY . /srv"}, {"CreatedBy": "ADD rootfs"}]),
    );
    world.file("image sha256:w /srv/index.html", "<h1>Hello</h1>\n");
    world.set(
        "/containers/json?all=1",
        json!([{"Id": "c1", "ImageID": "sha256:w", "Names": ["/box"]}]),
    );
    let container = json!({
        "Id": "c1", "Name": "/box", "Image": "sha256:w", "Path": "httpd", "Args": ["-f"], "RestartCount": 0,
        "State": {"Status": "exited", "ExitCode": 3},
        "Config": {"Image": "web:1.0", "Env": ["A=1"], "Labels": {"k": "v"}, "Tty": true, "Hostname": "h"},
        "HostConfig": {
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, "Memory": 67108864,
            "RestartPolicy": {"Name": "always"}
        },
        "NetworkSettings": {"Networks": {"shop": {"Aliases": ["db"]}}},
        "Mounts": [{"Type": "volume", "Name": "data", "Destination": "/data", "RW": false}]
    });
    world.set("/containers/c1/json", container.clone());
    world.set("/containers/box/json", container);
    world.set(
        "/containers/c1/changes",
        json!([{"Kind": 0, "Path": "/srv"}, {"Kind": 1, "Path": "/srv/new"}]),
    );
    world.file("container c1 /srv/new", "x");
    world.file("logs c1", "ready\n");
    world
}

/// Each check with what it says when it fails; nothing when it holds.
#[test]
fn checks_hold_and_say_why_not() {
    let world = host();
    world.set("/networks", json!([{"Name": "shop"}]));
    world.set(
        "/networks/shop",
        json!({"Name": "shop", "Driver": "bridge", "Internal": true, "Containers": {"c1": {"Name": "box"}}, "IPAM": {"Config": [{"Subnet": "10.1.0.0/16"}]}}),
    );
    world.set("/volumes", json!({"Volumes": [{"Name": "data"}]}));
    world.set("/volumes/data", json!({"Name": "data", "Labels": null}));
    world.file("volume data /x", "1");
    world.file("host Dockerfile", "FROM busybox\n");
    world.entered("docker container ls -a", 0);
    world.entered("docker pull nope", 1);
    let wget = |url: &str, code: i32, stdout: &str, stderr: &str| {
        let line = format!("wget -S -O - '{url}'");
        let output = Output {
            code,
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        world.outputs.borrow_mut().insert(line, output);
    };
    wget(
        "http://localhost:8080/",
        0,
        "Hello\n",
        "  HTTP/1.1 200 OK\n  Server: x\n",
    );
    wget(
        "http://localhost:8080/no",
        1,
        "",
        "  HTTP/1.1 404 Not Found\nwget: server returned error\n",
    );
    wget(
        "http://localhost:9/",
        1,
        "",
        "wget: can't connect to remote host: Connection refused\n",
    );
    let output = Output {
        code: 1,
        stdout: "one\n".into(),
        stderr: "sh: not found\n".into(),
    };
    world.outputs.borrow_mut().insert("one".into(), output);

    let cases = [
        ("image: web:1.0", ""),
        (
            "image: web",
            "No image is called `web:latest` here. There is `web:1.0`: its tag differs.",
        ),
        ("image: shop", "No image is called `shop` here."),
        ("image: \"x*\"", "No image has a name like `x*`."),
        ("image: \"we*:*\"", ""),
        (
            "image: {name: web:1.0, also: site:2, from: busybox, size: < 6MB, layers: 2}",
            "",
        ),
        (
            "image: {name: web:1.0, also: busybox}",
            "`busybox` is not the same image as `web:1.0`.",
        ),
        ("image: {name: web:1.0, differs: busybox}", ""),
        (
            "image: {name: web:1.0, differs: site:2}",
            "`web:1.0` is the same image as `site:2`.",
        ),
        (
            "image: {name: busybox, from: web:1.0}",
            "`busybox` does not stand on the layers of `web:1.0`.",
        ),
        (
            "image: {name: web:1.0, size: < 5MB}",
            "`web:1.0` has 5.0 MB, and it should be less than 5MB.",
        ),
        (
            "image: {name: web:1.0, layers: 1}",
            "`web:1.0` has 2 layers, and it should be 1.",
        ),
        (
            "image: {name: web:1.0, cmd: [httpd, -f], user: app, workdir: /srv, env: {MODE: a=b}}",
            "",
        ),
        (
            "image: {name: web:1.0, cmd: sh}",
            "The command of `web:1.0` is `httpd -f`, and it should be `sh`.",
        ),
        (
            "image: {name: web:1.0, entrypoint: sh}",
            "`web:1.0` has no entry point, and it should be `sh`.",
        ),
        (
            "image: {name: web:1.0, env: {MODE: x}}",
            "`web:1.0` sets `MODE` to `a=b`, not `x`.",
        ),
        (
            "image: {name: web:1.0, env: {X: x}}",
            "`web:1.0` does not set `X`.",
        ),
        (
            "image: {name: web:1.0, exposes: [80], volumes: [/data], labels: {owner: m*}}",
            "",
        ),
        (
            "image: {name: web:1.0, exposes: [81]}",
            "`web:1.0` does not expose port 81.",
        ),
        (
            "image: {name: web:1.0, volumes: [/x]}",
            "`web:1.0` does not declare the volume `/x`.",
        ),
        (
            "image: {name: web:1.0, labels: {owner: you}}",
            "`web:1.0` does not have the label `owner=you`.",
        ),
        ("image: {name: web:1.0, history: [COPY, CMD]}", ""),
        (
            "image: {name: web:1.0, history: [CMD, COPY]}",
            "No step of `web:1.0` has `COPY` at that place.",
        ),
        (
            "image: {name: web:1.0, files: {/srv/index.html: Hello}}",
            "",
        ),
        (
            "image: {name: web:1.0, files: {/srv/index.html: {is: Bye}}}",
            "In the image `web:1.0`, `/srv/index.html` is `<h1>Hello</h1>`, not `Bye`.",
        ),
        (
            "image: {name: web:1.0, files: {/srv/new:}}",
            "In the image `web:1.0`, there is no `/srv/new`. You changed the container `box`, not the image.",
        ),
        ("no-image: shop", ""),
        (
            "no-image: busybox",
            "The image `busybox:latest` is still there.",
        ),
        ("container: box", ""),
        ("container: bx", "No container is called `bx` here."),
        (
            "container: {name: cat, image: web:1.0}",
            "No container is called `cat`. There is one of `web:1.0` called `box`.",
        ),
        ("container: {name: box, image: site:2}", ""),
        (
            "container: {image: busybox}",
            "`box` is made from `web:1.0`, not from `busybox`.",
        ),
        (
            "container: {name: box, state: running}",
            "`box` is exited (exit code 3): its first process ended, so the container ended.",
        ),
        (
            "container: {name: box, exit-code: 3, command: httpd *, env: {A: 1}, labels: {k: v}, tty: true}",
            "",
        ),
        (
            "container: {name: box, exit-code: 0}",
            "`box` ended with exit code 3, and it should be 0.",
        ),
        (
            "container: {name: box, command: sh}",
            "The command of `box` is `httpd -f`, and it should be `sh`.",
        ),
        (
            "container: {name: box, env: {B: 1}}",
            "`box` has no `B` in its environment.",
        ),
        ("container: {name: box, tty: false}", "`box` is tty."),
        (
            "container: {name: box, memory: 64MiB, restart: always, ports: {8080: 80}}",
            "",
        ),
        (
            "container: {name: box, memory: 32MiB}",
            "The memory limit of `box` is 67108864, and it should be 32MiB.",
        ),
        (
            "container: {name: box, ports: {80: 80}}",
            "`box` publishes its port 80 as 8080, and it should be 80 as 80.",
        ),
        (
            "container: {name: box, networks: [shop], not-networks: [bridge], aliases: [db]}",
            "",
        ),
        (
            "container: {name: box, networks: [bridge]}",
            "`box` is not on the network `bridge`; it is on `shop`.",
        ),
        (
            "container: {name: box, not-networks: [shop]}",
            "`box` is on the network `shop`.",
        ),
        (
            "container: {name: box, mounts: {at: /data, volume: data, read-only: true}}",
            "",
        ),
        (
            "container: {name: box, mounts: {at: /data, bind: /x}}",
            "At `/data` of `box` is the volume `data`.",
        ),
        (
            "container: {name: box, mounts: {at: /data, read-only: false}}",
            "The mount at `/data` of `box` is read-only.",
        ),
        (
            "container: {name: box, mounts: {at: /x}}",
            "`box` has nothing mounted at `/x`.",
        ),
        (
            "container: {name: box, files: {/srv/new: x}, changed: [A /srv/new], logs: [ready]}",
            "",
        ),
        (
            "container: {name: box, files: {/srv/new: {absent: true}}}",
            "In the container `box`, `/srv/new` is still there.",
        ),
        (
            "container: {name: box, changed: [D /*]}",
            "`docker diff box` does not show `D /*`.",
        ),
        (
            "container: {name: box, logs: [error]}",
            "The logs of `box` do not have `error`.",
        ),
        ("container: {image: web:1.0, count: 1}", ""),
        (
            "container: {image: web:1.0, count: >= 2}",
            "1 such container is there, and it should be at least 2.",
        ),
        (
            "container: {count: 0}",
            "1 such container is there, and it should be 0.",
        ),
        ("no-container: {state: running}", ""),
        (
            "no-container: box",
            "There is still the container `box`; it is exited.",
        ),
        ("network: shop", ""),
        (
            "network: {name: shop, driver: bridge, internal: true, subnet: 10.1.*, containers: box}",
            "",
        ),
        (
            "network: {name: shop, containers: web}",
            "`web` is not on the network `shop`; on it: `box`.",
        ),
        (
            "network: {name: shop, internal: false}",
            "The network `shop` is internal.",
        ),
        (
            "network: {name: shop, subnet: 10.2.*}",
            "The subnet of the network `shop` is `10.1.0.0/16`, not `10.2.*`.",
        ),
        ("network: x", "No network is called `x` here."),
        ("no-network: shop", "The network `shop` is still there."),
        ("no-network: x", ""),
        ("volume: {name: data, files: {/x: 1}}", ""),
        (
            "volume: {name: data, labels: {a: b}}",
            "The volume `data` does not have the label `a=b`.",
        ),
        (
            "volume: {name: data, files: {/y:}}",
            "In the volume `data`, there is no `/y`.",
        ),
        ("volume: x", "No volume is called `x` here."),
        ("no-volume: data", "The volume `data` is still there."),
        ("command: docker ps -a", ""),
        ("command: [docker info, docker ps*]", ""),
        (
            "command: docker version",
            "No command was like `docker version`.",
        ),
        (
            "command: {like: docker pull *, exit: 0}",
            "That command ended with exit code 1.",
        ),
        (
            "command: {like: docker *, count: < 2}",
            "You entered it 2 times, and it should be less than 2.",
        ),
        ("http: {port: 8080, contains: Hello}", ""),
        (
            "http: {port: 8080, contains: Bye}",
            "`http://localhost:8080/` answers `Hello`, without `Bye`.",
        ),
        (
            "http: {port: 8080, path: /no}",
            "`http://localhost:8080/no` answers with status 404.",
        ),
        ("http: {port: 8080, path: /no, status: 404}", ""),
        (
            "http: {port: 9}",
            "Nothing answers at `http://localhost:9/`.",
        ),
        ("http: {port: 9, silent: true}", ""),
        (
            "http: {port: 8080, silent: true}",
            "Something still answers at `http://localhost:8080/`.",
        ),
        ("file: Dockerfile", ""),
        (
            "file: {path: Dockerfile, contains: FROM busybox, lacks: RUN}",
            "",
        ),
        (
            "file: {path: Dockerfile, lacks: FROM}",
            "On the host, `Dockerfile` has `FROM` in it.",
        ),
        ("file: x", "On the host, there is no `x`."),
        ("run: {line: one, exit: 1, stdout: one}", ""),
        ("run: one", "`one` ends with exit code 1: sh: not found"),
        (
            "run: {line: one, exit: 1, stdout: two}",
            "`one` does not print `two`.",
        ),
        ("run: two", "This can't be checked now: the shell is away."),
        ("any: [{image: x}, {image: busybox}]", ""),
        (
            "any: [{image: x}, {image: y}]",
            "No image is called `x` here.",
        ),
        (
            "all: [{image: busybox}, {image: y}]",
            "No image is called `y` here.",
        ),
        ("not: {image: x}", ""),
        (
            "not: {image: busybox}",
            "This is so, and should not be: The image `busybox` is there.",
        ),
    ];
    for (check, says) in cases {
        assert_eq!(world.why(check).unwrap_or_default(), says, "{check}");
    }
}

#[test]
fn a_check_is_told_in_words() {
    let goal = |yaml: &str| Fake::default().judge(yaml).remove(0).goal;
    assert_eq!(
        goal(
            "container: {name: web, state: running, ports: {8080: 80}, mounts: {at: /data, volume: d}}"
        ),
        "The container `web` is running, has its port 80 published as 8080, has the volume `d` mounted at `/data`"
    );
    assert_eq!(goal("{image: x, says: An image}"), "An image");
    assert_eq!(
        goal("any: [{no-image: x}, {volume: y}]"),
        "No image is called `x`, or: The volume `y` is there"
    );
}

#[test]
fn mistakes_of_authors_have_a_line() {
    let says = |yaml: &str, text: &str| {
        let error = refused(yaml);
        assert!(error.contains(text), "{yaml}: {error}");
    };
    says(
        "- image: a\n- imge: b\n",
        "line 2: unknown check `imge`; known: image,",
    );
    says(
        "- image: {name: a}\n- container:\n    name: x\n    prots: {1: 2}\n",
        "line 4: unknown key `prots` in container",
    );
    says(
        "container: {state: runing}",
        "state `runing`; known: created",
    );
    says(
        "image: {name: a, layers: few}",
        "line 1: layers must be a number or a bound",
    );
    says("image: {size: 1}", "an image check needs `name`");
    says("- image: a\n  volume: b\n", "two checks in one");
    says("says: x", "without a kind");
    says("http: {port: 70000}", "from 0 to 65535");
    says("http: {port: 1, path: \"/';reboot;'\"}", "begins with /");
    says("image: {name: a, files: {x: y}}", "begins with /");
    says("[]", "from 1 to 64 checks");
    says("run: [a]", "a run check must be a mapping");
}

#[test]
fn old_and_new_spellings_are_one() {
    use other::canonical;
    assert_eq!(canonical("docker container ls -a"), "docker ps -a");
    assert_eq!(canonical("docker image rm x"), "docker rmi x");
    assert_eq!(
        canonical("docker container run --rm x"),
        "docker run --rm x"
    );
    assert_eq!(canonical("docker image prune -f"), "docker image prune -f");
    assert_eq!(
        canonical("docker container prune"),
        "docker container prune"
    );
}
