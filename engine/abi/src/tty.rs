//! Terminals: `struct termios`, `struct winsize`, ioctl numbers.
#![allow(missing_docs)]

use crate::bytes::{Layout, get_u16, get_u32};

pub const TCGETS: u32 = 0x5401;
pub const TCSETS: u32 = 0x5402;
pub const TCSETSW: u32 = 0x5403;
pub const TCSETSF: u32 = 0x5404;
pub const TCGETA: u32 = 0x5405;
pub const TCSBRK: u32 = 0x5409;
pub const TCXONC: u32 = 0x540A;
pub const TCFLSH: u32 = 0x540B;
pub const TIOCEXCL: u32 = 0x540C;
pub const TIOCNXCL: u32 = 0x540D;
pub const TIOCSCTTY: u32 = 0x540E;
pub const TIOCGPGRP: u32 = 0x540F;
pub const TIOCSPGRP: u32 = 0x5410;
pub const TIOCOUTQ: u32 = 0x5411;
pub const TIOCSTI: u32 = 0x5412;
pub const TIOCGWINSZ: u32 = 0x5413;
pub const TIOCSWINSZ: u32 = 0x5414;
pub const FIONREAD: u32 = 0x541B;
pub const TIOCCONS: u32 = 0x541D;
pub const FIONBIO: u32 = 0x5421;
pub const TIOCNOTTY: u32 = 0x5422;
pub const TIOCGETD: u32 = 0x5424;
pub const TCSBRKP: u32 = 0x5425;
pub const TIOCGSID: u32 = 0x5429;
pub const TCGETS2: u32 = 0x802C_542A;
pub const TIOCGPTN: u32 = 0x8004_5430;
pub const TIOCSPTLCK: u32 = 0x4004_5431;
pub const TIOCGPTPEER: u32 = 0x5441;
pub const TIOCPKT: u32 = 0x5420;
pub const FIONCLEX: u32 = 0x5450;
pub const FIOCLEX: u32 = 0x5451;
pub const FIOASYNC: u32 = 0x5452;

pub const ISTRIP: u32 = 0o40;
pub const INLCR: u32 = 0o100;
pub const IGNCR: u32 = 0o200;
pub const ICRNL: u32 = 0o400;
pub const IUCLC: u32 = 0o1000;
pub const IXON: u32 = 0o2000;
pub const IXANY: u32 = 0o4000;
pub const IXOFF: u32 = 0o10000;
pub const IMAXBEL: u32 = 0o20000;
pub const IUTF8: u32 = 0o40000;
pub const BRKINT: u32 = 0o2;

pub const OPOST: u32 = 1;
pub const ONLCR: u32 = 4;
pub const OCRNL: u32 = 8;
pub const ONOCR: u32 = 0x10;
pub const ONLRET: u32 = 0x20;
pub const TABDLY: u32 = 0x1800;

pub const CS8: u32 = 0x30;
pub const CREAD: u32 = 0x80;
pub const B38400: u32 = 0xf;

pub const ISIG: u32 = 1;
pub const ICANON: u32 = 2;
pub const ECHO: u32 = 8;
pub const ECHOE: u32 = 0x10;
pub const ECHOK: u32 = 0x20;
pub const ECHONL: u32 = 0x40;
pub const NOFLSH: u32 = 0x80;
pub const TOSTOP: u32 = 0x100;
pub const ECHOCTL: u32 = 0x200;
pub const ECHOKE: u32 = 0x800;
pub const IEXTEN: u32 = 0x8000;

pub const VINTR: usize = 0;
pub const VQUIT: usize = 1;
pub const VERASE: usize = 2;
pub const VKILL: usize = 3;
pub const VEOF: usize = 4;
pub const VTIME: usize = 5;
pub const VMIN: usize = 6;
pub const VSWTC: usize = 7;
pub const VSTART: usize = 8;
pub const VSTOP: usize = 9;
pub const VSUSP: usize = 10;
pub const VEOL: usize = 11;
pub const VREPRINT: usize = 12;
pub const VDISCARD: usize = 13;
pub const VWERASE: usize = 14;
pub const VLNEXT: usize = 15;
pub const VEOL2: usize = 16;
pub const NCCS: usize = 19;

/// The kernel's `struct termios` (36 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    pub iflag: u32,
    pub oflag: u32,
    pub cflag: u32,
    pub lflag: u32,
    pub line: u8,
    pub cc: [u8; NCCS],
}

impl Default for Termios {
    /// `tty_std_termios`.
    fn default() -> Self {
        let mut cc = [0; NCCS];
        for (index, value) in [
            (VINTR, 3),
            (VQUIT, 28),
            (VERASE, 127),
            (VKILL, 21),
            (VEOF, 4),
            (VMIN, 1),
            (VSTART, 17),
            (VSTOP, 19),
            (VSUSP, 26),
            (VREPRINT, 18),
            (VDISCARD, 15),
            (VWERASE, 23),
            (VLNEXT, 22),
        ] {
            cc[index] = value;
        }
        Termios {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: B38400 | CS8 | CREAD,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            cc,
        }
    }
}

impl Termios {
    /// Size in guest memory.
    pub const SIZE: usize = 36;

    /// As `TCGETS` stores it.
    pub fn to_bytes(&self) -> [u8; 36] {
        Layout::new()
            .u32(0, self.iflag)
            .u32(4, self.oflag)
            .u32(8, self.cflag)
            .u32(12, self.lflag)
            .bytes(16, &[self.line])
            .bytes(17, &self.cc)
            .done()
    }

    /// As `TCSETS` reads it.
    pub fn from_bytes(bytes: &[u8; 36]) -> Termios {
        let mut cc = [0; NCCS];
        cc.copy_from_slice(&bytes[17..]);
        Termios {
            iflag: get_u32(bytes, 0),
            oflag: get_u32(bytes, 4),
            cflag: get_u32(bytes, 8),
            lflag: get_u32(bytes, 12),
            line: bytes[16],
            cc,
        }
    }

    /// `cfmakeraw(3)`.
    pub fn make_raw(&mut self) {
        self.iflag &= !(1 | BRKINT | 0o10 | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        self.oflag &= !OPOST;
        self.lflag &= !(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        self.cc[VMIN] = 1;
        self.cc[VTIME] = 0;
    }
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WinSize {
    pub rows: u16,
    pub cols: u16,
    pub xpixel: u16,
    pub ypixel: u16,
}

impl WinSize {
    /// `cols` × `rows` characters, pixels unknown.
    pub fn new(cols: u16, rows: u16) -> WinSize {
        WinSize {
            rows,
            cols,
            xpixel: 0,
            ypixel: 0,
        }
    }

    /// As `TIOCGWINSZ` stores it.
    pub fn to_bytes(&self) -> [u8; 8] {
        Layout::new()
            .u16(0, self.rows)
            .u16(2, self.cols)
            .u16(4, self.xpixel)
            .u16(6, self.ypixel)
            .done()
    }

    /// As `TIOCSWINSZ` reads it.
    pub fn from_bytes(bytes: &[u8; 8]) -> WinSize {
        WinSize {
            rows: get_u16(bytes, 0),
            cols: get_u16(bytes, 2),
            xpixel: get_u16(bytes, 4),
            ypixel: get_u16(bytes, 6),
        }
    }
}
