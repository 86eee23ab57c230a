//! Layers → directory: hostile and odd archives, encodings, several layers, and how a tree is published.
//! Every case runs twice: paths confined by `openat2`, and component by component.

mod encodings;
mod entries;
mod format;
mod links;
mod mutations;
mod others;
mod peers;
mod publish;
