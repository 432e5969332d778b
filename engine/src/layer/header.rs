//! The 512-byte header block: POSIX ustar and GNU.

use super::LayerError;

/// Bytes of a tar block.
pub(crate) const BLOCK: usize = 512;
/// A block.
pub(crate) type Block = [u8; BLOCK];

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    CharDev,
    BlockDev,
    Dir,
    Fifo,
}

impl Kind {
    /// The type flag.
    pub fn flag(self) -> u8 {
        match self {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::CharDev => b'3',
            Kind::BlockDev => b'4',
            Kind::Dir => b'5',
            Kind::Fifo => b'6',
        }
    }
}

/// The fields of a header block.
pub(crate) struct RawHeader<'a> {
    block: &'a Block,
    posix: bool,
}

/// Positions of the fields.
pub(crate) mod field {
    use std::ops::Range;
    pub const NAME: Range<usize> = 0..100;
    pub const MODE: Range<usize> = 100..108;
    pub const UID: Range<usize> = 108..116;
    pub const GID: Range<usize> = 116..124;
    pub const SIZE: Range<usize> = 124..136;
    pub const MTIME: Range<usize> = 136..148;
    pub const CHECKSUM: Range<usize> = 148..156;
    pub const FLAG: usize = 156;
    pub const LINK: Range<usize> = 157..257;
    pub const MAGIC: Range<usize> = 257..265;
    pub const DEV_MAJOR: Range<usize> = 329..337;
    pub const DEV_MINOR: Range<usize> = 337..345;
    pub const PREFIX: Range<usize> = 345..500;
}

impl<'a> RawHeader<'a> {
    /// Checks the checksum and the magic. The reason says what is wrong.
    pub fn new(block: &'a Block) -> Result<RawHeader<'a>, &'static str> {
        let stored = number(&block[field::CHECKSUM]).ok_or("header checksum is not a number")?;
        if stored != i64::from(checksum(block)) {
            return Err("header checksum does not match");
        }
        let posix = match &block[field::MAGIC] {
            b"ustar\x0000" => true,
            b"ustar  \0" => false,
            _ => return Err("header is neither ustar nor GNU tar"),
        };
        Ok(RawHeader { block, posix })
    }

    pub fn flag(&self) -> u8 {
        self.block[field::FLAG]
    }

    /// The name, with the prefix that POSIX headers have.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.block[field::NAME]);
        let prefix = text(&self.block[field::PREFIX]);
        match self.posix && !prefix.is_empty() {
            true => [prefix, b"/", name].concat(),
            false => name.to_vec(),
        }
    }

    pub fn link(&self) -> Vec<u8> {
        text(&self.block[field::LINK]).to_vec()
    }

    pub fn number(&self, at: std::ops::Range<usize>) -> Result<i64, &'static str> {
        number(&self.block[at]).ok_or("number in header does not parse")
    }
}

/// The sum of the header's bytes, the checksum field counting as blanks.
pub fn checksum(block: &Block) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
    let blanks = field::CHECKSUM.len() as u32 * u32::from(b' ');
    sum(&block[..field::CHECKSUM.start]) + blanks + sum(&block[field::CHECKSUM.end..])
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// Octal digits between blanks and NULs, or GNU's base 256 when the top bit is set.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base256(field);
    }
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let digits = &field[start..];
    let len = digits.iter().position(blank).unwrap_or(digits.len());
    if !digits[len..].iter().all(blank) {
        return None;
    }
    digits[..len].iter().try_fold(0i64, |value, b| match b {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(b - b'0')),
        _ => None,
    })
}

/// Two's complement, big endian; the first byte's top bit marks the format.
fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative {
        i128::from(field[0] as i8)
    } else {
        i128::from(field[0] & 0x7f)
    };
    let mut value = first;
    for b in &field[1..] {
        value = (value << 8) | i128::from(*b);
    }
    i64::try_from(value).ok()
}

/// Splits a name for the prefix field as Go does: at the last `/` that leaves both parts fitting.
pub(super) fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name_len, prefix_len) = (field::NAME.len(), field::PREFIX.len());
    if name.len() <= name_len || !name.is_ascii() {
        return None;
    }
    // A trailing slash stays with the name; the prefix ends before a slash.
    let mut end = name.len().min(prefix_len + 1);
    if name.len() <= prefix_len + 1 && name.ends_with(b"/") {
        end = name.len() - 1;
    }
    let slash = name[..end].iter().rposition(|b| *b == b'/')?;
    let rest = name.len() - slash - 1;
    match slash == 0 || slash > prefix_len || rest == 0 || rest > name_len {
        true => None,
        false => Some((&name[..slash], &name[slash + 1..])),
    }
}

/// `Malformed` at a position, for `map_err`.
pub(super) fn malformed(offset: u64) -> impl Fn(&'static str) -> LayerError {
    move |reason| LayerError::Malformed { reason, offset }
}
