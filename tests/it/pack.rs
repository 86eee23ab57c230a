//! Directories packed through the public API: cases B-01…B-10 and the bytes that never change.

mod changes;
mod golden;
mod links;
mod odd;
mod same;
mod tree;
