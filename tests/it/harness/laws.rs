//! What progress promises, held at every step that anybody sees.

use cldoci::{Phase, Progress};

#[derive(Default)]
pub struct Laws {
    last: Option<Progress>,
    /// How often the end was told.
    pub ends: u32,
}

impl Laws {
    /// The next step. `what` is for the message.
    pub fn step(&mut self, what: &str, now: Progress) {
        let last = self.last.unwrap_or(Progress { phase: Phase::Waiting, ..now });
        let bounded = |done, total| total == 0 || done <= total;
        assert!(bounded(now.bytes_done, now.bytes_total), "{what}: {now:?}");
        assert!(bounded(now.entries_done, now.entries_total), "{what}: {now:?}");
        assert!(
            now.bytes_done >= last.bytes_done
                && now.bytes_total >= last.bytes_total
                && now.entries_done >= last.entries_done
                && now.entries_total >= last.entries_total,
            "{what}: {last:?}, then {now:?}"
        );
        assert!(last.phase != Phase::Done || now.phase == Phase::Done, "{what}: after the end {now:?}");
        self.ends += u32::from(now.phase == Phase::Done);
        self.last = Some(now);
    }
}
