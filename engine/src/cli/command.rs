//! Commands and flags as data, and how a command line is read (spf13/pflag's and cobra's rules).

use super::{Cli, Failure};
use futures::future::LocalBoxFuture;

/// What a command does.
pub type Run = for<'a> fn(&'a Cli<'a>, &'a Matches) -> LocalBoxFuture<'a, Result<(), Failure>>;

/// A command under all its names.
pub struct Command {
    /// Full names without `docker`, the canonical one first: `container ls`, …, `ps`.
    pub names: &'static [&'static str],
    /// The rest of the usage line.
    pub usage: &'static str,
    /// What `--help` says about it; lists of commands show its first line.
    pub about: &'static str,
    /// How many arguments it takes.
    pub args: Args,
    /// Its flags, sorted by name.
    pub flags: &'static [Flag],
    /// What it does.
    pub run: Run,
}

/// A group of commands.
pub struct Group {
    /// Its name without `docker`; empty for `docker` itself.
    pub name: &'static str,
    /// The rest of the usage line.
    pub usage: &'static str,
    /// What `--help` says about it.
    pub about: &'static str,
    /// Titles and the commands listed under them.
    pub sections: &'static [(&'static str, &'static [&'static str])],
}

/// How many arguments a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Args {
    /// Any number.
    Any,
    /// None.
    None,
    /// Exactly so many.
    Exact(usize),
    /// At least.
    Min(usize),
    /// At most.
    Max(usize),
    /// Between, inclusive.
    Range(usize, usize),
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its one-letter form.
    pub short: Option<char>,
    /// Its name.
    pub name: &'static str,
    /// The name of its value's type as `--help` shows it; empty for a switch.
    pub value: &'static str,
    /// What `--help` says, with the default.
    pub help: &'static str,
    /// Whom it is for.
    pub need: Need,
}

/// Whom a flag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody.
    Nothing,
    /// Nobody is told: it works, but `--help` does not list it.
    Hidden,
    /// A daemon that manages a swarm; the flag is taken from everybody.
    Swarm,
    /// A daemon with experimental features.
    Experimental,
    /// A daemon on Windows.
    Windows,
}

impl Flag {
    /// A flag with a one-letter form.
    pub const fn new(
        short: char,
        name: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag {
            short: Some(short),
            name,
            value,
            help,
            need: Need::Nothing,
        }
    }

    /// A flag without one.
    pub const fn long(name: &'static str, value: &'static str, help: &'static str) -> Flag {
        Flag {
            short: None,
            name,
            value,
            help,
            need: Need::Nothing,
        }
    }

    /// A flag `--help` does not list.
    pub const fn hidden(name: &'static str, value: &'static str) -> Flag {
        Flag::long(name, value, "").needs(Need::Hidden)
    }

    /// The flag, for these daemons alone.
    pub const fn needs(mut self, need: Need) -> Flag {
        self.need = need;
        self
    }

    /// As error texts name it: `-a, --all` or `--all`.
    fn spelling(&self) -> String {
        match self.short {
            Some(c) => format!("-{c}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }
}

/// A command line that was read.
#[derive(Debug, Default)]
pub struct Matches {
    /// The command as it was called, `docker ps`.
    pub path: String,
    /// The arguments that are no flags.
    pub args: Vec<String>,
    values: Vec<(&'static str, String)>,
}

impl Matches {
    /// Whether the flag was given.
    pub fn given(&self, name: &str) -> bool {
        self.values.iter().any(|(n, _)| *n == name)
    }

    /// The flag's last value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .rev()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The flag's last value, or an empty string.
    pub fn str(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// A switch's value.
    pub fn on(&self, name: &str) -> bool {
        self.on_or(name, false)
    }

    /// A switch's value, with its default.
    pub fn on_or(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(go_bool).unwrap_or(default)
    }

    /// A number; values were checked when the line was read.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(go_int)
    }

    /// All values of a repeatable flag, in order.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.values
            .iter()
            .filter(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// The i-th argument, or an empty string.
    pub fn arg(&self, i: usize) -> &str {
        self.args.get(i).map_or("", |s| s)
    }
}

/// Why a command line was not accepted, or asks for something else.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `--help`, or `-h` where that is no flag of the command's own.
    Help {
        /// Spelled `-h`, which docker deprecates.
        short: bool,
    },
    /// The text of a usage error.
    Usage(String),
}

/// `strconv.ParseBool`.
pub fn go_bool(s: &str) -> Option<bool> {
    match s {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt` with base 0.
pub fn go_int(s: &str) -> Option<i64> {
    let (neg, digits) = match s.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let v = u64::from_str_radix(digits, radix).ok()?;
    if neg {
        0i64.checked_sub_unsigned(v)
    } else {
        i64::try_from(v).ok()
    }
}

fn number_error(function: &str, s: &str) -> String {
    let digits = s.trim_start_matches(['-', '+']);
    let signed = function == "ParseUint" && digits.len() < s.len();
    let why = if !signed && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {}: {why}", super::quote(s))
}

/// Checks a value by the type its flag shows.
fn check(flag: &Flag, s: &str) -> Result<(), String> {
    match flag.value {
        "" => go_bool(s)
            .map(drop)
            .ok_or_else(|| number_error("ParseBool", s)),
        "int" => match go_int(s) {
            Some(_) => Ok(()),
            // The value of --stop-timeout and others is an int, of --cpu-quota an int64: one text.
            None => Err(number_error("ParseInt", s)),
        },
        "uint" => u64::try_from(go_int(s).unwrap_or(-1))
            .map(drop)
            .map_err(|_| number_error("ParseUint", s)),
        "uint16" => u16::try_from(go_int(s).unwrap_or(-1))
            .map(drop)
            .map_err(|_| number_error("ParseUint", s)),
        "bytes" if s == "-1" && matches!(flag.name, "memory-swap") => Ok(()),
        "bytes" => super::units::parse_bytes(s).map(drop),
        "duration" => super::units::parse_go_duration(s).map(drop),
        "decimal" => super::container::opts::parse_cpus(s).map(drop),
        "ip" => s
            .trim()
            .parse::<std::net::IpAddr>()
            .map(drop)
            .map_err(|_| format!("failed to parse IP: {}", super::quote(s))),
        _ => super::container::opts::check_value(flag.name, flag.value, s),
    }
}

/// Reads `args` by pflag's rules. Without `interspersed`, the first argument that is no flag ends the flags.
pub fn parse(
    flags: &'static [Flag],
    interspersed: bool,
    args: &[String],
) -> Result<Matches, Refusal> {
    let mut m = Matches::default();
    let usage = |text: String| Err(Refusal::Usage(text));
    let find = |name: &str| flags.iter().find(|f| f.name == name);
    let set = |m: &mut Matches, flag: &'static Flag, value: &str| -> Result<(), Refusal> {
        check(flag, value).map_err(|e| {
            Refusal::Usage(format!(
                "invalid argument {} for {} flag: {e}",
                super::quote(value),
                super::quote(&flag.spelling())
            ))
        })?;
        if flag.value == "strings" || flag.value == "ipSlice" || flag.value == "ipNetSlice" {
            // pflag's string slices take comma-separated values.
            for part in value.split(',').filter(|_| !value.is_empty()) {
                m.values.push((flag.name, part.to_string()));
            }
        } else {
            m.values.push((flag.name, value.to_string()));
        }
        Ok(())
    };
    let mut rest = args.iter();
    // Asked for, but a wrong flag after it is still told first.
    let mut help = false;
    while let Some(arg) = rest.next() {
        if arg == "--" {
            m.args.extend(rest.cloned());
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((n, v)) => (n, Some(v)),
                None => (long, None),
            };
            if name == "help" && inline.is_none_or(|v| go_bool(v) == Some(true)) {
                help = true;
                continue;
            }
            if name.is_empty() || name.starts_with('-') {
                return usage(format!("bad flag syntax: {arg}"));
            }
            let Some(flag) = find(name) else {
                return usage(format!("unknown flag: --{name}"));
            };
            match inline {
                Some(v) => set(&mut m, flag, v)?,
                None if flag.value.is_empty() => set(&mut m, flag, "true")?,
                None => match rest.next() {
                    Some(v) => set(&mut m, flag, v)?,
                    None => return usage(format!("flag needs an argument: --{name}")),
                },
            }
        } else if arg.len() > 1 && arg.starts_with('-') {
            let group = &arg[1..];
            let mut at = 0;
            while let Some(c) = group[at..].chars().next() {
                let tail = &group[at + c.len_utf8()..];
                let flag = flags.iter().find(|f| f.short == Some(c));
                let Some(flag) = flag else {
                    if c == 'h' {
                        return Err(Refusal::Help { short: true });
                    }
                    return usage(format!(
                        "unknown shorthand flag: '{c}' in -{}",
                        &group[at..]
                    ));
                };
                if let Some(v) = tail.strip_prefix('=').filter(|_| !tail.is_empty()) {
                    set(&mut m, flag, v)?;
                    break;
                }
                if flag.value.is_empty() {
                    set(&mut m, flag, "true")?;
                    at += c.len_utf8();
                    continue;
                }
                if !tail.is_empty() {
                    set(&mut m, flag, tail)?;
                } else {
                    match rest.next() {
                        Some(v) => set(&mut m, flag, v)?,
                        None => {
                            return usage(format!(
                                "flag needs an argument: '{c}' in -{}",
                                &group[at..]
                            ));
                        }
                    }
                }
                break;
            }
        } else {
            m.args.push(arg.clone());
            if !interspersed {
                m.args.extend(rest.cloned());
                break;
            }
        }
    }
    if help {
        return Err(Refusal::Help { short: false });
    }
    Ok(m)
}

impl Command {
    /// Whether flags may follow arguments: not where the rest is a command for the container.
    pub fn interspersed(&self) -> bool {
        !self.usage.ends_with("[ARG...]") && !self.usage.ends_with("[ps OPTIONS]")
    }

    /// The text of a wrong number of arguments, in Docker's words.
    pub fn check_args(&self, path: &str, n: usize) -> Result<(), String> {
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        // `SRun` is docker's own slip.
        let (text, see) = match self.args {
            Args::None if n > 0 => ("accepts no arguments".to_string(), "Run"),
            Args::Exact(want) if n != want => (format!("requires {want} {}", plural(want)), "Run"),
            Args::Min(min) if n < min => {
                (format!("requires at least {min} {}", plural(min)), "See")
            }
            Args::Max(max) if n > max => {
                (format!("requires at most {max} {}", plural(max)), "SRun")
            }
            Args::Range(min, max) if n < min || n > max => (
                format!("requires at least {min} and at most {max} {}", plural(max)),
                "Run",
            ),
            _ => return Ok(()),
        };
        Err(format!(
            "docker: '{path}' {text}\n\nUsage:  {}\n\n{see} '{path} --help' for more information",
            self.usage_lines(path)
        ))
    }

    /// All lines after `Usage:`; a second one is where the description begins.
    pub fn usage_lines(&self, path: &str) -> String {
        let first = self.usage_line(path);
        match self.about.lines().next() {
            Some(second) if second.starts_with('\t') => format!("{first}\n{second}"),
            _ => first,
        }
    }

    /// `docker ps [OPTIONS]`.
    pub fn usage_line(&self, path: &str) -> String {
        if self.usage.is_empty() {
            path.to_string()
        } else {
            format!("{path} {}", self.usage)
        }
    }
}
