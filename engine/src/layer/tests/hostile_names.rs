//! Archives that try to get out of the tree, or to confuse what is in it: rows A of the list of
//! hostile images. Not here: A32 and A33 are about a runtime's mounts and a host's race, which this
//! code has no part in (there is one thread, and paths are resolved by inode); A23 to A25 are about
//! who reads such files later, so only that they are stored as they are is checked.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::tars::*;
use crate::layer::Limits;

/// What must come of an archive.
enum Outcome {
    /// Refused, with this in the message.
    Refused(&'static str),
    /// Unpacked to exactly this.
    Tree(&'static [(&'static str, &'static str)]),
}
use Outcome::{Refused, Tree};

fn check(id: &str, tar: Vec<u8>, outcome: Outcome) {
    let got = unpack(&tar, &Limits::default());
    match (got, outcome) {
        (Err(text), Refused(part)) => assert!(text.contains(part), "{id}: {text}"),
        (Ok(tree), Tree(want)) => {
            let want = want
                .iter()
                .map(|(p, w)| (p.to_string(), w.to_string()))
                .collect();
            assert_eq!(tree, want, "{id}");
        }
        (Ok(tree), Refused(_)) => panic!("{id}: accepted as {tree:?}"),
        (Err(text), Tree(_)) => panic!("{id}: refused: {text}"),
    }
}

#[test]
fn paths_links_and_devices() {
    let out = "leads out of";
    let cases: Vec<(&str, Tar, Outcome)> = vec![
        (
            "A01",
            Tar::new().file("../victim/dotdot", "x"),
            Refused(out),
        ),
        (
            "A02",
            Tar::new().file("/../victim/slash-dotdot", "x"),
            Refused(out),
        ),
        (
            "A03",
            Tar::new().file("/etc/cron.d/x", "x"),
            Tree(&[
                ("etc", "dir"),
                ("etc/cron.d", "dir"),
                ("etc/cron.d/x", "file 1 x"),
            ]),
        ),
        (
            "A04",
            Tar::new()
                .symlink("loophole", "../victim")
                .file("loophole/file", "x"),
            Tree(&[
                ("loophole", "-> ../victim"),
                ("victim", "dir"),
                ("victim/file", "file 1 x"),
            ]),
        ),
        (
            "A05",
            Tar::new().symlink("a", "/").file("a/etc/passwd", "x"),
            Tree(&[("a", "-> /"), ("etc", "dir"), ("etc/passwd", "file 1 x")]),
        ),
        (
            "A06",
            Tar::new()
                .symlink("d1", ".")
                .symlink("d1/d2", "..")
                .symlink("d2/d3", "..")
                .file("d3/victim/x", "x"),
            Tree(&[
                ("d1", "-> ."),
                ("d2", "-> .."),
                ("d3", "-> .."),
                ("victim", "dir"),
                ("victim/x", "file 1 x"),
            ]),
        ),
        (
            "A07",
            Tar::new().hardlink("h", "../victim/hello"),
            Refused(out),
        ),
        (
            "A08 missing",
            Tar::new().hardlink("h", "/victim/hello"),
            Refused("missing entry"),
        ),
        (
            "A08 inside",
            Tar::new().file("f", "x").hardlink("h", "/f"),
            Tree(&[("f", "file 1 x"), ("h", "file 1 x")]),
        ),
        (
            "A09",
            Tar::new()
                .symlink("s", "../victim/hello")
                .hardlink("h", "s")
                .file("h", "new"),
            Tree(&[("h", "file 3 new"), ("s", "-> ../victim/hello")]),
        ),
        (
            "A10 later",
            Tar::new().hardlink("h", "f").file("f", "x"),
            Refused("missing entry"),
        ),
        (
            "A10 itself",
            Tar::new().file("f", "x").hardlink("f", "f"),
            Refused("itself"),
        ),
        (
            "A11",
            Tar::new().dir("d").hardlink("h", "d"),
            Refused("to a directory"),
        ),
        (
            "A12",
            Tar::new()
                .symlink("d", "../victim")
                .dir("d")
                .file("d/f", "x"),
            Tree(&[("d", "dir"), ("d/f", "file 1 x")]),
        ),
        (
            "A13",
            Tar::new()
                .symlink("d", "/../victim")
                .raw("d", b'5', 0, |b| b[100..108].copy_from_slice(b"0000777\0")),
            Tree(&[("d", "dir")]),
        ),
        (
            "A14",
            Tar::new()
                .symlink("f", "../etc/passwd")
                .raw("f", b'0', 0, |b| b[100..108].copy_from_slice(b"0004777\0")),
            Tree(&[("f", "file 0 ")]),
        ),
        (
            "A15 dot",
            Tar::new().symlink(".", "/"),
            Refused("root must be a directory"),
        ),
        (
            "A15 slash",
            Tar::new().symlink("/", "/"),
            Refused("root must be a directory"),
        ),
        (
            "A15 dots",
            Tar::new().file("./.", ""),
            Refused("root must be a directory"),
        ),
        (
            "A16 ..",
            Tar::new().file(".wh..", ""),
            Refused("whiteout of nothing"),
        ),
        (
            "A16 ...",
            Tar::new().file(".wh...", ""),
            Refused("whiteout of nothing"),
        ),
        (
            "A16 empty",
            Tar::new().file("d/.wh.", ""),
            Refused("whiteout of nothing"),
        ),
        ("A16 parent", Tar::new().file("../.wh.x", ""), Refused(out)),
        (
            "A17",
            Tar::new()
                .symlink("link", "/victim")
                .file("link/.wh.hello", ""),
            Tree(&[
                ("link", "-> /victim"),
                ("victim", "dir"),
                ("victim/hello", "whiteout"),
            ]),
        ),
        (
            "A18",
            Tar::new().file("dir/.wh..wh..opq", ""),
            Tree(&[("dir", "dir opaque")]),
        ),
        (
            "A19 whiteout first",
            Tar::new().file(".wh.f", "").file("f", "x"),
            Tree(&[("f", "file 1 x")]),
        ),
        (
            "A19 file first",
            Tar::new().file("f", "x").file(".wh.f", ""),
            Tree(&[("f", "file 1 x")]),
        ),
        (
            "A19 whiteout, directory",
            Tar::new().file(".wh.d", "").dir("d").file("d/x", ""),
            Tree(&[("d", "dir opaque"), ("d/x", "file 0 ")]),
        ),
        (
            "A19 directory, whiteout",
            Tar::new().dir("d").file("d/x", "").file(".wh.d", ""),
            Tree(&[("d", "dir opaque"), ("d/x", "file 0 ")]),
        ),
        (
            "A19 whiteout, implied directory",
            Tar::new().file(".wh.d", "").file("d/x", ""),
            Tree(&[("d", "dir opaque"), ("d/x", "file 0 ")]),
        ),
        (
            "A19 below a whiteout",
            Tar::new().file(".wh.d/x", ""),
            Refused("cannot be a directory"),
        ),
        (
            "A19 aufs",
            Tar::new()
                .file(".wh..wh.plnk/1.2", "")
                .file(".wh..wh.aufs", ""),
            Tree(&[]),
        ),
        (
            "A20",
            Tar::new().device("x", b'3', 0, 0),
            Refused("character device 0:0"),
        ),
        (
            "A22",
            Tar::new()
                .device("mem", b'3', 1, 1)
                .device("sda", b'4', 8, 0),
            Tree(&[("mem", "20000 101"), ("sda", "60000 800")]),
        ),
        (
            "A23",
            Tar::new().raw("etc/passwd", b'6', 0, |_| {}),
            Tree(&[("etc", "dir"), ("etc/passwd", "10000 0")]),
        ),
        (
            "A24",
            Tar::new().symlink("etc/passwd", "/proc/self/environ"),
            Tree(&[("etc", "dir"), ("etc/passwd", "-> /proc/self/environ")]),
        ),
        (
            "A29",
            Tar::new()
                .file("a", "1")
                .file("A", "2")
                .file("CON", "3")
                .file("x.", "4")
                .file("\u{e9}", "5")
                .file("e\u{301}", "6"),
            Tree(&[
                ("A", "file 1 2"),
                ("CON", "file 1 3"),
                ("a", "file 1 1"),
                ("x.", "file 1 4"),
                ("\u{e9}", "file 1 5"),
                ("e\u{301}", "file 1 6"),
            ]),
        ),
        (
            "A30",
            Tar::new()
                .file("x", "1")
                .dir("x")
                .file("x/y", "2")
                .symlink("x", "/victim")
                .file("x", "last"),
            Tree(&[("x", "file 4 last")]),
        ),
        (
            "A31",
            Tar::new().file("f", "x").file("f/child", "y"),
            Refused("Not a directory"),
        ),
        (
            "loop",
            Tar::new()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/x", "y"),
            Refused("Too many levels"),
        ),
    ];
    for (id, tar, outcome) in cases {
        check(id, tar.end(), outcome);
    }
}

#[test]
fn a21_attributes_of_overlays_are_dropped() {
    let xattrs: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.redirect", b"/../../.."),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.metacopy", b""),
        ("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
        ("SCHILY.xattr.user.note", b"kept"),
    ];
    let world = world();
    let tar = Tar::new().pax(xattrs).dir("d").end();
    crate::layer::apply(&*tar, &world.dest, &Limits::default()).unwrap();
    let dir = world.dest.lookup(b"d").unwrap();
    let names: Vec<&[u8]> = vec![b"security.capability", b"user.note"];
    assert_eq!(dir.list_xattr().unwrap(), names);
}

#[test]
fn a25_setuid_is_stored() {
    let world = world();
    let tar = Tar::new()
        .raw("su", b'0', 0, |b| b[100..108].copy_from_slice(b"0104755\0"))
        .end();
    crate::layer::apply(&*tar, &world.dest, &Limits::default()).unwrap();
    assert_eq!(
        world.dest.lookup(b"su").unwrap().attr().unwrap().mode,
        0o104755
    );
}

#[test]
fn a26_ids_out_of_range() {
    let base256 = |bytes: [u8; 8]| {
        Tar::new()
            .raw("f", b'0', 0, move |b| b[108..116].copy_from_slice(&bytes))
            .end()
    };
    check("A26 -1", base256([0xff; 8]), Refused("user id"));
    check(
        "A26 2^32-1",
        base256([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        Refused("user id"),
    );
    check(
        "A26 2^63",
        base256([0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Refused("user id"),
    );
    let pax = |value: &[u8]| Tar::new().pax(&[("gid", value)]).file("f", "").end();
    check("A26 pax", pax(b"4294967295"), Refused("group id"));
    check("A26 pax sign", pax(b"-1"), Refused("not a number"));
    let limits = Limits {
        max_id: 65_535,
        ..Limits::default()
    };
    assert!(
        unpack(&pax(b"2147483648"), &limits)
            .unwrap_err()
            .contains("group id")
    );
    assert!(unpack(&pax(b"2147483648"), &Limits::default()).is_ok());
}

#[test]
fn a27_numbers_that_overflow() {
    let at = |range: std::ops::Range<usize>, bytes: &'static [u8]| {
        Tar::new()
            .raw("f", b'0', 0, move |b| b[range].copy_from_slice(bytes))
            .end()
    };
    check(
        "A27 size",
        at(124..136, &[0xff; 12]),
        Refused("negative size"),
    );
    check(
        "A27 huge size",
        at(124..136, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
        Refused("size of"),
    );
    check(
        "A27 size too wide",
        at(
            124..136,
            b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        Refused("number"),
    );
    check(
        "A27 mode",
        at(100..108, b"7777777\0"),
        Tree(&[("f", "file 0 ")]),
    );
    check(
        "A27 no number",
        at(100..108, b"12x4567\0"),
        Refused("number"),
    );
    let world = world();
    let times: &[&[u8]] = &[b"-1.5", b"31556889864403199", b"9223372036854775807"];
    for time in times {
        let tar = Tar::new().pax(&[("mtime", time)]).file("f", "").end();
        crate::layer::apply(&*tar, &world.dest, &Limits::default()).unwrap();
        assert_eq!(
            world.dest.lookup(b"f").unwrap().attr().unwrap().mtime.sec,
            0
        );
    }
    check(
        "A27 time",
        Tar::new().pax(&[("mtime", b"1.2.3")]).file("f", "").end(),
        Refused("time"),
    );
}

#[test]
fn a28_names_that_are_bytes() {
    let name = |bytes: &[u8]| Tar::new().pax(&[("path", bytes)]).file("short", "x").end();
    check("A28 nul", name(b"a\0b"), Refused("NUL"));
    let escape = name(b"../\x1b]0;title\x07\n\xff\xe2\x80\xae");
    check(
        "A28 escapes",
        escape,
        Refused(r#""../\u{1b}]0;title\u{7}\n\xff\u{202e}""#),
    );
    check("A28 component", name(&[b'n'; 256]), Refused("255 bytes"));
    check(
        "A28 path",
        name(&[b'n'; 70_000]),
        Refused("length of a path"),
    );
    let dirs = |bytes: &[u8]| Tar::new().pax(&[("path", bytes)]).dir("short").end();
    check(
        "A28 depth",
        dirs(&b"d/".repeat(5000)),
        Refused("length of a path"),
    );
    let deep = b"d/".repeat(2000);
    assert_eq!(
        unpack(&name(&[&*deep, b"f"].concat()), &Limits::default())
            .unwrap()
            .len(),
        2001
    );
    // Any bytes but NUL and slash are a name.
    let world = world();
    let tar = name(b"caf\xe9\n\x01");
    crate::layer::apply(&*tar, &world.dest, &Limits::default()).unwrap();
    assert!(world.dest.lookup(b"caf\xe9\n\x01").is_ok());
}
