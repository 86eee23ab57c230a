//! How long segments are, and whether they pay: as many bytes as come in a time that is worth a request, where there is a
//! file for what comes before its turn.

use std::time::Duration;

use super::SEGMENT;

/// The longest: six of them may lie on the disk.
const LONGEST: u64 = 32 * SEGMENT;
/// The longest time that one is to take.
const TAKES: Duration = Duration::from_secs(60);

pub(super) struct Growth {
    /// How long one connection takes for [`SEGMENT`].
    usual: Option<Duration>,
    /// What the next may have, if it comes fast enough.
    next: u64,
}

impl Growth {
    pub(super) fn new() -> Self {
        Self { usual: None, next: SEGMENT }
    }

    pub(super) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// So many bytes took so long.
    pub(super) fn took(&mut self, bytes: u64, time: Duration) {
        let parts = bytes.div_ceil(SEGMENT).max(1);
        let time = time / u32::try_from(parts).unwrap_or(u32::MAX);
        self.usual = Some(self.usual.map_or(time, |usual| (usual * 3 + time) / 4));
    }

    /// One broke off: those that follow are shorter.
    pub(super) fn broke(&mut self) {
        self.next = (self.next / 4).max(SEGMENT);
    }

    /// The length of the next, `share` being what is left for each connection. Each is at most twice as long as the one
    /// before.
    pub(super) fn segment(&mut self, share: u64) -> u64 {
        let Some(usual) = self.usual else { return SEGMENT };
        let parts = TAKES.as_millis() / usual.as_millis().max(1);
        let in_time = u64::try_from(parts).unwrap_or(u64::MAX).saturating_mul(SEGMENT);
        let length = self.next.min(in_time).min(share / SEGMENT * SEGMENT).max(SEGMENT);
        self.next = length.saturating_mul(2).min(LONGEST);
        length
    }
}

/// Whether so many bytes, waited for so long, are worth their requests where one connection brings `alone` a second.
pub(super) fn pays(bytes: u64, held_up: Duration, alone: u64) -> bool {
    u128::from(bytes) * 2000 >= u128::from(alone) * 3 * held_up.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_pay_where_they_bring_half_as_much_again_as_one_connection() {
        let (mib, second) = (1 << 20, Duration::from_secs(1));
        assert!(pays(15 * mib, second, 10 * mib) && !pays(14 * mib, second, 10 * mib));
        assert!(pays(60 * mib, 4 * second, 10 * mib) && !pays(59 * mib, 4 * second, 10 * mib));
        // Of one that stood still, and of what was never waited for.
        assert!(pays(1, 100 * second, 0) && pays(1, Duration::ZERO, 10 * mib));
    }

    fn lengths(growth: &mut Growth, count: usize, share: u64) -> Vec<u64> {
        (0..count).map(|_| growth.segment(share) / SEGMENT).collect()
    }

    #[test]
    fn segments_grow_as_far_as_they_come_in_time() {
        let mut growth = Growth::new();
        assert_eq!(lengths(&mut growth, 3, 1 << 40), [1, 1, 1], "nothing is known yet");
        growth.took(SEGMENT, Duration::from_secs(1));
        assert_eq!(lengths(&mut growth, 8, 1 << 40), [1, 2, 4, 8, 16, 32, 32, 32]);
        // A slower line.
        let mut growth = Growth::new();
        growth.took(4 * SEGMENT, Duration::from_secs(40));
        assert_eq!(growth.usual(), Some(Duration::from_secs(10)));
        assert_eq!(lengths(&mut growth, 5, 1 << 40), [1, 2, 4, 6, 6]);
        let mut growth = Growth::new();
        growth.took(SEGMENT, Duration::from_secs(600));
        assert_eq!(lengths(&mut growth, 3, 1 << 40), [1, 1, 1]);
    }

    #[test]
    fn ten_gib_cost_hundreds_of_requests() {
        let requests = |seconds| {
            let mut growth = Growth::new();
            growth.took(SEGMENT, Duration::from_secs(seconds));
            let (mut left, mut count) = (10_u64 << 30, 0);
            while left > 0 {
                left -= left.min(growth.segment(left / 4));
                count += 1;
            }
            count
        };
        assert!((320..400).contains(&requests(1)), "{}", requests(1));
        assert!((680..800).contains(&requests(4)), "{}", requests(4));
    }

    #[test]
    fn the_last_of_a_blob_is_for_all_connections_and_what_breaks_makes_them_shorter() {
        let mut growth = Growth::new();
        growth.took(SEGMENT, Duration::from_millis(100));
        assert_eq!(lengths(&mut growth, 5, 1 << 40), [1, 2, 4, 8, 16]);
        growth.broke();
        assert_eq!(lengths(&mut growth, 2, 1 << 40), [8, 16]);
        assert_eq!(lengths(&mut growth, 2, 3 * SEGMENT + 5), [3, 3]);
        assert_eq!(lengths(&mut growth, 2, 5), [1, 1]);
    }
}
