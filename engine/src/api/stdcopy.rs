//! Docker's framing of standard output and error in one stream: a header of
//! eight bytes (stream, three zeros, big-endian length), then the payload.

use bytes::{BufMut, Bytes, BytesMut};

/// Length of a header in bytes.
pub const HEADER: usize = 8;
/// The most a frame may hold; larger ones are refused when reading.
const MAX_FRAME: usize = 16 << 20;

/// Which stream a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StdStream {
    /// 0
    Stdin,
    /// 1
    Stdout,
    /// 2
    Stderr,
    /// 3: an error of the engine's while streaming.
    SystemErr,
}

/// One frame.
pub fn frame(stream: StdStream, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEADER + payload.len());
    bytes.put_slice(&[stream as u8, 0, 0, 0]);
    bytes.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    bytes.put_slice(payload);
    bytes.freeze()
}

/// Undoes the framing of a stream that comes in arbitrary pieces.
#[derive(Default)]
pub struct Demux {
    buffer: BytesMut,
}

/// The stream is not framed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unrecognized input header: {0}")]
pub struct BadHeader(pub u8);

impl Demux {
    /// Adds what came and returns the complete frames.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<(StdStream, Bytes)>, BadHeader> {
        self.buffer.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while let Some(&[kind, _, _, _, a, b, c, d]) = self.buffer.first_chunk::<HEADER>() {
            let stream = match kind {
                0 => StdStream::Stdin,
                1 => StdStream::Stdout,
                2 => StdStream::Stderr,
                3 => StdStream::SystemErr,
                other => return Err(BadHeader(other)),
            };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > MAX_FRAME {
                return Err(BadHeader(kind));
            }
            if self.buffer.len() < HEADER + length {
                break;
            }
            let mut frame = self.buffer.split_to(HEADER + length);
            frames.push((stream, frame.split_off(HEADER).freeze()));
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_what_docker_sends() {
        assert_eq!(
            frame(StdStream::Stderr, b"hi").as_ref(),
            b"\x02\0\0\0\0\0\0\x02hi"
        );
        assert_eq!(
            Demux::default().push(b"\x07\0\0\0\0\0\0\x02hi"),
            Err(BadHeader(7))
        );
    }

    proptest! {
        #[test]
        fn frames_survive_any_split(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5), size in 1usize..9) {
            let wire: Vec<u8> = payloads.iter().flat_map(|p| frame(StdStream::Stdout, p)).collect();
            let mut demux = Demux::default();
            let mut got = Vec::new();
            for piece in wire.chunks(size) {
                got.extend(demux.push(piece).expect("framed").into_iter().map(|(_, p)| p.to_vec()));
            }
            prop_assert_eq!(got, payloads);
        }
    }
}
