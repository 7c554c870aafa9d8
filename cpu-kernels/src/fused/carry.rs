//! Which values a shortcut carries to a block of channels.

use crate::operands::Span;
use crate::simd::Simd;

/// Where a block's channels come from, as offsets from the source's pixel.
#[derive(Clone, Copy)]
pub(super) enum Carry {
    /// Nothing comes.
    Nothing,
    /// All lanes, from adjacent channels.
    Whole(usize),
    /// Each four lanes from somewhere or, `None`, from nowhere.
    Mixed([Option<usize>; 4]),
}

impl Carry {
    /// For `lanes` channels from `channel`. `back`: against the spans' direction.
    pub(super) fn new<S: Simd>(spans: &[Span], back: bool, channel: usize, lanes: usize) -> Carry {
        let mut groups = [None; 4];
        let n = lanes / 4;
        for (g, group) in groups[..n].iter_mut().enumerate() {
            let c = channel + 4 * g;
            *group = spans.iter().find_map(|s| {
                let (from, to) = if back { (s.to, s.from) } else { (s.from, s.to) };
                (to..to + s.len).contains(&c).then(|| from + c - to)
            });
        }
        match groups[0] {
            None if groups.iter().all(Option::is_none) => Carry::Nothing,
            Some(first) if lanes == S::LANES && (0..n).all(|g| groups[g] == Some(first + 4 * g)) => {
                Carry::Whole(first)
            }
            _ => Carry::Mixed(groups),
        }
    }

    /// `v` plus what comes from the pixel at `source`.
    ///
    /// # Safety
    /// The pixel's channels must be readable, as many as the spans speak of.
    #[inline(always)]
    pub(super) unsafe fn add<S: Simd>(&self, simd: S, v: S::V, source: *const f32) -> S::V {
        match self {
            Carry::Nothing => v,
            // SAFETY: the caller's.
            Carry::Whole(from) => simd.add(v, unsafe { simd.load(source.add(*from)) }),
            Carry::Mixed(groups) => {
                let mut t = [0.0f32; 16];
                for (t, from) in t.chunks_exact_mut(4).zip(groups) {
                    if let Some(from) = from {
                        // SAFETY: the caller's for the source; the chunk holds four.
                        unsafe { source.add(*from).copy_to_nonoverlapping(t.as_mut_ptr(), 4) };
                    }
                }
                // SAFETY: a vector has at most 16 lanes.
                simd.add(v, unsafe { simd.load(t.as_ptr()) })
            }
        }
    }
}
