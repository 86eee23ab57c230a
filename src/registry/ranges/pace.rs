//! Whether a stream is slow: measured only while it is waited for, so that a slow reader does not count.

use std::time::Duration;

use crate::registry::transport::too_slow;

/// Half of the time over which a rate is measured.
const HALF: Duration = Duration::from_millis(500);
/// A stream that brings more than so many times what it brought before still comes up to its speed.
const GROWS: u64 = 2;

pub(super) struct Pace {
    /// Bytes a second that are not slow.
    enough: u64,
    waited: Duration,
    bytes: u64,
    before: Option<(u64, Duration)>,
}

impl Pace {
    pub(super) fn new(enough: u64) -> Self {
        Self { enough, waited: Duration::ZERO, bytes: 0, before: None }
    }

    /// Bytes a second of its last half second.
    pub(super) fn rate(&self) -> u64 {
        let Some((bytes, time)) = self.before else { return 0 };
        u64::try_from(u128::from(bytes) * 1000 / time.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    /// How much longer this half is.
    pub(super) fn left(&self) -> Duration {
        HALF.saturating_sub(self.waited)
    }

    /// Takes what came in a time of waiting. Once the stream has proved slow: the bytes of its last half second.
    pub(super) fn came(&mut self, bytes: u64, waited: Duration) -> Option<u64> {
        self.bytes += bytes;
        self.waited += waited;
        if self.waited < HALF {
            return None;
        }
        let now = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.waited));
        let before = self.before.replace(now)?;
        let grows = now.0 / GROWS > before.0;
        (!grows && too_slow(before.0 + now.0, before.1 + now.1, self.enough)).then_some(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_brings_too_little_makes_a_slow_stream() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.came(400, HALF), None);
        assert_eq!(pace.came(600, HALF), None, "enough");
        assert_eq!((pace.came(100, HALF / 2), pace.left()), (None, HALF / 2));
        assert_eq!(pace.came(20, HALF / 2), Some(120));
        assert_eq!(pace.rate(), 240);
        // What comes in bursts.
        let mut pace = Pace::new(1000);
        assert_eq!((pace.came(900, HALF), pace.came(0, HALF)), (None, Some(0)));
    }

    #[test]
    fn one_that_comes_up_to_its_speed_is_not_judged() {
        let mut pace = Pace::new(1_000_000);
        assert!([10, 100, 1000, 10_000].iter().all(|bytes| pace.came(*bytes, HALF).is_none()));
        assert_eq!(pace.came(11_000, HALF), Some(11_000));
    }

    #[test]
    fn time_that_is_not_waited_does_not_count_and_nothing_is_too_slow_for_zero() {
        let mut pace = Pace::new(1 << 30);
        assert!((0..1000).all(|_| pace.came(1, Duration::ZERO).is_none()));
        let mut any = Pace::new(0);
        assert!((0..10).all(|_| any.came(0, HALF).is_none()));
    }
}
