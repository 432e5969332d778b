//! Who may have a session, and whether there is room: permits that give their room back when they are dropped.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap};

use super::config::Config;

/// Those who wait and are heard of this often at least keep their place.
const WAITING: Duration = Duration::from_secs(30);
/// Places in the queue.
const QUEUE: usize = 1000;
/// Addresses that are remembered.
const ADDRESSES: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Why there is no session now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The word is not the one.
    Invitation,
    /// This address has as many as it may.
    TooMany,
    /// This address starts too many; seconds until it may again.
    TooFast(u64),
    /// No room; how many wait, and which of them this is, from 1.
    Full {
        /// Those who wait.
        queue: usize,
        /// The place.
        position: usize,
        /// To keep the place with.
        ticket: String,
    },
    /// The server is about to stop.
    Draining,
}

struct Waiting {
    ticket: String,
    seen: Instant,
}

#[derive(Default)]
struct Address {
    sessions: usize,
    starts: VecDeque<Instant>,
}

#[derive(Default)]
struct State {
    sessions: usize,
    addresses: HashMap<IpAddr, Address>,
    queue: VecDeque<Waiting>,
    draining: bool,
}

/// The gate.
#[derive(Clone)]
pub struct Admission {
    state: Arc<Mutex<State>>,
    config: Arc<Config>,
}

/// Room for a session, until it is dropped.
pub struct Permit {
    admission: Admission,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.sessions = state.sessions.saturating_sub(1);
        if let Some(address) = state.addresses.get_mut(&self.address) {
            address.sessions = address.sessions.saturating_sub(1);
        }
    }
}

/// An address as it is counted: of version 6 the network, which one visitor has all of.
pub fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
        },
    }
}

/// Whether two words are the same, in a time that does not tell where they differ.
fn is_same(a: &str, b: &str) -> bool {
    let differs = a
        .bytes()
        .zip(b.bytes())
        .fold(a.len() ^ b.len(), |sum, (a, b)| sum | usize::from(a ^ b));
    differs == 0
}

impl Admission {
    /// The gate of a server with this configuration.
    pub fn new(config: Arc<Config>) -> Admission {
        Admission {
            state: Arc::default(),
            config,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions that have room, and visitors who wait for some.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.sessions, state.queue.len())
    }

    /// No more sessions from now on.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether no more sessions are started.
    pub fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Asks for room. `has_room` says whether the machine has some besides the number of sessions.
    ///
    /// # Errors
    /// Why there is none.
    pub fn ask(
        &self,
        address: IpAddr,
        invitation: Option<&str>,
        ticket: Option<&str>,
        has_room: bool,
        now: Instant,
    ) -> Result<Permit, Refusal> {
        let address = counted(address);
        let wanted = &self.config.access.invitation;
        if !wanted.is_empty() && !is_same(invitation.unwrap_or_default(), wanted) {
            return Err(Refusal::Invitation);
        }
        let mut state = self.lock();
        if state.draining {
            return Err(Refusal::Draining);
        }
        if state.addresses.len() >= ADDRESSES {
            state.addresses.retain(|_, known| {
                known.sessions > 0
                    || known
                        .starts
                        .back()
                        .is_some_and(|at| now.duration_since(*at) < MINUTE)
            });
        }
        let access = &self.config.access;
        let known = state.addresses.entry(address).or_default();
        if known.sessions >= access.sessions_per_address {
            return Err(Refusal::TooMany);
        }
        while known
            .starts
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            known.starts.pop_front();
        }
        // Who waits in the queue asks again and again, and starts nothing.
        if known.starts.len() >= access.starts_per_minute as usize {
            let oldest = known
                .starts
                .front()
                .map_or(MINUTE, |at| MINUTE.saturating_sub(now.duration_since(*at)));
            return Err(Refusal::TooFast(oldest.as_secs().max(1)));
        }
        state
            .queue
            .retain(|waiting| now.duration_since(waiting.seen) < WAITING);
        let place = ticket.and_then(|ticket| {
            state
                .queue
                .iter()
                .position(|waiting| is_same(&waiting.ticket, ticket))
        });
        let free = self.config.server.sessions.saturating_sub(state.sessions);
        let before = place.unwrap_or(state.queue.len());
        if !has_room || before >= free {
            return Err(enqueue(&mut state, place, now));
        }
        if let Some(place) = place {
            state.queue.remove(place);
        }
        state.sessions += 1;
        let known = state.addresses.entry(address).or_default();
        known.sessions += 1;
        known.starts.push_back(now);
        Ok(Permit {
            admission: self.clone(),
            address,
        })
    }
}

fn enqueue(state: &mut State, place: Option<usize>, now: Instant) -> Refusal {
    let place = match place {
        Some(place) => {
            if let Some(waiting) = state.queue.get_mut(place) {
                waiting.seen = now;
            }
            place
        }
        None if state.queue.len() < QUEUE => {
            state.queue.push_back(Waiting {
                ticket: super::secret(),
                seen: now,
            });
            state.queue.len() - 1
        }
        None => QUEUE,
    };
    Refusal::Full {
        queue: state.queue.len(),
        position: place + 1,
        ticket: state
            .queue
            .get(place)
            .map(|waiting| waiting.ticket.clone())
            .unwrap_or_default(),
    }
}

/// Whether a page of that origin may use the API: the site's own, or one the operator named. Programs that are no
/// browsers send no origin.
pub fn is_welcome(headers: &HeaderMap, config: &Config) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    if origins.next().is_some() {
        return false;
    }
    if config.access.origins.iter().any(|known| known == origin) {
        return true;
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        // `null`, among others.
        return false;
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let own = hosts.next().and_then(|own| own.to_str().ok());
    matches!(scheme, "http" | "https") && own == Some(host) && hosts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn gate(sessions: usize, per_address: usize) -> Admission {
        let mut config = Config::default();
        config.server.sessions = sessions;
        config.access.sessions_per_address = per_address;
        Admission::new(Arc::new(config))
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn room_comes_back_when_a_permit_is_dropped() {
        let (gate, now) = (gate(1, 9), Instant::now());
        let permit = gate.ask(ip(1), None, None, true, now);
        assert!(permit.is_ok());
        assert!(gate.ask(ip(2), None, None, true, now).is_err());
        drop(permit);
        assert_eq!(gate.counts().0, 0);
    }

    #[test]
    fn the_queue_is_kept_in_order_and_tells_the_place() {
        let (gate, now) = (gate(1, 9), Instant::now());
        let permit = gate.ask(ip(1), None, None, true, now);
        let place = |address, ticket: Option<&str>| match gate.ask(address, None, ticket, true, now)
        {
            Err(Refusal::Full {
                queue,
                position,
                ticket,
            }) => (queue, position, ticket),
            other => panic!("{:?}", other.err()),
        };
        let (_, first, ticket) = place(ip(2), None);
        let (queue, second, _) = place(ip(3), None);
        assert_eq!((first, second, queue), (1, 2, 2));
        assert_eq!(place(ip(2), Some(&ticket)).1, 1);
        drop(permit);
        // Whoever is new does not overtake.
        assert_eq!(place(ip(4), None).1, 3);
        assert!(gate.ask(ip(2), None, Some(&ticket), true, now).is_ok());
    }

    #[test]
    fn who_does_not_come_back_loses_the_place() {
        let (gate, now) = (gate(1, 9), Instant::now());
        let _permit = gate.ask(ip(1), None, None, true, now);
        assert!(gate.ask(ip(2), None, None, true, now).is_err());
        let later = now + WAITING;
        match gate.ask(ip(3), None, None, true, later) {
            Err(Refusal::Full { position, .. }) => assert_eq!(position, 1),
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn an_address_has_its_share_and_a_network_is_one_address() {
        let (gate, now) = (gate(9, 1), Instant::now());
        let v6 = |text: &str| text.parse::<IpAddr>().expect("an address");
        let _permit = gate.ask(v6("2001:db8::1"), None, None, true, now);
        assert_eq!(
            gate.ask(v6("2001:db8::2"), None, None, true, now).err(),
            Some(Refusal::TooMany)
        );
        assert!(
            gate.ask(v6("2001:db8:0:1::1"), None, None, true, now)
                .is_ok()
        );
    }

    #[test]
    fn starts_are_limited_by_the_minute() {
        let (gate, now) = (gate(99, 99), Instant::now());
        for _ in 0..Config::default().access.starts_per_minute {
            assert!(gate.ask(ip(1), None, None, true, now).is_ok());
        }
        assert!(matches!(
            gate.ask(ip(1), None, None, true, now).err(),
            Some(Refusal::TooFast(60))
        ));
        assert!(gate.ask(ip(1), None, None, true, now + MINUTE).is_ok());
    }

    #[test]
    fn an_invitation_is_needed_where_one_is_set() {
        let mut config = Config::default();
        config.access.invitation = "ahoy".into();
        let gate = Admission::new(Arc::new(config));
        let ask = |word| gate.ask(ip(1), word, None, true, Instant::now()).err();
        for wrong in [None, Some(""), Some("aho"), Some("ahoyy"), Some("Ahoy")] {
            assert_eq!(ask(wrong), Some(Refusal::Invitation));
        }
        assert_eq!(ask(Some("ahoy")), None);
    }

    #[test]
    fn pages_of_other_origins_are_not_welcome() {
        let mut config = Config::default();
        config.access.origins = vec!["https://class.example".into()];
        let from = |origins: &[&str], host: &str| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(
                    header::ORIGIN,
                    HeaderValue::from_str(origin).expect("a value"),
                );
            }
            headers.insert(header::HOST, HeaderValue::from_str(host).expect("a value"));
            is_welcome(&headers, &config)
        };
        assert!(from(&[], "site.example"));
        assert!(from(&["https://site.example"], "site.example"));
        assert!(from(&["http://127.0.0.1:8080"], "127.0.0.1:8080"));
        assert!(from(&["https://class.example"], "site.example"));
        for evil in [
            "null",
            "https://evil.example",
            "https://site.example.evil",
            "https://site@evil",
            "https://site.example:444",
            "https://SITE.example.",
            "file://site.example",
        ] {
            assert!(!from(&[evil], "site.example"), "{evil}");
        }
        assert!(!from(
            &["https://site.example", "https://evil"],
            "site.example"
        ));
    }
}
