//! Finds where the last deflate block of a stream begins and where the stream ends, without its output.
//!
//! libdeflate marks the last block of every stream as final (BFINAL); a stream that others follow must not
//! have that mark, and only reading the stream's codes tells where it is.

/// Bits that index the tables below. A longer code is decoded bit by bit; it is rare by its nature.
const INDEX_BITS: u32 = 11;
const INDEX_SIZE: usize = 1 << INDEX_BITS;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// Bytes behind the stream that [`Walker::walk`] may look at (and ignores).
pub(crate) const SLACK: usize = 16;

/// RFC 1951, 3.2.5: extra bits of the length codes 257 and up, and of the distance codes.
const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_EXTRA: [u8; 30] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/// RFC 1951, 3.2.7: the order in which the lengths of the code length codes are stored.
const LENGTH_ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bit positions in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The BFINAL bit of the last block.
    pub(crate) final_header: usize,
    /// The first bit behind the last block.
    pub(crate) end: usize,
}

/// What one symbol means for a walker: how many bits to drop, and what comes then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Literal,
    /// A length with so many extra bits; a distance follows.
    Length(u8),
    EndOfBlock,
    /// A distance with so many extra bits.
    Distance(u8),
    Invalid,
}

/// One Huffman code (RFC 1951, 3.2.2).
struct Code {
    /// By the next INDEX_BITS bits: the symbol's number and its code's length; length 0 = longer or none.
    index: Box<[(u16, u8); INDEX_SIZE]>,
    /// Codes of each length.
    counts: [u16; 16],
    /// The symbols by the order of their codes.
    sorted: Vec<u16>,
}

impl Code {
    fn new() -> Self {
        Self { index: Box::new([(0, 0); INDEX_SIZE]), counts: [0; 16], sorted: Vec::new() }
    }

    /// Makes it the code of these lengths; `None` when there are more codes than bits for them.
    fn assign(&mut self, lengths: &[u8]) -> Option<()> {
        self.counts = [0; 16];
        for &length in lengths {
            *self.counts.get_mut(usize::from(length))? += 1;
        }
        self.counts[0] = 0;
        let mut next_code = [0_u32; 16];
        let mut next_place = [0_u16; 16];
        let (mut code, mut place) = (0, 0);
        for ((&count, next_code), next_place) in self.counts.iter().zip(&mut next_code).zip(&mut next_place) {
            code <<= 1;
            (*next_code, *next_place) = (code, place);
            code += u32::from(count);
            place += count;
        }
        self.sorted.clear();
        self.sorted.resize(usize::from(place), 0);
        self.index.fill((0, 0));
        for (symbol, &length) in (0_u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            let slot = usize::from(length);
            let (code, place) = (next_code.get_mut(slot)?, next_place.get_mut(slot)?);
            if *code >> length != 0 {
                return None;
            }
            // Codes are stored from their highest bit on, all else from the lowest.
            let reversed = code.reverse_bits() >> (32 - u32::from(length));
            *self.sorted.get_mut(usize::from(*place))? = symbol;
            (*code, *place) = (*code + 1, *place + 1);
            if u32::from(length) <= INDEX_BITS {
                for entry in self.index.iter_mut().skip(reversed as usize).step_by(1 << length) {
                    *entry = (symbol, length);
                }
            }
        }
        Some(())
    }

    /// The next symbol of `bits` and its code's length.
    fn decode(&self, bits: u64) -> Option<(u16, u8)> {
        match self.index.get((bits & INDEX_MASK) as usize) {
            Some(&(symbol, length)) if length > 0 => Some((symbol, length)),
            _ => self.decode_long(bits),
        }
    }

    fn decode_long(&self, mut bits: u64) -> Option<(u16, u8)> {
        let (mut code, mut first, mut place) = (0_u32, 0_u32, 0_u32);
        for (length, &count) in (1_u8..).zip(self.counts.iter().skip(1)) {
            code = code << 1 | u32::from(bits & 1 == 1);
            first <<= 1;
            bits >>= 1;
            let count = u32::from(count);
            if code.checked_sub(first)? < count {
                let symbol = self.sorted.get((place + code - first) as usize)?;
                return Some((*symbol, length));
            }
            (first, place) = (first + count, place + count);
        }
        None
    }
}

/// The fast path: what to do by the next INDEX_BITS bits alone, as many symbols at once as they hold.
#[derive(Clone, Copy)]
struct Step {
    /// Bits to drop; 0 = take one symbol the slow way.
    drop: u8,
    /// Whether a distance comes next.
    distance: bool,
}

/// The bits of a stream from some position on. `refill` makes at least 56 of them available.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8], position: usize) -> Option<Self> {
        let mut bits = Self { bytes, at: position / 8, buffer: 0, count: 0 };
        bits.refill()?;
        bits.drop((position % 8) as u32);
        Some(bits)
    }

    #[inline(always)]
    fn refill(&mut self) -> Option<()> {
        let word = self.bytes.get(self.at..)?.first_chunk::<8>()?;
        self.buffer |= u64::from_le_bytes(*word) << self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
        Some(())
    }

    #[inline(always)]
    fn drop(&mut self, count: u32) {
        self.buffer >>= count;
        self.count -= count;
    }

    /// The next `count` bits, at most 16 at once and 32 between refills.
    fn take(&mut self, count: u32) -> usize {
        let value = self.buffer & ((1 << count) - 1);
        self.drop(count);
        value as usize
    }

    fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }
}

/// Tables that are used again from stream to stream.
pub(crate) struct Walker {
    lengths: Code,
    distances: Code,
    /// Half of it for where a literal or length is next, half for where a distance is.
    steps: Box<[Step; 2 * INDEX_SIZE]>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            lengths: Code::new(),
            distances: Code::new(),
            steps: Box::new([Step { drop: 0, distance: false }; 2 * INDEX_SIZE]),
        }
    }

    /// Walks a raw deflate stream of `length` bytes at the start of `bytes`, which has [`SLACK`] bytes more.
    /// `None` when it is not one.
    pub(crate) fn walk(&mut self, bytes: &[u8], length: usize) -> Option<End> {
        let mut position = 0;
        loop {
            let final_header = position;
            let mut bits = Bits::new(bytes, position)?;
            let last = bits.take(1) == 1;
            position = match bits.take(2) {
                0 => stored(bytes, bits.position())?,
                1 => self.fixed(bits)?,
                2 => self.dynamic(bits)?,
                _ => return None,
            };
            if position > length * 8 {
                return None;
            }
            if last {
                return Some(End { final_header, end: position });
            }
        }
    }

    fn fixed(&mut self, bits: Bits<'_>) -> Option<usize> {
        let mut lengths = [8; 288];
        lengths.get_mut(144..256)?.fill(9);
        lengths.get_mut(256..280)?.fill(7);
        self.lengths.assign(&lengths)?;
        self.distances.assign(&[5; 30])?;
        self.symbols(bits)
    }

    fn dynamic(&mut self, mut bits: Bits<'_>) -> Option<usize> {
        let literals = bits.take(5) + 257;
        let distances = bits.take(5) + 1;
        let stored = bits.take(4) + 4;
        let mut of_lengths = [0; 19];
        for &place in LENGTH_ORDER.get(..stored)? {
            bits.refill()?;
            *of_lengths.get_mut(usize::from(place))? = bits.take(3) as u8;
        }
        // The tables of distances are not in use yet.
        self.distances.assign(&of_lengths)?;
        let mut lengths = Vec::with_capacity(320);
        while lengths.len() < literals + distances {
            bits.refill()?;
            let (symbol, length) = self.distances.decode(bits.buffer)?;
            bits.drop(u32::from(length));
            let (value, times) = match symbol {
                16 => (*lengths.last()?, 3 + bits.take(2)),
                17 => (0, 3 + bits.take(3)),
                18 => (0, 11 + bits.take(7)),
                length => (length as u8, 1),
            };
            lengths.resize(lengths.len() + times, value);
        }
        if lengths.len() != literals + distances {
            return None;
        }
        let (literals, distances) = lengths.split_at_checked(literals)?;
        self.lengths.assign(literals)?;
        self.distances.assign(distances)?;
        self.symbols(bits)
    }

    /// Walks the symbols of one block by the codes that are assigned, to the bit behind it.
    fn symbols(&mut self, mut bits: Bits<'_>) -> Option<usize> {
        self.plan();
        let mut half = 0;
        loop {
            bits.refill()?;
            // Twice between refills: a step drops at most 11 + 13 bits.
            for _ in 0..2 {
                let step = self.step(half, bits.buffer)?;
                if step.drop == 0 {
                    break;
                }
                bits.drop(u32::from(step.drop));
                half = if step.distance { INDEX_SIZE } else { 0 };
            }
            if self.step(half, bits.buffer)?.drop > 0 {
                continue;
            }
            bits.refill()?;
            let code = if half == 0 { &self.lengths } else { &self.distances };
            let (symbol, length) = code.decode(bits.buffer)?;
            bits.drop(u32::from(length));
            match meaning(symbol, half != 0) {
                Symbol::Literal => {}
                Symbol::Length(extra) => {
                    bits.drop(u32::from(extra));
                    half = INDEX_SIZE;
                }
                Symbol::Distance(extra) => {
                    bits.drop(u32::from(extra));
                    half = 0;
                }
                Symbol::EndOfBlock => return Some(bits.position()),
                Symbol::Invalid => return None,
            }
        }
    }

    #[inline(always)]
    fn step(&self, half: usize, bits: u64) -> Option<Step> {
        self.steps.get((half + (bits & INDEX_MASK) as usize) & (2 * INDEX_SIZE - 1)).copied()
    }

    /// Fills the table of steps from the codes.
    fn plan(&mut self) {
        let (of_lengths, of_distances) = self.steps.split_at_mut(INDEX_SIZE);
        for (bits, step) in (0_u64..).zip(of_lengths) {
            *step = plan_literals(&self.lengths, bits);
        }
        for (&(symbol, length), step) in self.distances.index.iter().zip(of_distances) {
            let drop = match meaning(symbol, true) {
                Symbol::Distance(extra) if length > 0 => length + extra,
                _ => 0,
            };
            *step = Step { drop, distance: drop == 0 };
        }
    }
}

/// The literals whose codes are whole within `bits`, and a length behind them.
fn plan_literals(code: &Code, bits: u64) -> Step {
    let mut used = 0_u8;
    loop {
        let (symbol, length) = code.index.get((bits >> used) as usize).copied().unwrap_or((0, 0));
        if length == 0 || u32::from(used + length) > INDEX_BITS {
            return Step { drop: used, distance: false };
        }
        match meaning(symbol, false) {
            Symbol::Literal => used += length,
            Symbol::Length(extra) => return Step { drop: used + length + extra, distance: true },
            _ => return Step { drop: used, distance: false },
        }
    }
}

fn meaning(symbol: u16, distance: bool) -> Symbol {
    match (distance, symbol) {
        (true, _) => {
            DISTANCE_EXTRA.get(usize::from(symbol)).map_or(Symbol::Invalid, |&extra| Symbol::Distance(extra))
        }
        (false, ..256) => Symbol::Literal,
        (false, 256) => Symbol::EndOfBlock,
        (false, _) => LENGTH_EXTRA
            .get(usize::from(symbol - 257))
            .map_or(Symbol::Invalid, |&extra| Symbol::Length(extra)),
    }
}

/// The bit behind a stored block whose header ends before `position`.
fn stored(bytes: &[u8], position: usize) -> Option<usize> {
    let start = position.div_ceil(8);
    let [low, high, not_low, not_high] = *bytes.get(start..)?.first_chunk::<4>()?;
    if [!low, !high] != [not_low, not_high] {
        return None;
    }
    Some((start + 4 + usize::from(u16::from_le_bytes([low, high]))) * 8)
}
