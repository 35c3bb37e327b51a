//! From link header to transport header.

use std::ops::Range;

use super::{DecodeOptions, Decoded};
use crate::capture::Window;

/// Decodes the frames of `range` (indices into [`Window::frames`]) and appends to `out`.
pub fn decode(_window: &Window, _range: Range<usize>, _options: &DecodeOptions, _out: &mut Decoded) {}
