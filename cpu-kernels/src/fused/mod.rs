//! What operators do with values while loading and storing them: batch norm, ReLU, shortcuts, masks and sums.

mod carry;
mod join;
mod load;
mod store;

pub(crate) use join::{JoinRows, join_all};
pub(crate) use load::{Load, Source};
pub(crate) use store::{
    InferenceStore, MaskJoinStore, MaskNormReluStore, Pixel, PlainStore, ShortcutStore, Sink,
    StatisticsStore, Store, add_sums,
};

use crate::simd::Simd;

/// Reads a vector, or with `PART` its first `lanes`.
///
/// # Safety
/// So many values must be readable.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const PART: bool>(simd: S, p: *const f32, lanes: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if PART { simd.load_first(p, lanes) } else { simd.load(p) } }
}

/// Writes a vector, or with `PART` its first `lanes`.
///
/// # Safety
/// So many values must be writable.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const PART: bool>(simd: S, p: *mut f32, v: S::V, lanes: usize) {
    // SAFETY: the caller's.
    unsafe { if PART { simd.store_first(p, v, lanes) } else { simd.store(p, v) } }
}
