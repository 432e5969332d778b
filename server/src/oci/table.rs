//! Rows of `docker top` from `/proc`.

use std::fs;

use bottleship_engine::runtime::ProcessInfo;

/// Clock ticks of `/proc/*/stat`, a second's, on every Linux there is.
const TICKS: u64 = 100;

/// The processes of these ids that still are.
pub fn describe(pids: &[u32], base: Option<u32>) -> Vec<ProcessInfo> {
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot: i64 = boot
        .lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
        .unwrap_or(0);
    pids.iter()
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            row(*pid, &stat, &status, &arguments, boot, base.unwrap_or(0))
        })
        .collect()
}

fn row(
    pid: u32,
    stat: &str,
    status: &str,
    arguments: &[u8],
    boot: i64,
    base: u32,
) -> Option<ProcessInfo> {
    // The name may hold anything, parentheses included.
    let (head, rest) = stat.rsplit_once(')')?;
    let comm = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number =
        |index: usize| -> u64 { fields.get(index).and_then(|f| f.parse().ok()).unwrap_or(0) };
    let uid: u32 = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    let words: Vec<String> = arguments
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let command = match words.is_empty() {
        true => format!("[{comm}]"),
        false => words.join(" "),
    };
    let terminal = number(4);
    // Major 136 and above are pseudo-terminals.
    let tty = match (terminal >> 8) & 0xfff {
        136..=143 => format!("pts/{}", (terminal & 0xff) | ((terminal >> 12) & 0xfff00)),
        _ => "?".into(),
    };
    Some(ProcessInfo {
        pid,
        ppid: u32::try_from(number(1)).unwrap_or(0),
        uid: uid.checked_sub(base).unwrap_or(uid),
        threads: u32::try_from(number(17)).unwrap_or(1),
        start_time: boot + i64::try_from(number(19) / TICKS).unwrap_or(0),
        cpu_time: (number(11) + number(12)) * (1_000_000_000 / TICKS),
        tty,
        state: fields.first()?.chars().next()?,
        comm,
        command,
        resident: number(21) * 4096,
        virtual_size: number(20),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 34816 7 0 0 0 0 0 150 50 0 0 20 0 3 0 1000 4096 5 0";
        let status = "Name:\tx\nUid:\t100033\t100033\t100033\t100033\n";
        let row = row(7, stat, status, b"sh\0-c\0x\0", 1_000, 100_000).expect("a row");
        assert_eq!((row.comm.as_str(), row.ppid, row.uid), ("a) b (c", 1, 33));
        assert_eq!((row.tty.as_str(), row.threads), ("pts/0", 3));
        assert_eq!((row.start_time, row.cpu_time), (1010, 2_000_000_000));
        assert_eq!((row.command.as_str(), row.resident), ("sh -c x", 20480));
    }
}
