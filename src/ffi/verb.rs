//! What every verb does at the border: take the handles, start the work, and wait for it or hand it out.

use std::future::Future;
use std::sync::{Arc, Mutex};

use super::callback::ProgressCallback;
use super::credential::Asking;
use super::handle::{self, Object, Pinned};
use super::operation::OperationObject;
use super::options;
use super::process::lock;
use super::result::ResultObject;
use super::running::{self, Callbacks, Running};
use super::runtime::{self, Engine, Weight};
use super::text::{optional_out, out};
use super::types::{cldoci_client, cldoci_operation, cldoci_options, cldoci_result};
use crate::client::{Client, Outcome};
use crate::error::{Error, Kind, Result};
use crate::operation::Logger;
use crate::options::Options;

/// What the caller wants: to wait for the result, or an operation.
pub(super) enum Finish {
    Wait(*mut *mut cldoci_result),
    Start(*mut *mut cldoci_operation),
}

/// The same, with the outputs checked and set to NULL.
pub(super) enum Begun<'a> {
    Wait(Option<&'a mut *mut cldoci_result>),
    Start(&'a mut *mut cldoci_operation),
}

impl Finish {
    /// Sets the outputs to NULL, before anything else can fail.
    ///
    /// # Safety
    /// The pointers are NULL or may be written to for as long as `'a`.
    pub(super) unsafe fn begin<'a>(self) -> Result<Begun<'a>> {
        // SAFETY: the caller's promise, passed on.
        unsafe {
            Ok(match self {
                Self::Wait(result) => Begun::Wait(optional_out(result, "result", std::ptr::null_mut())?),
                Self::Start(operation) => Begun::Start(out(operation, "operation", std::ptr::null_mut())?),
            })
        }
    }
}

/// What a client's handle holds.
pub(super) struct ClientObject {
    pub(super) client: Client,
    /// For calls that bring none of their own.
    pub(super) progress: Option<Arc<ProgressCallback>>,
    pub(super) logger: Option<Logger>,
    /// What its credential callback is known by.
    asking: Option<Asking>,
    /// Kept from the first verb on, so that connections outlive each of them.
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Object for ClientObject {
    type Opaque = cldoci_client;
    const TYPE: u8 = 8;
    const NAME: &'static str = "cldoci_client";
}

impl ClientObject {
    pub(super) fn new(
        client: Client,
        progress: Option<Arc<ProgressCallback>>,
        logger: Option<Logger>,
        asking: Option<Asking>,
    ) -> Self {
        Self { client, progress, logger, asking, engine: Mutex::new(None) }
    }

    pub(super) fn engine(&self) -> Result<Arc<Engine>> {
        if runtime::is_lost() {
            return Err(runtime::lost());
        }
        let mut engine = lock(&self.engine);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        Ok(engine.insert(Engine::acquire()?).clone())
    }
}

/// A client and the options of one call.
pub(super) struct Call {
    client: Pinned<ClientObject>,
    options: Option<Options>,
    progress: Option<Arc<ProgressCallback>>,
    logger: Option<Logger>,
}

impl Call {
    pub(super) fn new(client: *const cldoci_client, options: *const cldoci_options) -> Result<Self> {
        let client = handle::get::<ClientObject>(client)?;
        let (options, progress, logger) = match options::copy(options)? {
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

    /// Starts the verb; the blocking form is start and wait.
    pub(super) fn run<F>(
        self,
        name: &'static str,
        weight: Weight,
        finish: Begun<'_>,
        verb: impl FnOnce(&Client, &crate::call::Call) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let asking = self.client.asking;
        // Before it begins: a verb that nobody waits for would go on by itself.
        if matches!(finish, Begun::Wait(_)) && asking.is_some_and(Asking::is_here) {
            return Err(running::waits_for_itself("credential"));
        }
        let client = &self.client.client;
        let call = client.call_with_logger(self.options.as_ref(), self.logger)?;
        let engine = self.client.engine()?;
        let work = engine.enter(|| Box::pin(verb(client, &call)));
        let running = Running::start(
            name,
            engine,
            weight,
            call.operation,
            Callbacks { progress: self.progress, asking },
            work,
        );
        match finish {
            Begun::Wait(result) => {
                let Some(outcome) = running.wait(None)? else {
                    return Err(Error::new(Kind::Internal, "an endless wait came to its end"));
                };
                running.detach();
                if let Some(result) = result {
                    *result = handle::insert(ResultObject::new(outcome, &running.operation))?;
                }
            }
            Begun::Start(operation) => match handle::insert(OperationObject(running.clone())) {
                Ok(handle) => *operation = handle,
                Err(full) => {
                    running.detach();
                    return Err(full);
                }
            },
        }
        Ok(())
    }
}
