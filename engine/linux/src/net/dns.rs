//! The name server at 127.0.0.11 (RFC 1035): it speaks the protocol, a hook knows the names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::stream::End;

/// Bytes of an answer over UDP.
pub const UDP_MAX: usize = 512;
/// Seconds an answer holds, as Docker's server says.
const TTL: u32 = 600;
/// Bytes of questions that a connection may have under way.
const STREAM_MAX: usize = 64 << 10;

/// Bytes of a message's head.
const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;

/// A question about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The name, in lower case, without a dot at the end.
    pub name: String,
    /// The address whose name is asked for (PTR).
    pub reverse: Option<IpAddr>,
}

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsAnswer {
    /// The addresses of a name; of those the asked-for family is answered.
    Addresses(Vec<IpAddr>),
    /// The names of an address.
    Names(Vec<String>),
    /// There is no such name (`NXDOMAIN`).
    NoSuchName,
    /// Not one of the guests' names: whoever is asked outside knows. Where nobody can be asked, there
    /// is no such name.
    AskOutside,
    /// Whoever would know cannot be asked (`SERVFAIL`).
    Unavailable,
}

/// Answers questions.
pub type DnsHook = Rc<dyn Fn(&DnsQuestion) -> DnsAnswer>;

/// Whether the server is at this address.
pub(super) fn is_server(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))
}

/// Whether a message asks for what only somebody outside may know.
pub(super) fn is_outside(message: &[u8], hook: &DnsHook) -> bool {
    let Some((name, len)) = message.get(HEADER..).and_then(read_name) else {
        return false;
    };
    let kind = message.get(HEADER + len..HEADER + len + 2);
    let pointer = kind == Some(&TYPE_PTR.to_be_bytes());
    let reverse = reverse_address(&name).filter(|_| pointer);
    hook(&DnsQuestion { name, reverse }) == DnsAnswer::AskOutside
}

/// The answer to a message; `None` when it is too broken to be answered.
pub fn answer(message: &[u8], hook: &DnsHook, max: Option<usize>) -> Option<Vec<u8>> {
    let header = message.get(..HEADER)?;
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    // An answer is not answered.
    if header[2] & 0x80 != 0 {
        return None;
    }
    let reply = |rcode: u8, question: &[u8], count: u16, answers: &[u8], cut: bool| {
        let mut out = Vec::with_capacity(HEADER + question.len() + answers.len());
        out.extend(&header[..2]);
        // Response, the question's opcode and "recursion desired", "recursion available".
        out.push(0x80 | (header[2] & 0x79) | if cut { 2 } else { 0 });
        out.push(0x80 | rcode);
        out.extend(u16::from(!question.is_empty()).to_be_bytes());
        out.extend(count.to_be_bytes());
        out.extend([0; 4]);
        out.extend(question);
        out.extend(answers);
        out
    };
    if header[2] >> 3 & 15 != 0 || field(4) != 1 {
        return Some(reply(4, &[], 0, &[], false));
    }
    let Some((name, len)) = read_name(&message[HEADER..]) else {
        return Some(reply(1, &[], 0, &[], false));
    };
    let end = HEADER + len + 4;
    let Some(question) = message.get(HEADER..end) else {
        return Some(reply(1, &[], 0, &[], false));
    };
    let kind = u16::from_be_bytes([question[len], question[len + 1]]);
    let reverse = reverse_address(&name).filter(|_| kind == TYPE_PTR);
    let answer = hook(&DnsQuestion { name, reverse });
    let mut records: Vec<Vec<u8>> = Vec::new();
    let rcode = match answer {
        DnsAnswer::Addresses(addresses) => {
            records.extend(addresses.iter().filter_map(|ip| match ip {
                IpAddr::V4(ip) if kind == TYPE_A => Some(ip.octets().to_vec()),
                IpAddr::V6(ip) if kind == TYPE_AAAA => Some(ip.octets().to_vec()),
                _ => None,
            }));
            0
        }
        DnsAnswer::Names(names) => {
            if kind == TYPE_PTR {
                records.extend(names.iter().filter_map(|name| write_name(name)));
            }
            0
        }
        DnsAnswer::Unavailable => 2,
        DnsAnswer::NoSuchName | DnsAnswer::AskOutside => 3,
    };
    let (mut answers, mut count, mut cut) = (Vec::new(), 0, false);
    for data in records {
        // A pointer to the question's name, then type, class, time to live and length.
        let size = 12 + data.len();
        if max.is_some_and(|max| end + answers.len() + size > max) || count == u16::MAX {
            cut = true;
            break;
        }
        answers.extend([0xc0, HEADER as u8]);
        answers.extend(kind.to_be_bytes());
        answers.extend(1u16.to_be_bytes());
        answers.extend(TTL.to_be_bytes());
        answers.extend((data.len() as u16).to_be_bytes());
        answers.extend(data);
        count += 1;
    }
    Some(reply(rcode, question, count, &answers, cut))
}

/// A name without pointers, and the bytes it takes.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        at += 1;
        if len == 0 {
            return Some((name, at));
        }
        if len > 63 || at + len > 255 {
            return None;
        }
        let label = bytes.get(at..at + len)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
        at += len;
    }
}

fn write_name(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let len = u8::try_from(label.len())
            .ok()
            .filter(|len| (1..=63).contains(len))?;
        out.push(len);
        out.extend(label.as_bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(out)
}

/// The address in `4.3.2.1.in-addr.arpa` and `….ip6.arpa`.
fn reverse_address(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = digits.split('.').rev().collect();
        return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let nibbles: Vec<&str> = digits.split('.').rev().collect();
    if nibbles.len() != 32 || nibbles.iter().any(|n| n.len() != 1) {
        return None;
    }
    let bits = u128::from_str_radix(&nibbles.concat(), 16).ok()?;
    Some(Ipv6Addr::from(bits).into())
}

/// Answers what comes over a connection, each message after its length.
pub(super) fn serve_stream(end: End, hook: DnsHook) {
    let end = Rc::new(end);
    let buffer = std::cell::RefCell::new(Vec::new());
    let server = end.clone();
    end.set_service(Rc::new(move || {
        let mut buffer = buffer.borrow_mut();
        let mut chunk = [0; 4096];
        loop {
            match server.recv(&mut chunk, false) {
                Ok(received) if received.n > 0 => buffer.extend_from_slice(&chunk[..received.n]),
                Err(bottleship_abi::Errno::EAGAIN) => break,
                // The other side is done, and so is this one.
                _ => return server.stop_service(),
            }
            if buffer.len() > STREAM_MAX {
                return server.stop_service();
            }
        }
        while let [high, low, rest @ ..] = &buffer[..] {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(message) = rest.get(..len) else {
                break;
            };
            if let Some(answer) = answer(message, &hook, Some(usize::from(u16::MAX))) {
                let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                // Who does not read the answers gets no more of them.
                if server.send(&framed, Default::default()) != Ok(framed.len()) {
                    return server.stop_service();
                }
            }
            buffer.drain(..2 + len);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(write_name(name).unwrap());
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }

    fn hook() -> DnsHook {
        Rc::new(|q| match (q.name.as_str(), q.reverse) {
            ("web", _) => DnsAnswer::Addresses(vec!["172.17.0.2".parse().unwrap()]),
            ("many", _) => DnsAnswer::Addresses(vec![Ipv4Addr::LOCALHOST.into(); 100]),
            (_, Some(ip)) if ip == IpAddr::from([172, 17, 0, 2]) => {
                DnsAnswer::Names(vec!["web.net".to_owned()])
            }
            ("down", _) => DnsAnswer::Unavailable,
            _ => DnsAnswer::NoSuchName,
        })
    }

    #[test]
    fn addresses_names_and_failures() {
        let ask = |name: &str, kind| answer(&question(name, kind), &hook(), Some(UDP_MAX)).unwrap();
        let a = ask("WEB", TYPE_A);
        assert_eq!(a[..4], [0x12, 0x34, 0x81, 0x80]);
        assert_eq!(a[6..8], [0, 1]);
        assert_eq!(a[a.len() - 4..], [172, 17, 0, 2]);
        // A name without an address of that family exists all the same.
        assert_eq!(ask("web", TYPE_AAAA)[3..8], [0x80, 0, 1, 0, 0]);
        assert_eq!(ask("nosuch", TYPE_A)[3], 0x83);
        assert_eq!(ask("down", TYPE_A)[3], 0x82);
        let ptr = ask("2.0.17.172.in-addr.arpa", TYPE_PTR);
        assert!(ptr.ends_with(b"\x03web\x03net\0"));
        let many = ask("many", TYPE_A);
        assert!(many.len() <= UDP_MAX && many[2] & 2 != 0);
        assert!(answer(&question("many", 1), &hook(), None).unwrap()[2] & 2 == 0);
    }

    #[test]
    fn broken_messages() {
        for len in 0..12 {
            assert_eq!(answer(&question("web", 1)[..len], &hook(), None), None);
        }
        for len in 12..20 {
            let reply = answer(&question("web", 1)[..len], &hook(), None).unwrap();
            assert_eq!(reply[3], 0x81, "{len}");
        }
        let mut pointer = question("web", 1);
        pointer[12] = 0xc0;
        assert_eq!(answer(&pointer, &hook(), None).unwrap()[3], 0x81);
        let ipv6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
        assert_eq!(reverse_address(ipv6), Some(Ipv6Addr::LOCALHOST.into()));
    }
}
