//! The measurement as a wasm module, driven by `bench.mjs`:
//! `cargo build --profile web --target wasm32-unknown-unknown -p bottleship-x86 --example bench_wasm`, then
//! `node engine/x86/examples/bench/bench.mjs target/wasm32-unknown-unknown/web/examples/bench_wasm.wasm /bin/busybox`.
#![allow(unsafe_code)] // Exported names, and buffers that the host fills.

mod guest;

/// A buffer of `len` bytes for the host to fill; it is given back to `start`.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(len: usize) -> *mut u8 {
    Box::leak(vec![0u8; len].into_boxed_slice()).as_mut_ptr()
}

/// A guest that runs the program in one buffer with the arguments in another, separated by line feeds.
///
/// # Safety
/// Both are buffers of these lengths from `buffer`, and aren't used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn start(
    elf: *mut u8,
    elf_len: usize,
    args: *mut u8,
    args_len: usize,
) -> *mut guest::Guest {
    // SAFETY: the caller's promise.
    let take =
        |at: *mut u8, len| unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, len)) };
    let (elf, args) = (take(elf, elf_len), take(args, args_len));
    let args = String::from_utf8_lossy(&args).into_owned();
    let argv: Vec<&str> = args.split('\n').collect();
    Box::leak(Box::new(guest::Guest::new(
        &elf,
        &argv,
        vec![0; 20_000_000],
    )))
}

/// Runs so many instructions; gives how many were run so far, negative once the program has ended.
///
/// # Safety
/// `guest` is from `start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn step(guest: *mut guest::Guest, instructions: f64) -> f64 {
    // SAFETY: the caller's promise.
    let guest = unsafe { &mut *guest };
    let more = guest.run(instructions as u64);
    guest.instructions as f64 * if more { 1.0 } else { -1.0 }
}

/// The length of the program's output so far, whose address `output` gives.
///
/// # Safety
/// `guest` is from `start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn output_len(guest: *mut guest::Guest) -> usize {
    // SAFETY: the caller's promise.
    let guest = unsafe { &*guest };
    guest.output.len()
}

/// # Safety
/// `guest` is from `start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn output(guest: *mut guest::Guest) -> *const u8 {
    // SAFETY: the caller's promise.
    let guest = unsafe { &*guest };
    guest.output.as_ptr()
}
