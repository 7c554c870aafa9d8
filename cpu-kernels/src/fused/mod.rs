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

/// Held by whatever only training does. Without the feature `training` there is none, and the compiler leaves all of that
/// out.
#[cfg(feature = "training")]
#[derive(Clone, Copy)]
pub(crate) struct Training;
/// As above.
#[cfg(not(feature = "training"))]
#[derive(Clone, Copy)]
pub(crate) enum Training {}

impl Training {
    /// Training, if it is here.
    pub(crate) fn here() -> Training {
        #[cfg(feature = "training")]
        return Training;
        #[cfg(not(feature = "training"))]
        panic!("this needs the feature `training`");
    }
}

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
