//! The engine's ports in a browser.

mod clock;
mod fetch;
mod store;

pub use clock::{PageClock, PageEntropy};
pub use fetch::PageFetch;
pub use store::PageStore;
