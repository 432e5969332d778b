//! Go's ways of writing and reading values (`%q`, `time.Duration`, `strconv`), which Docker's texts are made of.

use crate::error::{Error, Result};

/// `strconv.Quote`.
pub fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `str::escape_debug` keeps what is printable; it escapes a leading combining mark, hence the letter before.
    let probe: String = ['a', c].iter().collect();
    probe.escape_debug().nth(1) == Some(c)
}

/// `%q` of a list: `["a" "b"]`.
pub fn quote_list(list: &[String]) -> String {
    let words: Vec<String> = list.iter().map(|s| quote(s)).collect();
    format!("[{}]", words.join(" "))
}

/// `%v` of a list: `[a b]`.
pub fn list(list: &[String]) -> String {
    format!("[{}]", list.join(" "))
}

/// `time.Duration.String`, of nanoseconds.
pub fn duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |value: u64, unit: u64, suffix: &str| {
        let whole = value / unit;
        let rest = value % unit;
        if rest == 0 {
            return format!("{whole}{suffix}");
        }
        let digits = unit.ilog10() as usize;
        let text = format!("{rest:0digits$}");
        format!("{whole}.{}{suffix}", text.trim_end_matches('0'))
    };
    let text = if n < 1_000 {
        format!("{n}ns")
    } else if n < 1_000_000 {
        fraction(n, 1_000, "µs")
    } else if n < 1_000_000_000 {
        fraction(n, 1_000_000, "ms")
    } else {
        let seconds = n / 1_000_000_000;
        let (h, m) = (seconds / 3600, seconds / 60 % 60);
        let s = fraction(n % 60_000_000_000, 1_000_000_000, "s");
        match (h, m) {
            (0, 0) => s,
            (0, m) => format!("{m}m{s}"),
            (h, m) => format!("{h}h{m}m{s}"),
        }
    };
    format!("{sign}{text}")
}

/// `time.ParseDuration`, to nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64> {
    let invalid = || Error::new(format!("time: invalid duration {}", quote(text)));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
        let n = digits(rest);
        let whole = &rest[..n];
        rest = &rest[n..];
        let mut part = "";
        if let Some(after) = rest.strip_prefix('.') {
            let n = digits(after);
            part = &after[..n];
            rest = &after[n..];
        }
        if whole.is_empty() && part.is_empty() {
            return Err(invalid());
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit_name, after) = rest.split_at(end);
        rest = after;
        let unit: u128 = match unit_name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => {
                return Err(Error::new(format!(
                    "time: missing unit in duration {}",
                    quote(text)
                )));
            }
            other => {
                return Err(Error::new(format!(
                    "time: unknown unit {} in duration {}",
                    quote(other),
                    quote(text)
                )));
            }
        };
        let whole: u128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        total = whole
            .checked_mul(unit)
            .and_then(|v| v.checked_add(total))
            .ok_or_else(invalid)?;
        let mut scale = unit;
        for digit in part.bytes() {
            scale /= 10;
            total += u128::from(digit - b'0') * scale;
        }
        if total > i64::MAX as u128 {
            return Err(invalid());
        }
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

/// `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// `units.RAMInBytes` of docker/go-units: `64m`, `1.5 GiB`, `1024`.
pub fn ram_in_bytes(text: &str) -> Option<i64> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let suffix = suffix
        .strip_prefix(' ')
        .unwrap_or(suffix)
        .to_ascii_lowercase();
    let multiple = match suffix.as_str() {
        "" | "b" => 1u64,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        "p" | "pb" | "pib" => 1 << 50,
        _ => return None,
    };
    let bytes = number * multiple as f64;
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

/// An instant, in seconds since 1970, as RFC 3339 in UTC.
pub fn rfc3339(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // Days to civil date (Howard Hinnant's algorithm), eras of 400 years starting on March 1st.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go() {
        assert_eq!(
            quote("a\"b\\\n\u{1}é\u{a0}"),
            "\"a\\\"b\\\\\\n\\x01é\\u00a0\""
        );
    }

    #[test]
    fn durations_round_trip() {
        for text in ["5s", "1m30s", "1h0m0s", "1.5ms", "0s", "2µs"] {
            assert_eq!(duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(
            parse_duration("5").unwrap_err().message,
            "time: missing unit in duration \"5\""
        );
        assert!(parse_duration("99999999999999999999999999h").is_err());
    }

    #[test]
    fn writes_instants() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
    }
}
