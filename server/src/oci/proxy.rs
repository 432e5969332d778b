//! Published ports: listeners whose connections are carried on to a container, as docker-proxy does.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use bottleship_engine::network::{NetworkError, Protocol, Publish};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::network::Namespace;
use super::os;

/// Connections to one port at a time.
const CONNECTIONS: usize = 1024;
/// Senders of datagrams to one port at a time, and how long one is remembered.
const SENDERS: usize = 256;
const SILENCE: Duration = Duration::from_secs(90);

/// A port that is listened on for as long as this is held.
pub struct Published(AbortHandle);

impl Drop for Published {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens in one namespace and connects in another.
///
/// # Errors
/// When the port is taken, or the protocol is one that can't be carried.
pub fn publish(
    tokio: &Handle,
    listen: &Namespace,
    connect: &Namespace,
    publish: &Publish,
) -> Result<Published, NetworkError> {
    let address = SocketAddr::new(publish.host_ip, publish.host_port);
    let target = SocketAddr::new(publish.container_ip, publish.container_port);
    let kind = match publish.protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
        Protocol::Sctp => {
            return Err(NetworkError::Failed(
                "SCTP ports can't be published here".into(),
            ));
        }
    };
    let bound = os::in_network(listen.as_fd(), || bind(address, kind))
        .and_then(|bound| bound)
        .map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => NetworkError::PortInUse(address.to_string()),
            _ => NetworkError::Failed(format!("listen on {address}: {error}")),
        })?;
    let connect = connect.clone();
    let task = match publish.protocol {
        Protocol::Tcp => tokio.spawn(carry_streams(bound.into(), connect, target)),
        _ => tokio.spawn(carry_datagrams(bound.into(), connect, target)),
    };
    Ok(Published(task.abort_handle()))
}

/// A socket for one address family only: `0.0.0.0` and `[::]` are published side by side.
fn bind(address: SocketAddr, kind: SocketType) -> std::io::Result<std::os::fd::OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
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
}

/// Connects to a container from within the namespace its bridge is in.
///
/// # Errors
/// What the network says.
pub async fn connect(namespace: &Namespace, target: SocketAddr) -> std::io::Result<TcpStream> {
    // Only making the socket has to happen there.
    let socket = os::in_network(namespace.as_fd(), || match target {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    })??;
    let stream = socket.connect(target).await?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn carry_streams(listener: std::net::TcpListener, namespace: Namespace, target: SocketAddr) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    // Connections end with the port: the set aborts them when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let Ok((mut client, _)) = listener.accept().await else {
            // Out of descriptors: those that are open will close.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let namespace = namespace.clone();
        connections.spawn(async move {
            let _permit = permit;
            let _ = client.set_nodelay(true);
            // Who refuses is not there, or not yet: the client sees its connection close, as docker-proxy's does.
            if let Ok(mut server) = connect(&namespace, target).await {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

async fn carry_datagrams(socket: std::net::UdpSocket, namespace: Namespace, target: SocketAddr) {
    let Ok(socket) = UdpSocket::from_std(socket) else {
        return;
    };
    let socket = Arc::new(socket);
    let mut senders: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        senders.retain(|_, sender| !sender.is_closed());
        while tasks.try_join_next().is_some() {}
        let datagram = buffer[..count].to_vec();
        if let Some(sender) = senders.get(&from) {
            // Datagrams may be lost.
            let _ = sender.try_send(datagram);
            continue;
        }
        if senders.len() >= SENDERS {
            continue;
        }
        let (sender, received) = mpsc::channel(16);
        let _ = sender.try_send(datagram);
        senders.insert(from, sender);
        tasks.spawn(converse(
            socket.clone(),
            from,
            received,
            namespace.clone(),
            target,
        ));
    }
}

/// Carries one sender's datagrams and the answers to them.
async fn converse(
    socket: Arc<UdpSocket>,
    client: SocketAddr,
    mut received: mpsc::Receiver<Vec<u8>>,
    namespace: Namespace,
    target: SocketAddr,
) {
    let any = SocketAddr::new(
        match target {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        },
        0,
    );
    let bound = os::in_network(namespace.as_fd(), || bind(any, SocketType::DGRAM));
    let Ok(Ok(bound)) = bound else { return };
    let Ok(server) = UdpSocket::from_std(bound.into()) else {
        return;
    };
    if server.connect(target).await.is_err() {
        return;
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            datagram = received.recv() => match datagram {
                Some(datagram) => drop(server.send(&datagram).await),
                None => return,
            },
            answer = server.recv(&mut buffer) => match answer {
                Ok(count) => drop(socket.send_to(&buffer[..count], client).await),
                Err(_) => return,
            },
            () = tokio::time::sleep(SILENCE) => return,
        }
    }
}
