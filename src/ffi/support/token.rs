//! The value of a handle: type, index and generation in a number that no binding can damage unseen. It is a
//! multiple of 8, exact as a double, never 32 bits wide, and faults when it is followed.

/// The fields of a token, whose place differs by processor.
pub(crate) struct Layout {
    generation_bits: u32,
    index_bits: u32,
    mark: u64,
}

/// `47 = 1 | 46..42 type | 41..23 generation | 22..3 index | 2..0 = 0`: never a canonical address.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const LAYOUT: Layout = Layout { generation_bits: 19, index_bits: 20, mark: 1 << 47 };
/// `52 = 1 | 51..47 type | 46..25 generation | 24..3 index | 2..0 = 0`: bit 47 is a plausible address here.
#[cfg(target_arch = "aarch64")]
pub(crate) const LAYOUT: Layout = Layout { generation_bits: 22, index_bits: 22, mark: 1 << 52 };

const INDEX_SHIFT: u32 = 3;
const TYPE_BITS: u32 = 5;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + LAYOUT.index_bits;
const TYPE_SHIFT: u32 = GENERATION_SHIFT + LAYOUT.generation_bits;

/// The highest generation; they run from 1.
pub(crate) const GENERATIONS: u32 = (1 << LAYOUT.generation_bits) - 1;
/// How many handles there can be at once.
pub(crate) const SLOTS: u32 = 1 << 20;

#[cfg(target_pointer_width = "32")]
compile_error!("a 32-bit address has no room for a checked handle");

/// A token's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: u8,
    pub(crate) generation: u32,
    pub(crate) index: u32,
}

impl Token {
    /// The number that the caller holds.
    pub(crate) fn encode(self) -> u64 {
        LAYOUT.mark
            | u64::from(self.kind) << TYPE_SHIFT
            | u64::from(self.generation) << GENERATION_SHIFT
            | u64::from(self.index) << INDEX_SHIFT
    }

    /// The fields of a number, if it has a token's form.
    pub(crate) fn decode(number: u64) -> Option<Self> {
        let field = |shift: u32, bits: u32| (number >> shift) & ((1 << bits) - 1);
        let token = Self {
            kind: field(TYPE_SHIFT, TYPE_BITS) as u8,
            generation: field(GENERATION_SHIFT, LAYOUT.generation_bits) as u32,
            index: field(INDEX_SHIFT, LAYOUT.index_bits) as u32,
        };
        // Every bit outside the fields must be as `encode` sets it.
        (token.encode() == number && token.kind != 0 && token.generation != 0).then_some(token)
    }

    /// The generation that a slot begins with: hashed, or a neighbour's token would be one step away.
    pub(crate) fn first_generation(index: u32) -> u32 {
        // The finaliser of MurmurHash3: any mix that separates neighbours does.
        let mut hash = index.wrapping_add(0x9e37_79b9);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        (hash ^ (hash >> 16)) % GENERATIONS + 1
    }

    /// The generation after this one; none once the slot has been through all, so that no token is issued
    /// twice.
    pub(crate) fn next_generation(index: u32, generation: u32) -> Option<u32> {
        let next = generation % GENERATIONS + 1;
        (next != Self::first_generation(index)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_promised_form_and_comes_back_whole() {
        for kind in [1, 9, 31] {
            for index in [0, 1, 77, SLOTS - 1] {
                for generation in [1, 2, GENERATIONS] {
                    let token = Token { kind, generation, index };
                    let number = token.encode();
                    assert_eq!(Token::decode(number), Some(token));
                    assert_eq!(number % 8, 0);
                    assert!(number < 1 << 53 && number > u64::from(u32::MAX));
                    #[cfg(target_arch = "x86_64")]
                    assert_eq!(number >> 47, 1, "non-canonical, below 2^48");
                    assert_eq!(number as f64 as u64, number, "exact as a double");
                }
            }
        }
    }

    /// 0 stands for a slot that was never used.
    #[test]
    fn each_slot_begins_with_a_generation_of_its_own() {
        let first = Token::first_generation;
        assert!((0..SLOTS).all(|index| (1..=GENERATIONS).contains(&first(index))));
        assert!((1..SLOTS).filter(|&index| first(index) == first(index - 1)).count() < 10);
    }

    #[test]
    fn x_06_other_numbers_are_no_tokens() {
        let good = Token { kind: 3, generation: 5, index: 9 }.encode();
        assert!(Token::decode(good).is_some());
        for bad in
            [0, 1, 8, 0x7fff_0000_1000, u64::MAX, good | 1, good | 4, good | 1 << 60, good as u32 as u64]
        {
            assert_eq!(Token::decode(bad), None, "{bad:#x}");
        }
    }

    #[test]
    fn neighbours_begin_at_other_generations_and_a_slot_ends_before_it_repeats() {
        let same =
            (0..1000).filter(|i| Token::first_generation(*i) == Token::first_generation(i + 1)).count();
        assert_eq!(same, 0);
        let first = Token::first_generation(7);
        let (mut generation, mut count) = (first, 1u32);
        while let Some(next) = Token::next_generation(7, generation) {
            generation = next;
            count += 1;
        }
        assert_eq!(count, GENERATIONS, "each generation was issued once");
    }
}
