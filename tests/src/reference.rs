//! The answer every engine is held to: the plan carried out operation by operation in f64, with nothing fused, packed
//! or shared.

use crate::case::Case;
use dvn::plan::{Conv, Span, Weights};
use dvn::shard::LevelParameters;
use dvn::{Op, Plan, Shard, ShardId};

/// The logits of `level` (from 1) of `task` (from 0) for all of the case's images, images x classes.
///
/// # Panics
/// If the case has no such level, or lacks one of its shards: a fault of the test that made it.
pub fn logits(case: &Case, task: usize, level: usize) -> Vec<f64> {
    let plan = case.network.plan(task, level).expect("the case has the level that its test asks for");
    let weights: Vec<Vec<f64>> = plan.convs().map(|conv| dense(case, task, conv)).collect();
    let Some(Shard::Level(own)) = case.shards.get(&ShardId::Level { task, level }) else {
        panic!("the case lacks level {level} of task {task}")
    };
    let (image, classes) = (plan.tensors[0].elements(), plan.classes());
    let mut logits = vec![0.0; case.count * classes];
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let share = case.count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts = case.images[task].chunks(share * image).zip(logits.chunks_mut(share * classes));
        for (images, logits) in parts {
            let (plan, weights) = (&plan, &weights);
            scope.spawn(move || {
                for (x, out) in images.chunks(image).zip(logits.chunks_mut(classes)) {
                    out.copy_from_slice(&one(plan, weights, own, x));
                }
            });
        }
    });
    logits
}

/// One image.
fn one(plan: &Plan, weights: &[Vec<f64>], own: &LevelParameters, image: &[f32]) -> Vec<f64> {
    let mut tensors: Vec<Vec<f64>> = vec![vec![]; plan.tensors.len()];
    tensors[0] = image.iter().map(|&v| v.into()).collect();
    let mut convs = weights.iter().zip(&own.norms);
    for op in &plan.ops {
        let out = match op {
            Op::Conv(conv) => {
                let (weights, norm) = convs.next().expect("one norm for each convolution");
                let mut y = convolve(plan, conv, weights, &tensors[conv.input.0]);
                let width = plan.tensor(conv.output).channels;
                for pixel in y.chunks_mut(width) {
                    for (v, (scale, shift)) in pixel.iter_mut().zip(norm.scale.iter().zip(&norm.shift)) {
                        *v = *v * f64::from(*scale) + f64::from(*shift);
                    }
                }
                if let Some(shortcut) = &conv.shortcut {
                    let (from, to) = (plan.tensor(shortcut.input), plan.tensor(conv.output));
                    for (p, pixel) in y.chunks_mut(width).enumerate() {
                        let (row, column) = (p / to.width * shortcut.stride, p % to.width * shortcut.stride);
                        let x = &tensors[shortcut.input.0][(row * from.width + column) * from.channels..];
                        for s in &shortcut.spans {
                            (0..s.len).for_each(|c| pixel[s.to + c] += x[s.from + c]);
                        }
                    }
                }
                y.iter_mut().for_each(|v| *v = v.max(0.0));
                y
            }
            Op::Pool { input, .. } => {
                let channels = plan.tensor(*input).channels;
                let x = &tensors[input.0];
                let pixels = (x.len() / channels) as f64;
                (0..channels).map(|c| x.iter().skip(c).step_by(channels).sum::<f64>() / pixels).collect()
            }
            Op::Classifier { input, .. } => {
                let x = &tensors[input.0];
                let dot = |row: &[f32]| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>();
                let rows = own.classifier_weight.chunks(x.len()).zip(&own.classifier_bias);
                rows.map(|(row, bias)| dot(row) + f64::from(*bias)).collect()
            }
        };
        tensors[op.writes().0] = out;
    }
    tensors.pop().unwrap_or_default()
}

/// 3x3, padding 1, weights `[9][inputs][outputs]`.
fn convolve(plan: &Plan, conv: &Conv, weights: &[f64], x: &[f64]) -> Vec<f64> {
    let (from, to) = (plan.tensor(conv.input), plan.tensor(conv.output));
    let mut y = vec![0.0; to.elements()];
    for (p, out) in y.chunks_mut(to.channels).enumerate() {
        for tap in 0..9 {
            // One more than the coordinate, so that the padding's row -1 is 0.
            let row = p / to.width * conv.stride + tap / 3;
            let column = p % to.width * conv.stride + tap % 3;
            if !(1..=from.height).contains(&row) || !(1..=from.width).contains(&column) {
                continue;
            }
            let pixel = &x[((row - 1) * from.width + column - 1) * from.channels..][..from.channels];
            let weights = &weights[tap * from.channels * to.channels..];
            // What a ReLU has made 0, about half, adds nothing.
            for (x, w) in pixel.iter().zip(weights.chunks(to.channels)).filter(|(x, _)| **x != 0.0) {
                out.iter_mut().zip(w).for_each(|(o, w)| *o += x * w);
            }
        }
    }
    y
}

/// A convolution's weights as `[9][inputs][outputs]`, from the shards' O I H W.
fn dense(case: &Case, task: usize, conv: &Conv) -> Vec<f64> {
    let width = |spans: &[Span]| spans.last().map_or(3, |s| s.packed.end);
    let (inputs, outputs) = (width(&conv.inputs), width(&conv.outputs));
    let mut dense = vec![f64::NAN; 9 * inputs * outputs];
    for to in &conv.outputs {
        for (o, packed) in to.packed.clone().enumerate() {
            let mut set = |i: usize, values: &[f32]| {
                for (tap, &v) in values.iter().enumerate() {
                    dense[(tap * inputs + i) * outputs + packed] = v.into();
                }
            };
            match conv.weights {
                Weights::Stem => {
                    let Some(Shard::Stem(stem)) = case.shards.get(&ShardId::Stem { task }) else {
                        panic!("the case lacks the stem of task {task}")
                    };
                    let row = &stem[(to.physical.start + o) * 27..][..27];
                    row.chunks(9).enumerate().for_each(|(i, values)| set(i, values));
                }
                Weights::Shared { layer } => {
                    for from in &conv.inputs {
                        let id = ShardId::Block { to: to.unit, from: from.unit };
                        let Some(Shard::Block(layers)) = case.shards.get(&id) else {
                            panic!("the case lacks {id}")
                        };
                        let row = &layers[layer][o * from.packed.len() * 9..][..from.packed.len() * 9];
                        let channels = from.packed.clone().zip(row.chunks(9));
                        channels.for_each(|(i, values)| set(i, values));
                    }
                }
            }
        }
    }
    // A product that `convolve` leaves out would not show it.
    assert!(dense.iter().all(|v| v.is_finite()), "a weight is missing from the case's shards, or not finite");
    dense
}
