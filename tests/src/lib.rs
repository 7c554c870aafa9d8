//! One parity suite for every engine.
//!
//! A [`Case`] is written once, in the plan's terms: a network, its weights, images. It knows its answer: a naive f64
//! execution of the plan ([`reference`](reference::logits)). Every engine is a [`Runner`], and every runner is held
//! to the same cases.

pub mod candle;
pub mod case;
pub mod images;
pub mod random;
pub mod reference;
pub mod runner;

pub use candle::CandleRunner;
pub use case::Case;
pub use runner::{Agreement, EngineRunner, Runner, agreement};
