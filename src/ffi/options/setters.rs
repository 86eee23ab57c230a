//! The typed setters, made by `build.rs` from the table of options.

use std::ffi::c_char;

use super::{set_bool, set_choice, set_int, set_pair, set_path, set_text};
use crate::ffi::status::cldoci_status;
use crate::ffi::support::guard;
use crate::ffi::types::{cldoci_error, cldoci_options};

include!(concat!(env!("OUT_DIR"), "/option_setters.rs"));
