//! Published ports on the real host: a listener for each, whose connections are carried to the emulated network.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use bottleship_engine::executor::Executor;
use bottleship_engine::network::{
    EndpointSpec, Network, NetworkError, NetworkSpec, Protocol, Publish, Resolver,
};
use bottleship_linux::{HostStream, HostUdp, Kernel};
use bytes::Bytes;
use futures::channel::oneshot;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::pump;

/// Bytes moved at a time.
const CHUNK: usize = 32 << 10;
/// Datagrams under way each way; more are dropped.
const DATAGRAMS: usize = 64;
/// The longest datagram.
const DATAGRAM: usize = 65_536;
/// Clients of a published UDP port that are remembered; the oldest is forgotten for a new one.
const SESSIONS: usize = 256;

/// A connection with somebody outside, on its way to the engine's thread.
pub(super) struct Connection {
    from_outside: mpsc::Receiver<Bytes>,
    to_outside: mpsc::Sender<Bytes>,
}

impl Connection {
    /// The engine's end, and the channels of who carries it.
    pub(super) fn new() -> (Connection, mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
        let (to_engine, from_outside) = mpsc::channel(8);
        let (to_outside, from_engine) = mpsc::channel(8);
        let near = Connection {
            from_outside,
            to_outside,
        };
        (near, to_engine, from_engine)
    }
}

/// A datagram, and the client it is from or to.
type Datagram = (Vec<u8>, SocketAddr);

/// Stops listening when it is dropped.
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A [`Network`] whose published ports are ports of this machine, too.
pub struct HostPorts {
    inner: Rc<dyn Network>,
    kernel: Kernel,
    executor: Executor,
    runtime: Handle,
    /// By sandbox.
    listening: RefCell<BTreeMap<String, Vec<Listening>>>,
}

impl HostPorts {
    /// Listens on `runtime` for what `inner` publishes.
    pub fn new(
        inner: Rc<dyn Network>,
        kernel: Kernel,
        executor: Executor,
        runtime: Handle,
    ) -> HostPorts {
        HostPorts {
            inner,
            kernel,
            executor,
            runtime,
            listening: RefCell::default(),
        }
    }

    fn listen(&self, publish: &Publish) -> Result<Listening, NetworkError> {
        let listener = bind(publish, SocketType::STREAM)?;
        let (connections, mut accepted) = mpsc::channel::<Connection>(16);
        let task = self.runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener.into()) else {
                return;
            };
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (near, to_engine, from_engine) = Connection::new();
                tokio::spawn(pump::carry(stream, to_engine, from_engine));
                if connections.send(near).await.is_err() {
                    return;
                }
            }
        });
        let (kernel, executor) = (self.kernel.clone(), self.executor.clone());
        let target = target(publish);
        self.executor.spawn(async move {
            while let Some(connection) = accepted.recv().await {
                let kernel = kernel.clone();
                executor.spawn(async move {
                    let host = kernel.host_ns().net().clone();
                    // A refused connection is closed at once, as docker-proxy's is.
                    if let Ok(stream) = kernel.connect(&host, target).await {
                        relay(&stream, connection).await;
                    }
                });
            }
        });
        Ok(Listening(task.abort_handle()))
    }

    fn listen_udp(&self, publish: &Publish) -> Result<Listening, NetworkError> {
        let socket = bind(publish, SocketType::DGRAM)?;
        let (received, to_engine) = mpsc::channel::<Datagram>(DATAGRAMS);
        let (answers, mut to_send) = mpsc::channel::<Datagram>(DATAGRAMS);
        let task = self.runtime.spawn(async move {
            let Ok(socket) = UdpSocket::from_std(socket.into()) else {
                return;
            };
            let mut buffer = vec![0; DATAGRAM];
            loop {
                tokio::select! {
                    sent = to_send.recv() => {
                        let Some((data, client)) = sent else { return };
                        let _ = socket.send_to(&data, client).await;
                    }
                    got = socket.recv_from(&mut buffer) => {
                        if let Ok((count, client)) = got {
                            // What is not taken in time is lost, as on any network.
                            let _ = received.try_send((buffer[..count].to_vec(), client));
                        }
                    }
                }
            }
        });
        let (kernel, executor) = (self.kernel.clone(), self.executor.clone());
        self.executor.spawn(exchange(
            kernel,
            executor,
            target(publish),
            to_engine,
            answers,
        ));
        Ok(Listening(task.abort_handle()))
    }
}

/// A socket for one address family only: `0.0.0.0` and `[::]` are published side by side.
fn bind(publish: &Publish, kind: SocketType) -> Result<OwnedFd, NetworkError> {
    let address = SocketAddr::new(publish.host_ip, publish.host_port);
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let open = || -> std::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, kind, flags, None)?;
        if address.is_ipv6() {
            net::sockopt::set_ipv6_v6only(&socket, true)?;
        }
        if kind == SocketType::STREAM {
            net::sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        net::bind(&socket, &address)?;
        if kind == SocketType::STREAM {
            net::listen(&socket, 128)?;
        }
        Ok(socket)
    };
    open().map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => NetworkError::PortInUse(address.to_string()),
        _ => NetworkError::Failed(format!("listen on {address}: {error}")),
    })
}

/// Between the engine's thread and a guest's end.
pub(super) async fn relay(stream: &HostStream, connection: Connection) {
    let Connection {
        mut from_outside,
        to_outside,
    } = connection;
    let inward = async {
        while let Some(chunk) = from_outside.recv().await {
            if stream.write_all(&chunk).await.is_err() {
                return;
            }
        }
        stream.close_write();
    };
    let outward = async {
        let to_outside = to_outside;
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let chunk = Bytes::copy_from_slice(&buffer[..count]);
            if to_outside.send(chunk).await.is_err() {
                return;
            }
        }
    };
    // A guest that has closed takes nothing more, be there something or not.
    let inward = futures::future::select(Box::pin(inward), Box::pin(stream.closed()));
    futures::join!(inward, outward);
}

/// Where a guest listens that a port of the host leads to.
fn target(publish: &Publish) -> SocketAddr {
    let ip = match publish.host_ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, publish.host_port)
}

/// Carries clients' datagrams to `target`, and what it answers back: to each client through a port of its own in the
/// machine, as docker-proxy does.
async fn exchange(
    kernel: Kernel,
    executor: Executor,
    target: SocketAddr,
    mut received: mpsc::Receiver<Datagram>,
    answers: mpsc::Sender<Datagram>,
) {
    /// A client's port, and what ends its task.
    type Session = (Rc<HostUdp>, oneshot::Sender<()>);
    let mut sessions: BTreeMap<SocketAddr, Session> = BTreeMap::new();
    let mut order = VecDeque::new();
    while let Some((data, client)) = received.recv().await {
        if !sessions.contains_key(&client) {
            if sessions.len() >= SESSIONS
                && let Some(oldest) = order.pop_front()
            {
                sessions.remove(&oldest);
            }
            let port = Rc::new(kernel.open_udp(&kernel.host_ns().net().clone(), target.is_ipv6()));
            let (end, ended) = oneshot::channel();
            let (own, answers) = (port.clone(), answers.clone());
            executor.spawn(async move {
                let answering = async {
                    let mut buffer = vec![0; DATAGRAM];
                    loop {
                        let (count, _) = own.recv(&mut buffer).await;
                        let _ = answers.try_send((buffer[..count].to_vec(), client));
                    }
                };
                futures::future::select(Box::pin(answering), ended).await;
            });
            sessions.insert(client, (port, end));
            order.push_back(client);
        }
        if let Some((port, _)) = sessions.get(&client) {
            // Nobody may listen there yet.
            let _ = port.send(&data, target);
        }
    }
}

#[async_trait::async_trait(?Send)]
impl Network for HostPorts {
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), NetworkError> {
        self.inner.create_network(spec).await
    }

    async fn delete_network(&self, id: &str) -> Result<(), NetworkError> {
        self.inner.delete_network(id).await
    }

    async fn create_sandbox(
        &self,
        sandbox: &str,
        resolver: Option<Resolver>,
    ) -> Result<(), NetworkError> {
        self.inner.create_sandbox(sandbox, resolver).await
    }

    async fn delete_sandbox(&self, sandbox: &str) -> Result<(), NetworkError> {
        self.listening.borrow_mut().remove(sandbox);
        self.inner.delete_sandbox(sandbox).await
    }

    async fn connect(&self, sandbox: &str, endpoint: &EndpointSpec) -> Result<(), NetworkError> {
        self.inner.connect(sandbox, endpoint).await
    }

    async fn disconnect(&self, sandbox: &str, endpoint: &str) -> Result<(), NetworkError> {
        self.inner.disconnect(sandbox, endpoint).await
    }

    async fn publish(&self, sandbox: &str, publish: &Publish) -> Result<(), NetworkError> {
        let listening = match publish.protocol {
            Protocol::Tcp => Some(self.listen(publish)?),
            Protocol::Udp => Some(self.listen_udp(publish)?),
            Protocol::Sctp => None,
        };
        self.inner.publish(sandbox, publish).await?;
        self.listening
            .borrow_mut()
            .entry(sandbox.into())
            .or_default()
            .extend(listening);
        Ok(())
    }

    fn traffic(&self, sandbox: &str, interface: &str) -> [u64; 4] {
        self.inner.traffic(sandbox, interface)
    }
}
