//! Which variant carries out which layer: by a rule, or by what was measured.

use super::device::Gpu;
use super::kernels::Variant;
use super::layer::Layer;

/// From this side on a map is large enough for Winograd's transforms to pay, with few tiles and with many.
const WINOGRAD_SIDES: (u32, u32) = (24, 12);

/// How the variants of a level's layers are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By what was measured on this device, or is measured when a layer is first run; where nothing was, by rule.
    Fastest,
    /// By rule.
    Rule,
    /// This one, wherever the GPU has it and it can be used.
    Always(Variant),
}

/// Why a layer is carried out as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nothing else can carry it out here.
    Only,
    /// By rule: nothing was measured.
    Rule,
    /// It was measured on this device since the program started.
    Measured,
    /// It was measured on such a device at an earlier visit.
    Kept,
    /// The caller asked for it.
    Forced,
}

/// The variant for a layer.
pub(super) fn choose(gpu: &Gpu, layer: &Layer, choice: Choice) -> (Variant, Origin) {
    let candidates = candidates(gpu, layer);
    let shape = layer.shape();
    let usable = |v: &Variant| fits(gpu, layer, *v);
    let tuning = gpu.tuning();
    match (choice, &candidates[..]) {
        (Choice::Always(variant), _) if fits(gpu, layer, variant) => (variant, Origin::Forced),
        (_, []) => (Variant::Registers, Origin::Only),
        (_, [only]) => (*only, Origin::Only),
        (Choice::Rule, [rule, ..]) => (*rule, Origin::Rule),
        (_, [rule, ..]) => {
            if let Some(variant) = tuning.measured(&shape).filter(usable) {
                (variant, Origin::Measured)
            } else if let Some(variant) = tuning.kept(&shape).filter(usable) {
                (variant, Origin::Kept)
            } else {
                (*rule, Origin::Rule)
            }
        }
    }
}

/// Whether a GPU can carry out a layer so.
pub(super) fn fits(gpu: &Gpu, layer: &Layer, variant: Variant) -> bool {
    gpu.kernels.has(variant, layer.stride) && layer.sum_bytes(variant) <= gpu.largest_binding()
}

/// At most four variants that may be the fastest for a layer; the first is the rule's.
pub(super) fn candidates(gpu: &Gpu, layer: &Layer) -> Vec<Variant> {
    use Variant::{Registers, RegistersSplit, SplitAcross, SplitInside, Tiles, Winograd};
    let side = layer.output.height.min(layer.output.width);
    let order: &[Variant] = match (layer.input.c4, layer.stride, layer.many_tiles()) {
        // An image's three channels leave nothing to share out.
        (1, ..) => &[Registers],
        (_, 1, false) if side >= WINOGRAD_SIDES.0 => &[SplitInside, SplitAcross, Registers, Winograd],
        (_, 1, false) => &[SplitInside, SplitAcross, Registers],
        (_, 1, true) if side >= WINOGRAD_SIDES.1 => &[Tiles, Winograd, Registers, SplitInside],
        (_, 1, true) => &[Tiles, Registers, SplitInside],
        (_, _, false) => &[RegistersSplit, Registers],
        (_, _, true) => &[Registers, RegistersSplit],
    };
    let found: Vec<_> = order.iter().copied().filter(|&v| fits(gpu, layer, v)).collect();
    if !found.is_empty() {
        return found;
    }
    // The usual ones were dropped: whatever is left.
    Variant::ALL.into_iter().filter(|&v| fits(gpu, layer, v)).take(1).collect()
}
