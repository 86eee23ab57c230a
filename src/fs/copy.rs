//! Reading to the end, in pieces.

use std::io::{self, Read};

use crate::error::{Error, Result};

/// How much is read at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// Gives `take` all that `from` has, piece by piece; `failed` names a failed read. The buffer is not on the stack,
/// which may be a caller's small one.
pub(crate) fn for_each_chunk(
    from: &mut dyn Read,
    failed: impl Fn(io::Error) -> Error,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    /// Interrupted once before each byte; fails at its end.
    struct Slow(Vec<u8>, bool);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.0.pop() {
                Some(byte) => {
                    buffer[0] = byte;
                    Ok(1)
                }
                None => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
    }

    #[test]
    fn all_pieces_come_and_a_failed_read_is_named() {
        let content = vec![7; CHUNK + 1];
        let mut sizes = Vec::new();
        let failed = |error| Error::io("the source", error);
        let mut take = |piece: &[u8]| {
            sizes.push(piece.len());
            Ok(())
        };
        for_each_chunk(&mut &content[..], failed, &mut take).unwrap();
        let error = for_each_chunk(&mut Slow(vec![1, 2], false), failed, &mut take).unwrap_err();
        assert!(error.message().starts_with("the source: "), "{error}");
        assert_eq!(sizes, [CHUNK, 1, 1, 1]);
        let stop = |_: &[u8]| Err(Error::new(Kind::Cancelled, "enough"));
        assert_eq!(for_each_chunk(&mut &content[..], failed, stop).unwrap_err().kind(), Kind::Cancelled);
    }
}
