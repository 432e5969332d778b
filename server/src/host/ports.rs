//! Published ports on the real host: a listener for each, whose connections are carried to the emulated network.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use bottleship_engine::executor::Executor;
use bottleship_engine::network::{
    EndpointSpec, Network, NetworkError, NetworkSpec, Protocol, Publish, Resolver,
};
use bottleship_linux::Kernel;
use bytes::Bytes;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Bytes moved at a time.
const CHUNK: usize = 32 << 10;

/// A client's connection on its way to the engine's thread.
struct Connection {
    from_client: mpsc::Receiver<Bytes>,
    to_client: mpsc::Sender<Bytes>,
}

/// Stops listening when it is dropped.
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A [`Network`] whose published TCP ports are ports of this machine, too.
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
        let address = SocketAddr::new(publish.host_ip, publish.host_port);
        let listener = bind(address).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => NetworkError::PortInUse(address.to_string()),
            _ => NetworkError::Failed(format!("listen on {address}: {error}")),
        })?;
        let (connections, mut accepted) = mpsc::channel::<Connection>(16);
        let task = self.runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((stream, _)) = listener.accept().await {
                let (to_engine, from_client) = mpsc::channel(8);
                let (to_client, from_engine) = mpsc::channel(8);
                tokio::spawn(carry(stream, to_engine, from_engine));
                if connections
                    .send(Connection {
                        from_client,
                        to_client,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let (kernel, executor) = (self.kernel.clone(), self.executor.clone());
        let target = SocketAddr::new(
            if publish.host_ip.is_unspecified() {
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            } else {
                publish.host_ip
            },
            publish.host_port,
        );
        self.executor.spawn(async move {
            while let Some(connection) = accepted.recv().await {
                executor.spawn(relay(kernel.clone(), target, connection));
            }
        });
        Ok(Listening(task.abort_handle()))
    }
}

/// A listener for one address family only: `0.0.0.0` and `[::]` are published side by side.
fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    if address.is_ipv6() {
        net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, 128)?;
    Ok(socket.into())
}

/// Between a real socket and the engine's thread.
async fn carry(
    stream: TcpStream,
    to_engine: mpsc::Sender<Bytes>,
    mut from_engine: mpsc::Receiver<Bytes>,
) {
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let inward = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            if to_engine
                .send(Bytes::copy_from_slice(&buffer[..count]))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let outward = async move {
        while let Some(chunk) = from_engine.recv().await {
            if writer.write_all(&chunk).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    };
    tokio::join!(inward, outward);
}

/// Between the engine's thread and the emulated listener. A refused connection is closed at once, as docker-proxy's is.
async fn relay(kernel: Kernel, target: SocketAddr, connection: Connection) {
    let Ok(stream) = kernel
        .connect(&kernel.host_ns().net().clone(), target)
        .await
    else {
        return;
    };
    let Connection {
        mut from_client,
        to_client,
    } = connection;
    let inward = async {
        while let Some(chunk) = from_client.recv().await {
            if stream.write_all(&chunk).await.is_err() {
                return;
            }
        }
        stream.close_write();
    };
    let outward = async {
        let to_client = to_client;
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            if to_client
                .send(Bytes::copy_from_slice(&buffer[..count]))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    futures::join!(inward, outward);
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
            // Only inside: datagrams have no connection to carry.
            Protocol::Udp | Protocol::Sctp => None,
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
