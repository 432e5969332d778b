//! HTTP/1.1 over the emulated network: for a server that is a builtin program, and for the engine's own requests to
//! servers on the host's loopback.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_linux::{HostStream, Kernel};
use bytes::Bytes;
use futures::StreamExt;
use futures::lock::Mutex;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use std::net::{Ipv4Addr, SocketAddr};

use crate::api::{Body, Request, Response};
use crate::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use crate::pipe::BodyError;

/// Bytes of a message's head at most.
const HEAD_LIMIT: usize = 64 << 10;
/// Fields of a head at most.
const FIELDS: usize = 100;
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// What is left of a request's body when it has been answered is read up to here; after more the connection ends.
const DRAIN: usize = 1 << 20;

type Piece = Result<Bytes, BodyError>;

fn failed(text: impl std::fmt::Display) -> BodyError {
    BodyError::Failed(text.to_string())
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// After so many bytes more.
    Exact(u64),
    /// With the chunk of size 0; so many bytes of the current one are left.
    Chunked(u64),
    /// With the connection.
    Close,
    /// It has.
    Ended,
}

impl Length {
    /// Of a message with these fields; `None` when they contradict each other.
    fn of(headers: &HeaderMap, without: Length) -> Option<Length> {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let length = lengths.next();
        if lengths.next().is_some() {
            return None;
        }
        match (headers.get(TRANSFER_ENCODING), length) {
            (None, None) => Some(without),
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
                Some(Length::Chunked(0))
            }
            (None, Some(length)) => {
                let digits = length.to_str().ok()?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let length = digits.parse().ok().filter(|_| plain)?;
                Some(if length == 0 {
                    Length::Ended
                } else {
                    Length::Exact(length)
                })
            }
            _ => None,
        }
    }
}

/// The reading half of a connection.
struct Reader {
    stream: Rc<HostStream>,
    buffer: Vec<u8>,
    body: Length,
    first_chunk: bool,
}

impl Reader {
    fn new(stream: Rc<HostStream>) -> Reader {
        Reader {
            stream,
            buffer: Vec::new(),
            body: Length::Ended,
            first_chunk: true,
        }
    }

    /// Reads more; `false` at the end.
    async fn fill(&mut self) -> Result<bool, BodyError> {
        let mut piece = vec![0; CHUNK];
        let count = self.stream.read(&mut piece).await.map_err(failed)?;
        self.buffer
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    /// Bytes up to and with `end`; `None` at the end of the connection.
    async fn until(&mut self, end: &[u8], limit: usize) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            let found = self.buffer.windows(end.len()).position(|w| w == end);
            if let Some(at) = found {
                return Ok(Some(self.buffer.drain(..at + end.len()).collect()));
            }
            if self.buffer.len() > limit {
                return Err(failed("a line or head is too long"));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    fn begin(&mut self, body: Length) {
        self.body = body;
        self.first_chunk = true;
    }

    /// The next piece of the body, or `None` at its end.
    async fn piece(&mut self) -> Option<Piece> {
        let piece = self.next_piece().await;
        if !matches!(piece, Ok(Some(_))) {
            // After an error nobody knows where the next message would begin.
            self.body = if piece.is_err() {
                Length::Close
            } else {
                Length::Ended
            };
        }
        piece.transpose()
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let left = match self.body {
            Length::Ended => return Ok(None),
            Length::Close => u64::MAX,
            Length::Exact(left) => left,
            Length::Chunked(0) => match self.chunk_size().await? {
                0 => return Ok(None),
                size => size,
            },
            Length::Chunked(left) => left,
        };
        if self.buffer.is_empty() && !self.fill().await? {
            return match self.body {
                Length::Close => Ok(None),
                _ => Err(failed("unexpected EOF")),
            };
        }
        let take = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        let rest = left - take as u64;
        self.body = match self.body {
            Length::Chunked(_) => Length::Chunked(rest),
            Length::Exact(_) if rest == 0 => Length::Ended,
            Length::Exact(_) => Length::Exact(rest),
            other => other,
        };
        Ok(Some(self.buffer.drain(..take).collect::<Vec<_>>().into()))
    }

    async fn chunk_size(&mut self) -> Result<u64, BodyError> {
        let eof = || failed("unexpected EOF");
        if !std::mem::take(&mut self.first_chunk) {
            let end = self.until(b"\r\n", 2).await?.ok_or_else(eof)?;
            if end.len() != 2 {
                return Err(failed("malformed chunked encoding"));
            }
        }
        let line = self.until(b"\r\n", 1024).await?.ok_or_else(eof)?;
        let size = match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, size))) => size,
            _ => return Err(failed("malformed chunked encoding")),
        };
        if size == 0 {
            // Trailers say nothing that is needed here.
            while self.until(b"\r\n", HEAD_LIMIT).await?.ok_or_else(eof)? != b"\r\n" {}
        }
        Ok(size)
    }
}

fn fields(parsed: &[httparse::Header]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

fn stream_of(reader: Rc<Mutex<Reader>>) -> Body {
    Body::stream(futures::stream::unfold(reader, |reader| async move {
        let piece = reader.lock().await.piece().await?;
        Some((piece, reader))
    }))
}

/// Answers requests of a connection until it ends.
pub async fn serve<A: Future<Output = Response>>(
    stream: HostStream,
    answer: impl Fn(Request) -> A,
) {
    let stream = Rc::new(stream);
    let reader = Rc::new(Mutex::new(Reader::new(stream.clone())));
    // A client that breaks off is not worth a word.
    while let Ok(true) = exchange(&stream, &reader, &answer).await {}
}

/// One request and its answer; whether another may follow.
async fn exchange<A: Future<Output = Response>>(
    stream: &HostStream,
    reader: &Rc<Mutex<Reader>>,
    answer: &impl Fn(Request) -> A,
) -> Result<bool, BodyError> {
    let head = reader.lock().await.until(b"\r\n\r\n", HEAD_LIMIT).await;
    let head = match head {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(false),
        Err(_) => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            write(stream, Response::status(status), false, true).await?;
            return Ok(false);
        }
    };
    let Some((request, length)) = parse_request(&head) else {
        let bad = Response::status(StatusCode::BAD_REQUEST);
        write(stream, bad, false, true).await?;
        return Ok(false);
    };
    if request.headers.contains_key(EXPECT) {
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        stream.write_all(go_on).await.map_err(failed)?;
    }
    reader.lock().await.begin(length);
    let closes = request
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    let is_head = request.method == Method::HEAD;
    let request = Request {
        body: if length == Length::Ended {
            Body::Empty
        } else {
            stream_of(reader.clone())
        },
        ..request
    };
    let response = answer(request).await;
    let mut drained = 0;
    while let Some(Ok(piece)) = reader.lock().await.piece().await {
        drained += piece.len();
        if drained > DRAIN {
            break;
        }
    }
    let closes = closes || reader.lock().await.body != Length::Ended;
    write(stream, response, is_head, closes).await?;
    Ok(!closes)
}

fn parse_request(head: &[u8]) -> Option<(Request, Length)> {
    let mut parsed = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut parsed);
    if !request.parse(head).ok()?.is_complete() {
        return None;
    }
    let headers = fields(request.headers)?;
    let length = Length::of(&headers, Length::Ended)?;
    let request = Request {
        method: request.method?.parse().ok()?,
        target: request.path?.to_owned(),
        headers,
        body: Body::Empty,
    };
    Some((request, length))
}

async fn write(
    stream: &HostStream,
    response: Response,
    is_head: bool,
    closes: bool,
) -> Result<(), BodyError> {
    let Response {
        status,
        mut headers,
        body,
    } = response;
    if closes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let chunked = match &body {
        Body::Empty | Body::Upgrade(_) if is_head => false,
        Body::Empty | Body::Upgrade(_) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            false
        }
        Body::Bytes(bytes) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            false
        }
        Body::Stream(_) => {
            let sized = headers.contains_key(CONTENT_LENGTH);
            if !sized {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            !sized
        }
    };
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    put_fields(&mut head, &headers);
    stream.write_all(&head).await.map_err(failed)?;
    if is_head {
        return Ok(());
    }
    let mut body = body.into_stream();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if chunked && !piece.is_empty() {
            let size = format!("{:x}\r\n", piece.len());
            stream.write_all(size.as_bytes()).await.map_err(failed)?;
        }
        stream.write_all(&piece).await.map_err(failed)?;
        if chunked && !piece.is_empty() {
            stream.write_all(b"\r\n").await.map_err(failed)?;
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").await.map_err(failed)?;
    }
    Ok(())
}

fn put_fields(head: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}

/// Servers on the emulated host's loopback, published ports among them; asks outside where nobody listens.
pub struct LoopbackFetch {
    kernel: Kernel,
    outside: Rc<dyn Fetch>,
}

impl LoopbackFetch {
    /// Looks on this kernel's host first.
    pub fn new(kernel: Kernel, outside: Rc<dyn Fetch>) -> LoopbackFetch {
        LoopbackFetch { kernel, outside }
    }
}

#[async_trait(?Send)]
impl Fetch for LoopbackFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        if let Some((authority, port)) = loopback(&request.url) {
            let host = self.kernel.host_ns();
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if let Ok(stream) = self.kernel.connect(&host.net().clone(), to).await {
                let authority = authority.to_owned();
                let answer = ask(stream, &authority, request).await;
                return answer.map_err(|error| FetchError(error.to_string()));
            }
        }
        self.outside.fetch(request).await
    }
}

/// Authority and port of an `http:` address on loopback.
fn loopback(url: &str) -> Option<(&str, u16)> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    let local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    local.then_some((authority, port))
}

async fn ask(
    stream: HostStream,
    authority: &str,
    request: FetchRequest,
) -> Result<FetchResponse, BodyError> {
    let after = request.url.strip_prefix("http://").unwrap_or_default();
    let target = match after.get(authority.len()..).unwrap_or_default() {
        "" => "/",
        target => target,
    };
    let mut headers = request.headers;
    let host = HeaderValue::from_str(authority).map_err(failed)?;
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method).into_bytes();
    put_fields(&mut head, &headers);
    stream.write_all(&head).await.map_err(failed)?;
    stream.write_all(&request.body).await.map_err(failed)?;
    let mut reader = Reader::new(Rc::new(stream));
    loop {
        let head = reader.until(b"\r\n\r\n", HEAD_LIMIT).await?;
        let head = head.ok_or_else(|| failed("EOF"))?;
        let parsed = parse_response(&head).ok_or_else(|| failed("malformed HTTP response"))?;
        let (status, headers) = parsed;
        if status.is_informational() {
            continue;
        }
        let empty = request.method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = Length::of(&headers, Length::Close).filter(|_| !empty);
        reader.begin(length.unwrap_or(Length::Ended));
        return Ok(FetchResponse {
            status,
            headers,
            body: stream_of(Rc::new(Mutex::new(reader))).into_stream(),
        });
    }
}

fn parse_response(head: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let mut parsed = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut parsed);
    if !response.parse(head).ok()?.is_complete() {
        return None;
    }
    let status = StatusCode::from_u16(response.code?).ok()?;
    Some((status, fields(response.headers)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_told_from_others() {
        assert_eq!(
            loopback("http://localhost:5000/v2/"),
            Some(("localhost:5000", 5000))
        );
        assert_eq!(loopback("http://127.1.2.3"), Some(("127.1.2.3", 80)));
        for other in [
            "https://localhost:5000/",
            "http://localhost.evil:5000/",
            "http://10.0.0.1/",
            "http://127.0.0.1:x/",
        ] {
            assert_eq!(loopback(other), None, "{other}");
        }
    }

    #[test]
    fn contradicting_lengths_are_refused() {
        let length = |fields: &[(&str, &str)]| {
            let parsed: Vec<_> = fields
                .iter()
                .map(|(name, value)| httparse::Header {
                    name,
                    value: value.as_bytes(),
                })
                .collect();
            super::fields(&parsed).and_then(|headers| Length::of(&headers, Length::Ended))
        };
        assert_eq!(length(&[]), Some(Length::Ended));
        assert_eq!(length(&[("content-length", "5")]), Some(Length::Exact(5)));
        assert_eq!(
            length(&[("transfer-encoding", "Chunked")]),
            Some(Length::Chunked(0))
        );
        for fields in [
            &[("content-length", "5"), ("content-length", "6")][..],
            &[("content-length", "5"), ("transfer-encoding", "chunked")],
            &[("content-length", "+5")],
            &[("content-length", "-5")],
            &[("transfer-encoding", "chunked, identity")],
            &[("transfer-encoding", "xchunked")],
        ] {
            assert_eq!(length(fields), None, "{fields:?}");
        }
    }
}
