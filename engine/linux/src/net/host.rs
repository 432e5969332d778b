//! The host's ends of connections: previews, published ports on a real machine, servers of the
//! engine's own.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use bottleship_abi::Errno;
use bottleship_abi::socket::SOCK_STREAM;
use bottleship_vfs::{CreatePerm, NewNode, Path};

use super::NetNs;
use super::socket::Ucred;
use super::tcp::TcpState;
use super::unix::UnixState;
use crate::kernel::Kernel;
use crate::kernel::wait::PollTable;

/// A connection whose other end a guest has. Dropping it closes it.
pub struct HostStream(Stream);

enum Stream {
    Tcp(Rc<TcpState>),
    Unix(Rc<UnixState>),
}

/// A socket that guests connect to.
pub struct HostListener(Stream);

impl HostStream {
    pub(super) fn of_tcp(socket: Rc<TcpState>) -> HostStream {
        HostStream(Stream::Tcp(socket))
    }
}

impl Kernel {
    /// Connects to a server as a process in `ns` would; to a published port from the host's.
    pub async fn connect(&self, ns: &NetNs, to: SocketAddr) -> Result<HostStream, Errno> {
        let socket = TcpState::new(ns, to.is_ipv6());
        std::future::poll_fn(|context| {
            loop {
                match socket.connect(to) {
                    Err(Errno::EINPROGRESS) => {}
                    Err(Errno::EALREADY) => {
                        socket.wait().add_waker(context.waker());
                        return Poll::Pending;
                    }
                    done => return Poll::Ready(done),
                }
            }
        })
        .await?;
        Ok(HostStream(Stream::Tcp(socket)))
    }

    /// Listens as a process in `ns` would.
    pub fn listen(&self, ns: &NetNs, at: SocketAddr) -> Result<HostListener, Errno> {
        HostListener::bind(ns, at)
    }

    /// Listens at a UNIX socket that is made in a directory, `/var/run/docker.sock` for example.
    /// `path` is the name that peers see.
    pub fn listen_unix(
        &self,
        ns: &NetNs,
        dir: &Path,
        name: &[u8],
        path: &[u8],
        perm: CreatePerm,
    ) -> Result<HostListener, Errno> {
        let inode = dir.inode().create(name, NewNode::Socket, perm)?;
        let socket = UnixState::new(ns, SOCK_STREAM);
        socket.bind_inode(&inode, path.to_vec())?;
        socket.listen(128, Ucred::default())?;
        Ok(HostListener(Stream::Unix(socket)))
    }
}

impl HostListener {
    /// Listens over TCP in a namespace.
    pub(crate) fn bind(ns: &NetNs, at: SocketAddr) -> Result<HostListener, Errno> {
        let socket = TcpState::new(ns, at.is_ipv6());
        socket.bind(at)?;
        socket.listen(128)?;
        Ok(HostListener(Stream::Tcp(socket)))
    }

    /// The address, with the port that was chosen.
    pub fn addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Stream::Tcp(socket) => Some(socket.local()),
            Stream::Unix(_) => None,
        }
    }

    /// The next connection, and where it comes from.
    pub fn poll_accept(
        &self,
        context: &mut Context,
    ) -> Poll<Result<(HostStream, Option<SocketAddr>), Errno>> {
        let accepted = match &self.0 {
            Stream::Tcp(socket) => socket.accept().map(|s| {
                let peer = s.peer();
                (HostStream(Stream::Tcp(s)), peer)
            }),
            Stream::Unix(socket) => socket.accept().map(|s| (HostStream(Stream::Unix(s)), None)),
        };
        match accepted {
            Err(Errno::EAGAIN) => {
                match &self.0 {
                    Stream::Tcp(socket) => socket.wait().add_waker(context.waker()),
                    Stream::Unix(socket) => socket.wait().add_waker(context.waker()),
                }
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// The next connection, and where it comes from.
    pub async fn accept(&self) -> Result<(HostStream, Option<SocketAddr>), Errno> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }
}

impl HostStream {
    fn wait(&self, context: &mut Context) {
        let mut table = PollTable::for_future(context.waker());
        match &self.0 {
            Stream::Tcp(socket) => _ = socket.poll(&mut table),
            Stream::Unix(socket) => {
                socket.wait().add_waker(context.waker());
                if let Some(end) = socket.end() {
                    end.poll(&mut table);
                }
            }
        }
    }

    /// Reads what is there: `EAGAIN` when there is nothing, 0 at the end.
    pub fn try_read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        let received = match &self.0 {
            Stream::Tcp(socket) => socket.recv(buf, false)?,
            Stream::Unix(socket) => socket.end().ok_or(Errno::ENOTCONN)?.recv(buf, false)?,
        };
        Ok(received.n)
    }

    /// Writes what fits: `EAGAIN` when nothing does, `EPIPE` when nobody reads.
    pub fn try_write(&self, data: &[u8]) -> Result<usize, Errno> {
        match &self.0 {
            Stream::Tcp(socket) => socket.send(data),
            Stream::Unix(socket) => socket
                .end()
                .ok_or(Errno::ENOTCONN)?
                .send(data, Default::default()),
        }
    }

    /// Reads what is there, `Pending` when there is nothing, 0 at the end.
    pub fn poll_read(&self, context: &mut Context, buf: &mut [u8]) -> Poll<Result<usize, Errno>> {
        match self.try_read(buf) {
            Err(Errno::EAGAIN) => {
                self.wait(context);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Writes what fits, `Pending` when nothing does.
    pub fn poll_write(&self, context: &mut Context, data: &[u8]) -> Poll<Result<usize, Errno>> {
        match self.try_write(data) {
            Err(Errno::EAGAIN) => {
                self.wait(context);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Reads what is there, waiting for the first byte; 0 at the end.
    pub async fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        std::future::poll_fn(|context| self.poll_read(context, buf)).await
    }

    /// Writes all of `data`.
    pub async fn write_all(&self, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let n = std::future::poll_fn(|context| self.poll_write(context, data)).await?;
            data = &data[n..];
        }
        Ok(())
    }

    /// Resolves once the other end is closed, so that nobody reads what is written any more.
    pub async fn closed(&self) {
        std::future::poll_fn(|context| {
            let end = match &self.0 {
                Stream::Tcp(socket) => socket.end(),
                Stream::Unix(socket) => socket.end(),
            };
            if end.is_none_or(|end| end.peer_gone()) {
                return Poll::Ready(());
            }
            self.wait(context);
            Poll::Pending
        })
        .await;
    }

    /// Says that no more comes; reading goes on.
    pub fn close_write(&self) {
        let end = match &self.0 {
            Stream::Tcp(socket) => socket.end(),
            Stream::Unix(socket) => socket.end(),
        };
        if let Some(end) = end {
            end.shutdown(false, true);
        }
    }
}
