//! One call of a verb: what was asked for, and how it goes. It travels as one thing, from the verb down to a
//! request or a file.

use crate::operation::Operation;
use crate::options::Settings;

/// The settings and the running operation of one call; clones share them.
#[derive(Clone)]
pub struct Call {
    /// The client's settings as the call's own options have them.
    pub settings: Settings,
    /// Cancel, deadline, progress, counters, warnings.
    pub operation: Operation,
}

impl Call {
    /// A call with these settings. [`Client::call`](crate::Client::call) makes one from options.
    pub fn new(settings: Settings, operation: Operation) -> Self {
        Self { settings, operation }
    }
}
