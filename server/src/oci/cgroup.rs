//! Control groups: where a container's are, what is counted in them, and which processes are in them. All three layouts:
//! version 1 (a hierarchy for each controller), version 2 (one for all), and hybrid (both).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bottleship_engine::runtime::{ResourceLimits, RuntimeStats};

use super::os;

const ROOT: &str = "/sys/fs/cgroup";

/// Controllers that sessions and containers are held by.
pub const CONTROLLERS: [&str; 6] = ["cpu", "cpuacct", "memory", "pids", "freezer", "devices"];

/// How the host's groups are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One hierarchy for all controllers, and where it is mounted.
    V2(PathBuf),
    /// A hierarchy for each controller, by name.
    V1(BTreeMap<String, PathBuf>),
}

impl Layout {
    /// What is mounted.
    pub fn detect() -> Layout {
        if Path::new(ROOT).join("cgroup.controllers").exists() {
            return Layout::V2(ROOT.into());
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut found = BTreeMap::new();
        for line in mounts.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, at, "cgroup" | "cgroup2", options, ..] = fields.as_slice() else {
                continue;
            };
            for option in options.split(',') {
                if CONTROLLERS.contains(&option) || option == "blkio" {
                    found.insert(option.to_owned(), PathBuf::from(at));
                }
            }
            // Runtimes make groups in every hierarchy, and leave some.
            found.insert((*at).to_owned(), PathBuf::from(at));
        }
        Layout::V1(found)
    }

    /// `1` or `2`.
    pub fn version(&self) -> &'static str {
        match self {
            Layout::V2(_) => "2",
            Layout::V1(_) => "1",
        }
    }

    /// Controllers that aren't there.
    pub fn missing(&self) -> Vec<&'static str> {
        let there: Vec<String> = match self {
            Layout::V1(found) => found.keys().cloned().collect(),
            Layout::V2(root) => {
                let list = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
                // Version 2 counts processor time and freezes without controllers for it.
                let own = ["cpuacct", "freezer", "devices"].map(str::to_owned);
                list.split_whitespace()
                    .map(str::to_owned)
                    .chain(own)
                    .collect()
            }
        };
        CONTROLLERS
            .into_iter()
            .filter(|name| !there.iter().any(|have| have == name))
            .collect()
    }

    fn dirs(&self, group: &str) -> Vec<PathBuf> {
        let group = group.trim_start_matches('/');
        match self {
            Layout::V2(root) => vec![root.join(group)],
            Layout::V1(found) => {
                let mut dirs: Vec<PathBuf> = found.values().map(|at| at.join(group)).collect();
                // cpu and cpuacct may be one.
                dirs.sort();
                dirs.dedup();
                dirs
            }
        }
    }

    fn dir(&self, controller: &str, group: &str) -> Option<PathBuf> {
        let group = group.trim_start_matches('/');
        match self {
            Layout::V2(root) => Some(root.join(group)),
            Layout::V1(found) => Some(found.get(controller)?.join(group)),
        }
    }

    /// Makes a group that others are made below, with limits for all of them together.
    ///
    /// # Errors
    /// When a limit can't be set.
    pub fn make_parent(&self, group: &str, limits: &ResourceLimits) -> Result<()> {
        let controlled = CONTROLLERS.iter().filter_map(|name| self.dir(name, group));
        for dir in controlled {
            fs::create_dir_all(&dir)
                .with_context(|| format!("can't make the control group {}", dir.display()))?;
        }
        if let Layout::V2(root) = self {
            let mut above = root.clone();
            for name in group.split('/').filter(|name| !name.is_empty()) {
                for controller in ["cpu", "memory", "pids"] {
                    // Fails where processes are in the group; the limit below tells then.
                    let _ = fs::write(
                        above.join("cgroup.subtree_control"),
                        format!("+{controller}"),
                    );
                }
                above.push(name);
            }
            for controller in ["cpu", "memory", "pids"] {
                let _ = fs::write(
                    above.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
            }
        }
        let v2 = matches!(self, Layout::V2(_));
        let set = |controller: &str, file: &str, value: String| -> Result<()> {
            let dir = self
                .dir(controller, group)
                .with_context(|| format!("there is no {controller} controller"))?;
            fs::write(dir.join(file), &value)
                .with_context(|| format!("can't write {value} to {}", dir.join(file).display()))
        };
        if let Some(memory) = limits.memory {
            if v2 {
                set("memory", "memory.max", memory.to_string())?;
                // Not every kernel counts swap.
                let _ = set("memory", "memory.swap.max", "0".into());
            } else {
                set("memory", "memory.limit_in_bytes", memory.to_string())?;
                let _ = set("memory", "memory.memsw.limit_in_bytes", memory.to_string());
            }
        }
        if let Some(pids) = limits.pids {
            set("pids", "pids.max", pids.to_string())?;
        }
        if let (Some(quota), Some(period)) = (limits.cpu_quota, limits.cpu_period) {
            if v2 {
                set("cpu", "cpu.max", format!("{quota} {period}"))?;
            } else {
                set("cpu", "cpu.cfs_period_us", period.to_string())?;
                set("cpu", "cpu.cfs_quota_us", quota.to_string())?;
            }
        }
        Ok(())
    }

    /// What a group uses.
    pub fn stats(&self, group: &str) -> RuntimeStats {
        match self {
            Layout::V2(_) => self.stats_v2(group),
            Layout::V1(_) => self.stats_v1(group),
        }
    }

    fn text(&self, controller: &str, group: &str, file: &str) -> String {
        let dir = self.dir(controller, group);
        dir.and_then(|dir| fs::read_to_string(dir.join(file)).ok())
            .unwrap_or_default()
    }

    fn number(&self, controller: &str, group: &str, file: &str) -> u64 {
        self.text(controller, group, file)
            .trim()
            .parse()
            .unwrap_or(0)
    }

    fn stats_v1(&self, group: &str) -> RuntimeStats {
        let ticks = keyed(&self.text("cpuacct", group, "cpuacct.stat"));
        let memory = keyed(&self.text("memory", group, "memory.stat"));
        let io = self.text("blkio", group, "blkio.throttle.io_service_bytes");
        let moved = |what: &str| -> u64 {
            io.lines()
                .filter_map(|line| {
                    let mut words = line.split(' ').skip(1);
                    (words.next()? == what).then_some(words.next()?.parse::<u64>().ok()?)
                })
                .sum()
        };
        RuntimeStats {
            cpu_total: self.number("cpuacct", group, "cpuacct.usage"),
            // Hundredths of a second.
            cpu_kernel: ticks.get("system").copied().unwrap_or(0) * 10_000_000,
            memory: self.number("memory", group, "memory.usage_in_bytes"),
            memory_max: self.number("memory", group, "memory.max_usage_in_bytes"),
            memory_cache: memory.get("total_inactive_file").copied().unwrap_or(0),
            pids: self.number("pids", group, "pids.current"),
            block_read: moved("Read"),
            block_write: moved("Write"),
        }
    }

    fn stats_v2(&self, group: &str) -> RuntimeStats {
        let cpu = keyed(&self.text("cpu", group, "cpu.stat"));
        let memory = keyed(&self.text("memory", group, "memory.stat"));
        let io = self.text("io", group, "io.stat");
        let moved = |what: &str| -> u64 {
            io.split_whitespace()
                .filter_map(|word| word.strip_prefix(what)?.parse::<u64>().ok())
                .sum()
        };
        let micros = |name: &str| cpu.get(name).copied().unwrap_or(0) * 1000;
        RuntimeStats {
            cpu_total: micros("usage_usec"),
            cpu_kernel: micros("system_usec"),
            memory: self.number("memory", group, "memory.current"),
            memory_max: self.number("memory", group, "memory.peak"),
            memory_cache: memory.get("inactive_file").copied().unwrap_or(0),
            pids: self.number("pids", group, "pids.current"),
            block_read: moved("rbytes="),
            block_write: moved("wbytes="),
        }
    }

    /// Whether the kernel killed something in the group for want of memory.
    pub fn oom_killed(&self, group: &str) -> bool {
        let text = match self {
            Layout::V2(_) => self.text("memory", group, "memory.events"),
            Layout::V1(_) => self.text("memory", group, "memory.oom_control"),
        };
        keyed(&text).get("oom_kill").is_some_and(|count| *count > 0)
    }

    /// The processes in a group and below it.
    pub fn processes(&self, group: &str) -> Vec<u32> {
        let Some(dir) = self.dir("pids", group) else {
            return Vec::new();
        };
        let mut pids = Vec::new();
        let mut pending = vec![dir];
        while let Some(dir) = pending.pop() {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
            pending.extend(subdirs(&dir));
        }
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Removes a group that nothing is in.
    pub fn remove_empty(&self, group: &str) {
        for dir in self.dirs(group) {
            // Others may be in it.
            let _ = fs::remove_dir(dir);
        }
    }

    /// Kills what is in a group and removes it with those below it.
    pub fn remove(&self, group: &str) {
        for _ in 0..200 {
            let pids = self.processes(group);
            for dir in self.dirs(group) {
                thaw(&dir);
            }
            for pid in &pids {
                os::kill(*pid, 9);
            }
            let dirs = self.dirs(group);
            dirs.iter().for_each(|dir| remove_tree(dir));
            if dirs.iter().all(|dir| !dir.exists()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// What is frozen can't be killed.
fn thaw(dir: &Path) {
    let _ = fs::write(dir.join("cgroup.freeze"), "0");
    let _ = fs::write(dir.join("freezer.state"), "THAWED");
    for below in subdirs(dir) {
        thaw(&below);
    }
}

fn subdirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_tree(dir: &Path) {
    for below in subdirs(dir) {
        remove_tree(&below);
    }
    let _ = fs::remove_dir(dir);
}

/// Lines of a word and a number.
fn keyed(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_words_and_numbers_are_read() {
        let read = keyed("oom_kill_disable 0\nunder_oom 0\noom_kill 3\nbroken\n");
        assert_eq!(read.get("oom_kill"), Some(&3));
        assert_eq!(read.len(), 3);
    }

    #[test]
    fn version_two_is_limited_and_counted_in_one_hierarchy() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |file: &str, text: &str| {
            std::fs::write(root.path().join(file), text).expect("written");
        };
        let read = |file: &str| std::fs::read_to_string(root.path().join(file)).expect("there");
        write("cgroup.controllers", "cpuset cpu io memory\n");
        let layout = Layout::V2(root.path().to_owned());
        assert_eq!(layout.missing(), ["pids"]);
        let limits = ResourceLimits {
            memory: Some(4096),
            pids: Some(7),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            ..ResourceLimits::default()
        };
        layout.make_parent("/b/s", &limits).expect("a group");
        assert_eq!(read("b/s/memory.max"), "4096");
        assert_eq!(read("b/s/memory.swap.max"), "0");
        assert_eq!(read("b/s/pids.max"), "7");
        assert_eq!(read("b/s/cpu.max"), "50000 100000");
        assert_eq!(read("b/cgroup.subtree_control"), "+pids");
        write("b/s/cpu.stat", "usage_usec 5\nsystem_usec 2\n");
        write("b/s/memory.current", "100\n");
        write("b/s/memory.peak", "200\n");
        write("b/s/memory.stat", "inactive_file 30\n");
        write("b/s/pids.current", "3\n");
        write("b/s/io.stat", "8:0 rbytes=10 wbytes=4\n8:1 rbytes=1\n");
        let stats = layout.stats("/b/s");
        assert_eq!((stats.cpu_total, stats.cpu_kernel), (5000, 2000));
        assert_eq!(
            (stats.memory, stats.memory_max, stats.memory_cache),
            (100, 200, 30)
        );
        assert_eq!(
            (stats.pids, stats.block_read, stats.block_write),
            (3, 11, 4)
        );
        assert!(!layout.oom_killed("/b/s"));
        write("b/s/memory.events", "oom 1\noom_kill 1\n");
        assert!(layout.oom_killed("/b/s"));
        write("b/s/cgroup.procs", "12\n");
        std::fs::create_dir(root.path().join("b/s/c")).expect("a group below");
        write("b/s/c/cgroup.procs", "13\n12\n");
        assert_eq!(layout.processes("/b/s"), [12, 13]);
    }
}
