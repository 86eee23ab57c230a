//! Finds where the last deflate block of a stream begins and where the stream ends, without its output.
//!
//! libdeflate marks the last block of every stream as final (BFINAL); a stream that others follow must not
//! have that mark, and only reading the stream's codes tells where it is.
//!
//! Each code tells where the next begins, and a CPU waits for that most of the time. So several lanes read a block
//! at once: one from a place that is known, the others from further on, where no code may begin. They soon fall
//! in step, as codes differ in length; but only when the lane before comes to a place where a lane has been, that
//! lane's way is the stream's.

use std::cmp::Ordering;

use super::deflate_code::Code;

/// Bytes behind the stream that [`Walker::walk`] may look at (and ignores).
pub(crate) const SLACK: usize = 16;

/// What the next 11 bits can be. Longer codes are decoded bit by bit; they are rare by their nature.
const INDEX_SIZE: usize = 1 << 11;

/// Lanes, and the turns they take together: more turns are too many behind a block's end, fewer are spent on
/// falling in step.
const LANES: usize = 4;
const TURNS: usize = 96;
/// Symbols a turn, and the bits it takes at most: the index must fit into the 57 bits that a load brings at
/// least. A distance takes 11 and 13 extra bits, a length 11 and 5, and no two distances follow one another.
const SYMBOLS: usize = 3;
const TURN_LIMIT: usize = 24 + 16 + 24;
/// What a symbol takes at most that is in no table.
const SYMBOL_LIMIT: usize = 15 + 13;

/// Literals come before this symbol, lengths after it.
const END_OF_BLOCK: u16 = 256;
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

/// What the next bits tell: in the low byte how many to drop, extra bits with them, so that steps can be added up.
type Step = u16;
const DROP: Step = 0xff;
/// The table does not know: a longer code, the end of the block, or none.
const STUCK: Step = 0x100;
/// A distance comes next. Also where the steps for distances begin in the table.
const DISTANCE: Step = INDEX_SIZE as Step;

/// Where a symbol begins, and whether it is a distance: one number, so that it is stored and compared fast.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u32);

impl Place {
    const DISTANCE: u32 = 1 << 31;

    /// At a bit, where `step` led.
    #[inline(always)]
    fn new(bit: usize, step: Step) -> Self {
        Self(bit as u32 | if step & DISTANCE == 0 { 0 } else { Self::DISTANCE })
    }

    #[inline(always)]
    fn bit(self) -> usize {
        (self.0 & !Self::DISTANCE) as usize
    }

    /// What led here, as far as it matters.
    #[inline(always)]
    fn step(self) -> Step {
        if self.0 & Self::DISTANCE == 0 { 0 } else { DISTANCE }
    }

    /// The place behind a symbol that took `drop` bits.
    #[inline(always)]
    fn behind(self, drop: Step, step: Step) -> Self {
        Self::new(self.bit() + usize::from(drop & DROP), step)
    }
}

/// Where reading on leads.
enum Next {
    Place(Place),
    /// The bit behind the block.
    End(usize),
}

/// The codes of one block.
struct Codes {
    lengths: Code,
    distances: Code,
    /// Half of it for where a literal or length is next, half for where a distance is.
    steps: Box<[Step; 2 * INDEX_SIZE]>,
}

impl Codes {
    fn assign(&mut self, lengths: &[u8], distances: &[u8]) -> Option<()> {
        let (of_lengths, of_distances) = self.steps.split_at_mut(INDEX_SIZE);
        self.lengths.assign(lengths, of_lengths, STUCK, length_step)?;
        self.distances.assign(distances, of_distances, STUCK | DISTANCE, distance_step)
    }

    #[inline(always)]
    fn step(&self, bits: u64, last: Step) -> Step {
        let place = usize::from(last & DISTANCE) | bits as usize & (INDEX_SIZE - 1);
        self.steps.get(place).copied().unwrap_or(STUCK)
    }

    /// The place some symbols on, and the step that led there: STUCK where the table does not know the next.
    #[inline(always)]
    fn turn(&self, bytes: &[u8], place: Place) -> Option<(Place, Step)> {
        let mut bits = load(bytes, place.bit())?;
        let (mut step, mut sum) = (place.step(), 0);
        let mut symbol = || {
            step = self.step(bits, step);
            bits = bits.wrapping_shr(u32::from(step & DROP));
            sum += step & DROP;
        };
        // No loop: built for size it would stay one.
        const { assert!(SYMBOLS == 3) };
        symbol();
        symbol();
        symbol();
        Some((place.behind(sum, step), step))
    }

    /// One symbol on.
    #[inline(always)]
    fn next(&self, bytes: &[u8], place: Place) -> Option<Next> {
        let bits = load(bytes, place.bit())?;
        let step = self.step(bits, place.step());
        if step & STUCK == 0 { Some(Next::Place(place.behind(step, step))) } else { self.decode(bits, place) }
    }

    #[cold]
    fn decode(&self, bits: u64, place: Place) -> Option<Next> {
        let step = if place.step() == DISTANCE {
            let (symbol, length) = self.distances.decode(bits)?;
            distance_step(symbol, length)
        } else {
            let (symbol, length) = self.lengths.decode(bits)?;
            if symbol == END_OF_BLOCK {
                return Some(Next::End(place.bit() + usize::from(length)));
            }
            length_step(symbol, length)
        };
        // There are more symbols than meanings.
        (step & STUCK == 0).then(|| Next::Place(place.behind(step, step)))
    }
}

fn length_step(symbol: u16, length: u16) -> Step {
    match symbol.checked_sub(END_OF_BLOCK + 1) {
        None if symbol == END_OF_BLOCK => STUCK,
        None => length,
        Some(symbol) => LENGTH_EXTRA
            .get(usize::from(symbol))
            .map_or(STUCK, |&extra| (length + u16::from(extra)) | DISTANCE),
    }
}

fn distance_step(symbol: u16, length: u16) -> Step {
    DISTANCE_EXTRA.get(usize::from(symbol)).map_or(STUCK | DISTANCE, |&extra| length + u16::from(extra))
}

/// At least 57 bits of the stream from `bit` on.
#[inline(always)]
fn load(bytes: &[u8], bit: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(bit / 8..)?.first_chunk::<8>()?) >> (bit % 8))
}

/// Tables that are used again from stream to stream.
pub(crate) struct Walker {
    codes: Codes,
    /// Where each lane was, turn by turn.
    trails: Box<[[Place; LANES]; TURNS]>,
    /// Bits from lane to lane.
    span: usize,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            codes: Codes {
                lengths: Code::new(),
                distances: Code::new(),
                steps: Box::new([STUCK; 2 * INDEX_SIZE]),
            },
            trails: Box::new([[Place(0); LANES]; TURNS]),
            span: TURNS * SYMBOLS * 8,
        }
    }

    /// Walks a raw deflate stream of `length` bytes at the start of `bytes`, which has [`SLACK`] bytes more.
    /// `None` when it is not one, or takes 256 MiB.
    pub(crate) fn walk(&mut self, bytes: &[u8], length: usize) -> Option<End> {
        let end = length.checked_mul(8).filter(|&end| end < Place::DISTANCE as usize)?;
        let mut at = 0;
        loop {
            let (final_header, header) = (at, load(bytes, at)?);
            at = match header >> 1 & 3 {
                0 => stored(bytes, at + 3)?,
                1 => self.fixed(bytes, end, at + 3)?,
                2 => self.dynamic(bytes, end, at + 3)?,
                _ => return None,
            };
            if at > end {
                return None;
            }
            if header & 1 == 1 {
                return Some(End { final_header, end: at });
            }
        }
    }

    fn fixed(&mut self, bytes: &[u8], end: usize, at: usize) -> Option<usize> {
        let mut lengths = [8; 288];
        lengths.get_mut(144..256)?.fill(9);
        lengths.get_mut(256..280)?.fill(7);
        self.codes.assign(&lengths, &[5; 30])?;
        self.symbols(bytes, end, at)
    }

    fn dynamic(&mut self, bytes: &[u8], end: usize, mut at: usize) -> Option<usize> {
        let header = load(bytes, at)?;
        let literals = (header & 31) as usize + 257;
        let all = literals + (header >> 5 & 31) as usize + 1;
        let stored = (header >> 10 & 15) as usize + 4;
        at += 14;
        let (mut of_lengths, bits) = ([0; 19], load(bytes, at)?);
        for (n, &place) in LENGTH_ORDER.get(..stored)?.iter().enumerate() {
            *of_lengths.get_mut(usize::from(place))? = (bits >> (3 * n) & 7) as u8;
        }
        at += 3 * stored;
        // No code of lengths is longer than the index, and none has 0 bits.
        let mut index = [0_u16; 128];
        self.codes.lengths.assign(&of_lengths, &mut index, 0, |symbol, length| symbol << 3 | length)?;
        // Room for the last to be repeated beyond the end, which is refused below.
        let (mut lengths, mut known) = ([0_u8; 288 + 32 + 138], 0);
        while known < all {
            let bits = load(bytes, at)?;
            let entry = *index.get((bits & 127) as usize).filter(|&&entry| entry > 0)?;
            let (symbol, used) = (entry >> 3, entry & 7);
            let bits = (bits >> used) as usize;
            let (value, times, extra) = match symbol {
                16 => (*lengths.get(known.checked_sub(1)?)?, 3 + (bits & 3), 2),
                17 => (0, 3 + (bits & 7), 3),
                18 => (0, 11 + (bits & 127), 7),
                length => (length as u8, 1, 0),
            };
            lengths.get_mut(known..known + times)?.fill(value);
            known += times;
            at += usize::from(used) + extra;
        }
        if known != all {
            return None;
        }
        let (literals, distances) = lengths.get(..all)?.split_at_checked(literals)?;
        self.codes.assign(literals, distances)?;
        self.symbols(bytes, end, at)
    }

    /// Walks the symbols of one block by the codes that are assigned, to the bit behind it.
    fn symbols(&mut self, bytes: &[u8], end: usize, at: usize) -> Option<usize> {
        let mut place = Place::new(at, 0);
        loop {
            let reach = (LANES - 1) * self.span + TURNS * (TURN_LIMIT + SYMBOL_LIMIT);
            let next = if place.bit() + reach < end {
                self.round(bytes, place)
            } else {
                self.codes.next(bytes, place)
            };
            match next? {
                Next::Place(next) => place = next,
                Next::End(end) => return Some(end),
            }
        }
    }

    /// Lets all lanes take their turns, the first from `place`.
    fn round(&mut self, bytes: &[u8], place: Place) -> Option<Next> {
        let mut lanes = [place; LANES];
        for (n, lane) in lanes.iter_mut().enumerate().skip(1) {
            *lane = Place::new(place.bit() + n * self.span, 0);
        }
        let mut turns = 0;
        for trail in self.trails.iter_mut() {
            *trail = lanes;
            // No loop here either.
            let [first, second, third, fourth] = lanes;
            let (first, seen_first) = self.codes.turn(bytes, first)?;
            let (second, seen_second) = self.codes.turn(bytes, second)?;
            let (third, seen_third) = self.codes.turn(bytes, third)?;
            let (fourth, seen_fourth) = self.codes.turn(bytes, fourth)?;
            lanes = [first, second, third, fourth];
            turns += 1;
            let seen = seen_first | seen_second | seen_third | seen_fourth;
            if seen & STUCK != 0 && !pass(&self.codes, bytes, &mut lanes) {
                break;
            }
        }
        if turns == TURNS {
            // So much the slowest lane goes in a round.
            let starts = self.trails.first()?;
            self.span = lanes.iter().zip(starts).map(|(lane, start)| lane.bit() - start.bit()).min()?;
        }
        self.join(bytes, lanes, turns)
    }

    /// Goes the stream's way from lane to lane, as far as they have fallen in step.
    fn join(&self, bytes: &[u8], lanes: [Place; LANES], turns: usize) -> Option<Next> {
        let [mut place, others @ ..] = lanes;
        for (n, lane) in (1..).zip(others) {
            let been = |turn: usize| match turn.cmp(&turns) {
                Ordering::Less => self.trails.get(turn)?.get(n).copied(),
                Ordering::Equal => Some(lane),
                Ordering::Greater => None,
            };
            let mut turn = 0;
            loop {
                match been(turn) {
                    None => return Some(Next::Place(place)),
                    Some(been) if been.bit() < place.bit() => turn += 1,
                    Some(been) if been == place => break,
                    Some(_) => match self.codes.next(bytes, place)? {
                        Next::Place(next) => place = next,
                        end @ Next::End(_) => return Some(end),
                    },
                }
            }
            place = lane;
        }
        Some(Next::Place(place))
    }
}

/// Takes the lanes that are stuck past a symbol that is in no table. False when one can't go on: it is at its block's
/// end, or off the stream's way.
#[cold]
fn pass(codes: &Codes, bytes: &[u8], lanes: &mut [Place; LANES]) -> bool {
    lanes.iter_mut().all(|lane| match codes.next(bytes, *lane) {
        Some(Next::Place(next)) => {
            *lane = next;
            true
        }
        _ => false,
    })
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
