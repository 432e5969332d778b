//! The Docker host as the page sees it: its files, its terminals.

pub mod files;
pub mod terminal;
