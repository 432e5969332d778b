//! The requests commands send, beside those recorded of a real client.

use super::{Canned, TestHost, run, shared};

/// The recorded commands whose answer may be anything empty.
const COMMANDS: &[(&str, &str)] = &[
    ("docker ps", "[]"),
    ("docker ps -a", "[]"),
    ("docker ps -a --filter name=t-", "[]"),
    ("docker images", "[]"),
    ("docker images -a", "[]"),
    ("docker info", "{}"),
    ("docker version", "{}"),
    ("docker start t-c1", ""),
    ("docker history --no-trunc t-leg", "[]"),
];

#[test]
fn requests_are_docker_s() {
    let Some(file) = shared("corpus/wire/requests.json") else {
        return;
    };
    let text = std::fs::read(file).expect("readable");
    let recorded: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let mut compared = 0;
    for (command, answer) in COMMANDS {
        let key = command.replace([' ', '='], "_");
        let Some((_, theirs)) = recorded
            .as_object()
            .expect("an object")
            .iter()
            .find(|(k, _)| {
                k.split_once("_29_")
                    .is_some_and(|(_, k)| k == key || k == key.replace('=', "_"))
            })
        else {
            continue;
        };
        let theirs: Vec<String> = theirs
            .as_array()
            .expect("lines")
            .iter()
            .filter_map(|l| l.as_str())
            .filter(|l| !l.contains("/_ping"))
            .map(str::to_string)
            .collect();
        let transport = Canned {
            version: "1.41",
            otherwise: Some((*answer).to_string()),
            ..Canned::default()
        };
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        run(&words, &TestHost::default(), &transport);
        let ours: Vec<String> = transport
            .requests
            .borrow()
            .iter()
            .map(|(m, t, _)| format!("{m} {t}"))
            .collect();
        assert_eq!(ours, theirs, "{command}");
        compared += 1;
    }
    assert!(compared >= 6, "{compared} commands compared");
}

/// What `docker run` sends, member by member.
#[test]
fn a_container_s_document() {
    let transport = Canned {
        version: "1.50",
        answers: [(
            "POST /containers/create".to_string(),
            (201, r#"{"Id":"x","Warnings":[]}"#.to_string()),
        )]
        .into(),
        ..Canned::default()
    };
    let words = [
        "create",
        "--name",
        "web",
        "-p",
        "127.0.0.1:8080:80",
        "-v",
        "/h:/c:ro",
        "-v",
        "/anon",
        "-e",
        "A=1",
        "-m",
        "64m",
        "--cpus",
        "1.5",
        "--restart",
        "on-failure:3",
        "--mount",
        "type=tmpfs,dst=/t,tmpfs-size=1k",
        "--label",
        "l=m",
        "--entrypoint",
        "sh",
        "--health-cmd",
        "true",
        "--health-interval",
        "5s",
        "--network-alias",
        "al",
        "--network",
        "net",
        "--init",
        "img",
        "-c",
        "x",
    ];
    let (code, out, err) = run(&words, &TestHost::default(), &transport);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "x\n", ""));
    let requests = transport.requests.borrow();
    let (_, target, body) = &requests[0];
    assert_eq!(target, "/v1.50/containers/create?name=web");
    let doc: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let checks = [
        ("/Cmd", r#"["-c","x"]"#),
        ("/Entrypoint", r#"["sh"]"#),
        ("/Env", r#"["A=1"]"#),
        ("/Volumes", r#"{"/anon":{}}"#),
        ("/Labels", r#"{"l":"m"}"#),
        ("/ExposedPorts", r#"{"80/tcp":{}}"#),
        (
            "/Healthcheck",
            r#"{"Test":["CMD-SHELL","true"],"Interval":5000000000}"#,
        ),
        ("/HostConfig/Binds", r#"["/h:/c:ro"]"#),
        ("/HostConfig/Memory", "67108864"),
        ("/HostConfig/NanoCpus", "1500000000"),
        (
            "/HostConfig/RestartPolicy",
            r#"{"Name":"on-failure","MaximumRetryCount":3}"#,
        ),
        (
            "/HostConfig/PortBindings",
            r#"{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}"#,
        ),
        ("/HostConfig/NetworkMode", r#""net""#),
        ("/HostConfig/Init", "true"),
        (
            "/HostConfig/Mounts",
            r#"[{"Type":"tmpfs","TmpfsOptions":{"SizeBytes":1024},"Target":"/t"}]"#,
        ),
        ("/NetworkingConfig/EndpointsConfig/net/Aliases", r#"["al"]"#),
    ];
    for (path, want) in checks {
        assert_eq!(
            doc.pointer(path).map(ToString::to_string).as_deref(),
            Some(want),
            "{path}"
        );
    }
}
