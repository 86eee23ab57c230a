//! What is tried again, and when.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, header};

use super::transport::Stage;
use crate::call::Call;
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Count;

/// The first pause and the longest.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// How long a registry's `Retry-After` is waited out where no deadline says how long the caller has.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server that can't be reached, or is silent, is tried once more: the caller should hear of it soon.
const TIMEOUTS: u32 = 1;

/// What to do after an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this pause.
    Wait(Duration),
    /// Give up: the registry wants a longer pause than there is time for.
    TooLong(Duration),
    /// Give up.
    Stop,
}

/// Whether a registry is gone in the middle of a call's transfers: one that was there a moment ago may come back. One
/// for each repository of a call.
#[derive(Default)]
pub(crate) struct Outage(Mutex<State>);

#[derive(Default)]
struct State {
    /// A blob's bytes came, or went.
    flowed: bool,
    since: Option<Instant>,
}

impl Outage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transfer gets further.
    pub(crate) fn flows(&self) {
        *self.state() = State { flowed: true, since: None };
    }

    /// A transfer that was under way broke.
    pub(crate) fn begins(&self) {
        let mut state = self.state();
        state.flowed = true;
        state.since.get_or_insert_with(Instant::now);
    }

    /// Whether it is still worth waiting.
    fn is_within(&self, window: Duration) -> bool {
        let mut state = self.state();
        state.flowed && state.since.get_or_insert_with(Instant::now).elapsed() < window
    }
}

/// The attempts of one request or one transfer.
pub(crate) struct RetryBudget {
    left: u64,
    /// How many attempts were made again, and how many of those took one of what is left.
    done: u32,
    retried: u32,
    timeouts: u32,
    deadline: Option<Instant>,
    /// How long a registry is waited for that is gone.
    window: Duration,
    outage: Arc<Outage>,
}

/// The longest pause between two looks whether a registry is back.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl RetryBudget {
    /// `outage` is that of the registry that is asked.
    pub(crate) fn new(call: &Call, outage: &Arc<Outage>) -> Self {
        let settings = &call.settings;
        // Who wants no retries does not wait either.
        let window = if settings.retries == 0 { Duration::ZERO } else { settings.retry_window };
        let budget = Self::with(settings.retries, call.operation.deadline());
        Self { window, outage: outage.clone(), ..budget }
    }

    fn with(retries: u64, deadline: Option<Instant>) -> Self {
        let (window, outage) = (Duration::ZERO, Arc::default());
        Self { left: retries, done: 0, retried: 0, timeouts: 0, deadline, window, outage }
    }

    /// The next look whether a registry is back that is gone in the middle of a transfer.
    fn until_it_is_back(&mut self) -> Option<Next> {
        self.outage.is_within(self.window).then(|| {
            let pause = jittered(self.done).min(LOOK_EVERY);
            self.done += 1;
            Next::Wait(pause)
        })
    }

    /// After an answer. Nothing but overload and gateways' complaints is tried again.
    pub(crate) fn after_status(&mut self, status: u16, headers: &HeaderMap) -> Next {
        if !is_passing(status) {
            return Next::Stop;
        }
        let asked = retry_after(headers, SystemTime::now());
        if asked.is_none()
            && matches!(status, 502..=504)
            && let Some(next) = self.until_it_is_back()
        {
            return next;
        }
        if let Some(wait) = asked {
            let fits = match self.deadline {
                Some(deadline) => Instant::now().checked_add(wait).is_some_and(|then| then < deadline),
                None => wait <= PATIENCE,
            };
            if !fits {
                return Next::TooLong(wait);
            }
        }
        self.again(asked)
    }

    /// After a request without an answer. `safe`: it may be sent twice.
    pub(crate) fn after_failure(&mut self, stage: Stage, safe: bool) -> Next {
        if stage == Stage::Unconnected
            && let Some(next) = self.until_it_is_back()
        {
            return next;
        }
        match stage {
            Stage::Silent if !safe => Next::Stop,
            Stage::Unconnected | Stage::Silent if self.timeouts < TIMEOUTS => {
                self.timeouts += 1;
                self.again(None)
            }
            Stage::Broken if safe => self.again(None),
            _ => Next::Stop,
        }
    }

    /// A transfer got further: the failures before it no longer count.
    pub(crate) fn progressed(&mut self) {
        self.outage.flows();
        self.left += u64::from(self.retried);
        (self.done, self.retried, self.timeouts) = (0, 0, 0);
    }

    /// One more attempt, if there is one left.
    pub(crate) fn again(&mut self, asked: Option<Duration>) -> Next {
        if self.left == 0 {
            return Next::Stop;
        }
        self.left -= 1;
        self.retried += 1;
        let pause = asked.unwrap_or_else(|| jittered(self.done));
        self.done += 1;
        Next::Wait(pause)
    }
}

/// Statuses that may pass by themselves, those that gateways made up too (Q99).
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 499 | 500 | 502..=504 | 520..=524 | 529 | 530)
}

/// A pause after so many failures, of a length that no two clients share.
pub(crate) fn jittered(failures: u32) -> Duration {
    back_off(failures, dice())
}

/// Doubles from [`FIRST`] to [`LONGEST`]; between half of that and all of it.
fn back_off(done: u32, dice: u64) -> Duration {
    let whole = FIRST.saturating_mul(1_u32.checked_shl(done.min(16)).unwrap_or(u32::MAX)).min(LONGEST);
    let half = whole / 2;
    let range = u64::try_from(half.as_millis()).unwrap_or(0) + 1;
    half + Duration::from_millis(dice % range)
}

/// The standard library's hashers are seeded from the system's random numbers.
fn dice() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// `Retry-After` in seconds or as a date (RFC 9110 10.2.3); anything else is none.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    Some(then.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Waits before another attempt, unless the operation ends first.
pub(crate) async fn pause_for(pause: Duration, call: &Call) -> Result<()> {
    call.operation.count(Count::Retry);
    call.operation
        .run(async {
            tokio::time::sleep(pause).await;
            Ok(())
        })
        .await
}

/// A pause that is longer than there is time for is an error at once, with the value in it.
pub(crate) fn too_long(error: Error, wait: Duration) -> Error {
    let status = error.http_status();
    let made = Error::new(
        Kind::RateLimited,
        format!("{}; it asks to wait {} s", error.message(), printable(wait.as_secs().to_string())),
    )
    .with_retry_after(wait);
    match status {
        Some(status) => made.with_http_status(status),
        None => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn r_45_retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        let after = |value| retry_after(&headers(value), now);
        assert_eq!(after("5"), Some(Duration::from_secs(5)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(after("99999999"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(after("99999999999999999999999"), Some(Duration::from_secs(u64::from(u32::MAX))));
        for text in ["-1", "soon", "", "1.5"] {
            assert_eq!(after(text), None, "{text}");
        }
        assert_eq!(retry_after(&headers("Sun, 06 Nov 1994 08:00:00 GMT"), now), Some(Duration::ZERO));
    }

    #[test]
    fn r_45_it_is_waited_out_if_it_fits_the_deadline() {
        let mut budget = RetryBudget::with(5, Some(Instant::now() + Duration::from_secs(20)));
        assert_eq!(budget.after_status(429, &headers("5")), Next::Wait(Duration::from_secs(5)));
        assert_eq!(budget.after_status(429, &headers("60")), Next::TooLong(Duration::from_secs(60)));
        let mut patient = RetryBudget::with(5, None);
        assert_eq!(patient.after_status(503, &headers("60")), Next::Wait(Duration::from_secs(60)));
        assert_eq!(
            patient.after_status(429, &headers("99999999")),
            Next::TooLong(Duration::from_secs(99_999_999))
        );
        assert!(matches!(patient.after_status(503, &HeaderMap::new()), Next::Wait(_)));
    }

    #[test]
    fn only_what_is_safe_is_tried_again_and_not_for_ever() {
        let mut budget = RetryBudget::with(2, None);
        assert_eq!(budget.after_failure(Stage::Broken, false), Next::Stop);
        assert_eq!(budget.after_failure(Stage::Last, true), Next::Stop);
        assert_eq!(budget.after_failure(Stage::Silent, false), Next::Stop);
        assert_eq!(budget.after_status(404, &HeaderMap::new()), Next::Stop);
        assert_eq!(budget.after_status(501, &HeaderMap::new()), Next::Stop);
        assert!(matches!(budget.after_failure(Stage::Broken, true), Next::Wait(_)));
        assert!(matches!(budget.after_failure(Stage::Unconnected, false), Next::Wait(_)));
        assert_eq!(budget.after_failure(Stage::Broken, true), Next::Stop);
    }

    #[test]
    fn pauses_grow_are_bounded_and_differ() {
        assert_eq!(back_off(0, 0), Duration::from_millis(100));
        assert_eq!(back_off(0, 100), Duration::from_millis(200));
        for done in 0..200 {
            let pause = back_off(done, dice());
            assert!(pause >= Duration::from_millis(100) && pause <= LONGEST, "{pause:?}");
        }
        assert_ne!(dice(), dice());
    }
}
