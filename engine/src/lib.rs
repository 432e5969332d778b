//! The Bottleship engine.
