//! What happened, for `docker events` and whoever watches the engine.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures::channel::mpsc;

use crate::api::types::{Actor, Event, StringMap};
use crate::clock::Clock;

/// How many events are kept for `--since` (moby's `eventsLimit`).
const KEPT: usize = 256;
/// How many events a slow listener may be behind before it is dropped.
const BEHIND: usize = 1024;

/// The engine's events.
pub struct Events {
    clock: Rc<dyn Clock>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    kept: VecDeque<Event>,
    listeners: Vec<mpsc::Sender<Event>>,
    last: i64,
}

impl Events {
    /// No events yet.
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        Events {
            clock,
            state: RefCell::default(),
        }
    }

    /// Records an event of a kind of object (`container`, `image`, `network` …)
    /// and tells the listeners.
    pub fn emit(&self, kind: &str, action: &str, id: &str, attributes: StringMap) {
        let mut state = self.state.borrow_mut();
        // Two events never share a time, so that a client can resume after one.
        let nanos = i64::try_from(self.clock.now().nanos())
            .unwrap_or(i64::MAX)
            .max(state.last.saturating_add(1));
        state.last = nanos;
        let legacy = matches!(kind, "container" | "image");
        let event = Event {
            status: if legacy { action.into() } else { String::new() },
            id: if legacy { id.into() } else { String::new() },
            from: if kind == "container" {
                attributes.get("image").cloned().unwrap_or_default()
            } else {
                String::new()
            },
            r#type: kind.into(),
            action: action.into(),
            actor: Actor {
                id: id.into(),
                attributes,
            },
            scope: "local".into(),
            time: nanos.div_euclid(1_000_000_000),
            time_nano: nanos,
        };
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(event.clone());
        state
            .listeners
            .retain_mut(|listener| listener.try_send(event.clone()).is_ok());
    }

    /// Events from now on. A listener that falls too far behind is cut off.
    pub fn subscribe(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(BEHIND);
        let mut state = self.state.borrow_mut();
        state.listeners.retain(|listener| !listener.is_closed());
        state.listeners.push(sender);
        receiver
    }

    /// The kept events, oldest first.
    pub fn past(&self) -> Vec<Event> {
        self.state.borrow().kept.iter().cloned().collect()
    }

    /// How many listen.
    pub fn listener_count(&self) -> usize {
        let mut state = self.state.borrow_mut();
        state.listeners.retain(|listener| !listener.is_closed());
        state.listeners.len()
    }
}

/// Attributes from pairs.
pub fn attributes<K: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> StringMap {
    pairs
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}
