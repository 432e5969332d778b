//! Writing tar archives, byte for byte as Go's `archive/tar` does for Docker: POSIX headers, with
//! PAX records only for what does not fit.

use std::io::{self, Write};

use super::header::{BLOCK, Block, Kind, checksum, field, split_name};
use super::reader::{Records, padding};

/// An entry to write.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// As in the archive; a directory's ends in `/`.
    pub name: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    pub link: Vec<u8>,
    pub dev: (u32, u32),
    /// PAX records to write in any case.
    pub records: Records,
}

/// A tar archive being written.
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Writer<W> {
        Writer { out }
    }

    /// Writes a header. A file's `size` bytes follow with [`Writer::data`], then
    /// [`Writer::end_data`].
    pub fn header(&mut self, header: &Header) -> io::Result<()> {
        let mut records = header.records.clone();
        let mut text = |key: &[u8], value: &[u8], size: usize| {
            let fits = value.len() <= size && value.is_ascii();
            if !fits {
                records.insert(key.to_vec(), value.to_vec());
            }
            fits
        };
        let name_fits = text(b"path", &header.name, field::NAME.len());
        text(b"linkpath", &header.link, field::LINK.len());
        let numbers: [(&[u8], _, i64); 4] = [
            (b"uid", field::UID, i64::from(header.uid)),
            (b"gid", field::GID, i64::from(header.gid)),
            (b"size", field::SIZE, header.size as i64),
            (b"mtime", field::MTIME, header.mtime),
        ];
        for (key, at, value) in numbers {
            if !fits_octal(at.len(), value) {
                let text = value.to_string().into_bytes();
                records.entry(key.to_vec()).or_insert(text);
            }
        }
        let split = split_name(&header.name);
        // The prefix field can do for a long name when nothing else needs PAX.
        let long_name = !name_fits && split.is_some();
        if long_name && records.len() == 1 {
            records.clear();
        }
        let mut block = [0; BLOCK];
        let name: &[u8] = match split {
            Some((prefix, name)) if records.is_empty() => {
                put(&mut block[field::PREFIX], prefix);
                name
            }
            _ => &header.name,
        };
        if records.is_empty() {
            put(&mut block[field::NAME], name);
            put(&mut block[field::LINK], &header.link);
        } else {
            self.records(&header.name, &records)?;
            put(&mut block[field::NAME], &ascii(name));
            put(&mut block[field::LINK], &ascii(&header.link));
        }
        octal(&mut block[field::MODE], i64::from(header.mode));
        octal(&mut block[field::UID], i64::from(header.uid));
        octal(&mut block[field::GID], i64::from(header.gid));
        octal(&mut block[field::SIZE], header.size as i64);
        octal(&mut block[field::MTIME], header.mtime);
        block[field::FLAG] = header.kind.flag();
        octal(&mut block[field::DEV_MAJOR], i64::from(header.dev.0));
        octal(&mut block[field::DEV_MINOR], i64::from(header.dev.1));
        self.block(block)
    }

    /// Pads the contents to a block.
    pub fn end_data(&mut self, size: u64) -> io::Result<()> {
        self.out.write_all(&[0; BLOCK][..padding(size) as usize])
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    /// The extended header before an entry's own.
    fn records(&mut self, name: &[u8], records: &Records) -> io::Result<()> {
        let mut data = Vec::new();
        for (key, value) in records {
            record(&mut data, key, value);
        }
        let slash = name.iter().rposition(|b| *b == b'/');
        let (dir, file) = name.split_at(slash.map_or(0, |at| at + 1));
        let parts: Vec<_> = [dir, b"PaxHeaders.0", file]
            .iter()
            .flat_map(|part| part.split(|b| *b == b'/'))
            .filter(|part| !part.is_empty() && *part != b".")
            .collect();
        let mut name = ascii(&parts.join(&b'/'));
        name.truncate(field::NAME.len());
        while name.ends_with(b"/") {
            name.pop();
        }
        let mut block = [0; BLOCK];
        put(&mut block[field::NAME], &name);
        for at in [field::MODE, field::UID, field::GID, field::MTIME] {
            octal(&mut block[at], 0);
        }
        octal(&mut block[field::SIZE], data.len() as i64);
        block[field::FLAG] = b'x';
        self.block(block)?;
        self.out.write_all(&data)?;
        self.end_data(data.len() as u64)
    }

    fn block(&mut self, mut block: Block) -> io::Result<()> {
        block[field::MAGIC].copy_from_slice(b"ustar\x0000");
        let sum = i64::from(checksum(&block));
        octal(
            &mut block[field::CHECKSUM.start..field::CHECKSUM.end - 1],
            sum,
        );
        block[field::CHECKSUM.end - 1] = b' ';
        self.out.write_all(&block)
    }
}

impl Writer<Vec<u8>> {
    /// Takes what was written so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// `LENGTH KEY=VALUE\n`, the length counting itself.
fn record(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + rest.to_string().len();
    len = rest + len.to_string().len();
    data.extend_from_slice(len.to_string().as_bytes());
    data.push(b' ');
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

/// Copies text into a field, as much as fits. A cut that would leave a slash at the end, which
/// some readers take for a directory, is made shorter.
fn put(field: &mut [u8], text: &[u8]) {
    let n = text.len().min(field.len());
    field[..n].copy_from_slice(&text[..n]);
    if text.len() > field.len() && field[n - 1] == b'/' {
        let head = &text[..n - 1];
        let end = head.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
        field[end] = 0;
    }
}

/// Only ASCII, no NUL.
fn ascii(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|b| *b != 0 && b.is_ascii())
        .collect()
}

fn fits_octal(len: usize, value: i64) -> bool {
    let bits = (len - 1) * 3;
    value >= 0 && (bits >= 63 || value < 1 << bits)
}

/// Zero-padded octal and a NUL; zero when it does not fit, which a PAX record then tells.
fn octal(field: &mut [u8], value: i64) {
    let value = if fits_octal(field.len(), value) {
        value
    } else {
        0
    };
    let width = field.len() - 1;
    field[..width].copy_from_slice(format!("{value:0width$o}").as_bytes());
    field[width] = 0;
}
