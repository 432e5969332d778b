mod hostile_formats;
mod hostile_names;
mod packing;
mod roundtrip;
mod tars;
