//! The public operators: they check what they are given and choose how to do it.

use crate::direct;
use crate::filters::Filters;
use crate::fused::{
    InferenceStore, JoinRows, MaskJoinStore, MaskNormReluStore, PlainStore, ShortcutStore, Sink, Source,
    StatisticsStore, Training, join_all,
};
use crate::operands::{Activation, Gradient, Input, InputGradient, Join, Output};
use crate::parallel::{self, Shared};
use crate::shape::{Map, Shape, check_len};
use crate::strided::{Strided, StridedBack};
use crate::transformed::{self, Convolution};
use crate::turn::turn;
use crate::winograd::Winograd;
use crate::workspace::Workspace;

/// How a convolution is done.
enum Algorithm {
    /// Winograd's F(4x4, 3x3).
    Winograd,
    /// By parity, for stride 2.
    Strided,
    /// Every multiply-accumulate.
    Direct,
}

fn algorithm(shape: &Shape) -> Algorithm {
    match (shape.inputs, shape.stride) {
        // The transforms cost more than three channels' products.
        (3, _) => Algorithm::Direct,
        (_, 1) => Algorithm::Winograd,
        (_, 2) => Algorithm::Strided,
        _ => Algorithm::Direct,
    }
}

/// The convolution of `input` with `weights` (dense `[3][3][inputs][outputs]`, or blocks), stored to `y` as `output` says.
///
/// # Panics
/// Where a slice does not fit `shape`, and where a stride above 2 or an input of 3 channels meets weights in blocks.
pub fn forward<'a>(
    ws: &mut Workspace,
    shape: &Shape,
    input: Input,
    weights: impl Into<Filters<'a>>,
    y: &mut [f32],
    output: Output,
) {
    convolve(ws, shape, input, weights.into(), y, output);
}

fn convolve(
    ws: &mut Workspace,
    shape: &Shape,
    input: Input,
    filters: Filters,
    y: &mut [f32],
    output: Output,
) {
    shape.check();
    input.check(&shape.input());
    output.check(&shape.output());
    filters.check(shape);
    check_len("the output", y.len(), shape.output().len());
    let (source, join) = match input {
        Input::Plain(x) => (Source::plain(x), None),
        Input::NormRelu { y, scale, shift } => {
            (Source::activation(Activation::NormRelu { y, scale, shift }), None)
        }
        Input::Join(join) => {
            let join = JoinRows::new(shape.input(), join);
            (join.source(), Some(join))
        }
    };
    let out = Shared(y.as_mut_ptr());
    let (sink, sums) = match output {
        Output::Plain => (Sink::Plain(PlainStore(out)), None),
        Output::Statistics(sums) => (Sink::Statistics(StatisticsStore(out, Training::here())), Some(sums)),
        Output::Inference { scale, shift, shortcut, relu } => {
            let inference = InferenceStore { out, scale, shift, relu };
            let sink = match shortcut {
                None => Sink::Inference(inference),
                Some(shortcut) => Sink::Shortcut(ShortcutStore { inference, shortcut }),
            };
            (sink, None)
        }
    };
    let isa = ws.isa_for(shape.inputs, shape.outputs);
    ws.prepare();
    ws.sums.clear(shape.outputs.next_multiple_of(isa.lanes()));
    if !y.is_empty() {
        let (input, output) = (shape.input(), shape.output());
        let convolution = Convolution { input, output, source, join, filters, sink };
        let parts = parallel::worth(&mut ws.parts, shape.macs());
        match algorithm(shape) {
            Algorithm::Winograd => {
                transformed::convolve::<Winograd>(isa, &mut ws.shared, parts, &mut ws.sums, &convolution)
            }
            Algorithm::Strided => {
                transformed::convolve::<Strided>(isa, &mut ws.shared, parts, &mut ws.sums, &convolution)
            }
            Algorithm::Direct => {
                if let Some(join) = &convolution.join {
                    join_all(isa, parts, join);
                }
                direct::forward(isa, parts, &mut ws.sums, shape, source, filters.dense(), sink);
            }
        }
    }
    if let Some(sums) = sums {
        ws.sums.collect(shape.outputs, sums);
    }
}

/// The gradient of a convolution's input from that of its output, stored to `dx` as `store` says.
///
/// # Panics
/// Where a slice does not fit `shape`.
pub fn input_gradient(
    ws: &mut Workspace,
    shape: &Shape,
    gradient: Gradient,
    weights: &[f32],
    dx: &mut [f32],
    store: InputGradient,
) {
    shape.check();
    gradient.check(&shape.output());
    store.check(&shape.input());
    check_len("the weights", weights.len(), shape.weights());
    check_len("the input's gradient", dx.len(), shape.input().len());
    let out = Shared(dx.as_mut_ptr());
    let (sink, sums) = match store {
        InputGradient::Plain => (Sink::Plain(PlainStore(out)), None),
        InputGradient::MaskNormRelu { y, scale, shift, sums } => (
            Sink::MaskNormRelu(MaskNormReluStore { _training: Training::here(), out, y, scale, shift }),
            Some(sums),
        ),
        InputGradient::MaskJoin { x, y, sums, accumulate, shortcut } => (
            Sink::MaskJoin(MaskJoinStore { _training: Training::here(), out, x, y, accumulate, shortcut }),
            Some(sums),
        ),
    };
    let isa = ws.isa_for(shape.inputs, shape.outputs);
    ws.prepare();
    ws.sums.clear(shape.inputs.next_multiple_of(isa.lanes()));
    if !dx.is_empty() {
        let weights = turn(&mut ws.parts, weights, shape.inputs, shape.outputs, &mut ws.turned);
        let source = Source::gradient(gradient);
        let (input, output) = (shape.output(), shape.input());
        let filters = Filters::Dense(weights);
        let convolution = Convolution { input, output, source, join: None, filters, sink };
        let parts = parallel::worth(&mut ws.parts, shape.macs());
        match algorithm(shape) {
            Algorithm::Winograd => {
                transformed::convolve::<Winograd>(isa, &mut ws.shared, parts, &mut ws.sums, &convolution)
            }
            Algorithm::Strided => {
                transformed::convolve::<StridedBack>(isa, &mut ws.shared, parts, &mut ws.sums, &convolution)
            }
            Algorithm::Direct => {
                direct::input_gradient(isa, parts, &mut ws.sums, shape, source, weights, sink)
            }
        }
    }
    if let Some(sums) = sums {
        ws.sums.collect(shape.inputs, sums);
    }
}

/// The gradient of the weights: overwrites `dw` (`[3][3][inputs][outputs]`).
///
/// # Panics
/// Where a slice does not fit `shape`.
pub fn weight_gradient(
    ws: &mut Workspace,
    shape: &Shape,
    input: Activation,
    gradient: Gradient,
    dw: &mut [f32],
) {
    shape.check();
    input.check(&shape.input());
    gradient.check(&shape.output());
    check_len("the weights' gradient", dw.len(), shape.weights());
    if shape.input().len() == 0 {
        return dw.fill(0.0);
    }
    let isa = ws.isa_for(shape.inputs, shape.outputs);
    ws.prepare();
    let Workspace { parts, gradients, .. } = ws;
    let maps = [shape.input(), shape.output()];
    let (input, gradient) = (Source::activation(input), Source::gradient(gradient));
    match algorithm(shape) {
        Algorithm::Winograd => {
            transformed::weight_gradient::<Winograd>(isa, parts, gradients, maps, input, gradient, dw);
        }
        Algorithm::Strided => {
            transformed::weight_gradient::<Strided>(isa, parts, gradients, maps, input, gradient, dw)
        }
        Algorithm::Direct => direct::weight_gradient(isa, parts, gradients, shape, input, gradient, dw),
    }
}

/// The end of a residual block without a convolution behind it: `out = relu(scale * y + shift + shortcut)`.
///
/// # Panics
/// Where a slice does not fit `map`.
pub fn join(ws: &mut Workspace, map: &Map, join: Join) {
    map.check();
    join.check(map);
    let isa = ws.isa();
    ws.prepare();
    join_all(isa, &mut ws.parts, &JoinRows::new(*map, join));
}
