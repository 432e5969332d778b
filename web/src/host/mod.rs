//! The Docker host as the page sees it: its files, its shells.

pub mod docker_host;
pub mod files;
pub mod shell;

pub use docker_host::DockerHost;
