//! The entries of a directory.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Node;
use crate::FIRST_COOKIE;

/// Entries by name, and names by position. A name gets the next position when it appears, so
/// reading a directory while it changes neither skips nor repeats what stays.
#[derive(Default)]
pub(crate) struct Dir {
    by_name: BTreeMap<Rc<[u8]>, Entry>,
    by_cookie: BTreeMap<u64, Rc<[u8]>>,
    /// Taken off the tree: nothing can be created here any more.
    pub removed: bool,
}

struct Entry {
    cookie: u64,
    node: Rc<Node>,
}

impl Dir {
    pub fn get(&self, name: &[u8]) -> Option<&Rc<Node>> {
        self.by_name.get(name).map(|e| &e.node)
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Adds or replaces an entry; a replaced one keeps its position.
    pub fn insert(&mut self, name: &[u8], node: Rc<Node>) -> Option<Rc<Node>> {
        if let Some(entry) = self.by_name.get_mut(name) {
            return Some(std::mem::replace(&mut entry.node, node));
        }
        let last = self.by_cookie.last_key_value();
        let cookie = last.map_or(FIRST_COOKIE, |(c, _)| c + 1);
        let name: Rc<[u8]> = name.into();
        self.by_cookie.insert(cookie, name.clone());
        self.by_name.insert(name, Entry { cookie, node });
        None
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Rc<Node>> {
        let entry = self.by_name.remove(name)?;
        self.by_cookie.remove(&entry.cookie);
        Some(entry.node)
    }

    /// Up to `n` entries after a position.
    pub fn after(&self, cookie: u64, n: usize) -> Vec<(u64, Rc<[u8]>, Rc<Node>)> {
        let from = self.by_cookie.range(cookie.saturating_add(1)..);
        from.take(n)
            .filter_map(|(c, name)| Some((*c, name.clone(), self.get(name)?.clone())))
            .collect()
    }

    /// Takes all entries out.
    pub fn drain(&mut self) -> impl Iterator<Item = Rc<Node>> {
        self.by_cookie.clear();
        std::mem::take(&mut self.by_name)
            .into_values()
            .map(|e| e.node)
    }
}
