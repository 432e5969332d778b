//! Networks: their addresses, the containers on them, published ports, names.

mod create;
mod endpoint;
mod ipam;
mod names;
mod ports;
mod store;

pub use endpoint::{
    attach_container, check_settings, detach_container, join, leave, network_of_mode,
};
pub use ipam::{Pool, mac_of};
pub use ports::{PortAllocator, parse_port, parse_range};
pub use store::{NetworkRecord, NetworkRef, Networks};
