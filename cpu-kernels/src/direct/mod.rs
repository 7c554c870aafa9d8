//! Direct convolution: any stride, any number of channels. Every multiply-accumulate is done, at the speed at which the
//! processor does them; for images (3 channels) and strides that no transform fits.

mod convolve;
mod lines;
mod weight_gradient;

pub(crate) use convolve::{forward, input_gradient};
pub(crate) use weight_gradient::weight_gradient;
