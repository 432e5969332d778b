//! IPv4 subnets and the addresses taken from them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// An IPv4 subnet and its taken addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    network: u32,
    prefix: u8,
    /// The part addresses are given out from, at most the subnet.
    range: (u32, u32),
    taken: BTreeSet<u32>,
}

/// `10.0.0.0/24`; host bits are cleared.
pub fn parse_cidr(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let prefix: u8 = prefix.parse().ok().filter(|p| *p <= 32)?;
    Some((Ipv4Addr::from(u32::from(address) & mask(prefix)), prefix))
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl Pool {
    /// A subnet; network and broadcast address are never given out.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let network = u32::from(address) & mask(prefix);
        let last = network | !mask(prefix);
        let mut taken = BTreeSet::new();
        if prefix < 31 {
            taken.extend([network, last]);
        }
        Pool {
            network,
            prefix,
            range: (network, last),
            taken,
        }
    }

    /// From `10.0.0.0/24`.
    pub fn parse(text: &str) -> Option<Self> {
        parse_cidr(text).map(|(address, prefix)| Pool::new(address, prefix))
    }

    /// Gives addresses out only from this part (`--ip-range`).
    pub fn restrict(&mut self, address: Ipv4Addr, prefix: u8) -> bool {
        let first = u32::from(address) & mask(prefix);
        let last = first | !mask(prefix);
        if !self.contains(Ipv4Addr::from(first)) || !self.contains(Ipv4Addr::from(last)) {
            return false;
        }
        self.range = (first, last);
        true
    }

    /// `10.0.0.0/24`.
    pub fn cidr(&self) -> String {
        format!("{}/{}", Ipv4Addr::from(self.network), self.prefix)
    }

    /// Prefix length in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The network address.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.network)
    }

    /// Whether an address is in the subnet.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.network
    }

    /// Whether two subnets share addresses.
    pub fn overlaps(&self, other: &Pool) -> bool {
        let prefix = self.prefix.min(other.prefix);
        self.network & mask(prefix) == other.network & mask(prefix)
    }

    /// The lowest free address.
    pub fn allocate(&mut self) -> Option<Ipv4Addr> {
        let address =
            (self.range.0..=self.range.1).find(|address| !self.taken.contains(address))?;
        self.taken.insert(address);
        Some(Ipv4Addr::from(address))
    }

    /// A certain address; false when it is taken.
    pub fn take(&mut self, address: Ipv4Addr) -> bool {
        self.contains(address) && self.taken.insert(u32::from(address))
    }

    /// Gives an address back.
    pub fn release(&mut self, address: Ipv4Addr) {
        self.taken.remove(&u32::from(address));
    }
}

/// The hardware address Docker gives an IPv4 address.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// `02:42:ac:11:00:02`.
pub fn format_mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Six hexadecimal bytes with colons or dashes.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text
        .split([':', '-'])
        .map(|p| u8::from_str_radix(p, 16).ok())
        .collect::<Option<_>>()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_out_lowest_first_and_reused() {
        let mut pool = Pool::parse("172.18.0.0/16").expect("valid");
        let mut next = || pool.allocate().map(|a| a.to_string());
        assert_eq!(next().as_deref(), Some("172.18.0.1"));
        assert_eq!(next().as_deref(), Some("172.18.0.2"));
        assert_eq!(next().as_deref(), Some("172.18.0.3"));
        pool.release(Ipv4Addr::new(172, 18, 0, 2));
        assert_eq!(pool.allocate(), Some(Ipv4Addr::new(172, 18, 0, 2)));
        assert!(!pool.take(Ipv4Addr::new(172, 18, 0, 3)) && !pool.take(Ipv4Addr::new(10, 0, 0, 1)));
    }

    #[test]
    fn a_small_pool_runs_out() {
        let mut pool = Pool::parse("10.0.0.0/30").expect("valid");
        assert_eq!(
            (
                pool.allocate().is_some(),
                pool.allocate().is_some(),
                pool.allocate()
            ),
            (true, true, None)
        );
    }

    #[test]
    fn overlap_is_symmetric() {
        let (a, b) = (
            Pool::parse("10.0.0.0/8").expect("a"),
            Pool::parse("10.9.0.0/16").expect("b"),
        );
        assert!(a.overlaps(&b) && b.overlaps(&a));
        assert!(!b.overlaps(&Pool::parse("10.8.0.0/16").expect("c")));
    }

    #[test]
    fn hardware_addresses_follow_the_address() {
        assert_eq!(
            format_mac(mac_of(Ipv4Addr::new(172, 17, 0, 2))),
            "02:42:ac:11:00:02"
        );
        assert_eq!(
            parse_mac("02:42:ac:11:00:02"),
            Some([2, 0x42, 0xac, 0x11, 0, 2])
        );
        assert_eq!(parse_mac("02:42"), None);
    }
}
