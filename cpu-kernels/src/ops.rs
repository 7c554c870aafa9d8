//! The public operators: they check what they are given and choose how to do it.

use crate::direct;
use crate::fused::{
    InferenceStore, JoinRows, MaskJoinStore, MaskNormReluStore, PlainStore, Sink, Source, StatisticsStore,
};
use crate::operands::{Activation, Gradient, Input, InputGradient, Output, Sums};
use crate::parallel::{self, Shared};
use crate::shape::{Map, Shape, check_len};
use crate::winograd::{self, Convolution};
use crate::workspace::{Part, Workspace};

/// The convolution of `input` with `weights` (`[3][3][inputs][outputs]`), stored to `y` as `output` says.
///
/// # Panics
/// Where a slice does not fit `shape`.
pub fn forward(
    ws: &mut Workspace,
    shape: &Shape,
    input: Input,
    weights: &[f32],
    y: &mut [f32],
    output: Output,
) {
    shape.check();
    input.check(&shape.input());
    output.check(&shape.output());
    check_len("the weights", weights.len(), shape.weights());
    check_len("the output", y.len(), shape.output().len());
    if shape.stride != 1 || shape.inputs == 3 {
        return direct::forward(ws, shape, input, weights, y, output);
    }
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
        Output::Statistics(sums) => (Sink::Statistics(StatisticsStore(out)), Some(sums)),
        Output::Inference { scale, shift, shortcut, relu } => {
            (Sink::Inference(InferenceStore { out, scale, shift, shortcut, relu }), None)
        }
    };
    convolve(
        ws,
        &Convolution { map: shape.input(), outputs: shape.outputs, source, join, weights, sink },
        sums,
        false,
    );
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
    if shape.stride != 1 || shape.inputs == 3 {
        return direct::input_gradient(ws, shape, gradient, weights, dx, store);
    }
    let out = Shared(dx.as_mut_ptr());
    let (sink, sums) = match store {
        InputGradient::Plain => (Sink::Plain(PlainStore(out)), None),
        InputGradient::MaskNormRelu { y, scale, shift, sums } => {
            (Sink::MaskNormRelu(MaskNormReluStore { out, y, scale, shift }), Some(sums))
        }
        InputGradient::MaskJoin { x, y, sums, accumulate, shortcut } => {
            (Sink::MaskJoin(MaskJoinStore { out, x, y, accumulate, shortcut }), Some(sums))
        }
    };
    let convolution = Convolution {
        map: shape.output(),
        outputs: shape.inputs,
        source: Source::gradient(gradient),
        join: None,
        weights,
        sink,
    };
    convolve(ws, &convolution, sums, true);
}

fn convolve(ws: &mut Workspace, convolution: &Convolution, sums: Option<&mut Sums>, turn: bool) {
    let channels = convolution.outputs;
    let isa = ws.isa_for(convolution.map.channels, channels);
    let padded = channels.next_multiple_of(isa.lanes());
    let Workspace { shared, turned, parts, .. } = ws;
    let parts = Workspace::parts(parts, parallel::threads(), 2 * padded);
    if convolution.map.len() == 0 {
    } else if turn {
        let weights = winograd::turn(parts, convolution.weights, channels, convolution.map.channels, turned);
        winograd::convolve(isa, shared, parts, &Convolution { weights, ..*convolution });
    } else {
        winograd::convolve(isa, shared, parts, convolution);
    }
    if let Some(sums) = sums {
        collect(parts, channels, sums);
    }
}

/// Adds up the parts' sums in their order.
fn collect(parts: &[Part], channels: usize, sums: &mut Sums) {
    for (i, to) in [&mut sums.sum, &mut sums.product].into_iter().enumerate() {
        to.clear();
        to.resize(channels, 0.0);
        for p in parts {
            let half = p.sums.len() / 2;
            to.iter_mut().zip(&p.sums[i * half..]).for_each(|(t, s)| *t += s);
        }
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
    if shape.stride != 1 || shape.inputs == 3 {
        return direct::weight_gradient(ws, shape, input, gradient, dw);
    }
    let map: Map = shape.input();
    if map.len() == 0 {
        return dw.fill(0.0);
    }
    let isa = ws.isa_for(shape.inputs, shape.outputs);
    let parts = Workspace::parts(&mut ws.parts, parallel::threads(), 0);
    let (input, gradient) = (Source::activation(input), Source::gradient(gradient));
    winograd::weight_gradient(isa, parts, &map, shape.outputs, input, gradient, dw);
}
