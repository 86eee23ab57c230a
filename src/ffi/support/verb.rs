//! What every verb does at the border: take the handles, start the work, and wait for it or hand it out.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::callbacks::ProgressCallback;
use super::credentials::{ClientId, CredentialCallback};
use super::engine::{self, Engine, Weight};
use super::handle::{self, Object, Pinned};
use super::log::LogCallback;
use super::task::{self, Callbacks, Task};
use super::{guard, lock};
use crate::client::{Client, Outcome};
use crate::error::{Error, Kind, Result};
use crate::ffi::status::cldoci_status;
use crate::ffi::types::{cldoci_client, cldoci_error, cldoci_options};
use crate::operation::{Level, Operation, Waiter};
use crate::options::Options;

/// Where a verb's end goes: a result that is waited for, or an operation.
pub(crate) trait Output: Copy {
    /// Whether the call comes back at the verb's end.
    const WAITS: bool;

    /// Checks it and sets it to NULL, before anything else can fail.
    ///
    /// # Safety
    /// It is NULL or may be written to.
    unsafe fn begin(self) -> Result<()>;

    /// Waits for the verb, or hands it out.
    ///
    /// # Safety
    /// As for [`begin`](Self::begin), which was called.
    unsafe fn finish(self, task: Arc<Task>) -> Result<()>;
}

/// What a client's handle holds.
pub(crate) struct ClientObject {
    pub(crate) client: Client,
    /// For calls that bring none of their own.
    progress: Option<Arc<ProgressCallback>>,
    logger: Option<LogCallback>,
    /// What its credential callback is known by.
    asks: Option<ClientId>,
    /// The log was told of variables that mean nothing.
    told: AtomicBool,
    /// Kept from the first verb on, so that connections outlive each of them.
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Object for ClientObject {
    type Opaque = cldoci_client;
    const TYPE: u8 = 8;
    const NAME: &'static str = "cldoci_client";
}

impl ClientObject {
    /// `set` is what the client was made with.
    pub(crate) fn new(client: Client, set: OptionSet, asks: Option<ClientId>) -> Self {
        let OptionSet { progress, logger, .. } = set;
        Self { client, progress, logger, asks, told: AtomicBool::new(false), engine: Mutex::new(None) }
    }

    /// Tells the log once of variables of the environment that look like options and are none.
    fn tell_of_unknown_variables(&self, operation: &Operation) {
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        let names = self.client.settings().unknown_variables();
        if !names.is_empty() {
            operation
                .log(Level::Warning, || format!("environment: cldoci does not know {}", names.join(", ")));
        }
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        if engine::is_lost() {
            return Err(engine::lost());
        }
        let mut engine = lock(&self.engine);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        Ok(engine.insert(Engine::acquire()?).clone())
    }
}

/// What the handle of options holds.
#[derive(Default)]
pub(crate) struct OptionsObject(pub(crate) Mutex<OptionSet>);

/// What a caller has set.
#[derive(Clone, Default)]
pub(crate) struct OptionSet {
    pub(crate) options: Options,
    pub(crate) progress: Option<Arc<ProgressCallback>>,
    pub(crate) logger: Option<LogCallback>,
    pub(crate) credentials: Option<Arc<CredentialCallback>>,
}

impl Object for OptionsObject {
    type Opaque = cldoci_options;
    const TYPE: u8 = 2;
    const NAME: &'static str = "cldoci_options";
}

impl OptionsObject {
    /// A copy of the options of a handle that may be NULL.
    pub(crate) fn copy(options: *const cldoci_options) -> Result<Option<OptionSet>> {
        Ok(handle::optional::<Self>(options)?.map(|object| lock(&object.0).clone()))
    }
}

/// What every verb is called with: the client, the options, the output, `error`.
pub(crate) type Common<O> = (*const cldoci_client, *const cldoci_options, O, *mut *mut cldoci_error);

/// Runs a verb: `inputs` takes the handles and texts that it needs, `verb` starts the work on them. The blocking form
/// is start and wait.
///
/// # Safety
/// `output` and `error` are NULL or may be written to while the call lasts.
pub(crate) unsafe fn run<O: Output, I, F>(
    name: &'static str,
    weight: Weight,
    (client, options, output, error): Common<O>,
    inputs: impl FnOnce() -> Result<I>,
    verb: impl FnOnce(&Client, I, &crate::call::Call) -> F,
) -> cldoci_status
where
    F: Future<Output = Result<Outcome>> + Send + 'static,
{
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let outputs = || output.begin();
        guard::with_outputs(error, outputs, |()| {
            let caller = Caller::new(client, options)?;
            let inputs = inputs()?;
            let work = |client: &Client, call: &crate::call::Call| verb(client, inputs, call);
            output.finish(caller.start(name, weight, O::WAITS, work)?)
        })
    }
}

/// A client and the options of one call.
struct Caller {
    client: Pinned<ClientObject>,
    options: Option<Options>,
    progress: Option<Arc<ProgressCallback>>,
    logger: Option<LogCallback>,
}

impl Caller {
    fn new(client: *const cldoci_client, options: *const cldoci_options) -> Result<Self> {
        let client = handle::get::<ClientObject>(client)?;
        let (options, progress, logger) = match OptionsObject::copy(options)? {
            Some(set) if set.credentials.is_some() => {
                let why = "the credential callback belongs to a client and was given to a call";
                return Err(Error::new(Kind::Argument, why));
            }
            Some(set) => (Some(set.options), set.progress, set.logger),
            None => (None, None, None),
        };
        let progress = progress.or_else(|| client.progress.clone());
        let logger = logger.or_else(|| client.logger.clone());
        Ok(Self { client, options, progress, logger })
    }

    fn start<F>(
        self,
        name: &'static str,
        weight: Weight,
        waits: bool,
        verb: impl FnOnce(&Client, &crate::call::Call) -> F,
    ) -> Result<Arc<Task>>
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let asks = self.client.asks;
        // Before it begins: a verb that nobody waits for would go on by itself.
        if waits && asks.is_some_and(ClientId::is_asking_here) {
            return Err(task::waits_for_itself("credential"));
        }
        let client = &self.client.client;
        let waiter = waits.then(Arc::<Waiter>::default);
        let logger = self.logger.map(|callback| callback.logger(waiter.as_ref()));
        let is_logged = logger.is_some();
        let call = client.call_waited_for(self.options.as_ref(), logger, waiter)?;
        if is_logged {
            self.client.tell_of_unknown_variables(&call.operation);
        }
        let engine = self.client.engine()?;
        let work = engine.enter(|| Box::pin(verb(client, &call)));
        let callbacks = Callbacks { progress: self.progress, asks };
        Ok(Task::start(name, engine, weight, call.operation, callbacks, work))
    }
}
