//! What the suites share: servers on loopback that behave, that misbehave on command, and real ones.
#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod evil;
pub mod guard;
pub mod registry;
pub mod servers;
