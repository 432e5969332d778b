//! Signals by name or number.

use crate::api::ApiError;

/// Linux's names (x86-64), index is the number.
const NAMES: [&str; 32] = [
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
pub const SIGKILL: u8 = 9;
pub const SIGTERM: u8 = 15;
pub const SIGWINCH: u8 = 28;
const SIGRTMIN: u8 = 34;
const SIGRTMAX: u8 = 64;

/// `KILL`, `SIGKILL`, `kill`, `9`, `RTMIN+3`.
pub fn parse_signal(text: &str) -> Result<u8, ApiError> {
    let invalid = || ApiError::invalid(format!("Invalid signal: {text}"));
    if let Ok(number) = text.parse::<u8>() {
        return if (1..=SIGRTMAX).contains(&number) {
            Ok(number)
        } else {
            Err(invalid())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let alias = match name {
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        "POLL" => "IO",
        other => other,
    };
    if let Some(number) = NAMES.iter().skip(1).position(|known| *known == alias) {
        return Ok(number as u8 + 1);
    }
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest
            .strip_prefix(sign)?
            .parse::<u8>()
            .ok()
            .filter(|n| *n <= SIGRTMAX - SIGRTMIN),
    };
    if let Some(plus) = name
        .strip_prefix("RTMIN")
        .and_then(|rest| offset(rest, '+'))
    {
        return Ok(SIGRTMIN + plus);
    }
    if let Some(minus) = name
        .strip_prefix("RTMAX")
        .and_then(|rest| offset(rest, '-'))
    {
        return Ok(SIGRTMAX - minus);
    }
    Err(invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_docker_reads_them() {
        for (text, number) in [
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("1", 1),
            ("HUP", 1),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
            ("IOT", 6),
        ] {
            assert_eq!(parse_signal(text), Ok(number), "{text}");
        }
        for bad in ["NOPE", "0", "65", "-1", "", "RTMIN+99"] {
            assert_eq!(
                parse_signal(bad).map_err(|e| e.message),
                Err(format!("Invalid signal: {bad}"))
            );
        }
    }
}
