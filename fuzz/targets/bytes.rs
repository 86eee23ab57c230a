//! An input as a supply of decisions, and as content larger than itself.

/// What is left of an input. At its end everything is zero.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Content of at most `most` bytes, from pieces: literal, repeated, and such that looks random.
    pub(super) fn content(&mut self, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.byte() % 16 {
            let kind = self.byte();
            let length = usize::from(self.byte()) << (kind >> 4);
            match kind % 4 {
                0 => out.extend_from_slice(self.take(length)),
                1 => {
                    let count = usize::from(self.byte() % 32) + 1;
                    let word = self.take(count);
                    out.extend(word.iter().copied().cycle().take(length));
                }
                2 => {
                    // As many kinds of bytes as the mask has.
                    let (mut seed, mask) = (u64::from(self.byte()), self.byte());
                    out.extend((0..length).map(|_| {
                        seed = seed
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        seed.to_be_bytes()[0] & mask
                    }));
                }
                // From further back, as matches are.
                _ => {
                    let from = out.len().saturating_sub(usize::from(self.byte()) << (kind >> 4));
                    out.extend_from_within(from..(from + length).min(out.len()));
                }
            }
            out.truncate(most);
        }
        out
    }
}
