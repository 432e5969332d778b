//! The emulated machine's way out: this machine's own sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bottleship_engine::executor::Executor;
use bottleship_linux::abi::Errno;
use bottleship_linux::{Answers, Outgoing, Uplink, UplinkPort};
use futures::channel::oneshot;
use tokio::net::{TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::ports::{Connection, relay};
use crate::pump;

/// A connection that is not made within this time never will be, as with Linux's `tcp_syn_retries`.
const PATIENCE: Duration = Duration::from_secs(127);
/// Datagrams under way each way; more are dropped, as networks do.
const DATAGRAMS: usize = 64;
/// The longest datagram.
const DATAGRAM: usize = 65_536;

/// Connections out of the machine at once; a container can ask for as many as it likes.
const CONNECTIONS: usize = 1024;

/// Carries what guests send beyond the machine.
pub struct HostUplink {
    room: Arc<Semaphore>,
    executor: Executor,
    runtime: Handle,
    name_server: Option<SocketAddr>,
}

impl HostUplink {
    /// Opens sockets on `runtime`, and hands what they get to tasks on `executor`. Names are asked for where this
    /// machine asks.
    pub fn new(executor: Executor, runtime: Handle) -> HostUplink {
        let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        HostUplink {
            room: Arc::new(Semaphore::new(CONNECTIONS)),
            executor,
            runtime,
            name_server: name_server(&resolv_conf),
        }
    }
}

/// The first name server of a `resolv.conf`.
fn name_server(resolv_conf: &str) -> Option<SocketAddr> {
    resolv_conf.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words
            .next()
            .filter(|word| *word == "nameserver")
            .and(words.next())?;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
    })
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::ENETUNREACH, Errno)
}

impl Uplink for HostUplink {
    fn connect(&self, to: SocketAddr, connection: Outgoing) {
        let Ok(seat) = self.room.clone().try_acquire_owned() else {
            return connection.failed(Errno::ENOBUFS);
        };
        let (done, result) = oneshot::channel::<Result<Connection, Errno>>();
        self.runtime.spawn(async move {
            let _seat = seat;
            let connected = match tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await {
                Ok(connected) => connected.map_err(|error| errno(&error)),
                Err(_) => Err(Errno::ETIMEDOUT),
            };
            match connected {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    let (near, to_engine, from_engine) = Connection::new();
                    if done.send(Ok(near)).is_ok() {
                        pump::carry(stream, to_engine, from_engine).await;
                    }
                }
                Err(errno) => drop(done.send(Err(errno))),
            }
        });
        self.executor.spawn(async move {
            match result.await.unwrap_or(Err(Errno::ENETUNREACH)) {
                Ok(carried) => {
                    if let Some(stream) = connection.established() {
                        relay(&stream, carried).await;
                    }
                }
                Err(errno) => connection.failed(errno),
            }
        });
    }

    fn open_port(&self, v6: bool, answers: Answers) -> Option<Box<dyn UplinkPort>> {
        let any: IpAddr = match v6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
        socket.set_nonblocking(true).ok()?;
        let (outgoing, mut to_send) = mpsc::channel::<(Vec<u8>, SocketAddr)>(DATAGRAMS);
        let (received, mut incoming) = mpsc::channel(DATAGRAMS);
        let task = self.runtime.spawn(async move {
            let Ok(socket) = UdpSocket::from_std(socket) else {
                return;
            };
            let mut buffer = vec![0; DATAGRAM];
            loop {
                tokio::select! {
                    sent = to_send.recv() => {
                        let Some((data, to)) = sent else { return };
                        // What cannot be sent is lost, as on any network.
                        let _ = socket.send_to(&data, to).await;
                    }
                    got = socket.recv_from(&mut buffer) => {
                        if let Ok((count, from)) = got {
                            let _ = received.try_send((buffer[..count].to_vec(), from));
                        }
                    }
                }
            }
        });
        self.executor.spawn(async move {
            while let Some((data, from)) = incoming.recv().await {
                if !answers.deliver(data, from) {
                    return;
                }
            }
        });
        Some(Box::new(Port {
            outgoing,
            task: task.abort_handle(),
        }))
    }

    fn name_server(&self) -> Option<SocketAddr> {
        self.name_server
    }
}

/// A port of this machine's; it closes when it is dropped.
struct Port {
    outgoing: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    task: AbortHandle,
}

impl UplinkPort for Port {
    fn send(&self, data: Vec<u8>, to: SocketAddr) {
        let _ = self.outgoing.try_send((data, to));
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_where_the_machine_asks() {
        let text = "# comment\nsearch example\nnameserver 10.0.0.53\nnameserver 8.8.8.8\n";
        assert_eq!(
            name_server(text),
            Some(SocketAddr::from(([10, 0, 0, 53], 53)))
        );
        assert_eq!(name_server("options ndots:0\n"), None);
        assert_eq!(name_server("nameserver name\n"), None);
    }

    use std::io::{Read, Write};
    use std::rc::Rc;
    use std::time::Instant;

    use bottleship_engine::emulated::{self, EmulatedNetwork, Machine};
    use bottleship_engine::network::{
        EndpointSpec, Network, NetworkSpec, Protocol, Publish, Subnet,
    };
    use bottleship_linux::{Kernel, NetNs};
    use tokio::runtime::Runtime;

    use super::super::{HostPorts, OsEntropy};

    /// The machine's time may be slow, but not as slow as this.
    const LONG: Duration = Duration::from_secs(60);

    /// An address of this machine's that is not its loopback; none where there is no network.
    fn own_address() -> Option<IpAddr> {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
        // Nothing is sent: a route is looked for.
        socket.connect("192.0.2.1:9").ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
    }

    /// A kernel with a container on a bridge, whose ports are this machine's, too.
    struct World {
        kernel: Kernel,
        executor: Executor,
        ports: HostPorts,
        guest: NetNs,
        runtime: Runtime,
    }

    const GUEST: [u8; 4] = [172, 17, 0, 2];

    impl World {
        fn new(internal: bool) -> World {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let kernel = emulated::kernel(&Machine::default(), "host", &OsEntropy);
            let executor = Executor::new();
            let network = EmulatedNetwork::new(kernel.clone());
            let find = network.sandboxes();
            let ports = HostPorts::new(
                Rc::new(network),
                kernel.clone(),
                executor.clone(),
                runtime.handle().clone(),
            );
            let gateway = IpAddr::from([172, 17, 0, 1]);
            futures::executor::block_on(async {
                let subnet = Subnet {
                    address: IpAddr::from([172, 17, 0, 0]),
                    prefix: 16,
                };
                let spec = NetworkSpec {
                    id: "net".into(),
                    bridge: "docker0".into(),
                    subnets: vec![(subnet, gateway)],
                    internal,
                    inter_container: true,
                };
                ports.create_network(&spec).await.unwrap();
                ports.create_sandbox("c", None).await.unwrap();
                let endpoint = EndpointSpec {
                    id: "e".into(),
                    network: "net".into(),
                    interface: "eth0".into(),
                    mac: [2, 0, 0, 0, 0, 1],
                    address: GUEST.into(),
                    prefix: 16,
                    gateway: (!internal).then_some(gateway),
                };
                ports.connect("c", &endpoint).await.unwrap();
            });
            let guest = find("c").unwrap();
            World {
                kernel,
                executor,
                ports,
                guest,
                runtime,
            }
        }

        fn with_uplink(self) -> World {
            let uplink = HostUplink::new(self.executor.clone(), self.runtime.handle().clone());
            self.kernel.set_uplink(Rc::new(uplink));
            self
        }

        /// Runs the engine's thread until the future is done.
        fn finish<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
            let slot = Rc::new(std::cell::RefCell::new(None));
            let done = slot.clone();
            self.executor.spawn(async move {
                let value = future.await;
                *done.borrow_mut() = Some(value);
            });
            self.until(|| slot.borrow().is_some());
            slot.take().unwrap()
        }

        fn until(&self, done: impl Fn() -> bool) {
            let started = Instant::now();
            while !done() {
                self.executor.run_until_stalled();
                assert!(started.elapsed() < LONG, "it does not come");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// A server that sends back what it gets, for so many connections.
    fn echo(ip: IpAddr, count: usize) -> SocketAddr {
        let listener = std::net::TcpListener::bind((ip, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().take(count) {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut buffer = [0; 1000];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        at
    }

    #[test]
    fn guests_reach_what_the_machine_reaches_and_leave_nothing_open() {
        let Some(ip) = own_address() else {
            eprintln!("skipped: this machine has no network");
            return;
        };
        let world = World::new(false).with_uplink();
        let before = (
            world.executor.task_count(),
            world.runtime.metrics().num_alive_tasks(),
        );
        let at = echo(ip, 40);
        for number in 0..40 {
            let (kernel, guest) = (world.kernel.clone(), world.guest.clone());
            let heard = world.finish(async move {
                let stream = kernel.connect(&guest, at).await?;
                stream.write_all(b"hello").await?;
                let mut buffer = [0; 5];
                let mut got = 0;
                while got < 5 {
                    got += stream.read(&mut buffer[got..]).await?;
                }
                // One says that no more comes, the other just goes, while the server would go on for ever.
                if number % 2 == 0 {
                    stream.close_write();
                    assert_eq!(stream.read(&mut [0; 1]).await, Ok(0));
                }
                Ok::<_, Errno>(buffer)
            });
            assert_eq!(heard, Ok(*b"hello"), "{number}");
        }
        let left = || {
            (
                world.executor.task_count(),
                world.runtime.metrics().num_alive_tasks(),
            )
        };
        world.until(|| left() == before);
        let refused = std::net::TcpListener::bind((ip, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let (kernel, guest) = (world.kernel.clone(), world.guest.clone());
        let error = world.finish(async move { kernel.connect(&guest, refused).await.map(drop) });
        assert_eq!(error, Err(Errno::ECONNREFUSED));
        world.until(|| left() == before);
    }

    #[test]
    fn datagrams_go_out_and_answers_come_back() {
        let Some(ip) = own_address() else {
            eprintln!("skipped: this machine has no network");
            return;
        };
        let world = World::new(false).with_uplink();
        let before = world.executor.task_count();
        let server = std::net::UdpSocket::bind((ip, 0)).unwrap();
        let at = server.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (count, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..count], from).unwrap();
        });
        let port = world.kernel.open_udp(&world.guest, false);
        let heard = world.finish(async move {
            port.send(b"ping", at).unwrap();
            let mut buffer = [0; 100];
            let (count, from) = port.recv(&mut buffer).await;
            (buffer[..count].to_vec(), from)
        });
        assert_eq!(heard, (b"ping".to_vec(), Some(at)));
        world.until(|| {
            world.executor.task_count() == before && world.runtime.metrics().num_alive_tasks() == 0
        });
    }

    /// Without a way out, or on an internal network, nothing is reached; and the machine's loopback never is.
    #[test]
    fn walls_are_walls() {
        let ip = own_address().unwrap_or(IpAddr::from([192, 0, 2, 1]));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let loopback = listener.local_addr().unwrap();
        for (world, to, wanted) in [
            (
                World::new(false),
                SocketAddr::new(ip, 9),
                Errno::ENETUNREACH,
            ),
            (
                World::new(true).with_uplink(),
                SocketAddr::new(ip, 9),
                Errno::ENETUNREACH,
            ),
            (
                World::new(false).with_uplink(),
                loopback,
                Errno::ECONNREFUSED,
            ),
            (
                World::new(false).with_uplink(),
                SocketAddr::from(([172, 17, 0, 9], 9)),
                Errno::EHOSTUNREACH,
            ),
        ] {
            let (kernel, guest) = (world.kernel.clone(), world.guest.clone());
            let got = world.finish(async move { kernel.connect(&guest, to).await.map(drop) });
            assert_eq!(got, Err(wanted), "{to}");
        }
    }

    #[test]
    fn published_datagram_ports_are_the_machines() {
        let world = World::new(false);
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let host_port = free.local_addr().unwrap().port();
        let publish = Publish {
            host_ip: Ipv4Addr::LOCALHOST.into(),
            host_port,
            protocol: Protocol::Udp,
            container_ip: GUEST.into(),
            container_port: 53,
        };
        let taken = futures::executor::block_on(world.ports.publish("c", &publish));
        assert!(taken.is_err_and(|e| e.to_string().contains("port is already allocated")));
        drop(free);
        let before = world.executor.task_count();
        futures::executor::block_on(world.ports.publish("c", &publish)).unwrap();
        let service = world.kernel.open_udp(&world.guest, false);
        service.bind(SocketAddr::from((GUEST, 53))).unwrap();
        let answering = world.executor.run(async move {
            let mut buffer = [0; 100];
            loop {
                let (count, from) = service.recv(&mut buffer).await;
                if let Some(from) = from {
                    let _ = service.send(&buffer[..count].to_ascii_uppercase(), from);
                }
            }
        });
        let clients = std::thread::spawn(move || {
            for text in ["one", "two", "three"] {
                let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                client.set_read_timeout(Some(LONG)).unwrap();
                client
                    .send_to(text.as_bytes(), ("127.0.0.1", host_port))
                    .unwrap();
                let mut buffer = [0; 100];
                let (count, _) = client.recv_from(&mut buffer).unwrap();
                assert_eq!(buffer[..count], *text.to_uppercase().as_bytes());
            }
        });
        world.until(|| clients.is_finished());
        clients.join().unwrap();
        drop(answering);
        futures::executor::block_on(world.ports.delete_sandbox("c")).unwrap();
        world.until(|| world.runtime.metrics().num_alive_tasks() == 0);
        world.until(|| world.executor.task_count() <= before + 1);
        std::net::UdpSocket::bind(("127.0.0.1", host_port)).unwrap();
    }
}
