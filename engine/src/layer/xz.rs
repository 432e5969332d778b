//! The xz container around LZMA2 (the `.xz` file format, version 1.2.1). It is read here, not by
//! the LZMA2 library, so that the dictionary, which is allocated as a whole, is limited.

use std::io::{self, Read};

use lzma_rust2::Lzma2Reader;
use sha2::{Digest as _, Sha256};

use super::LayerError;
use super::compression::{bad, read_some};

/// The largest dictionary: what `xz -9` uses.
const DICTIONARY_MAX: u32 = 64 << 20;
/// The filter id of LZMA2.
const LZMA2: u64 = 0x21;

/// xz streams one after another.
pub(super) struct XzDecoder<R> {
    state: State<R>,
    /// The type of the check after each block.
    check: u8,
}

enum State<R> {
    /// Before a stream; `first` when one must follow.
    Stream {
        source: Counted<R>,
        first: bool,
    },
    /// Before a block or the index.
    Block {
        source: Counted<R>,
        blocks: u64,
    },
    /// In a block.
    Data {
        reader: Box<Lzma2Reader<Counted<R>>>,
        check: Check,
        blocks: u64,
    },
    Done,
}

/// Counts what is read, for the padding to multiples of four.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count += n as u64;
        Ok(n)
    }
}

enum Check {
    None,
    Crc32(u32),
    Crc64(u64),
    Sha256(Sha256),
}

impl<R: Read> XzDecoder<R> {
    pub fn new(inner: R) -> XzDecoder<R> {
        let source = Counted { inner, count: 0 };
        XzDecoder {
            state: State::Stream {
                source,
                first: true,
            },
            check: 0,
        }
    }

    fn stream(&mut self, mut source: Counted<R>, first: bool) -> io::Result<State<R>> {
        // Between streams there may be zeros, in fours.
        let mut head = [0; 12];
        loop {
            if read_some(&mut source, &mut head[..4])? == 0 {
                return match first {
                    true => Err(io::ErrorKind::UnexpectedEof.into()),
                    false => Ok(State::Done),
                };
            }
            if first || head[..4] != [0; 4] {
                break;
            }
        }
        source.read_exact(&mut head[4..])?;
        if head[..7] != *b"\xfd7zXZ\0\0" || head[7] & 0xf0 != 0 {
            return Err(bad("bytes after the last stream"));
        }
        if crc32(&head[6..8]).to_le_bytes() != head[8..] {
            return Err(bad("stream header's checksum does not match"));
        }
        self.check = head[7];
        Ok(State::Block { source, blocks: 0 })
    }

    fn block(&mut self, mut source: Counted<R>, blocks: u64) -> io::Result<State<R>> {
        let mut header = vec![0; 1];
        source.read_exact(&mut header)?;
        if header[0] == 0 {
            return self.index(source, blocks);
        }
        let len = (usize::from(header[0]) + 1) * 4;
        header.resize(len, 0);
        source.read_exact(&mut header[1..])?;
        if crc32(&header[..len - 4]).to_le_bytes() != header[len - 4..] {
            return Err(bad("block header's checksum does not match"));
        }
        let (flags, mut fields) = (header[1], &header[2..len - 4]);
        for sizes in [0x40, 0x80] {
            if flags & sizes != 0 {
                varint(&mut fields)?;
            }
        }
        let (filter, properties) = (varint(&mut fields)?, varint(&mut fields)?);
        if flags & 3 != 0 || filter != LZMA2 || properties != 1 || fields.is_empty() {
            let text = "xz filter (only LZMA2 is known)".to_owned();
            return Err(io::Error::other(LayerError::Unsupported(text)));
        }
        let bits = u32::from(fields[0]);
        let dictionary = match bits {
            0..=39 => (2 | (bits & 1)) << (bits / 2 + 11),
            _ => u32::MAX,
        };
        if dictionary > DICTIONARY_MAX {
            return Err(io::Error::other(LayerError::Limit {
                what: "dictionary of the xz block",
                limit: u64::from(DICTIONARY_MAX),
            }));
        }
        source.count = 0;
        let check = match self.check {
            1 => Check::Crc32(!0),
            4 => Check::Crc64(!0),
            10 => Check::Sha256(Sha256::new()),
            _ => Check::None,
        };
        let reader = Box::new(Lzma2Reader::new(source, dictionary, None));
        Ok(State::Data {
            reader,
            check,
            blocks: blocks + 1,
        })
    }

    /// The padding and check after a block.
    fn end_block(&self, source: &mut Counted<R>, check: Check) -> io::Result<()> {
        let padding = (source.count.wrapping_neg() % 4) as usize;
        source.read_exact(&mut [0; 4][..padding])?;
        let sizes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
        let mut stored = [0; 64];
        let stored = &mut stored[..sizes[usize::from(self.check & 15)]];
        source.read_exact(stored)?;
        let same = match check {
            Check::None => true,
            Check::Crc32(crc) => (!crc).to_le_bytes() == *stored,
            Check::Crc64(crc) => (!crc).to_le_bytes() == *stored,
            Check::Sha256(hash) => hash.finalize()[..] == *stored,
        };
        if same {
            Ok(())
        } else {
            Err(bad("checksum does not match"))
        }
    }

    /// The index, whose first byte was read, and the footer.
    fn index(&self, mut source: Counted<R>, blocks: u64) -> io::Result<State<R>> {
        let mut crc = crc32_more(!0, &[0]);
        let mut len = 1u64;
        let mut next = |source: &mut Counted<R>| -> io::Result<u64> {
            let (mut value, mut shift) = (0u64, 0);
            loop {
                let mut byte = [0];
                source.read_exact(&mut byte)?;
                crc = crc32_more(crc, &byte);
                len += 1;
                value |= u64::from(byte[0] & 0x7f) << shift;
                shift += 7;
                if byte[0] & 0x80 == 0 {
                    return Ok(value);
                }
                if shift >= 63 {
                    return Err(bad("number in the index is too long"));
                }
            }
        };
        if next(&mut source)? != blocks {
            return Err(bad("index does not match the blocks"));
        }
        for _ in 0..blocks * 2 {
            next(&mut source)?;
        }
        let padding = (len.wrapping_neg() % 4) as usize;
        let mut rest = [0; 4 + 4 + 12];
        let rest = &mut rest[..padding + 4 + 12];
        source.read_exact(rest)?;
        let crc = !crc32_more(crc, &rest[..padding]);
        let (stored, footer) = rest[padding..].split_at(4);
        if crc.to_le_bytes() != *stored {
            return Err(bad("index' checksum does not match"));
        }
        let flags_match = footer[8..10] == [0, self.check] && footer[10..] == *b"YZ";
        if !flags_match || crc32(&footer[4..10]).to_le_bytes() != footer[..4] {
            return Err(bad("stream footer is broken"));
        }
        Ok(State::Stream {
            source,
            first: false,
        })
    }
}

impl<R: Read> Read for XzDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Done) {
                State::Stream { source, first } => self.stream(source, first)?,
                State::Block { source, blocks } => self.block(source, blocks)?,
                State::Data {
                    mut reader,
                    mut check,
                    blocks,
                } => {
                    let n = reader.read(buf)?;
                    if n > 0 || buf.is_empty() {
                        check.update(&buf[..n]);
                        self.state = State::Data {
                            reader,
                            check,
                            blocks,
                        };
                        return Ok(n);
                    }
                    let mut source = reader.into_inner();
                    self.end_block(&mut source, check)?;
                    State::Block { source, blocks }
                }
                State::Done => return Ok(0),
            };
        }
    }
}

impl Check {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Check::None => {}
            Check::Crc32(crc) => *crc = crc32_more(*crc, bytes),
            Check::Crc64(crc) => *crc = bytes.iter().fold(*crc, |c, b| CRC64.step(c, *b)),
            Check::Sha256(hash) => hash.update(bytes),
        }
    }
}

/// A number of seven bits per byte, least significant first.
fn varint(bytes: &mut &[u8]) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (first, rest) = bytes
            .split_first()
            .ok_or_else(|| bad("block header is cut off"))?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(bad("number in the block header is too long"))
}

fn crc32(bytes: &[u8]) -> u32 {
    !crc32_more(!0, bytes)
}

fn crc32_more(crc: u32, bytes: &[u8]) -> u32 {
    let step = |crc: u32, b: &u8| CRC32.step(u64::from(crc), *b) as u32;
    bytes.iter().fold(crc, step)
}

/// A reflected cyclic redundancy check of up to 64 bits, by table.
struct Crc([u64; 256]);

static CRC32: Crc = Crc::new(0xedb8_8320);
static CRC64: Crc = Crc::new(0xc96c_5795_d787_0f42);

impl Crc {
    const fn new(polynomial: u64) -> Crc {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = i as u64;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 {
                    (crc >> 1) ^ polynomial
                } else {
                    crc >> 1
                };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        Crc(table)
    }

    fn step(&self, crc: u64, byte: u8) -> u64 {
        self.0[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
    }
}
