//! A connection: two directions of bytes with room for so many, shared by TCP and UNIX sockets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::poll::{POLLERR, POLLHUP, POLLRDHUP};

use super::socket::{Attached, Received};
use crate::kernel::file::{IN, OUT};
use crate::kernel::pipe::take;
use crate::kernel::wait::{PollTable, WaitQueue};

/// Bytes that a direction holds.
pub const CAPACITY: usize = 208 << 10;
/// Messages and attachments that a direction holds.
const MAX_MARKS: usize = 512;

/// What connections of different families do differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// A peer that went away is noticed by the reset that answers the next write.
    Tcp,
    /// A peer that went away is noticed at once.
    Unix,
    /// Like `Unix`, but messages stay apart.
    UnixPackets,
}

#[derive(Default)]
struct Direction {
    data: RefCell<VecDeque<u8>>,
    /// Message ends and what is attached, by the position of their first byte.
    marks: RefCell<VecDeque<Mark>>,
    written: Cell<u64>,
    read: Cell<u64>,
    /// The writer said that no more comes.
    finished: Cell<bool>,
    /// The reader takes no more.
    refused: Cell<bool>,
}

struct Mark {
    start: u64,
    end: u64,
    attached: Attached,
}

/// What reacts to the other side.
type Service = Rc<dyn Fn()>;

struct Connection {
    flavor: Flavor,
    directions: [Direction; 2],
    waits: [WaitQueue; 2],
    errors: [Cell<Option<Errno>>; 2],
    gone: [Cell<bool>; 2],
    /// The other side reset the connection.
    dead: [Cell<bool>; 2],
    /// Reacts to what is written to this side, for ends without a process.
    services: [RefCell<Option<Service>>; 2],
}

/// One side of a connection. Dropping it closes that side.
pub struct End {
    connection: Rc<Connection>,
    side: usize,
}

/// Both sides of a new connection.
pub fn pair(flavor: Flavor) -> (End, End) {
    let connection = Rc::new(Connection {
        flavor,
        directions: Default::default(),
        waits: Default::default(),
        errors: Default::default(),
        gone: Default::default(),
        dead: Default::default(),
        services: Default::default(),
    });
    let other = connection.clone();
    let end = |connection, side| End { connection, side };
    (end(connection, 0), end(other, 1))
}

impl End {
    fn out(&self) -> &Direction {
        &self.connection.directions[self.side]
    }

    fn inward(&self) -> &Direction {
        &self.connection.directions[1 - self.side]
    }

    /// Whoever waits for this side.
    pub fn wait(&self) -> &WaitQueue {
        &self.connection.waits[self.side]
    }

    pub fn peer_gone(&self) -> bool {
        self.connection.gone[1 - self.side].get()
    }

    fn wake_both(&self) {
        for wait in &self.connection.waits {
            wait.wake();
        }
    }

    /// Runs the other side's service, if it has one.
    fn serve(&self) {
        let service = self.connection.services[1 - self.side].borrow().clone();
        if let Some(service) = service {
            service();
        }
    }

    /// Runs `service` whenever the other side wrote or closed.
    pub fn set_service(&self, service: Service) {
        *self.connection.services[self.side].borrow_mut() = Some(service);
    }

    /// Ends the service, and with it this side, which it held.
    pub fn stop_service(&self) {
        self.shutdown(true, true);
        let service = self.connection.services[self.side].take();
        drop(service);
    }

    /// Takes the error that came from the other side.
    pub fn take_error(&self) -> Option<Errno> {
        self.connection.errors[self.side].take()
    }

    /// Bytes that can be read.
    pub fn readable(&self) -> usize {
        self.inward().data.borrow().len()
    }

    /// Bytes that can be written.
    pub fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.out().data.borrow().len())
    }

    /// Bytes written and not read yet.
    pub fn unread_by_peer(&self) -> usize {
        self.out().data.borrow().len()
    }

    /// Writes what fits; `EAGAIN` when nothing does.
    pub fn send(&self, data: &[u8], attached: Attached) -> Result<usize, Errno> {
        if let Some(errno) = self.take_error() {
            return Err(errno);
        }
        let out = self.out();
        if out.finished.get() || self.connection.dead[self.side].get() {
            return Err(Errno::EPIPE);
        }
        if self.peer_gone() || out.refused.get() {
            if self.connection.flavor != Flavor::Tcp {
                return Err(Errno::EPIPE);
            }
            if self.peer_gone() {
                // The bytes leave, and a reset comes back.
                self.connection.errors[self.side].set(Some(Errno::EPIPE));
                self.wait().wake();
                return Ok(data.len());
            }
        }
        let packets = self.connection.flavor == Flavor::UnixPackets;
        let room = self.room();
        let marked = packets || !attached.is_empty();
        if marked && out.marks.borrow().len() >= MAX_MARKS {
            return Err(Errno::EAGAIN);
        }
        let n = if packets {
            if data.len() > CAPACITY {
                return Err(Errno::EMSGSIZE);
            }
            if room < data.len() {
                return Err(Errno::EAGAIN);
            }
            data.len()
        } else {
            if room == 0 && !data.is_empty() {
                return Err(Errno::EAGAIN);
            }
            data.len().min(room)
        };
        let start = out.written.get();
        out.written.set(start + n as u64);
        if marked {
            let end = start + n as u64;
            let mark = Mark {
                start,
                end,
                attached,
            };
            out.marks.borrow_mut().push_back(mark);
        }
        if !out.refused.get() {
            out.data.borrow_mut().extend(&data[..n]);
        }
        self.connection.waits[1 - self.side].wake();
        self.serve();
        Ok(n)
    }

    /// Reads what there is; `EAGAIN` when nothing yet, 0 bytes at the end.
    pub fn recv(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        let inward = self.inward();
        if self.connection.flavor == Flavor::UnixPackets {
            return self.recv_packet(buf, peek);
        }
        let mut data = inward.data.borrow_mut();
        if data.is_empty() || buf.is_empty() {
            drop(data);
            return match () {
                () if buf.is_empty() && self.readable() > 0 => Ok(Received::default()),
                () => match self.end_of_data() {
                    Some(end) => end.map(|()| Received::default()),
                    None => Err(Errno::EAGAIN),
                },
            };
        }
        // What is attached comes with the first byte it was sent with, and the read ends with the
        // bytes it was sent with.
        let mut marks = inward.marks.borrow_mut();
        let at = inward.read.get();
        let mut received = Received::default();
        let mut max = buf.len().min(data.len());
        if let Some(mark) = marks.front()
            && mark.start < at + max as u64
        {
            max = max.min((mark.end - at) as usize);
            received.attached = match peek {
                true => mark.attached.clone(),
                false => marks.pop_front().map(|m| m.attached).unwrap_or_default(),
            };
        }
        let n = match peek {
            true => copy(&data, &mut buf[..max]),
            false => take(&mut data, &mut buf[..max]),
        };
        drop((data, marks));
        if !peek {
            inward.read.set(at + n as u64);
            self.connection.waits[1 - self.side].wake();
        }
        received.n = n;
        received.len = n;
        Ok(received)
    }

    fn recv_packet(&self, buf: &mut [u8], peek: bool) -> Result<Received, Errno> {
        let inward = self.inward();
        let mut marks = inward.marks.borrow_mut();
        let Some(mark) = marks.front() else {
            drop(marks);
            return match self.end_of_data() {
                Some(end) => end.map(|()| Received::default()),
                None => Err(Errno::EAGAIN),
            };
        };
        let len = (mark.end - mark.start) as usize;
        let mut data = inward.data.borrow_mut();
        let room = len.min(buf.len());
        let n = copy(&data, &mut buf[..room]);
        let attached = mark.attached.clone();
        if !peek {
            data.drain(..len);
            inward.read.set(mark.end);
            marks.pop_front();
            drop((data, marks));
            self.connection.waits[1 - self.side].wake();
        }
        Ok(Received {
            n,
            len,
            attached,
            ..Received::default()
        })
    }

    /// Why no more comes: an error, or simply the end.
    fn end_of_data(&self) -> Option<Result<(), Errno>> {
        let inward = self.inward();
        if inward.finished.get() || inward.refused.get() || self.peer_gone() {
            let reset = self.connection.errors[self.side].get();
            if reset == Some(Errno::ECONNRESET) {
                self.connection.errors[self.side].set(None);
                return Some(Err(Errno::ECONNRESET));
            }
            return Some(Ok(()));
        }
        self.take_error().map(Err)
    }

    /// `shutdown(2)`.
    pub fn shutdown(&self, read: bool, write: bool) {
        if write {
            self.out().finished.set(true);
        }
        if read {
            self.inward().refused.set(true);
            if self.connection.flavor != Flavor::Tcp {
                self.inward().finished.set(true);
            }
        }
        self.wake_both();
        self.serve();
    }

    /// Closes this side with a reset, so that the other one gets `ECONNRESET`.
    pub fn reset(&self) {
        self.connection.errors[1 - self.side].set(Some(Errno::ECONNRESET));
        self.connection.dead[1 - self.side].set(true);
    }

    /// Readiness.
    pub fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(self.wait());
        let (inward, out) = (self.inward(), self.out());
        let ended = inward.finished.get() || inward.refused.get() || self.peer_gone();
        let mut ready = 0;
        if ended {
            ready |= IN | POLLRDHUP;
        }
        if self.readable() > 0 || !inward.marks.borrow().is_empty() {
            ready |= IN;
        }
        if ended
            && (out.finished.get() || (self.peer_gone() && self.connection.flavor != Flavor::Tcp))
        {
            ready |= POLLHUP;
        }
        if self.connection.errors[self.side].get().is_some() {
            ready |= IN | OUT | POLLERR | POLLHUP;
        }
        if self.room() > CAPACITY / 3 || out.finished.get() || self.peer_gone() {
            ready |= OUT;
        }
        ready
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.connection.gone[self.side].set(true);
        let unread = self.readable() > 0;
        let peer_writes = !self.inward().finished.get();
        if unread && (peer_writes || self.connection.flavor != Flavor::Tcp) {
            self.reset();
        }
        self.out().finished.set(true);
        self.connection.services[self.side].take();
        // Descriptors that nobody will receive any more are closed with their last holder.
        let unread = std::mem::take(&mut *self.inward().marks.borrow_mut());
        drop(unread);
        self.inward().data.borrow_mut().clear();
        self.wake_both();
        self.serve();
    }
}

fn copy(data: &VecDeque<u8>, buf: &mut [u8]) -> usize {
    let n = buf.len().min(data.len());
    let (front, back) = data.as_slices();
    let first = n.min(front.len());
    buf[..first].copy_from_slice(&front[..first]);
    buf[first..n].copy_from_slice(&back[..n - first]);
    n
}
