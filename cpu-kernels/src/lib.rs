//! f32 3x3 convolution on CPUs with its neighbours fused: batch norm, ReLU, the shortcut's addition, and their gradients.
//!
//! Activations are dense N H W C, weights dense H W I O (`[3][3][inputs][outputs]`) or, forward, [`FilterBlocks`]; there is
//! one pixel of padding. The operators:
//! [`forward`], [`input_gradient`], [`weight_gradient`], and those between convolutions: [`join`], [`average_pool`],
//! [`average_pool_gradient`].
//!
//! Stride 1 is done by Winograd's F(4x4, 3x3), stride 2 by parity (25 products for 36), anything else and images directly.
//! All of it is generic over the instruction set, which [`Workspace::new`] chooses at run time, and shared out over rayon's
//! current threads where the feature `threads` is on, or over a `team` where `workers` is. Without the feature `training`
//! there is inference only: no gradients, no [`Output::Statistics`], and no [`Input::NormRelu`].
//!
//! # Panics
//! Slices that do not fit their shape, channel counts that are no multiple of 4 (an input may have 3 channels) and
//! shortcuts that leave their maps are the caller's faults: every operator stops on them with a message that says what
//! was found and what was expected. So do operands that need `training` where that is off.

#![cfg_attr(not(feature = "training"), allow(dead_code, unreachable_code, unused_variables))]

mod direct;
mod filters;
mod fused;
mod operands;
mod ops;
mod parallel;
mod peak;
mod pool;
mod prefetch;
mod product;
mod shape;
mod simd;
mod strided;
#[cfg(any(feature = "workers", test))]
pub mod team;
mod transformed;
mod turn;
mod winograd;
mod workspace;

pub use filters::{FilterBlocks, Filters, Run, pack_filters};
pub use operands::{
    Activation, Gradient, Input, InputGradient, Join, NormGradient, Output, Shortcut, ShortcutGradient, Span,
    Sums,
};
pub use ops::forward;
#[cfg(feature = "training")]
pub use ops::{input_gradient, join, weight_gradient};
pub use parallel::threads;
pub use peak::multiply_adds;
pub use pool::average_pool;
#[cfg(feature = "training")]
pub use pool::average_pool_gradient;
pub use shape::{Map, Shape};
pub use simd::Isa;
pub use workspace::Workspace;
