//! Waiting for containers.

use std::cell::RefCell;

use futures::channel::oneshot;

use super::store::Container;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does not run; at once if it does not.
    NotRunning,
    /// The next time it ends.
    NextExit,
    /// It is gone.
    Removed,
}

impl Condition {
    /// From the query's `condition`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "not-running" => Some(Condition::NotRunning),
            "next-exit" => Some(Condition::NextExit),
            "removed" => Some(Condition::Removed),
            _ => None,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// The exit code.
    pub code: i64,
    /// Why it did not even start.
    pub error: Option<String>,
}

/// Who waits for a container.
#[derive(Default)]
pub struct Waiters(RefCell<Vec<(Condition, oneshot::Sender<Exit>)>>);

impl Waiters {
    fn add(&self, condition: Condition) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.0.borrow_mut();
        waiters.retain(|(_, sender)| !sender.is_canceled());
        waiters.push((condition, sender));
        receiver
    }

    /// Tells those who wait for its end.
    pub fn ended(&self, exit: &Exit) {
        self.tell(exit, |condition| condition != Condition::Removed);
    }

    /// Tells everyone: it is gone.
    pub fn removed(&self, exit: &Exit) {
        self.tell(exit, |_| true);
    }

    fn tell(&self, exit: &Exit, wanted: impl Fn(Condition) -> bool) {
        let (told, kept) = std::mem::take(&mut *self.0.borrow_mut())
            .into_iter()
            .partition(|(condition, _)| wanted(*condition));
        *self.0.borrow_mut() = kept;
        for (_, sender) in told {
            let sender: oneshot::Sender<Exit> = sender;
            let _ = sender.send(exit.clone());
        }
    }
}

impl Container {
    /// Its last exit.
    pub fn last_exit(&self) -> Exit {
        let record = self.record();
        let error = Some(record.state.error.clone()).filter(|error| !error.is_empty());
        Exit {
            code: record.state.exit_code,
            error,
        }
    }

    /// Resolves when the condition holds. What happens after this call counts,
    /// even before the future is polled.
    pub fn wait(&self, condition: Condition) -> impl Future<Output = Exit> + 'static {
        let state = self.record().state.clone();
        let already = match condition {
            Condition::NotRunning => !state.running,
            Condition::NextExit => false,
            Condition::Removed => self.is_removed(),
        };
        let last = self.last_exit();
        let receiver = (!already).then(|| self.waiters().add(condition));
        async move {
            match receiver {
                None => last,
                Some(receiver) => receiver.await.unwrap_or(last),
            }
        }
    }
}
