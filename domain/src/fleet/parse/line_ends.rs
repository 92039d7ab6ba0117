//! Line ends of any system, as one.

use std::io::Read;

/// Reads CR LF and a lone CR as LF and ends the last line, so that lines count alike whatever wrote the file.
pub(super) struct LineEnds<R> {
    inner: R,
    last: u8,
}

impl<R> LineEnds<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, last: b'\n' }
    }
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 && !matches!(self.last, b'\r' | b'\n') && !buffer.is_empty() {
                self.last = b'\n';
                buffer[0] = b'\n';
                return Ok(1);
            }
            let mut kept = 0;
            for index in 0..read {
                let byte = buffer[index];
                if (self.last, byte) != (b'\r', b'\n') {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.last = byte;
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}
