//! The name server at 127.0.0.11 in a container's network: names of containers are the engine's, others are asked for
//! outside, if there is an outside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bottleship_engine::executor::Executor;
use bottleship_engine::network::{Answer, NetworkError, Question, Resolver};
use bottleship_linux::{DnsAnswer, DnsHook, DnsQuestion, dns_answer};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::network::Namespace;
use super::os;

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), 53);
/// Bytes of a message over UDP, with extensions.
const MESSAGE: usize = 4096;
/// Questions under way outside.
const ASKED: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers for as long as it is held.
pub struct NameServer(AbortHandle);

impl Drop for NameServer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the engine knew of a question.
enum Known {
    Answer(Vec<u8>),
    /// Not a container's name.
    Elsewhere(Vec<u8>),
    Broken,
}

/// Serves the names that `resolver` knows in `namespace`; others are asked for in `outside`.
///
/// # Errors
/// When the address can't be listened on.
pub fn serve(
    tokio: &Handle,
    executor: &Executor,
    namespace: &Namespace,
    outside: &Namespace,
    resolver: Resolver,
) -> Result<NameServer, NetworkError> {
    let failed = |error: std::io::Error| {
        NetworkError::Failed(format!("the name server at {ADDRESS}: {error}"))
    };
    let socket = os::in_network(namespace.as_fd(), || socket(Some(ADDRESS)))
        .and_then(|socket| socket)
        .map_err(failed)?;
    let (questions, mut asked) = mpsc::channel::<(Vec<u8>, oneshot::Sender<Known>)>(16);
    executor.spawn(async move {
        while let Some((message, answer)) = asked.recv().await {
            let _ = answer.send(look_up(&message, &resolver));
        }
    });
    let outside = outside.clone();
    let task = tokio.spawn(async move {
        let Ok(socket) = UdpSocket::from_std(socket) else {
            return;
        };
        answer_all(Arc::new(socket), questions, outside).await;
    });
    Ok(NameServer(task.abort_handle()))
}

fn socket(address: Option<SocketAddr>) -> std::io::Result<std::net::UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    if let Some(address) = address {
        net::bind(&socket, &address)?;
    }
    Ok(socket.into())
}

fn look_up(message: &[u8], resolver: &Resolver) -> Known {
    let elsewhere = Rc::new(std::cell::Cell::new(false));
    let (asked, resolver) = (elsewhere.clone(), resolver.clone());
    let hook: DnsHook = Rc::new(move |question: &DnsQuestion| {
        let known = match question.reverse {
            Some(address) => resolver(Question::Names(address)),
            None => resolver(Question::Addresses(&question.name)),
        };
        match known {
            Some(Answer::Addresses(addresses)) => return DnsAnswer::Addresses(addresses),
            Some(Answer::Names(names)) => return DnsAnswer::Names(names),
            None => {}
        }
        asked.set(true);
        DnsAnswer::Unavailable
    });
    match dns_answer(message, &hook, Some(512)) {
        Some(answer) if elsewhere.get() => Known::Elsewhere(answer),
        Some(answer) => Known::Answer(answer),
        None => Known::Broken,
    }
}

async fn answer_all(
    socket: Arc<UdpSocket>,
    questions: mpsc::Sender<(Vec<u8>, oneshot::Sender<Known>)>,
    outside: Namespace,
) {
    let room = Arc::new(Semaphore::new(ASKED));
    let mut tasks = tokio::task::JoinSet::new();
    let mut buffer = vec![0; MESSAGE];
    loop {
        let Ok((count, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        while tasks.try_join_next().is_some() {}
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let message = buffer[..count].to_vec();
        let (socket, questions, outside) = (socket.clone(), questions.clone(), outside.clone());
        tasks.spawn(async move {
            let _permit = permit;
            let (answer, known) = oneshot::channel();
            if questions.send((message.clone(), answer)).await.is_err() {
                return;
            }
            let answer = match known.await {
                Ok(Known::Answer(answer)) => answer,
                Ok(Known::Elsewhere(unavailable)) => {
                    ask_outside(&message, &outside).await.unwrap_or(unavailable)
                }
                Ok(Known::Broken) | Err(_) => return,
            };
            let _ = socket.send_to(&answer, from).await;
        });
    }
}

/// Passes a question on to this machine's own name server.
async fn ask_outside(message: &[u8], outside: &Namespace) -> Option<Vec<u8>> {
    let text = tokio::fs::read_to_string("/etc/resolv.conf").await.ok()?;
    let server: IpAddr = text
        .lines()
        .find_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())?;
    let made = os::in_network(outside.as_fd(), || socket(None))
        .ok()?
        .ok()?;
    let socket = UdpSocket::from_std(made).ok()?;
    socket.connect(SocketAddr::new(server, 53)).await.ok()?;
    socket.send(message).await.ok()?;
    let mut buffer = vec![0; MESSAGE];
    let count = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer))
        .await
        .ok()?
        .ok()?;
    buffer.truncate(count);
    // The answer to another question is none.
    (buffer.get(..2) == message.get(..2)).then_some(buffer)
}
