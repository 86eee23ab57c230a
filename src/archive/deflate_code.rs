//! One Huffman code of a deflate stream (RFC 1951, 3.2.2), and tables that are indexed by a stream's next bits.

/// The longest code of literals and lengths has so many symbols.
const SYMBOLS: usize = 288;

pub(super) struct Code {
    /// Codes of each length.
    counts: [u16; 16],
    /// The symbols by the order of their codes.
    symbols: [u16; SYMBOLS],
}

impl Code {
    pub(super) fn new() -> Self {
        Self { counts: [0; 16], symbols: [0; SYMBOLS] }
    }

    /// Makes it the code of these lengths, and fills `index`, whose size is a power of two: where bits begin with
    /// the code of a symbol, with what `entry` makes of the symbol and its code's length; where they begin with
    /// a longer code than the index has bits, or with none, with `none`. `None` for more codes than bits allow.
    pub(super) fn assign(
        &mut self,
        lengths: &[u8],
        index: &mut [u16],
        none: u16,
        entry: impl Fn(u16, u16) -> u16,
    ) -> Option<()> {
        let mut counts = [0; 16];
        for &length in lengths {
            *counts.get_mut(usize::from(length))? += 1;
        }
        counts[0] = 0;
        let (mut places, mut place, mut free) = ([0_u16; 16], 0, 1_i32);
        for (start, &count) in places.iter_mut().zip(&counts) {
            *start = place;
            place += count;
        }
        for &count in counts.iter().skip(1) {
            free = 2 * free - i32::from(count);
            if free < 0 {
                return None;
            }
        }
        for (symbol, &length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let place = places.get_mut(usize::from(length))?;
            *self.symbols.get_mut(usize::from(*place))? = symbol;
            *place += 1;
        }
        self.counts = counts;
        self.fill(index, none, entry)
    }

    /// From the shortest codes to the longest: what codes of some length leave open, those with a bit more fill.
    fn fill(&self, index: &mut [u16], none: u16, entry: impl Fn(u16, u16) -> u16) -> Option<()> {
        *index.first_mut()? = none;
        let mut symbols = self.symbols.iter();
        let (mut code, mut size) = (0_u32, 1);
        for (length, &count) in (0..).zip(&self.counts).skip(1) {
            if size == index.len() {
                break;
            }
            let (done, more) = index.split_at_mut(size);
            more.get_mut(..size)?.copy_from_slice(done);
            size *= 2;
            code <<= 1;
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                // Codes are stored from their highest bit on, all else from the lowest.
                let reversed = code.reverse_bits() >> (32 - u32::from(length));
                *index.get_mut(reversed as usize)? = entry(symbol, length);
                code += 1;
            }
        }
        Some(())
    }

    /// The symbol whose code begins `bits`, and its code's length.
    pub(super) fn decode(&self, mut bits: u64) -> Option<(u16, u16)> {
        let (mut code, mut first, mut place) = (0_u32, 0_u32, 0_u32);
        for (length, &count) in (0..).zip(&self.counts).skip(1) {
            code = code << 1 | u32::from(bits & 1 == 1);
            first <<= 1;
            bits >>= 1;
            let count = u32::from(count);
            if code.checked_sub(first)? < count {
                return Some((*self.symbols.get((place + code - first) as usize)?, length));
            }
            (first, place) = (first + count, place + count);
        }
        None
    }
}
