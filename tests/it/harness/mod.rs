//! What the suites share: servers on loopback that behave, that misbehave on command, and real ones.

pub mod api;
pub mod archive;
pub mod c;
pub mod child;
pub mod evil;
pub mod guard;
pub mod random;
pub mod registry;
pub mod servers;
pub mod trees;
pub mod workflow;
