//! Networks between containers, with the host's busybox: servers, clients, ping, names, published ports, interfaces.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bottleship_linux::net::Protocol;
use bottleship_linux::{
    Bridge, BridgeConfig, DnsAnswer, HostReader, Kernel, Namespaces, NetChoice, NetNs, NsSpec,
    Process, ProcessSpec, RunState, Status, Stdio,
};
use support::Machine;

struct World {
    machine: Machine,
    now: u64,
}

impl World {
    fn new() -> Option<World> {
        let mut machine = Machine::new();
        if let Err(error) = machine.import(Path::new("/usr/bin/busybox")) {
            println!("skipped: no busybox here ({error})");
            return None;
        }
        let _ = machine.import_program(b"/usr/bin/busybox");
        machine.write("/bin/sh", b"#!/usr/bin/busybox sh\n", 0o755);
        machine.write("/www/index.html", b"hello from the container\n", 0o644);
        machine.write("/etc/resolv.conf", b"nameserver 127.0.0.11\n", 0o644);
        machine.write("/etc/nsswitch.conf", b"hosts: files dns\n", 0o644);
        machine.write("/etc/hosts", b"127.0.0.1 localhost\n", 0o644);
        Some(World { machine, now: 1 })
    }

    fn kernel(&self) -> &Kernel {
        self.machine.kernel()
    }

    /// A network 172.17.0.0/16 with the host at .1.
    fn bridge(&self) -> Bridge {
        self.kernel().new_bridge(BridgeConfig {
            name: "docker0".to_owned(),
            addresses: vec![(ip("172.17.0.1"), 16)],
            internal: false,
            inter_container: true,
        })
    }

    /// A namespace at this address of a network.
    fn plug(&self, bridge: &Bridge, address: &str) -> NetNs {
        let net = self.kernel().new_net_ns();
        let mac = [2, 0x42, 0xac, 0x11, 0, 2];
        net.add_interface(
            bridge,
            "eth0",
            mac,
            &[(ip(address), 16)],
            Some(ip("172.17.0.1")),
        );
        net
    }

    fn ns(&self, net: &NetNs) -> Namespaces {
        let host = self.kernel().host_ns();
        self.kernel().new_ns(NsSpec {
            mnt: host.mounts().clone(),
            base: host,
            pid: false,
            uts: None,
            ipc: false,
            net: NetChoice::Join(net.clone()),
        })
    }

    fn start(&self, net: &NetNs, command: &str) -> (Process, HostReader) {
        let (reader, out) = self.kernel().pipe_from_guest();
        let argv = ["/usr/bin/busybox", "sh", "-c", command];
        let mut spec = ProcessSpec::new(argv.map(|arg| arg.as_bytes().to_vec()).to_vec());
        spec.envp = vec![b"PATH=/usr/bin:/bin".to_vec()];
        spec.stdio = [Stdio::Null, out.clone(), out];
        let group = self.kernel().root_cgroup();
        let process = self.kernel().spawn(&self.ns(net), &group, spec).unwrap();
        (process, reader)
    }

    fn step(&mut self) -> RunState {
        self.now += 5_000_000;
        self.kernel()
            .set_time(1_700_000_000_000_000_000 + self.now, self.now);
        self.kernel().run(2_000_000)
    }

    /// Lets servers get ready.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.step();
        }
    }

    /// Runs a command to its end: its output and exit code.
    fn run(&mut self, net: &NetNs, command: &str) -> (String, Option<u8>) {
        let (process, reader) = self.start(net, command);
        let mut text = Vec::new();
        let mut buf = [0; 65536];
        for _ in 0..4000 {
            self.step();
            while let Ok(n @ 1..) = reader.try_read(&mut buf) {
                text.extend_from_slice(&buf[..n]);
            }
            if let Status::Exited(status) = process.status() {
                let code = match status {
                    bottleship_linux::ExitStatus::Code(code) => Some(code),
                    _ => None,
                };
                return (String::from_utf8_lossy(&text).into_owned(), code);
            }
        }
        panic!(
            "still running: {command}: {}",
            String::from_utf8_lossy(&text)
        );
    }

    /// Runs the kernel until a future of the host's is done.
    fn wait_for<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..4000 {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            self.now += 5_000_000;
            let kernel = self.machine.kernel();
            kernel.set_time(1_700_000_000_000_000_000 + self.now, self.now);
            kernel.run(2_000_000);
        }
        panic!("the future is never done");
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn containers_reach_each_other_the_host_and_its_ports() {
    let Some(mut w) = World::new() else { return };
    let bridge = w.bridge();
    let (a, b) = (w.plug(&bridge, "172.17.0.2"), w.plug(&bridge, "172.17.0.3"));
    let host = w.kernel().host_ns().net().clone();
    let resolver = |question: &bottleship_linux::DnsQuestion| match question.name.as_str() {
        "web" => DnsAnswer::Addresses(vec![ip("172.17.0.3")]),
        _ => DnsAnswer::NoSuchName,
    };
    a.set_resolver(Rc::new(resolver));
    let (_server, _log) = w.start(&b, "exec busybox httpd -f -p 80 -h /www");
    w.settle();
    let page = ("hello from the container\n".to_owned(), Some(0));
    assert_eq!(w.run(&a, "busybox wget -q -O - http://172.17.0.3/"), page);
    assert_eq!(
        w.run(&host, "busybox wget -q -O - http://172.17.0.3/"),
        page
    );
    assert_eq!(w.run(&a, "busybox wget -q -O - http://web/"), page);

    let (text, code) = w.run(&a, "busybox wget -q -O - http://172.17.0.3:81/");
    assert_eq!(code, Some(1));
    assert!(text.contains("Connection refused"), "{text}");
    let (text, _) = w.run(&a, "busybox wget -q -O - http://172.17.0.9/");
    assert!(text.contains("No route to host"), "{text}");
    let (text, _) = w.run(&a, "busybox wget -q -O - http://192.0.2.1/");
    assert!(text.contains("Network is unreachable"), "{text}");

    let publish = |port: &str| {
        w.kernel()
            .publish(Protocol::Tcp, at(port), &b, at("172.17.0.3:80"))
    };
    let published = publish("0.0.0.0:8080").unwrap();
    assert!(publish("127.0.0.1:8080").is_err());
    assert_eq!(
        w.run(&host, "busybox wget -q -O - http://127.0.0.1:8080/"),
        page
    );
    assert_eq!(
        w.run(&a, "busybox wget -q -O - http://172.17.0.1:8080/"),
        page
    );
    drop(published);
    let (text, _) = w.run(&host, "busybox wget -q -O - http://127.0.0.1:8080/");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(b.traffic("eth0")[0] > 200, "{:?}", b.traffic("eth0"));
    b.remove_interface("eth0");
    let (text, _) = w.run(&a, "busybox wget -q -O - http://172.17.0.3/");
    assert!(text.contains("No route to host"), "{text}");
}

#[test]
fn the_hosts_side_connects_and_listens() {
    let Some(mut w) = World::new() else { return };
    let bridge = w.bridge();
    let net = w.plug(&bridge, "172.17.0.2");
    let host = w.kernel().host_ns().net().clone();
    let _published =
        w.kernel()
            .publish(Protocol::Tcp, at("0.0.0.0:8080"), &net, at("172.17.0.2:80"));
    let (_server, _log) = w.start(&net, "exec busybox httpd -f -p 80 -h /www");
    w.settle();
    let kernel = w.kernel().clone();
    let reply = w.wait_for(async {
        let stream = kernel.connect(&host, at("127.0.0.1:8080")).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let (mut all, mut buf) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buf).await.unwrap() {
                0 => return String::from_utf8_lossy(&all).into_owned(),
                n => all.extend_from_slice(&buf[..n]),
            }
        }
    });
    assert!(
        reply.starts_with("HTTP/1.1 200 OK") || reply.starts_with("HTTP/1.0 200 OK"),
        "{reply}"
    );
    assert!(reply.ends_with("hello from the container\n"), "{reply}");
    let refused = w.wait_for(async { kernel.connect(&host, at("127.0.0.1:9")).await.err() });
    assert_eq!(refused, Some(bottleship_vfs::Errno::ECONNREFUSED));

    let listener = kernel.listen(&host, at("0.0.0.0:5000")).unwrap();
    let (client, reader) = w.start(&net, "busybox wget -q -O - http://172.17.0.1:5000/v2/");
    let peer = w.wait_for(async {
        let (stream, peer) = listener.accept().await.unwrap();
        let mut buf = [0; 4096];
        let n = stream.read(&mut buf).await.unwrap();
        assert!(buf[..n].starts_with(b"GET /v2/ HTTP/1.1\r\n"));
        stream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\n{}")
            .await
            .unwrap();
        peer
    });
    assert_eq!(peer.map(|p| p.ip()), Some(ip("172.17.0.2")));
    w.settle();
    assert!(matches!(client.status(), Status::Exited(_)));
    let mut buf = [0; 100];
    assert_eq!(reader.try_read(&mut buf), Ok(2));
}

#[test]
fn ping_names_and_interfaces() {
    let Some(mut w) = World::new() else { return };
    let bridge = w.bridge();
    let (a, _b) = (w.plug(&bridge, "172.17.0.2"), w.plug(&bridge, "172.17.0.3"));
    a.set_resolver(Rc::new(|question| match question.name.as_str() {
        "web" => DnsAnswer::Addresses(vec![ip("172.17.0.3")]),
        _ => DnsAnswer::NoSuchName,
    }));
    let mut output = |command: &str| w.run(&a, command).0;
    let text = output("busybox ping -c 2 -i 0.2 172.17.0.3");
    assert!(
        text.contains("2 packets transmitted, 2 packets received, 0% packet loss"),
        "{text}"
    );
    assert!(
        text.contains("64 bytes from 172.17.0.3: seq=0 ttl=64"),
        "{text}"
    );
    let text = output("busybox ping -c 1 -W 1 172.17.0.99");
    assert!(text.contains("100% packet loss"), "{text}");
    let text = output("busybox nslookup web 127.0.0.11");
    assert!(text.contains("172.17.0.3"), "{text}");
    let text = output("busybox nslookup nosuch 127.0.0.11");
    assert!(
        text.contains("NXDOMAIN") || text.contains("can't"),
        "{text}"
    );
    let text = output("busybox ip addr");
    assert!(text.contains("inet 127.0.0.1/8 scope host lo"), "{text}");
    assert!(
        text.contains("inet 172.17.0.2/16 brd 172.17.255.255 scope global eth0"),
        "{text}"
    );
    assert!(
        text.contains("link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff"),
        "{text}"
    );
    let text = output("busybox ip route");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "default via 172.17.0.1 dev eth0",
            "172.17.0.0/16 dev eth0 scope link  src 172.17.0.2"
        ]
    );
    let text = output("busybox ifconfig eth0");
    assert!(
        text.contains("inet addr:172.17.0.2  Bcast:172.17.255.255  Mask:255.255.0.0"),
        "{text}"
    );
    assert!(
        text.contains("UP BROADCAST RUNNING MULTICAST  MTU:1500"),
        "{text}"
    );
    let text = output("busybox route -n");
    assert!(
        text.contains("0.0.0.0         172.17.0.1      0.0.0.0         UG"),
        "{text}"
    );
    let text = output("busybox nc -l -p 7000 & busybox sleep 0.1; busybox netstat -tln");
    assert!(text.contains(":7000"), "{text}");
}

#[test]
fn datagrams_and_streams_through_netcat() {
    let Some(mut w) = World::new() else { return };
    let bridge = w.bridge();
    let (a, b) = (w.plug(&bridge, "172.17.0.2"), w.plug(&bridge, "172.17.0.3"));
    let (_server, got) = w.start(&b, "busybox nc -l -p 7000; echo done");
    w.settle();
    let (_, code) = w.run(&a, "echo over the wire | busybox nc -w 2 172.17.0.3 7000");
    assert_eq!(code, Some(0));
    w.settle();
    let mut buf = [0; 100];
    let n = got.try_read(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"over the wire\ndone\n");
}

#[test]
fn builtins_connect_and_answer() {
    let Some(mut w) = World::new() else { return };
    let host = w.kernel().host_ns().net().clone();
    w.machine.write("/bin/ask", b"#!/builtin/ask\n", 0o755);
    let program = |sys: bottleship_linux::Sys| -> futures::future::LocalBoxFuture<'static, i32> {
        Box::pin(async move {
            let to = bottleship_linux::net::Addr::Inet(at("127.0.0.1:5000"));
            let Ok(fd) = sys.connect(&to).await else {
                return 1;
            };
            let _ = sys.write_all(fd, b"question").await;
            let answer = sys.read(fd, 100).await.unwrap_or_default();
            let _ = sys.write_all(1, &answer).await;
            0
        })
    };
    w.kernel().register_builtin("ask", Rc::new(program));
    assert_eq!(w.run(&host, "/bin/ask"), (String::new(), Some(1)));
    let listener = w.kernel().listen(&host, at("127.0.0.1:5000")).unwrap();
    let (process, reader) = w.start(&host, "/bin/ask");
    w.wait_for(async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut buf = [0; 100];
        let n = stream.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..n], b"question");
        stream.write_all(b"answer").await.unwrap();
    });
    w.settle();
    assert!(matches!(process.status(), Status::Exited(_)));
    let mut buf = [0; 100];
    let n = reader.try_read(&mut buf).unwrap();
    assert_eq!(&buf[..n], b"answer");
}
