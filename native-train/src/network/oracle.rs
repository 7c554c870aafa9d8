//! The plan run through candle's built-in operations: slow, differentiable by candle's autograd, on any of its devices.
//! The fast trunk is held to it, and devices without a fast trunk train with it.

use super::parameters::LevelLayout;
use super::{BatchStatistics, EPSILON};
use candle_core::{D, Result, Tensor};
use dvn::Plan;
use dvn::plan::{Conv, Op, Shortcut};

/// Where batch norm's mean and variance come from.
pub enum Statistics<'a> {
    /// The batch; each convolution's are appended.
    Batch(&'a mut Vec<BatchStatistics>),
    /// None: the packed "gamma" and "beta" are scale and shift already.
    Folded,
}

/// The pooled features, [n, features]: `images` is [n, size, size, 3], `packed` the level's parameters as
/// [`LevelLayout`] has them.
///
/// # Errors
/// candle's.
pub fn trunk(plan: &Plan, images: &Tensor, packed: &Tensor, mut statistics: Statistics) -> Result<Tensor> {
    let layout = LevelLayout::new(plan);
    let mut tensors: Vec<Option<Tensor>> = vec![None; plan.tensors.len()];
    // candle's convolutions want N C H W.
    tensors[0] = Some(images.permute((0, 3, 1, 2))?.contiguous()?);
    let read = |tensors: &[Option<Tensor>], id: usize| match &tensors[id] {
        Some(t) => Ok(t.clone()),
        None => candle_core::bail!("the plan reads {} before it is written", plan.tensors[id].name),
    };
    let mut conv_index = 0;
    for op in &plan.ops {
        match op {
            Op::Conv(conv) => {
                let i = conv_index;
                conv_index += 1;
                let (inputs, outputs) = (plan.tensor(conv.input).channels, plan.tensor(conv.output).channels);
                let range = &layout.weights[i];
                let weight = packed.narrow(0, range.start, range.len())?.reshape((3, 3, inputs, outputs))?;
                let weight = weight.permute((3, 2, 0, 1))?.contiguous()?;
                let x = read(&tensors, conv.input.0)?;
                let y = x.conv2d(&weight, 1, conv.stride, 1, 1)?;
                let norm = &layout.norms[i];
                let scale = packed.narrow(0, norm.scale.start, outputs)?.reshape((1, outputs, 1, 1))?;
                let shift = packed.narrow(0, norm.shift.start, outputs)?.reshape((1, outputs, 1, 1))?;
                let normed = match &mut statistics {
                    Statistics::Batch(all) => {
                        let mean = y.mean_keepdim((0, 2, 3))?;
                        let centred = y.broadcast_sub(&mean)?;
                        let variance = centred.sqr()?.mean_keepdim((0, 2, 3))?;
                        all.push(batch_statistics(&y, &mean, &variance)?);
                        let inverse = (variance + EPSILON)?.sqrt()?.recip()?;
                        centred.broadcast_mul(&inverse.mul(&scale)?)?.broadcast_add(&shift)?
                    }
                    Statistics::Folded => y.broadcast_mul(&scale)?.broadcast_add(&shift)?,
                };
                let sum = match &conv.shortcut {
                    Some(s) => normed.add(&shortcut(plan, conv, s, &read(&tensors, s.input.0)?)?)?,
                    None => normed,
                };
                tensors[conv.output.0] = Some(sum.relu()?);
            }
            Op::Pool { input, output } => {
                let pooled = read(&tensors, input.0)?.mean(D::Minus1)?.mean(D::Minus1)?;
                tensors[output.0] = Some(pooled);
            }
            Op::Classifier { input, .. } => return read(&tensors, input.0),
        }
    }
    candle_core::bail!("the plan has no classifier")
}

/// Every `stride`-th pixel, its channels moved where the spans say, zeros elsewhere.
fn shortcut(plan: &Plan, conv: &Conv, s: &Shortcut, x: &Tensor) -> Result<Tensor> {
    let out = plan.tensor(conv.output);
    let index = |n: usize| -> Result<Tensor> {
        let every: Vec<u32> = (0..n).map(|i| (i * s.stride) as u32).collect();
        Tensor::new(every, x.device())
    };
    let small = if s.stride == 1 {
        x.clone()
    } else {
        x.index_select(&index(out.height)?, 2)?.index_select(&index(out.width)?, 3)?
    };
    let zeros = |channels| Tensor::zeros((x.dim(0)?, channels, out.height, out.width), x.dtype(), x.device());
    let mut pieces = Vec::new();
    let mut at = 0;
    for span in &s.spans {
        if span.to > at {
            pieces.push(zeros(span.to - at)?);
        }
        pieces.push(small.narrow(1, span.from, span.len)?);
        at = span.to + span.len;
    }
    if at < out.channels {
        pieces.push(zeros(out.channels - at)?);
    }
    Tensor::cat(&pieces, 1)
}

fn batch_statistics(y: &Tensor, mean: &Tensor, variance: &Tensor) -> Result<BatchStatistics> {
    let numbers = |t: &Tensor| -> Result<Vec<f64>> {
        t.flatten_all()?.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()
    };
    let (n, _, h, w) = y.dims4()?;
    Ok(BatchStatistics { mean: numbers(mean)?, variance: numbers(variance)?, count: n * h * w })
}
