//! What goes on in this process: work, and the threads that do it.

use std::sync::Arc;

use super::fork::Local;
use crate::thread::Activity;

pub(crate) fn activity() -> Arc<Activity> {
    static ACTIVITY: Local<Arc<Activity>> = Local::new(Arc::default);
    ACTIVITY.get().clone()
}
