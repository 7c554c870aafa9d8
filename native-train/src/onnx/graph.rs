//! The plan of a level as an ONNX graph.

use super::messages::{batch_of, floats, integer, integers, list, node};
use super::{INPUT, OUTPUT};
use crate::weights::{self, MissingShard, Shards};
use dvn::manifest::Input;
use dvn::plan::{Conv, Op, Shortcut, TensorId};
use dvn::shard::Norm;
use dvn::{Plan, manifest::Task};
use rten_onnx::onnx::{AttributeProto, GraphProto, TensorProto};

/// The graph of `plan` with the weights in `shards`: values in 0 to 1 in, logits out. Batch norm is folded into the
/// convolutions; channels keep the plan's packed order.
pub(super) fn graph(plan: &Plan, task: &Task, shards: &Shards) -> Result<GraphProto, MissingShard> {
    let own = weights::own(plan, shards)?;
    let mut builder = Builder { plan, graph: GraphProto::default() };
    builder.normalise(&task.input);
    let mut norms = own.norms.iter();
    for op in &plan.ops {
        match op {
            Op::Conv(conv) => {
                let norm = norms.next().expect("a level's shard has one norm for each convolution: checked");
                builder.conv(conv, weights::dense(plan, conv, shards)?, norm);
            }
            Op::Pool { input, output } => {
                let (input, output) = (builder.name(*input), builder.name(*output));
                builder.node("GlobalAveragePool", &[&input], &output, vec![]);
            }
            Op::Classifier { input, .. } => {
                let (pooled, dims) = (builder.name(*input), [plan.classes(), plan.features()]);
                builder.node("Flatten", &[&pooled], "features", vec![integer("axis", 1)]);
                let weight = builder.constant(floats("classifier_weight", &dims, &own.classifier_weight));
                let bias = builder.constant(floats("classifier_bias", &dims[..1], &own.classifier_bias));
                // Features times the weight turned round: [N, features] x [features, classes].
                let inputs = ["features", &weight, &bias];
                builder.node("Gemm", &inputs, OUTPUT, vec![integer("transB", 1)]);
            }
        }
    }
    let size = task.input.size;
    builder.graph.input.push(batch_of(INPUT, &[3, size, size]));
    builder.graph.output.push(batch_of(OUTPUT, &[plan.classes()]));
    Ok(builder.graph)
}

struct Builder<'a> {
    plan: &'a Plan,
    graph: GraphProto,
}

impl Builder<'_> {
    /// The graph's name for a tensor of the plan.
    fn name(&self, id: TensorId) -> String {
        identifier(&self.plan.tensor(id).name)
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        self.graph.node.push(node(op, inputs, output, attributes));
    }

    /// Adds a constant; gives its name.
    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone().unwrap_or_default();
        self.graph.initializer.push(tensor);
        name
    }

    /// `(x - mean) / std`, the same two operations on the same f32 numbers as the trainer's. They cannot go into the
    /// stem's weights: its padding is zeros *after* normalisation.
    fn normalise(&mut self, input: &Input) {
        let mean = self.constant(floats("mean", &[1, 3, 1, 1], &input.mean));
        let std = self.constant(floats("std", &[1, 3, 1, 1], &input.std));
        self.node("Sub", &[INPUT, &mean], "centred", vec![]);
        let image = self.name(TensorId(0));
        self.node("Div", &["centred", &std], &image, vec![]);
    }

    /// `weight` is [outputs, inputs, 3, 3].
    fn conv(&mut self, conv: &Conv, mut weight: Vec<f32>, norm: &Norm) {
        let (input, output) = (self.name(conv.input), self.name(conv.output));
        let (inputs, outputs) = (self.plan.tensor(conv.input).channels, norm.scale.len());
        for (filter, scale) in weight.chunks_exact_mut(9 * inputs).zip(&norm.scale) {
            filter.iter_mut().for_each(|w| *w *= scale);
        }
        let weight = self.constant(floats(&format!("{output}_weight"), &[outputs, inputs, 3, 3], &weight));
        let bias = self.constant(floats(&format!("{output}_bias"), &[outputs], &norm.shift));
        let attributes = vec![
            list("kernel_shape", &[3, 3]),
            list("strides", &[conv.stride; 2]),
            // The same on all sides: some runtimes refuse others.
            list("pads", &[1; 4]),
        ];
        let mut value = format!("{output}_conv");
        self.node("Conv", &[&input, &weight, &bias], &value, attributes);
        if let Some(shortcut) = &conv.shortcut {
            let added = self.shortcut(conv, shortcut);
            let sum = format!("{output}_sum");
            self.node("Add", &[&value, &added], &sum, vec![]);
            value = sum;
        }
        self.node("Relu", &[&value], &output, vec![]);
    }

    /// Every `stride`-th pixel; then as many channels of zeros as the output has and no span fills; then, where these
    /// do not all belong at the end, every channel to its place. Gives the value's name.
    fn shortcut(&mut self, conv: &Conv, shortcut: &Shortcut) -> String {
        let name = self.name(conv.output);
        let mut value = self.name(shortcut.input);
        if shortcut.stride != 1 {
            // A window of one pixel: a strided slice that runtimes keep in their own layout.
            let attributes = vec![list("kernel_shape", &[1, 1]), list("strides", &[shortcut.stride; 2])];
            let pixels = format!("{name}_shortcut_pixels");
            self.node("MaxPool", &[&value], &pixels, attributes);
            value = pixels;
        }
        let inputs = self.plan.tensor(shortcut.input).channels;
        let (sources, zeros) = sources(shortcut, inputs, self.plan.tensor(conv.output).channels);
        if zeros > 0 {
            let pads =
                self.constant(integers(&format!("{name}_shortcut_pads"), &[0, 0, 0, 0, 0, zeros, 0, 0]));
            let padded = format!("{name}_shortcut_padded");
            self.node("Pad", &[&value, &pads], &padded, vec![]);
            value = padded;
        }
        if !sources.iter().copied().eq(0..inputs + zeros) {
            let indices = self.constant(integers(&format!("{name}_shortcut_channels"), &sources));
            let placed = format!("{name}_shortcut_placed");
            self.node("Gather", &[&value, &indices], &placed, vec![integer("axis", 1)]);
            value = placed;
        }
        value
    }
}

/// The standard wants names that are identifiers of C.
fn identifier(name: &str) -> String {
    name.replace('.', "_")
}

/// Which channel each output channel of a shortcut takes: one of the `inputs`, or one of the channels of zeros that
/// follow them. Also how many of these there are.
fn sources(shortcut: &Shortcut, inputs: usize, outputs: usize) -> (Vec<usize>, usize) {
    let mut zeros = 0;
    let mut source = |channel: usize| {
        let span = shortcut.spans.iter().find(|s| (s.to..s.to + s.len).contains(&channel));
        span.map_or_else(
            || {
                zeros += 1;
                inputs + zeros - 1
            },
            |s| s.from + channel - s.to,
        )
    };
    ((0..outputs).map(&mut source).collect(), zeros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvn::plan::ShortcutSpan;

    #[test]
    fn channels_without_a_span_take_zeros() {
        let sources = |spans: &[(usize, usize, usize)], inputs, outputs| {
            let spans = spans.iter().map(|&(from, to, len)| ShortcutSpan { from, to, len }).collect();
            sources(&Shortcut { input: TensorId(0), stride: 2, spans }, inputs, outputs)
        };
        assert_eq!(sources(&[(0, 0, 2)], 2, 4), (vec![0, 1, 2, 3], 2));
        assert_eq!(sources(&[(0, 0, 2), (2, 5, 1)], 3, 7), (vec![0, 1, 3, 4, 5, 2, 6], 4));
        assert_eq!(sources(&[(0, 0, 2), (2, 2, 1)], 3, 3), (vec![0, 1, 2], 0));
        // A unit that narrows drops its last channels.
        assert_eq!(sources(&[(0, 0, 1), (2, 1, 2)], 4, 4), (vec![0, 2, 3, 4], 1));
    }
}
