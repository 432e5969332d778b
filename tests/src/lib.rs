//! Checks of the tests themselves.

#[cfg(test)]
mod hostile_rows;
