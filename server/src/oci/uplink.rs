//! The way out of an engine's networks: a cable from the namespace of its bridges to the host, and address translation
//! by nftables. An engine without it has no way out.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;

use super::cli::find_program;
use super::network::{self, Namespace};
use super::os;

/// Where the cables' addresses are from, four each.
const CABLES: [u8; 2] = [10, 213];

fn table(name: &str) -> String {
    format!("bottleship_{name}")
}

fn nft(rules: &str) -> Result<()> {
    let program = find_program("nft").context("nft (nftables) is not installed")?;
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Connects the namespace of an engine's bridges with the host's network. Between its bridges nothing is forwarded.
///
/// # Errors
/// With what is missing.
pub async fn connect(tokio: &Handle, name: &str, bridges: &Namespace) -> Result<()> {
    find_program("nft").context("nft (nftables) is not installed")?;
    let number = u16::from_str_radix(name.get(..4).unwrap_or_default(), 16).unwrap_or(1) & !3;
    let [third, fourth] = number.to_be_bytes();
    let [first, second] = CABLES;
    let outer = format!("{first}.{second}.{third}.{}", fourth | 1);
    let inner = format!("{first}.{second}.{third}.{}", fourth | 2);
    let cable = format!("bs{name}");
    let host: Namespace = std::sync::Arc::new(os::own_network()?);
    let commands = format!(
        "link add {cable} type veth peer name uplink netns {}\naddr add {outer}/30 dev {cable}\nlink set {cable} up\n",
        os::path_of(bridges)
    );
    network::ip(tokio, &host, commands).await?;
    let commands = format!(
        "addr add {inner}/30 dev uplink\nlink set uplink up\nroute add default via {outer}\n"
    );
    network::ip(tokio, bridges, commands).await?;
    let inside = "\
        add table ip bottleship
        add chain ip bottleship forward { type filter hook forward priority 0; policy drop; }
        add rule ip bottleship forward oifname \"uplink\" accept
        add rule ip bottleship forward iifname \"uplink\" ct state established,related accept
        add chain ip bottleship out { type nat hook postrouting priority 100; }
        add rule ip bottleship out oifname \"uplink\" masquerade
    ";
    os::in_network(bridges.as_fd(), || -> Result<()> {
        nft(inside)?;
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("ip_forward")
    })??;
    let table = table(name);
    let outside = format!(
        "add table ip {table}
        add chain ip {table} out {{ type nat hook postrouting priority 100; }}
        add rule ip {table} out ip saddr {inner} masquerade
        "
    );
    nft(&outside)?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("ip_forward")
}

/// Removes the host's part; the rest is gone with the namespace.
pub fn remove(name: &str) {
    // To delete what is not there is an error, to add what is there is none.
    let table = table(name);
    let _ = nft(&format!("add table ip {table}\ndelete table ip {table}\n"));
    let _ = Command::new("ip")
        .args(["link", "del", &format!("bs{name}")])
        .stdin(Stdio::piped())
        .output();
}
