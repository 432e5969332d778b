//! The runner that Cargo calls for wasm32 tests: wasm-bindgen's own, built from the version in Cargo.lock, so that it
//! can't mismatch the library.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
