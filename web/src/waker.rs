//! The engine's call for attention, as a call of a JavaScript function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use js_sys::Function;
use wasm_bindgen::prelude::JsValue;
use wasm_bindgen_futures::spawn_local;

struct PageWaker {
    pending: Arc<AtomicBool>,
    calls: UnboundedSender<()>,
}

impl Wake for PageWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.pending.swap(true, Ordering::Relaxed) {
            // Fails only when the page is going away.
            let _ = self.calls.unbounded_send(());
        }
    }
}

/// A waker that calls `function` soon; many wakes in a row make one call.
pub fn waker(function: Function) -> Waker {
    let pending = Arc::new(AtomicBool::new(false));
    let (calls, mut called) = unbounded();
    let seen = Arc::clone(&pending);
    // A Waker must be Send and a JavaScript function is not: it stays in this task.
    spawn_local(async move {
        while called.next().await.is_some() {
            seen.store(false, Ordering::Relaxed);
            // The function only schedules; there is nobody to tell if it threw.
            let _ = function.call0(&JsValue::NULL);
        }
    });
    Waker::from(Arc::new(PageWaker { pending, calls }))
}
