//! Time and randomness of the browser.

use bottleship_engine::api::types::Timestamp;
use bottleship_engine::clock::{Clock, Entropy};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(buffer: &mut [u8]);
}

/// `Date.now` and `performance.now`.
pub struct PageClock;

impl Clock for PageClock {
    fn now(&self) -> Timestamp {
        // Date.now has milliseconds; performance.now has the rest of them, fine enough to keep two events apart.
        let fraction = performance_now().fract();
        Timestamp::from_nanos(((date_now() + fraction) * 1e6) as i128)
    }

    fn monotonic(&self) -> u64 {
        monotonic()
    }
}

/// Nanoseconds of `performance.now`.
pub fn monotonic() -> u64 {
    (performance_now() * 1e6) as u64
}

/// `crypto.getRandomValues`.
pub struct PageEntropy;

/// The Web Crypto API gives at most so many bytes at once.
const QUOTA: usize = 65536;

impl Entropy for PageEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.chunks_mut(QUOTA).for_each(get_random_values);
    }
}
