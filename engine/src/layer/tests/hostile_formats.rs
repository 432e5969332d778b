//! Archives whose format is wrong, and compressed bytes that are: rows B of the list of hostile
//! images. Not here: B11 and B12 (media types are not this code's), B13 (there is no tar-split), B15
//! to B17 (nothing is run, mounted or loaded by unpacking).

use std::io::{Read, Write};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::tars::*;
use crate::layer::{Compression, Decompressor, LayerError, Limits, apply};

fn refused(id: &str, tar: &[u8], part: &str) {
    refused_within(id, tar, part, &Limits::default());
}

fn refused_within(id: &str, tar: &[u8], part: &str, limits: &Limits) {
    // A browser has another clock.
    #[cfg(not(target_arch = "wasm32"))]
    let started = Instant::now();
    match unpack(tar, limits) {
        Ok(tree) => panic!("{id}: accepted as {tree:?}"),
        Err(text) => assert!(text.contains(part), "{id}: {text}"),
    }
    #[cfg(not(target_arch = "wasm32"))]
    assert!(started.elapsed().as_secs() < 10, "{id}: too slow");
}

fn names(id: &str, tar: &[u8]) -> Vec<String> {
    match unpack(tar, &Limits::default()) {
        Ok(tree) => tree.into_keys().collect(),
        Err(text) => panic!("{id}: refused: {text}"),
    }
}

#[test]
fn b01_b02_the_size_in_a_pax_header_wins() {
    let nested = Tar::new().file("smuggled", "x").end();
    let size = nested.len().to_string();
    for (id, ustar) in [("B01", 0), ("B02", 512)] {
        let tar = Tar::new()
            .pax(&[("size", size.as_bytes())])
            .raw("outer", b'0', ustar, |_| {})
            .data(&nested)
            .file("after", "y")
            .end();
        assert_eq!(names(id, &tar), ["after", "outer"], "{id}");
    }
    // Entries without contents may not claim any, so that readers cannot differ on what follows.
    let tar = Tar::new().raw("d", b'5', 512, |_| {}).data(&[0; 512]).end();
    refused("B01 directory", &tar, "only files have contents");
    let tar = Tar::new().pax(&[("size", b"512")]).symlink("s", "x").end();
    refused("B01 symlink", &tar, "only files have contents");
    refused(
        "B01 slash",
        &Tar::new().file("f/", "data").end(),
        "ends in a slash",
    );
}

#[test]
fn b03_broken_extended_headers() {
    let broken: &[&[u8]] = &[
        b"99 path=x\n",
        b"9 path=xx\n",
        b"8 pathx\n",
        b"path=x\n",
        b"9  path=x\n",
        b"+9 path=x\n",
        b"0 \n",
        b"3 \n",
        b"18446744073709551616 path=x\n",
        b"5 =x\n",
        b"9 path=x\n\0",
    ];
    for data in broken {
        let tar = Tar::new().extended(b'x', data).file("f", "").end();
        refused(&format!("B03 {data:?}"), &tar, "PAX record");
        let tar = Tar::new().extended(b'g', data).file("f", "").end();
        refused(&format!("B03 global {data:?}"), &tar, "PAX record");
    }
    refused(
        "B03 long name",
        &Tar::new().extended(b'L', b"").file("f", "").end(),
        "long name",
    );
    refused(
        "B03 long name",
        &Tar::new().extended(b'L', b"a\0b").file("f", "").end(),
        "long name",
    );
    refused(
        "B03 alone",
        &Tar::new().pax(&[("path", b"x")]).end(),
        "without an entry",
    );
}

#[test]
fn b04_large_and_global_headers() {
    let tar = Tar::new().raw("x", b'x', 1 << 30, |_| {}).0;
    refused(
        "B04 1 GiB",
        &tar,
        "extended tar header exceeds the limit of 1048576",
    );
    let record = record("SCHILY.xattr.user.a", b"1");
    let many = record.repeat((1 << 20) / record.len());
    assert_eq!(
        names(
            "B04 records",
            &Tar::new().extended(b'x', &many).file("f", "").end()
        ),
        ["f"]
    );
    let global = Tar::new().extended(b'g', &super::tars::record("path", b"elsewhere"));
    let tar = global
        .file("a", "")
        .extended(b'g', &super::tars::record("comment", b"x"))
        .end();
    assert_eq!(names("B04 global", &tar), ["a"]);
}

#[test]
fn b05_sparse_files() {
    let old = Tar::new().raw("f", b'S', 512, |b| {
        b[257..265].copy_from_slice(b"ustar  \0")
    });
    refused("B05 old", &old.data(&[0; 512]).end(), "sparse");
    let keys = ["GNU.sparse.realsize", "GNU.sparse.size", "GNU.sparse.major"];
    for key in keys {
        let tar = Tar::new()
            .pax(&[(key, b"9223372036854775807")])
            .file("f", "x")
            .end();
        refused("B05 pax", &tar, "sparse");
    }
}

#[test]
fn b06_headers_that_are_none() {
    let mut tar = Tar::new().file("f", "x").file("g", "y").end();
    tar[1024] ^= 1;
    refused("B06 checksum", &tar, "checksum");
    // A sum of signed bytes, as some old programs made it.
    let mut tar = Tar::new().file("f\u{e9}", "x").end();
    let signed: i64 = (0..512)
        .map(|i| {
            if (148..156).contains(&i) {
                32
            } else {
                i64::from(tar[i] as i8)
            }
        })
        .sum();
    tar[148..156].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
    refused("B06 signed", &tar, "checksum");
    let v7 = Tar::new().raw("f", b'0', 0, |b| b[257..265].fill(0)).end();
    refused("B06 v7", &v7, "neither ustar nor GNU");
    refused("B06 text", &[b'x'; 1024], "checksum");
    refused(
        "B06 unknown type",
        &Tar::new().raw("f", b'V', 0, |_| {}).end(),
        "unsupported tar entry",
    );
}

#[test]
fn b07_where_archives_end() {
    let good = Tar::new().file("f", "data").end();
    refused("B07 in a header", &good[..100], "unexpected end");
    refused("B07 in contents", &good[..514], "unexpected end");
    assert_eq!(names("B07 in padding", &good[..1000]), ["f"]);
    let single = [
        &Tar::new().file("f", "").0[..],
        &[0; 512],
        &Tar::new().file("g", "").0,
    ]
    .concat();
    refused("B07 one block of zeros", &single, "single block of zeros");
    // Without an end marker it is what Go and GNU tar accept.
    assert_eq!(names("B07 no marker", &good[..1024]), ["f"]);
    assert_eq!(names("B07 empty", &[]), Vec::<String>::new());
    // What comes after the end marker counts for the digest alone.
    let world = world();
    let tail = [&good[..], &Tar::new().file("g", "").end()].concat();
    let applied = apply(&*tail, &world.dest, &Limits::default()).unwrap();
    assert_eq!(applied.diff_id.0, bottleship_oci::Digest::of(&tail));
    assert_eq!(
        (applied.archive_bytes, applied.entries),
        (tail.len() as u64, 1)
    );
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Reads all that is compressed, within a limit of the layer reader's kind.
fn apply_compressed(data: &[u8], limits: &Limits) -> Result<u64, LayerError> {
    let world = world();
    Ok(apply(Decompressor::new(data)?, &world.dest, limits)?.entries)
}

#[test]
fn b08_bombs() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(&Tar::new().raw("f", b'0', 1 << 32, |_| {}).0)
        .unwrap();
    for _ in 0..64 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 100_000);
    let limits = Limits {
        archive_bytes: 16 << 20,
        ..Limits::default()
    };
    let error = apply_compressed(&bomb, &limits).unwrap_err();
    assert!(
        error.to_string().contains("exceeds the limit of 16777216"),
        "{error}"
    );
    // Zeros after the end of the archive count, too.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let error = apply_compressed(&encoder.finish().unwrap(), &limits).unwrap_err();
    assert!(matches!(error, LayerError::Limit { .. }), "{error}");
}

#[test]
fn b09_gzip_members() {
    let tar = Tar::new().file("f", "x").end();
    let many = [
        gzip(b"").repeat(20_000),
        gzip(&tar[..600]),
        gzip(&tar[600..]),
    ]
    .concat();
    assert_eq!(apply_compressed(&many, &Limits::default()).unwrap(), 1);
    let mut endless = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255];
    endless.resize(5_000_000, b'n');
    let error = apply_compressed(&endless, &Limits::default()).unwrap_err();
    assert!(
        matches!(error, LayerError::Compressed { kind: "gzip", .. }),
        "{error}"
    );
    for tail in [1, 5] {
        let mut broken = gzip(&tar);
        let at = broken.len() - tail;
        broken[at] ^= 1;
        let error = apply_compressed(&broken, &Limits::default()).unwrap_err();
        assert!(matches!(error, LayerError::Compressed { .. }), "{error}");
    }
    let cut = &gzip(&tar)[..40];
    assert!(apply_compressed(cut, &Limits::default()).is_err());
}

#[test]
fn b10_zstd_frames() {
    let frame = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 1, 0, 0];
    let empty = apply_compressed(&frame(13 << 3), &Limits::default());
    assert_eq!(empty.unwrap(), 0, "8 MiB");
    let error = apply_compressed(&frame((13 << 3) | 1), &Limits::default()).unwrap_err();
    assert!(
        error.to_string().contains("window of the zstd frame"),
        "{error}"
    );
    let error = apply_compressed(&frame(31 << 3), &Limits::default()).unwrap_err();
    assert!(matches!(error, LayerError::Limit { .. }), "{error}");
    // One segment of 2 GiB is a window, too.
    let single = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80, 1, 0, 0];
    let error = apply_compressed(&single, &Limits::default()).unwrap_err();
    assert!(matches!(error, LayerError::Limit { .. }), "{error}");
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3].repeat(1000);
    assert_eq!(apply_compressed(&skippable, &Limits::default()).unwrap(), 0);
    assert!(apply_compressed(&skippable[..9], &Limits::default()).is_err());
    let dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 1, 0, 0];
    let error = apply_compressed(&dictionary, &Limits::default()).unwrap_err();
    assert!(matches!(error, LayerError::Unsupported(_)), "{error}");
}

#[test]
fn b14_too_many_entries() {
    let mut tar = Tar::new().file("f", "");
    for i in 0..20_000 {
        tar = tar.hardlink(&format!("l{i}"), "f");
    }
    refused("B14 inodes", &tar.0, "No space left on device");
    let limits = Limits {
        entries: 1000,
        ..Limits::default()
    };
    refused_within(
        "B14 entries",
        &tar.0,
        "number of archive entries exceeds the limit of 1000",
        &limits,
    );
    // The space is free again.
    let world = world();
    let used = world.tmpfs.quota().used_inodes();
    let dir = world
        .dest
        .create(b"layer", bottleship_vfs::NewNode::Dir, Default::default())
        .unwrap();
    assert!(apply(&*tar.0, &dir, &Limits::default()).is_err());
    drop(dir);
    crate::layer::inside::remove_all(&world.dest, b"layer").unwrap();
    assert_eq!(world.tmpfs.quota().used_inodes(), used);
}

#[test]
fn every_compression_the_machine_has_is_read() {
    let text: Vec<u8> = (0..200_000u32)
        .flat_map(|i| (i * 7919 % 251).to_string().into_bytes())
        .collect();
    let tools = [
        ("gzip", vec!["-c"], Compression::Gzip),
        ("bzip2", vec!["-c"], Compression::Bzip2),
        ("xz", vec!["-c"], Compression::Xz),
        (
            "xz",
            vec!["-c", "-T2", "--block-size=100000", "--check=sha256"],
            Compression::Xz,
        ),
        ("xz", vec!["-c", "--check=crc32"], Compression::Xz),
        ("zstd", vec!["-c", "-q", "-19"], Compression::Zstd),
        ("cat", vec![], Compression::None),
    ];
    for (tool, args, compression) in tools {
        let Some(one) = run(tool, &args, &text) else {
            println!("skipped: no {tool} on this machine");
            continue;
        };
        let twice = [&one[..], &one].concat();
        let mut decoder = Decompressor::new(&*twice).unwrap();
        assert_eq!(decoder.compression(), compression);
        let mut out = Vec::new();
        decoder.read_to_end(&mut out).unwrap();
        assert!(out == [&text[..], &text].concat(), "{tool} {args:?}");
        if compression != Compression::None {
            let mut cut = Decompressor::new(&one[..one.len() - 3]).unwrap();
            assert!(
                cut.read_to_end(&mut Vec::new()).is_err(),
                "{tool} {args:?} cut off"
            );
            let mut broken = one.clone();
            let middle = broken.len() / 2;
            broken[middle] ^= 0x55;
            let mut broken = Decompressor::new(&*broken).unwrap();
            assert!(
                broken.read_to_end(&mut Vec::new()).is_err(),
                "{tool} {args:?} broken"
            );
        }
    }
}

fn run(tool: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    use std::process::{Command, Stdio};
    let mut child = Command::new(tool)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    output.status.success().then_some(output.stdout)
}

#[test]
fn an_xz_dictionary_of_4_gib_is_refused() {
    let xz = [
        0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0, 0xff, 0x12, 0xd9,
        0x41, // stream header, no check
        2, 0, 0x21, 1, 40, 0, 0, 0, // block header: LZMA2, dictionary 4 GiB - 1
    ];
    let crc = flate2::Crc::new();
    let mut crc = crc;
    crc.update(&xz[12..]);
    let data = [&xz[..], &crc.sum().to_le_bytes()].concat();
    let mut decoder = Decompressor::new(&*data).unwrap();
    let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("dictionary of the xz block"),
        "{error}"
    );
}
