//! Reading a merged directory.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bottleship_abi::mode::S_IFCHR;

use super::is_whiteout;
use super::node::Node;
use crate::{DirEntry, FIRST_COOKIE, InodeRef, Result};

/// The names of a merged directory and their positions. It is made when the directory is first
/// read and follows its changes from then on, so a name keeps its position.
#[derive(Default)]
pub(super) struct Listing {
    by_cookie: BTreeMap<u64, Rc<[u8]>>,
    by_name: BTreeMap<Rc<[u8]>, u64>,
}

impl Listing {
    pub fn add(&mut self, name: &[u8]) {
        if !self.by_name.contains_key(name) {
            let last = self.by_cookie.last_key_value();
            let cookie = last.map_or(FIRST_COOKIE, |(c, _)| c + 1);
            let name: Rc<[u8]> = name.into();
            self.by_cookie.insert(cookie, name.clone());
            self.by_name.insert(name, cookie);
        }
    }

    pub fn remove(&mut self, name: &[u8]) {
        if let Some(cookie) = self.by_name.remove(name) {
            self.by_cookie.remove(&cookie);
        }
    }

    fn after(&self, cookie: u64, n: usize) -> Vec<(u64, Rc<[u8]>)> {
        let from = self.by_cookie.range(cookie.saturating_add(1)..);
        from.take(n).map(|(c, name)| (*c, name.clone())).collect()
    }
}

impl Node {
    /// Merges the layers' entries, unless that was done before.
    fn list(&self) -> Result<()> {
        if self.listing.borrow().is_some() {
            return Ok(());
        }
        let layers: Vec<InodeRef> = {
            let state = self.state.borrow();
            state.upper.iter().chain(&state.lowers).cloned().collect()
        };
        let mut listing = Listing::default();
        let mut hidden: BTreeSet<Vec<u8>> = BTreeSet::new();
        for layer in &layers {
            let mut devices = Vec::new();
            layer.readdir(0, &mut |entry| {
                if entry.kind == S_IFCHR {
                    devices.push(entry.name.to_vec());
                } else if !hidden.contains(entry.name) {
                    listing.add(entry.name);
                }
                true
            })?;
            for name in devices {
                if hidden.contains(&name) || listing.by_name.contains_key(&*name) {
                    continue;
                }
                match is_whiteout(&layer.lookup(&name)?)? {
                    true => _ = hidden.insert(name),
                    false => listing.add(&name),
                }
            }
        }
        *self.listing.borrow_mut() = Some(listing);
        Ok(())
    }

    pub fn is_empty_dir(&self) -> Result<bool> {
        self.list()?;
        let listing = self.listing.borrow();
        Ok(listing.as_ref().is_none_or(|l| l.by_name.is_empty()))
    }

    pub fn read_merged(
        &self,
        cookie: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        self.list()?;
        let mut position = cookie;
        loop {
            let batch = match self.listing.borrow().as_ref() {
                Some(listing) => listing.after(position, 64),
                None => Vec::new(),
            };
            if batch.is_empty() {
                return Ok(());
            }
            for (cookie, name) in batch {
                position = cookie;
                // `None`: removed by what `emit` did.
                let Some(node) = self.find(&name)? else {
                    continue;
                };
                let more = emit(DirEntry {
                    ino: node.ino,
                    kind: node.kind,
                    name: &name,
                    cookie,
                });
                if !more {
                    return Ok(());
                }
            }
        }
    }
}
