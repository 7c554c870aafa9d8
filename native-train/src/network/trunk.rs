//! A level's trunk on the CPU: the plan walked forward, and the same list walked backwards.
//!
//! For each convolution only its output before batch norm is kept, and the end of each block; batch norm and ReLU are
//! worked out again where they are read. A tensor's *masked gradient* is that of the sum before its ReLU.

use super::buffers::{Buffer, Pool};
use super::parameters::{LevelLayout, NormRange};
use super::{BatchStatistics, EPSILON};
use crate::train::Team;
use cpu_kernels as k;
use dvn::Plan;
use dvn::plan::{Conv, Op, Shortcut, TensorId};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batch norm of one convolution over one batch.
#[derive(Debug, Default)]
struct NormState {
    mean: Vec<f64>,
    /// 1 / sqrt(variance + epsilon).
    inverse: Vec<f64>,
    /// gamma * inverse.
    scale: Vec<f32>,
    /// beta - mean * scale.
    shift: Vec<f32>,
}

/// What the backward pass needs of the forward pass.
#[derive(Debug)]
pub struct Saved {
    images: usize,
    /// Each convolution's output before batch norm.
    y: Vec<Buffer>,
    /// The ends of blocks (and of the stem), by tensor.
    x: Vec<Option<Buffer>>,
    norms: Vec<NormState>,
    /// Of each convolution.
    pub statistics: Vec<BatchStatistics>,
}

/// Runs trunks, one after another, in the same memory.
#[derive(Debug, Default)]
pub struct Trunk {
    workspace: k::Workspace,
    pool: Pool,
    team: Arc<Team>,
    /// Time spent so far.
    pub times: Times,
}

/// Where a trunk's time goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Forward passes.
    pub forward: Duration,
    /// Backward passes.
    pub backward: Duration,
}

/// What the walk needs to know of a plan's tensors.
struct Wiring<'a> {
    convs: Vec<&'a Conv>,
    /// The convolution that writes a tensor.
    producer: Vec<Option<usize>>,
    /// Whether a tensor is kept whole: it ends a block, or more than one operation reads it.
    kept: Vec<bool>,
    /// The convolution whose shortcut reads a tensor.
    shortcut_reader: Vec<Option<usize>>,
    /// What the pool reads.
    last: TensorId,
}

impl<'a> Wiring<'a> {
    fn new(plan: &'a Plan) -> Wiring<'a> {
        let convs: Vec<&Conv> = plan.convs().collect();
        let tensors = plan.tensors.len();
        let (mut producer, mut shortcut_reader) = (vec![None; tensors], vec![None; tensors]);
        let (mut kept, mut last) = (vec![false; tensors], TensorId(0));
        for (i, conv) in convs.iter().enumerate() {
            producer[conv.output.0] = Some(i);
            if let Some(s) = &conv.shortcut {
                shortcut_reader[s.input.0] = Some(i);
                kept[s.input.0] = true;
                kept[conv.output.0] = true;
            }
        }
        for op in &plan.ops {
            if let Op::Pool { input, .. } = op {
                last = *input;
                kept[input.0] = true;
            }
        }
        Wiring { convs, producer, kept, shortcut_reader, last }
    }
}

fn spans(shortcut: &Shortcut) -> Vec<k::Span> {
    shortcut.spans.iter().map(|s| k::Span { from: s.from, to: s.to, len: s.len }).collect()
}

fn map(plan: &Plan, id: TensorId, images: usize) -> k::Map {
    let t = plan.tensor(id);
    k::Map { images, height: t.height, width: t.width, channels: t.channels }
}

fn shape(plan: &Plan, conv: &Conv, images: usize) -> k::Shape {
    let (input, output) = (plan.tensor(conv.input), plan.tensor(conv.output));
    k::Shape {
        images,
        height: input.height,
        width: input.width,
        inputs: input.channels,
        outputs: output.channels,
        stride: conv.stride,
    }
}

fn statistics(sums: &k::Sums, count: usize) -> BatchStatistics {
    let mut statistics = BatchStatistics { count, ..Default::default() };
    for (sum, square) in sums.sum.iter().zip(&sums.product) {
        let mean = sum / count as f64;
        statistics.mean.push(mean);
        statistics.variance.push((square / count as f64 - mean * mean).max(0.0));
    }
    statistics
}

impl NormState {
    fn new(statistics: &BatchStatistics, gamma: &[f32], beta: &[f32]) -> NormState {
        let mut state = NormState::default();
        for (c, (&mean, variance)) in statistics.mean.iter().zip(&statistics.variance).enumerate() {
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            let scale = f64::from(gamma[c]) * inverse;
            state.mean.push(mean);
            state.inverse.push(inverse);
            state.scale.push(scale as f32);
            state.shift.push((f64::from(beta[c]) - mean * scale) as f32);
        }
        state
    }

    /// For a forward pass alone.
    fn folded(scale: &[f32], shift: &[f32]) -> NormState {
        NormState { scale: scale.to_vec(), shift: shift.to_vec(), ..Default::default() }
    }

    /// Gradients of gamma and beta into `packed`.
    fn gradient(&self, sums: &k::Sums, at: &NormRange, packed: &mut [f32]) {
        for (c, (sum, product)) in sums.sum.iter().zip(&sums.product).enumerate() {
            packed[at.scale.start + c] = (self.inverse[c] * (product - self.mean[c] * sum)) as f32;
            packed[at.shift.start + c] = *sum as f32;
        }
    }

    /// The factors a, b, c that turn a masked gradient `g` into the gradient of the convolution's output `y`:
    /// `a g + b y + c`.
    fn backward(&self, sums: &k::Sums, count: usize, gamma: &[f32]) -> [Vec<f32>; 3] {
        let channels = gamma.len();
        let mut abc = [vec![0.0; channels], vec![0.0; channels], vec![0.0; channels]];
        for c in 0..channels {
            let (mean, inverse, gamma) = (self.mean[c], self.inverse[c], f64::from(gamma[c]));
            let mean_g = sums.sum[c] / count as f64;
            let q = inverse * (sums.product[c] - mean * sums.sum[c]) / count as f64;
            abc[0][c] = (gamma * inverse) as f32;
            abc[1][c] = (-gamma * inverse * inverse * q) as f32;
            abc[2][c] = (gamma * inverse * (inverse * mean * q - mean_g)) as f32;
        }
        abc
    }
}

/// Sums of one process's images become those of the team's.
fn sum_over(team: &Team, sums: &mut k::Sums) {
    if team.size() > 1 {
        let channels = sums.sum.len();
        let mut both = [&sums.sum[..], &sums.product[..]].concat();
        team.sum(&mut both);
        sums.sum.copy_from_slice(&both[..channels]);
        sums.product.copy_from_slice(&both[channels..]);
    }
}

impl Trunk {
    /// Takes batch norm's statistics over the images of all processes of a team.
    pub fn join(&mut self, team: Arc<Team>) {
        self.team = team;
    }

    /// Runs a trunk with the batch's statistics. `images` is [n, size, size, 3], normalised; `packed` the level's
    /// parameters. Gives the pooled features, [n, features].
    pub fn forward(&mut self, plan: &Plan, images: &[f32], packed: &[f32]) -> (Vec<f32>, Saved) {
        self.walk(plan, images, packed, false)
    }

    /// As [`Trunk::forward`], but gamma and beta are scale and shift, whatever the batch's statistics are, and there is no way
    /// back. Gives these statistics, of each convolution's output, beside the features.
    pub fn forward_folded(
        &mut self,
        plan: &Plan,
        images: &[f32],
        packed: &[f32],
    ) -> (Vec<f32>, Vec<BatchStatistics>) {
        let (features, saved) = self.walk(plan, images, packed, true);
        saved.y.into_iter().chain(saved.x.into_iter().flatten()).for_each(|buffer| self.pool.give(buffer));
        (features, saved.statistics)
    }

    fn walk(&mut self, plan: &Plan, images: &[f32], packed: &[f32], folded: bool) -> (Vec<f32>, Saved) {
        let start = Instant::now();
        let n = images.len() / plan.tensors[0].elements();
        let layout = LevelLayout::new(plan);
        let wiring = Wiring::new(plan);
        let mut saved = Saved {
            images: n,
            y: Vec::with_capacity(wiring.convs.len()),
            x: plan.tensors.iter().map(|_| None).collect(),
            norms: Vec::new(),
            statistics: Vec::new(),
        };
        let mut sums = k::Sums::default();
        for (i, conv) in wiring.convs.iter().enumerate() {
            let shape = shape(plan, conv, n);
            let mut y = self.pool.take(shape.output().len());
            let weights = &packed[layout.weights[i].clone()];
            let id = conv.input.0;
            let output = k::Output::Statistics(&mut sums);
            let ws = &mut self.workspace;
            match wiring.producer[id] {
                None => k::forward(ws, &shape, k::Input::Plain(images), weights, &mut y, output),
                Some(p) if !wiring.kept[id] => {
                    let norm = &saved.norms[p];
                    let input = k::Input::NormRelu { y: &saved.y[p], scale: &norm.scale, shift: &norm.shift };
                    k::forward(ws, &shape, input, weights, &mut y, output);
                }
                Some(p) => {
                    let mut x = self.pool.take(shape.input().len());
                    let spans = wiring.convs[p].shortcut.as_ref().map(spans).unwrap_or_default();
                    let join = saved.join(plan, wiring.convs[p], p, &spans, &mut x);
                    k::forward(ws, &shape, k::Input::Join(join), weights, &mut y, output);
                    saved.x[id] = Some(x);
                }
            }
            let range = &layout.norms[i];
            let (gamma, beta) = (&packed[range.scale.clone()], &packed[range.shift.clone()]);
            sum_over(&self.team, &mut sums);
            let count = n * shape.output().pixels() * self.team.size();
            let statistics = statistics(&sums, count);
            saved.norms.push(match folded {
                false => NormState::new(&statistics, gamma, beta),
                true => NormState::folded(gamma, beta),
            });
            saved.statistics.push(statistics);
            saved.y.push(y);
        }
        let last = map(plan, wiring.last, n);
        let mut features = vec![0.0; n * last.channels];
        if let Some(p) = wiring.producer[wiring.last.0] {
            let mut x = self.pool.take(last.len());
            let spans = wiring.convs[p].shortcut.as_ref().map(spans).unwrap_or_default();
            k::join(&mut self.workspace, &last, saved.join(plan, wiring.convs[p], p, &spans, &mut x));
            k::average_pool(&mut self.workspace, &last, &x, &mut features);
            saved.x[wiring.last.0] = Some(x);
        }
        self.times.forward += start.elapsed();
        (features, saved)
    }

    /// Makes `gradient` the packed one of a trunk's parameters, from that of its pooled features, [n, features].
    pub fn backward(
        &mut self,
        plan: &Plan,
        images: &[f32],
        packed: &[f32],
        saved: Saved,
        d_features: &[f32],
        gradient: &mut Vec<f32>,
    ) {
        let start = Instant::now();
        let n = saved.images;
        let layout = LevelLayout::new(plan);
        let wiring = Wiring::new(plan);
        gradient.resize(layout.total, 0.0);
        let mut sums = k::Sums::default();
        // Masked gradients that are still needed, by tensor.
        let mut g: Vec<Option<Buffer>> = plan.tensors.iter().map(|_| None).collect();

        let last = map(plan, wiring.last, n);
        let mut first = self.pool.take(last.len());
        if let (Some(p), Some(x)) = (wiring.producer[wiring.last.0], saved.x[wiring.last.0].as_ref()) {
            let ws = &mut self.workspace;
            k::average_pool_gradient(ws, &last, d_features, x, &saved.y[p], &mut first, &mut sums);
        }
        g[wiring.last.0] = Some(first);

        for (i, conv) in wiring.convs.iter().enumerate().rev() {
            let shape = shape(plan, conv, n);
            let range = &layout.norms[i];
            let count = n * shape.output().pixels() * self.team.size();
            let gamma = &packed[range.scale.clone()];
            // All parameters' gradients are those of this process's images; the team sums them at the end.
            saved.norms[i].gradient(&sums, range, gradient);
            sum_over(&self.team, &mut sums);
            let [a, b, c] = saved.norms[i].backward(&sums, count, gamma);
            let own = g[conv.output.0].take().unwrap_or_default();
            let norm = Some(k::NormGradient { y: &saved.y[i], a: &a, b: &b, c: &c });
            let d_y = k::Gradient { g: &own, norm };
            let id = conv.input.0;
            let weights = layout.weights[i].clone();
            let ws = &mut self.workspace;
            let Some(p) = wiring.producer[id] else {
                k::weight_gradient(ws, &shape, k::Activation::Plain(images), d_y, &mut gradient[weights]);
                self.pool.give(own);
                continue;
            };
            let (y, NormState { scale, shift, .. }) = (&saved.y[p], &saved.norms[p]);
            if let Some(x) = &saved.x[id] {
                k::weight_gradient(ws, &shape, k::Activation::Plain(x), d_y, &mut gradient[weights.clone()]);
                // The gradient through the shortcut that reads the same tensor: of the block's end, kept until here.
                let reader = wiring.shortcut_reader[id].map(|r| wiring.convs[r]);
                let through = reader.and_then(|r| Some((r.shortcut.as_ref()?, g[r.output.0].take()?)));
                let identity = |s: &Shortcut, of: &Buffer| {
                    s.stride == 1 && of.len() == x.len() && s.spans.iter().all(|s| s.from == s.to)
                };
                let (mut dx, other) = match through {
                    Some((s, of)) if identity(s, &of) => (of, None),
                    other => (self.pool.take(x.len()), other),
                };
                let accumulate = other.is_none() && reader.is_some();
                let spans = other.as_ref().map(|(s, _)| spans(s)).unwrap_or_default();
                let shortcut = other.as_ref().map(|(s, of)| k::ShortcutGradient {
                    g: of,
                    height: shape.height.div_ceil(s.stride),
                    width: shape.width.div_ceil(s.stride),
                    channels: of.len()
                        / (n * shape.height.div_ceil(s.stride) * shape.width.div_ceil(s.stride)),
                    stride: s.stride,
                    spans: &spans,
                });
                let mut left = k::Sums::default();
                let store = k::InputGradient::MaskJoin { x, y, sums: &mut left, accumulate, shortcut };
                k::input_gradient(ws, &shape, d_y, &packed[weights], &mut dx, store);
                sums = left;
                g[id] = Some(dx);
                self.pool.give(own);
                if let Some((_, of)) = other {
                    self.pool.give(of);
                }
            } else {
                let input = k::Activation::NormRelu { y, scale, shift };
                k::weight_gradient(ws, &shape, input, d_y, &mut gradient[weights.clone()]);
                let mut dx = self.pool.take(shape.input().len());
                let mut left = k::Sums::default();
                let store = k::InputGradient::MaskNormRelu { y, scale, shift, sums: &mut left };
                k::input_gradient(ws, &shape, d_y, &packed[weights], &mut dx, store);
                sums = left;
                g[id] = Some(dx);
                // The end of a block: its gradient is that of the shortcut too.
                g[conv.output.0] = Some(own);
            }
        }
        let idle = saved.y.into_iter().chain(saved.x.into_iter().flatten()).chain(g.into_iter().flatten());
        idle.for_each(|buffer| self.pool.give(buffer));
        self.times.backward += start.elapsed();
    }

    /// Frees all idle memory.
    pub fn clear(&mut self) {
        self.pool.clear();
    }
}

impl Saved {
    /// The end of convolution `p`: its batch norm, shortcut and ReLU.
    fn join<'a>(
        &'a self,
        plan: &Plan,
        conv: &Conv,
        p: usize,
        spans: &'a [k::Span],
        out: &'a mut [f32],
    ) -> k::Join<'a> {
        let norm = &self.norms[p];
        let shortcut = conv.shortcut.as_ref().and_then(|s| {
            let t = plan.tensor(s.input);
            let x = self.x[s.input.0].as_deref()?;
            Some(k::Shortcut {
                x,
                height: t.height,
                width: t.width,
                channels: t.channels,
                stride: s.stride,
                spans,
            })
        });
        k::Join { y: &self.y[p], scale: &norm.scale, shift: &norm.shift, shortcut, out }
    }
}
