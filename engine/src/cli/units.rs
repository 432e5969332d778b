//! Docker's ways of writing and reading sizes and times (go-units, Go's `time`).

pub use crate::units::{human_duration, parse_duration};
use std::time::Duration;

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

fn scaled(size: f64, base: f64, names: &[&str], precision: usize) -> String {
    let (mut size, mut unit) = (size, 0);
    while size >= base && unit + 1 < names.len() {
        size /= base;
        unit += 1;
    }
    format!(
        "{}{}",
        bottleship_gotmpl::format_float(size, 'g', Some(precision)),
        names[unit]
    )
}

/// `HumanSizeWithPrecision`: `1.98MB`.
pub fn human_size(size: f64, precision: usize) -> String {
    scaled(size, 1000.0, &DECIMAL, precision)
}

/// `BytesSize`: `1.953MiB`.
pub fn bytes_size(size: f64) -> String {
    scaled(size, 1024.0, &BINARY, 4)
}

/// `RAMInBytes`: `64m`, `1.5 GiB`.
pub fn parse_bytes(s: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{s}'");
    let sep = s
        .rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')
        .ok_or_else(invalid)?;
    let (number, suffix) = if s.as_bytes()[sep] == b' ' {
        (&s[..sep], &s[sep + 1..])
    } else {
        (&s[..=sep], &s[sep + 1..])
    };
    let mut size: f64 = match number.parse() {
        Ok(n) if !number.contains(char::is_alphabetic) || number.contains(['e', 'E']) => n,
        _ => {
            return Err(format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                super::quote(number)
            ));
        }
    };
    if size < 0.0 {
        return Err(invalid());
    }
    let lower = suffix.to_lowercase();
    let bad = |s: &str| Err(format!("invalid suffix: '{s}'"));
    if suffix.len() > 3 {
        return bad(suffix);
    }
    let mut letters = lower.chars();
    match letters.next() {
        None => {}
        Some('b') if lower.len() == 1 => {}
        Some(c) => {
            let power = match c {
                'k' => 1,
                'm' => 2,
                'g' => 3,
                't' => 4,
                'p' => 5,
                _ => return bad(&lower),
            };
            if !matches!(letters.as_str(), "" | "b" | "ib") {
                return bad(&lower);
            }
            size *= 1024f64.powi(power);
        }
    }
    Ok(size as i64)
}

/// Go's `time.ParseDuration` with its error texts, in nanoseconds.
pub fn parse_go_duration(s: &str) -> Result<i64, String> {
    let quoted = super::quote(s);
    if let Some(n) = parse_duration(s) {
        return Ok(n);
    }
    let body = s.trim_start_matches(['-', '+']);
    let digits = body.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !body.is_empty() && body.starts_with(|c: char| c.is_ascii_digit()) {
        if digits.is_empty() {
            return Err(format!("time: missing unit in duration {quoted}"));
        }
        let unit: String = digits
            .chars()
            .take_while(|c| !c.is_ascii_digit() && *c != '.')
            .collect();
        return Err(format!(
            "time: unknown unit {} in duration {quoted}",
            super::quote(&unit)
        ));
    }
    Err(format!("time: invalid duration {quoted}"))
}

/// Go's `Duration.String`: `1m30s`, `500ms`.
pub fn go_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let neg = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |value: u64, unit: u64| {
        let (whole, part) = (value / unit, value % unit);
        if part == 0 {
            whole.to_string()
        } else {
            let width = unit.ilog10() as usize;
            format!(
                "{whole}.{}",
                format!("{part:0width$}").trim_end_matches('0')
            )
        }
    };
    let text = if n < 1_000 {
        format!("{n}ns")
    } else if n < 1_000_000 {
        format!("{}µs", fraction(n, 1_000))
    } else if n < 1_000_000_000 {
        format!("{}ms", fraction(n, 1_000_000))
    } else {
        let (hours, minutes) = (n / 3_600_000_000_000, n / 60_000_000_000 % 60);
        let seconds = fraction(n % 60_000_000_000, 1_000_000_000);
        match (hours, minutes) {
            (0, 0) => format!("{seconds}s"),
            (0, m) => format!("{m}m{seconds}s"),
            (h, m) => format!("{h}h{m}m{seconds}s"),
        }
    };
    format!("{neg}{text}")
}

/// A date in the proleptic Gregorian calendar: year, month, day, hour, minute, second.
pub fn civil(seconds: i64) -> (i64, u32, u32, u32, u32, u32) {
    let days = seconds.div_euclid(86_400);
    let s = seconds.rem_euclid(86_400) as u32;
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day, s / 3600, s / 60 % 60, s % 60)
}

/// Seconds since 1970 of a date.
pub fn seconds(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = i64::from((month + 9) % 12);
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe - 719_468) * 86_400
        + i64::from(hour) * 3600
        + i64::from(minute) * 60
        + i64::from(second)
}

/// RFC 3339 with nanoseconds, as seconds and nanoseconds.
pub fn parse_rfc3339(s: &str) -> Option<(i64, u32)> {
    let num = |from: usize, to: usize| -> Option<u32> { s.get(from..to)?.parse().ok() };
    let b = s.as_bytes();
    if b.len() < 20
        || b[4] != b'-'
        || b[7] != b'-'
        || !matches!(b[10], b'T' | b't' | b' ')
        || b[13] != b':'
    {
        return None;
    }
    let year = num(0, 4)?;
    let (month, day, hour, minute, second) = (
        num(5, 7)?,
        num(8, 10)?,
        num(11, 13)?,
        num(14, 16)?,
        num(17, 19)?,
    );
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 24
        || minute > 59
        || second > 60
    {
        return None;
    }
    let mut rest = s.get(19..)?;
    let mut nanos = 0;
    if let Some(frac) = rest.strip_prefix('.') {
        let n = frac.bytes().take_while(u8::is_ascii_digit).count();
        let digits: String = frac.chars().take(n.min(9)).collect();
        nanos = format!("{digits:0<9}").parse().ok()?;
        rest = frac.get(n..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        z => {
            let sign = match z.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let h: i64 = z.get(1..3)?.parse().ok()?;
            let m: i64 = z.get(4..6)?.parse().ok()?;
            sign * (h * 3600 + m * 60)
        }
    };
    Some((
        seconds(i64::from(year), month, day, hour, minute, second) - offset,
        nanos,
    ))
}

/// Go's `time.Time.String` in UTC: `2023-05-18 22:34:17 +0000 UTC`.
pub fn go_time(seconds: i64, nanos: u32) -> String {
    let (y, mo, d, h, mi, s) = civil(seconds);
    let frac = if nanos == 0 {
        String::new()
    } else {
        format!(".{}", format!("{nanos:09}").trim_end_matches('0'))
    };
    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}{frac} +0000 UTC")
}

/// RFC 3339 in UTC without a fraction.
pub fn rfc3339(seconds: i64) -> String {
    let (y, mo, d, h, mi, s) = civil(seconds);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

/// How long ago, as docker says it: `3 days ago`.
pub fn ago(now: Duration, seconds: i64) -> String {
    let age = (now.as_secs() as i64).saturating_sub(seconds).max(0);
    format!("{} ago", human_duration(Duration::from_secs(age as u64)))
}

/// `stringid.TruncateID`: without the algorithm, the first 12 digits.
pub fn short_id(id: &str) -> &str {
    let id = id.split_once(':').map_or(id, |(_, hex)| hex);
    id.get(..12).unwrap_or(id)
}

/// docker's `Ellipsis`: at most `max` columns, the last one `…`.
pub fn ellipsis(s: &str, max: usize) -> String {
    if s.chars().count() <= max {
        return s.to_string();
    }
    let mut out: String = s.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}
