use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NANOS: i128 = 1_000_000_000;

/// A point in time, in nanoseconds since 1970-01-01 UTC, written as Go's
/// RFC 3339 with nanoseconds (`2026-11-23T10:15:37.206507972Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i128);

impl Default for Timestamp {
    fn default() -> Self {
        Timestamp::ZERO
    }
}

impl Timestamp {
    /// Go's zero time, `0001-01-01T00:00:00Z`.
    pub const ZERO: Timestamp = Timestamp(-62_135_596_800 * NANOS);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanos: i128) -> Self {
        Timestamp(nanos)
    }

    /// From seconds and nanoseconds since 1970.
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        Timestamp(seconds as i128 * NANOS + nanos as i128)
    }

    /// Nanoseconds since 1970.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS) as i64
    }

    /// Nanoseconds within the second.
    pub const fn subsec_nanos(self) -> u32 {
        self.0.rem_euclid(NANOS) as u32
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Nanoseconds from `earlier` to here; negative when it is later.
    pub const fn since(self, earlier: Timestamp) -> i128 {
        self.0 - earlier.0
    }

    /// This time without its fraction of a second.
    pub const fn truncate_seconds(self) -> Self {
        Timestamp(self.0.div_euclid(NANOS) * NANOS)
    }

    /// With exactly nine digits after the point, as log timestamps have
    /// (Go's `RFC3339NanoFixed` of moby's jsonmessage).
    pub fn fixed(self) -> String {
        format!("{}.{:09}Z", self.date_time(), self.subsec_nanos())
    }

    /// Parses RFC 3339 (`2006-01-02T15:04:05[.999999999](Z|±07:00)`).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| digits.parse().ok())?
        };
        let at =
            |index: usize, allowed: &[u8]| bytes.get(index).is_some_and(|b| allowed.contains(b));
        if !(at(4, b"-") && at(7, b"-") && at(10, b"Tt ") && at(13, b":") && at(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut nanos: i128 = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            nanos = fraction.get(..digits)?.parse::<i128>().ok()? * 10i128.pow(9 - digits as u32);
            rest = fraction.get(digits..)?;
        }
        let offset = match rest.as_bytes() {
            b"Z" | b"z" => 0,
            [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
                let (hours, minutes): (i64, i64) =
                    (rest.get(1..3)?.parse().ok()?, rest.get(4..6)?.parse().ok()?);
                (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
            }
            _ => return None,
        };
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
                - offset;
        Some(Timestamp(i128::from(seconds) * NANOS + nanos))
    }

    fn date_time(self) -> String {
        let seconds = self.seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let time = seconds.rem_euclid(86_400);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            time / 3600,
            time / 60 % 60,
            time % 60
        )
    }

    /// Year, month, day, hour, minute, second in UTC.
    pub fn civil(self) -> (i64, u32, u32, u32, u32, u32) {
        let seconds = self.seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let time = seconds.rem_euclid(86_400) as u32;
        (
            year,
            month as u32,
            day as u32,
            time / 3600,
            time / 60 % 60,
            time % 60,
        )
    }
}

/// Howard Hinnant's `days_from_civil`: days since 1970-01-01.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date_time())?;
        let nanos = self.subsec_nanos();
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Timestamp::ZERO);
        }
        Timestamp::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("cannot parse {text:?} as a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_print_as_go_prints_them() {
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::from_unix(1_795_428_937, 206_507_972).to_string(),
            "2026-11-23T10:15:37.206507972Z"
        );
        assert_eq!(
            Timestamp::from_unix(0, 500_000_000).to_string(),
            "1970-01-01T00:00:00.5Z"
        );
        assert_eq!(
            Timestamp::from_unix(0, 500_000_000).fixed(),
            "1970-01-01T00:00:00.500000000Z"
        );
    }

    #[test]
    fn offsets_are_applied() {
        let parsed = Timestamp::parse("2026-11-23T12:15:37.5+02:00");
        assert_eq!(parsed, Timestamp::parse("2026-11-23T10:15:37.5Z"));
        for bad in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-11-23T10:15:37",
            "2026-11-23T10:15:37.Z",
            "aaaa-bb-ccTdd:ee:ffZ",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(seconds in -62_135_596_800i64..253_402_300_799, nanos in 0u32..1_000_000_000) {
            let time = Timestamp::from_unix(seconds, nanos);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
            prop_assert_eq!(Timestamp::parse(&time.fixed()), Some(time));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
