//! Cutting text into records without understanding them, so that one bad record does not hide its neighbours.

use bytes::{Buf as _, Bytes, BytesMut};
use domain::{Code, journal::RAW_BYTES};

/// Why a piece of a body is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Longer than [`super::BodyLimits::record_bytes`].
    TooLong,
    /// The rest of the body cannot be read.
    Rest {
        /// What is said when nothing before it could be read either.
        code: Code,
        /// Why.
        why: &'static str,
    },
}

impl Flaw {
    pub(super) fn invalid(why: &'static str) -> Self {
        Self::Rest {
            code: Code::InvalidInput,
            why,
        }
    }
}

/// A piece and, if it is no record, why.
type Piece = (Bytes, Option<Flaw>);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn trimmed(bytes: &Bytes) -> Bytes {
    bytes.slice_ref(bytes.trim_ascii())
}

/// The part of a flawed piece that is kept.
fn head(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(RAW_BYTES)])
}

/// Records that end with a line feed. Blank lines are none.
pub(super) struct Lines {
    record_bytes: usize,
    /// Bytes of the buffer without a line feed.
    searched: usize,
    /// Within a line that is too long and already reported.
    skipping: bool,
    ended: bool,
    /// Why the last line was cut, if it was.
    flaw: Option<Flaw>,
    first: bool,
}

impl Lines {
    pub(super) fn new(record_bytes: usize) -> Self {
        Self {
            record_bytes,
            searched: 0,
            skipping: false,
            ended: false,
            flaw: None,
            first: true,
        }
    }

    /// No more bytes come; with a flaw, the last line was cut.
    pub(super) fn end(&mut self, flaw: Option<Flaw>) {
        self.ended = true;
        self.flaw = flaw;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.ended
    }

    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Option<Piece> {
        loop {
            let unsearched = &buffer[self.searched..];
            let Some(found) = unsearched.iter().position(|b| *b == b'\n') else {
                return self.without_line_feed(buffer);
            };
            let line = buffer.split_to(self.searched + found + 1).freeze();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = self.without_mark(trimmed(&line));
            if line.len() > self.record_bytes {
                return Some((head(&line), Some(Flaw::TooLong)));
            }
            if !line.is_empty() {
                return Some((line, None));
            }
        }
    }

    fn without_line_feed(&mut self, buffer: &mut BytesMut) -> Option<Piece> {
        if self.ended {
            let line = std::mem::take(buffer).freeze();
            self.searched = 0;
            let skipped = std::mem::take(&mut self.skipping);
            let line = self.without_mark(trimmed(&line));
            return match self.flaw.take() {
                Some(flaw) => Some((head(&line), Some(flaw))),
                None if skipped || line.is_empty() => None,
                None if line.len() > self.record_bytes => Some((head(&line), Some(Flaw::TooLong))),
                None => Some((line, None)),
            };
        }
        self.searched = buffer.len();
        if buffer.len() <= self.record_bytes && !self.skipping {
            return None;
        }
        let head = head(buffer);
        buffer.clear();
        self.searched = 0;
        let reported = std::mem::replace(&mut self.skipping, true);
        (!reported).then_some((head, Some(Flaw::TooLong)))
    }

    fn without_mark(&mut self, line: Bytes) -> Bytes {
        if std::mem::take(&mut self.first) && line.starts_with(BYTE_ORDER_MARK) {
            trimmed(&line.slice(BYTE_ORDER_MARK.len()..))
        } else {
            line
        }
    }
}

/// Records of one JSON text: the elements of an array, or objects one after the other.
///
/// Only brackets, strings and commas are looked at. An element that is no JSON is passed on as it is as long as its
/// brackets are even; where they are not, the rest of the body is one piece.
pub(super) struct Values {
    rest: Bytes,
    flaw: Option<Flaw>,
    record_bytes: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte that says what this is.
    Begin,
    /// Before the first element of an array.
    First,
    /// After a comma of an array.
    Element,
    /// Between objects.
    Objects,
    /// After the array.
    After,
    /// Everything was passed on.
    End,
}

/// How an element of an array ended.
enum Stop {
    Comma,
    Bracket,
    /// The text ended before.
    Nothing,
}

impl Values {
    /// `flaw` says why the text is cut, if it is.
    pub(super) fn new(body: Bytes, flaw: Option<Flaw>, record_bytes: usize) -> Self {
        let mut rest = body;
        if rest.starts_with(BYTE_ORDER_MARK) {
            rest.advance(BYTE_ORDER_MARK.len());
        }
        Self {
            rest,
            flaw,
            record_bytes,
            state: State::Begin,
        }
    }

    pub(super) fn next(&mut self) -> Option<Piece> {
        self.rest = trimmed(&self.rest);
        match self.state {
            State::Begin => self.begin(),
            State::First | State::Element => self.element(),
            State::Objects => self.object(),
            State::After if self.rest.is_empty() => self.finish(None),
            State::After => self.finish(Some("there is text after the end of the array")),
            State::End => None,
        }
    }

    fn begin(&mut self) -> Option<Piece> {
        match self.rest.first() {
            Some(b'[') => {
                self.rest.advance(1);
                self.state = State::First;
                self.next()
            }
            Some(b'{') => {
                self.state = State::Objects;
                self.object()
            }
            Some(_) => self.finish(Some("the body is neither a JSON array nor a JSON object")),
            None => self.finish(Some("the body is empty")),
        }
    }

    fn element(&mut self) -> Option<Piece> {
        let (length, stop) = element_length(&self.rest);
        if matches!(stop, Stop::Nothing) {
            return self.finish(Some("the body ends inside the array"));
        }
        let element = trimmed(&self.rest.split_to(length));
        self.rest.advance(1);
        let only = self.state == State::First && matches!(stop, Stop::Bracket);
        self.state = match stop {
            Stop::Bracket => State::After,
            Stop::Comma | Stop::Nothing => State::Element,
        };
        if only && element.is_empty() {
            return self.next();
        }
        Some(self.piece(element))
    }

    fn object(&mut self) -> Option<Piece> {
        match self.rest.first() {
            None => return self.finish(None),
            Some(b'{') => {}
            Some(_) => return self.finish(Some("there is text between or after the objects")),
        }
        match object_length(&self.rest) {
            Some(length) => {
                let object = self.rest.split_to(length);
                Some(self.piece(object))
            }
            None => self.finish(Some("the body ends inside a record")),
        }
    }

    fn piece(&self, bytes: Bytes) -> Piece {
        if bytes.len() > self.record_bytes {
            (head(&bytes), Some(Flaw::TooLong))
        } else {
            (bytes, None)
        }
    }

    /// Passes the rest on as one piece if something is wrong with it.
    fn finish(&mut self, why: Option<&'static str>) -> Option<Piece> {
        self.state = State::End;
        let rest = std::mem::take(&mut self.rest);
        let flaw = self.flaw.take().or(why.map(Flaw::invalid))?;
        Some((head(&rest), Some(flaw)))
    }
}

/// Follows strings and brackets.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// Takes one byte and says whether it stands outside of strings.
    fn step(&mut self, byte: u8) -> bool {
        if self.in_text {
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_text = false;
            }
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            _ => {}
        }
        true
    }
}

/// Bytes up to the comma or bracket that ends an element.
fn element_length(text: &[u8]) -> (usize, Stop) {
    let mut scan = Scan::default();
    for (at, byte) in text.iter().enumerate() {
        if !scan.step(*byte) {
            continue;
        }
        match (byte, scan.depth) {
            (b',', 0) => return (at, Stop::Comma),
            (b']', 0) => return (at, Stop::Bracket),
            // A stray brace is part of a bad element.
            (b']' | b'}', depth) => scan.depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (text.len(), Stop::Nothing)
}

/// Bytes of the object that `text` begins with, none when it does not end.
fn object_length(text: &[u8]) -> Option<usize> {
    let mut scan = Scan::default();
    for (at, byte) in text.iter().enumerate() {
        if scan.step(*byte) && matches!(byte, b']' | b'}') {
            scan.depth = scan.depth.saturating_sub(1);
            if scan.depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}
