//! `--help`: pflag's table of flags, wrapped to the terminal.

use super::client::Daemon;
use super::command::{Command, Flag, Group, Need};
use std::fmt::Write;

/// The flags of `docker` itself. `~` stands for the directory of the configuration.
pub const GLOBAL: &[Flag] = &[
    Flag::long(
        "config",
        "string",
        "Location of client config files (default \"~\")",
    ),
    Flag::new(
        'c',
        "context",
        "string",
        "Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with \"docker context use\")",
    ),
    Flag::new('D', "debug", "", "Enable debug mode"),
    Flag::new('H', "host", "list", "Daemon socket to connect to"),
    Flag::new(
        'l',
        "log-level",
        "string",
        "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\") (default \"info\")",
    ),
    Flag::long("tls", "", "Use TLS; implied by --tlsverify"),
    Flag::long(
        "tlscacert",
        "string",
        "Trust certs signed only by this CA (default \"~/ca.pem\")",
    ),
    Flag::long(
        "tlscert",
        "string",
        "Path to TLS certificate file (default \"~/cert.pem\")",
    ),
    Flag::long(
        "tlskey",
        "string",
        "Path to TLS key file (default \"~/key.pem\")",
    ),
    Flag::long("tlsverify", "", "Use TLS and verify the remote"),
    Flag::new('v', "version", "", "Print version information and quit"),
];

/// Whether help for this daemon tells of it; where none is reached, everything is told.
pub fn told(need: Need, daemon: Option<Daemon>) -> bool {
    need != Need::Hidden && daemon.is_none_or(|d| d.has(need))
}

/// `docker COMMAND --help`, `width` columns wide.
pub fn command(c: &Command, path: &str, width: usize, daemon: Option<Daemon>) -> String {
    // A second usage line follows the first at once.
    let gap = if c.about.starts_with('\t') { "" } else { "\n" };
    let mut out = format!("Usage:  {}\n{gap}{}\n", c.usage_line(path), c.about);
    if c.names.len() > 1 {
        let names: Vec<String> = c.names.iter().map(|n| format!("docker {n}")).collect();
        let _ = write!(out, "\nAliases:\n  {}\n", names.join(", "));
    }
    if c.flags.iter().any(|f| told(f.need, daemon)) {
        out.push_str("\nOptions:\n");
        out.push_str(&flags(c.flags, width, "", daemon));
    }
    out
}

/// `docker GROUP --help`; `about` gives the first line of a listed command's description, or nothing for one that is
/// not to be listed.
pub fn group(
    g: &Group,
    width: usize,
    config: &str,
    about: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let path = if g.name.is_empty() {
        "docker".to_string()
    } else {
        format!("docker {}", g.name)
    };
    let mut out = format!("Usage:  {path} {}\n\n{}\n", g.usage, g.about);
    for (title, names) in g.sections {
        let full = |name: &str| format!("{} {name}", g.name).trim_start().to_string();
        let rows: Vec<_> = names
            .iter()
            .filter_map(|name| Some((name, about(&full(name))?)))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(out, "\n{title}:\n");
        for (name, about) in rows {
            let _ = writeln!(out, "  {name:<11} {about}");
        }
    }
    if g.name.is_empty() {
        out.push_str("\nGlobal Options:\n");
        out.push_str(&flags(GLOBAL, width, config, None));
    }
    let _ = write!(
        out,
        "\nRun '{path} COMMAND --help' for more information on a command.\n"
    );
    if g.name.is_empty() {
        out.push_str(
            "\nFor more help on how to use Docker, head to https://docs.docker.com/go/guides/\n",
        );
    }
    out
}

/// pflag's `FlagUsagesWrapped`.
fn flags(list: &[Flag], width: usize, config: &str, daemon: Option<Daemon>) -> String {
    let mut sorted: Vec<&Flag> = list.iter().filter(|f| told(f.need, daemon)).collect();
    sorted.sort_by_key(|f| f.name);
    let rows: Vec<(String, String)> = sorted
        .into_iter()
        .map(|f| {
            let mut left = match f.short {
                Some(c) => format!("  -{c}, --{}", f.name),
                None => format!("      --{}", f.name),
            };
            if !f.value.is_empty() {
                left.push(' ');
                left.push_str(f.value);
            }
            let help = if config.is_empty() {
                f.help.to_string()
            } else {
                f.help.replacen('~', config, 1)
            };
            (left, help)
        })
        .collect();
    let widest = rows.iter().map(|(l, _)| l.len()).max().unwrap_or(0) + 1;
    let mut out = String::new();
    for (left, help) in rows {
        // The separator is one column in pflag's count, two blanks in its output.
        let _ = writeln!(
            out,
            "{left:<pad$}  {}",
            wrap(widest + 2, width.saturating_sub(1), &help),
            pad = widest
        );
    }
    out
}

fn indent(s: &str, i: usize) -> String {
    s.replace('\n', &format!("\n{}", " ".repeat(i)))
}

fn wrap(i: usize, width: usize, s: &str) -> String {
    if width == 0 {
        return indent(s, i);
    }
    let (mut i, mut room, mut out) = (i, width as isize - i as isize, String::new());
    if room < 24 {
        i = 16;
        room = width as isize - i as isize;
        out.push('\n');
        out.push_str(&" ".repeat(i));
    }
    if room < 24 {
        return s.replace('\n', &out);
    }
    const SLOP: usize = 5;
    let room = room as usize - SLOP;
    let (first, mut rest) = wrap_line(room, SLOP, s);
    out.push_str(&indent(first, i));
    while !rest.is_empty() {
        let (line, r) = wrap_line(room, SLOP, rest);
        rest = r;
        out.push('\n');
        out.push_str(&" ".repeat(i));
        out.push_str(&indent(line, i));
    }
    out
}

/// The first line of at most `room` bytes, `slop` more when that ends the text, and the rest.
fn wrap_line(room: usize, slop: usize, s: &str) -> (&str, &str) {
    if room + slop > s.len() {
        return (s, "");
    }
    let mut end = room;
    while !s.is_char_boundary(end) {
        end -= 1;
    }
    let head = &s[..end];
    let Some(w) = head.rfind([' ', '\t', '\n']).filter(|w| *w > 0) else {
        return (s, "");
    };
    match head.rfind('\n') {
        Some(n) if n > 0 && n < w => (&s[..n], &s[n + 1..]),
        _ => (&s[..w], &s[w + 1..]),
    }
}
