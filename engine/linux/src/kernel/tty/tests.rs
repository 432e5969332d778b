//! The line discipline, key by key.

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::tty::*;

use super::Tty;

fn tty() -> Rc<Tty> {
    let tty = Tty::new(0, WinSize::new(80, 24));
    tty.open_master();
    tty.open_slave();
    tty
}

fn shown(tty: &Tty) -> String {
    let mut all = Vec::new();
    let mut buf = [0; 256];
    while let Ok(n) = tty.master_read(&mut buf) {
        all.extend_from_slice(&buf[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn read(tty: &Tty, len: usize) -> Result<String, Errno> {
    let mut buf = vec![0; len];
    let n = tty.slave_read(&mut buf)?;
    Ok(String::from_utf8_lossy(&buf[..n]).into_owned())
}

#[test]
fn a_line_is_read_when_it_ends() {
    let tty = tty();
    tty.master_write(b"ab").unwrap();
    assert_eq!(read(&tty, 10), Err(Errno::EAGAIN));
    tty.master_write(b"c\rde\r").unwrap();
    assert_eq!(shown(&tty), "abc\r\nde\r\n");
    assert_eq!(read(&tty, 2).unwrap(), "ab");
    assert_eq!(read(&tty, 10).unwrap(), "c\n");
    assert_eq!(read(&tty, 10).unwrap(), "de\n");
    assert_eq!(read(&tty, 10), Err(Errno::EAGAIN));
}

#[test]
fn editing_keys() {
    let tty = tty();
    tty.master_write(b"abx\x7fc one two\x17three\r").unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "abc one three\n");
    assert_eq!(
        shown(&tty),
        "abx\x08 \x08c one two\x08 \x08\x08 \x08\x08 \x08three\r\n"
    );
    tty.master_write(b"gone\x15kept\r").unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "kept\n");
    shown(&tty);
    tty.master_write(b"\x01\x7f\x7f\x16\x03\r").unwrap();
    assert_eq!(shown(&tty), "^A\x08 \x08\x08 \x08^\x08^C\r\n");
    assert_eq!(read(&tty, 100).unwrap(), "\x03\n");
}

#[test]
fn a_tab_is_erased_to_where_it_began() {
    let tty = tty();
    tty.master_write(b"abc\t\x7f").unwrap();
    assert_eq!(shown(&tty), format!("abc\t{}", "\x08 \x08".repeat(5)));
}

#[test]
fn utf8_is_erased_as_a_whole() {
    let tty = tty();
    let mut termios = *tty.termios.borrow();
    termios.iflag |= IUTF8;
    tty.set_termios(termios);
    tty.master_write("aé\x7fb\r".as_bytes()).unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "ab\n");
    assert_eq!(shown(&tty), "aé\x08 \x08b\r\n");
}

#[test]
fn end_of_file() {
    let tty = tty();
    tty.master_write(b"part\x04").unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "part");
    tty.master_write(b"\x04").unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "");
    assert_eq!(read(&tty, 100), Err(Errno::EAGAIN));
}

#[test]
fn raw_mode_passes_everything() {
    let tty = tty();
    tty.master_write(b"typed ").unwrap();
    let mut termios = *tty.termios.borrow();
    termios.make_raw();
    tty.set_termios(termios);
    tty.master_write(b"\x03\x04\r\x7f").unwrap();
    assert_eq!(read(&tty, 100).unwrap(), "typed \x03\x04\r\x7f");
    assert_eq!(shown(&tty), "typed ");
    assert_eq!(tty.slave_write(b"a\nb"), Ok(3));
    assert_eq!(shown(&tty), "a\nb");
}

#[test]
fn output_is_processed_and_bounded() {
    let tty = tty();
    tty.slave_write(b"a\nb\r\n").unwrap();
    assert_eq!(shown(&tty), "a\r\nb\r\r\n");
    let big = vec![b'x'; 200_000];
    let taken = tty.slave_write(&big).unwrap();
    assert!(taken <= 64 * 1024);
    assert_eq!(tty.slave_write(&big), Err(Errno::EAGAIN));
    shown(&tty);
    assert!(tty.slave_write(&big).is_ok());
}

#[test]
fn flow_control() {
    let tty = tty();
    tty.master_write(b"\x13").unwrap();
    assert_eq!(tty.slave_write(b"held"), Err(Errno::EAGAIN));
    tty.master_write(b"\x11").unwrap();
    assert_eq!(tty.slave_write(b"free"), Ok(4));
    assert_eq!(shown(&tty), "free");
}

#[test]
fn a_line_has_an_end_even_if_nobody_types_it() {
    let tty = tty();
    for _ in 0..10 {
        tty.master_write(&[b'x'; 4096]).unwrap();
    }
    tty.master_write(b"\r").unwrap();
    assert_eq!(read(&tty, 100_000).unwrap().len(), 4096);
}

#[test]
fn closing_either_side() {
    let tty = tty();
    tty.slave_write(b"last").unwrap();
    tty.close_slave();
    assert_eq!(shown(&tty), "last");
    assert_eq!(tty.master_read(&mut [0; 8]), Err(Errno::EIO));
    tty.open_slave();
    assert_eq!(tty.master_read(&mut [0; 8]), Err(Errno::EAGAIN));
    tty.close_master();
    assert_eq!(read(&tty, 10).unwrap(), "");
    assert_eq!(tty.slave_write(b"x"), Err(Errno::EIO));
}
