//! The operator's settings: one TOML file, every entry of which has a default, and an environment variable over each.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// All settings. Times are in seconds, sizes in bytes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// crun, runc, or a path; the first that is installed when empty. `BOTTLESHIP_RUNTIME`
    pub runtime: String,
    /// The runtime and version that strangers' sessions run on although published fixes are missing, as
    /// `runc 1.1.5+ds1`; empty: such a version is refused. `BOTTLESHIP_ALLOW_RUNTIME`
    pub allow_runtime: String,
    /// Host id of the first session's root; each session has 65 536. `BOTTLESHIP_FIRST_ID`
    pub first_id: u32,
    /// What all sessions share.
    pub server: Server,
    /// What each session may use.
    pub session: Session,
    /// Who may have one.
    pub access: Access,
}

/// What all sessions share.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Sessions at a time. `BOTTLESHIP_SESSIONS`
    pub sessions: usize,
    /// Sessions made ahead. `BOTTLESHIP_WARM`
    pub warm: usize,
    /// Bytes of memory that stay free: no session is started below. `BOTTLESHIP_MEMORY_RESERVE`
    pub memory_reserve: u64,
    /// Bytes of disk that stay free. `BOTTLESHIP_DISK_RESERVE`
    pub disk_reserve: u64,
    /// Seconds that running sessions are given when the server is told to stop. `BOTTLESHIP_DRAIN`
    pub drain: u64,
    /// Offered images that are unpacked once, for all sessions.
    pub images: Vec<String>,
}

/// What each session may use.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Bytes of memory. `BOTTLESHIP_SESSION_MEMORY`
    pub memory: u64,
    /// Processors, in thousandths. `BOTTLESHIP_SESSION_CPUS`
    pub milli_cpus: u64,
    /// Processes and threads. `BOTTLESHIP_SESSION_PIDS`
    pub pids: u64,
    /// Bytes of disk. `BOTTLESHIP_SESSION_DISK`
    pub disk: u64,
    /// Files.
    pub inodes: u64,
    /// Containers.
    pub containers: usize,
    /// Terminals.
    pub terminals: usize,
    /// Seconds until it ends. `BOTTLESHIP_SESSION_LIFETIME`
    pub lifetime: u64,
    /// Seconds without a connected terminal until it ends. `BOTTLESHIP_SESSION_IDLE`
    pub idle: u64,
    /// Bytes of terminal output a second.
    pub output_rate: u64,
    /// Whether its containers reach the internet.
    pub network: bool,
}

/// Who may have a session.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// A word that whoever starts a session must know; nobody has to when it is empty. `BOTTLESHIP_INVITATION`
    pub invitation: String,
    /// Sessions of one address at a time. `BOTTLESHIP_SESSIONS_PER_ADDRESS`
    pub sessions_per_address: usize,
    /// Sessions that one address may start in a minute.
    pub starts_per_minute: u32,
    /// Origins of pages that may use the API besides the site's own, as `https://example.org`.
    pub origins: Vec<String>,
    /// Whether the address is taken from `X-Forwarded-For`: only behind a proxy that sets it.
    pub behind_proxy: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            runtime: String::new(),
            allow_runtime: String::new(),
            first_id: 0x1000_0000,
            server: Server::default(),
            session: Session::default(),
            access: Access::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            sessions: 20,
            warm: 1,
            memory_reserve: 512 << 20,
            disk_reserve: 1 << 30,
            drain: 30,
            images: ["busybox", "alpine", "hello-world"]
                .map(str::to_owned)
                .into(),
        }
    }
}

impl Default for Session {
    fn default() -> Session {
        Session {
            memory: 512 << 20,
            milli_cpus: 1000,
            pids: 512,
            disk: 1 << 30,
            inodes: 100_000,
            containers: 50,
            terminals: 8,
            lifetime: 3600,
            idle: 600,
            output_rate: 4 << 20,
            network: false,
        }
    }
}

impl Default for Access {
    fn default() -> Access {
        Access {
            invitation: String::new(),
            sessions_per_address: 4,
            starts_per_minute: 10,
            origins: Vec::new(),
            behind_proxy: false,
        }
    }
}

impl Config {
    /// Reads the file, if one is named, and lets the environment have the last word.
    ///
    /// # Errors
    /// With the line that is wrong, or the setting that can't be.
    pub fn load(file: Option<&Path>) -> Result<Config> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("can't read the configuration {}", file.display()))?,
            None => String::new(),
        };
        Config::parse(&text, |name| std::env::var(name).ok()).with_context(|| {
            file.map_or_else(|| "configuration".into(), |file| file.display().to_string())
        })
    }

    fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config> {
        let mut config: Config = toml::from_str(text)?;
        config.override_by(&environment)?;
        config.check()?;
        Ok(config)
    }

    fn override_by(&mut self, environment: &impl Fn(&str) -> Option<String>) -> Result<()> {
        fn set<T: std::str::FromStr>(
            environment: &impl Fn(&str) -> Option<String>,
            name: &str,
            value: &mut T,
        ) -> Result<()> {
            if let Some(text) = environment(name) {
                let Ok(parsed) = text.parse() else {
                    bail!("{name}={text} is not a value for it");
                };
                *value = parsed;
            }
            Ok(())
        }
        let env = environment;
        set(env, "BOTTLESHIP_RUNTIME", &mut self.runtime)?;
        set(env, "BOTTLESHIP_ALLOW_RUNTIME", &mut self.allow_runtime)?;
        set(env, "BOTTLESHIP_FIRST_ID", &mut self.first_id)?;
        set(env, "BOTTLESHIP_SESSIONS", &mut self.server.sessions)?;
        set(env, "BOTTLESHIP_WARM", &mut self.server.warm)?;
        set(
            env,
            "BOTTLESHIP_MEMORY_RESERVE",
            &mut self.server.memory_reserve,
        )?;
        set(
            env,
            "BOTTLESHIP_DISK_RESERVE",
            &mut self.server.disk_reserve,
        )?;
        set(env, "BOTTLESHIP_DRAIN", &mut self.server.drain)?;
        set(env, "BOTTLESHIP_SESSION_MEMORY", &mut self.session.memory)?;
        set(env, "BOTTLESHIP_SESSION_CPUS", &mut self.session.milli_cpus)?;
        set(env, "BOTTLESHIP_SESSION_PIDS", &mut self.session.pids)?;
        set(env, "BOTTLESHIP_SESSION_DISK", &mut self.session.disk)?;
        set(
            env,
            "BOTTLESHIP_SESSION_LIFETIME",
            &mut self.session.lifetime,
        )?;
        set(env, "BOTTLESHIP_SESSION_IDLE", &mut self.session.idle)?;
        set(env, "BOTTLESHIP_INVITATION", &mut self.access.invitation)?;
        set(
            env,
            "BOTTLESHIP_SESSIONS_PER_ADDRESS",
            &mut self.access.sessions_per_address,
        )
    }

    fn check(&self) -> Result<()> {
        let at_least = |name: &str, value: u64, least: u64| match value >= least {
            true => Ok(()),
            false => bail!("{name} = {value} is too little: at least {least}"),
        };
        at_least("server.sessions", self.server.sessions as u64, 1)?;
        at_least("session.memory", self.session.memory, 32 << 20)?;
        at_least("session.milli_cpus", self.session.milli_cpus, 50)?;
        at_least("session.pids", self.session.pids, 32)?;
        at_least("session.disk", self.session.disk, 32 << 20)?;
        at_least("session.inodes", self.session.inodes, 2000)?;
        at_least("session.terminals", self.session.terminals as u64, 1)?;
        at_least("session.lifetime", self.session.lifetime, 10)?;
        at_least("session.idle", self.session.idle, 5)?;
        at_least("session.output_rate", self.session.output_rate, 16 << 10)?;
        at_least("first_id", self.first_id.into(), 1 << 16)?;
        if self.server.warm > self.server.sessions {
            bail!("server.warm is more than server.sessions");
        }
        let ids = u64::from(self.first_id) + (self.server.sessions as u64 + 1) * (1 << 16);
        if ids > u64::from(u32::MAX) {
            bail!(
                "first_id leaves no room for the ids of {} sessions",
                self.server.sessions
            );
        }
        if self.session.network {
            bail!("session.network: a way out for strangers' sessions is not offered yet");
        }
        for origin in &self.access.origins {
            let has_scheme = origin.starts_with("https://") || origin.starts_with("http://");
            if !has_scheme || origin.ends_with('/') || origin.contains('*') {
                bail!("access.origins: {origin:?} is no origin, such as https://example.org");
            }
        }
        Ok(())
    }

    /// How long a session lasts.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.session.lifetime)
    }

    /// How long it lasts without a terminal.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.session.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, |_| None)
    }

    #[test]
    fn an_empty_file_is_the_defaults_and_unknown_entries_are_errors() {
        assert_eq!(parse("").expect("defaults"), Config::default());
        assert!(parse("[server]\nsesions = 3\n").is_err());
    }

    #[test]
    fn the_environment_has_the_last_word() {
        let read = Config::parse("[server]\nsessions = 3\n", |name| {
            (name == "BOTTLESHIP_SESSIONS").then(|| "7".to_owned())
        });
        assert_eq!(read.expect("a configuration").server.sessions, 7);
        let wrong = |name: &str| (name == "BOTTLESHIP_WARM").then(|| "many".to_owned());
        assert!(Config::parse("", wrong).is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for text in [
            "[server]\nsessions = 0\n",
            "[session]\nmemory = 1000\n",
            "[server]\nsessions = 1\nwarm = 2\n",
            "first_id = 0\n",
            "[access]\norigins = [\"*\"]\n",
            "[access]\norigins = [\"https://a.example/\"]\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
