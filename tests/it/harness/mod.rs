//! What the suites share. A test of the verbs begins with a client ([`ours::Ours`]) and a server: one that behaves
//! ([`registry::Registry`]), that says what the test says ([`evil::Evil`]), or that is real ([`servers::Server`]).

pub mod api;
pub mod archive;
pub mod c;
pub mod child;
pub mod evil;
pub mod guard;
pub mod laws;
pub mod ours;
pub mod random;
pub mod registry;
pub mod relay;
pub mod servers;
pub mod trees;
