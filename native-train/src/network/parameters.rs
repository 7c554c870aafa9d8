//! All trained numbers of a network in one flat array, and what a level takes out of it.
//!
//! Weights are H W I O, as the convolutions want them; the model folder's O I H W is made on export. Numbers that weight
//! decay acts on come first (convolutions, classifier weights), then those that it leaves alone (batch norm, biases), so
//! that the optimizer is one pass over two ranges.

use super::BatchStatistics;
use crate::data::rng::Rng;
use dvn::plan::{Conv, Weights};
use dvn::shard::Norm;
use dvn::{Network, Plan};
use std::ops::Range;

/// Scale and shift of one convolution's batch norm, in some array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormRange {
    /// gamma (in the running statistics: the mean).
    pub scale: Range<usize>,
    /// beta (in the running statistics: the variance).
    pub shift: Range<usize>,
}

/// A level's own numbers in the flat array.
#[derive(Clone, Debug)]
struct LevelRanges {
    norms: Vec<NormRange>,
    /// As `norms`, but in the array of running statistics.
    running: Vec<NormRange>,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// Where everything lies.
#[derive(Clone, Debug)]
struct Layout {
    /// [3][3][inputs][outputs] of each shared layer.
    shared: Vec<Range<usize>>,
    /// Outputs of each shared layer in the whole backbone.
    outputs: Vec<usize>,
    /// Inputs likewise.
    inputs: Vec<usize>,
    /// [3][3][3][width] of each task.
    stems: Vec<Range<usize>>,
    stem_width: usize,
    /// By task, then level - 1.
    levels: Vec<Vec<LevelRanges>>,
    decayed: usize,
    total: usize,
    running: usize,
}

/// Hands out consecutive ranges.
fn next(end: &mut usize, len: usize) -> Range<usize> {
    *end += len;
    *end - len..*end
}

impl Layout {
    fn new(network: &Network) -> Layout {
        let (mut end, mut running) = (0, 0);
        let layers = network.layers();
        let shared = layers.iter().map(|l| next(&mut end, 9 * l.inputs * l.outputs)).collect();
        let stem_width = network.backbone().stem_width();
        let stems = network.tasks().iter().map(|_| next(&mut end, 27 * stem_width)).collect();
        let plans: Vec<Vec<Plan>> = (0..network.tasks().len())
            .map(|t| (1..=network.levels()).filter_map(|l| network.plan(t, l).ok()).collect())
            .collect();
        let weights: Vec<Vec<Range<usize>>> = plans
            .iter()
            .map(|t| t.iter().map(|p| next(&mut end, p.features() * p.classes())).collect())
            .collect();
        let decayed = end;
        let mut level = |plan: &Plan, weight: Range<usize>| {
            let own = |end: &mut usize| -> Vec<NormRange> {
                let channels = plan.convs().map(|c| plan.tensor(c.output).channels);
                channels.map(|c| NormRange { scale: next(end, c), shift: next(end, c) }).collect()
            };
            let (norms, running) = (own(&mut end), own(&mut running));
            LevelRanges { norms, running, weight, bias: next(&mut end, plan.classes()) }
        };
        let levels = plans
            .iter()
            .zip(weights)
            .map(|(t, w)| t.iter().zip(w).map(|(plan, weight)| level(plan, weight)).collect())
            .collect();
        Layout {
            shared,
            outputs: layers.iter().map(|l| l.outputs).collect(),
            inputs: layers.iter().map(|l| l.inputs).collect(),
            stems,
            stem_width,
            levels,
            decayed,
            total: end,
            running,
        }
    }
}

/// Where a trunk's parameters lie in its packed array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelLayout {
    /// `[3][3][inputs][outputs]` of each convolution of the plan, packed channels.
    pub weights: Vec<Range<usize>>,
    /// gamma and beta of each convolution.
    pub norms: Vec<NormRange>,
    /// Numbers in all.
    pub total: usize,
}

impl LevelLayout {
    /// The layout for a plan.
    pub fn new(plan: &Plan) -> LevelLayout {
        let mut end = 0;
        let size = |c: &Conv| (plan.tensor(c.input).channels, plan.tensor(c.output).channels);
        let weights = plan.convs().map(size).map(|(i, o)| next(&mut end, 9 * i * o)).collect();
        let norm = |o| NormRange { scale: next(&mut end, o), shift: next(&mut end, o) };
        let norms = plan.convs().map(|c| size(c).1).map(norm).collect();
        LevelLayout { weights, norms, total: end }
    }
}

/// Every trained number of a network, and batch norm's running statistics.
#[derive(Clone, Debug)]
pub struct Parameters {
    layout: Layout,
    /// The trained numbers.
    pub values: Vec<f32>,
    /// Running means and variances.
    pub running: Vec<f32>,
}

impl Parameters {
    /// Fresh parameters: Xavier's uniform distribution (Glorot and Bengio 2010) for weights, batch norm at 1 and 0, biases
    /// at 0.
    pub fn new(network: &Network, seed: u64) -> Parameters {
        /// Keeps these draws apart from those of the data.
        const INITIALISE: u64 = 3;
        let layout = Layout::new(network);
        let mut values = vec![0.0; layout.total];
        let mut running = vec![0.0; layout.running];
        let mut fill = |key: u64, range: &Range<usize>, fan_in: usize, fan_out: usize| {
            let mut rng = Rng::keyed(&[INITIALISE, seed, key]);
            let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
            for v in &mut values[range.clone()] {
                *v = (limit * (2.0 * rng.unit() - 1.0)) as f32;
            }
        };
        let mut key = 0..;
        let mut key = || key.next().unwrap_or_default();
        for (l, range) in layout.shared.iter().enumerate() {
            fill(key(), range, 9 * layout.inputs[l], 9 * layout.outputs[l]);
        }
        for range in &layout.stems {
            fill(key(), range, 27, 9 * layout.stem_width);
        }
        for level in layout.levels.iter().flatten() {
            fill(key(), &level.weight, level.weight.len() / level.bias.len(), level.bias.len());
        }
        for level in layout.levels.iter().flatten() {
            level.norms.iter().for_each(|n| values[n.scale.clone()].fill(1.0));
            level.running.iter().for_each(|n| running[n.shift.clone()].fill(1.0));
        }
        Parameters { layout, values, running }
    }

    /// How many of the values, from the first, weight decay acts on.
    pub fn decayed(&self) -> usize {
        self.layout.decayed
    }

    fn level(&self, plan: &Plan) -> &LevelRanges {
        &self.layout.levels[plan.task][plan.level - 1]
    }

    /// Range of a level's classifier weight, [classes, packed features].
    pub fn classifier_weight(&self, plan: &Plan) -> Range<usize> {
        self.level(plan).weight.clone()
    }

    /// Range of a level's classifier bias.
    pub fn classifier_bias(&self, plan: &Plan) -> Range<usize> {
        self.level(plan).bias.clone()
    }

    /// Range of a task's stem, `[3][3][3][width]`.
    pub fn stem(&self, task: usize) -> Range<usize> {
        self.layout.stems[task].clone()
    }

    /// Range of a shared layer, `[3][3][inputs][outputs]`, with its inputs and outputs.
    pub fn shared(&self, layer: usize) -> (Range<usize>, usize, usize) {
        (self.layout.shared[layer].clone(), self.layout.inputs[layer], self.layout.outputs[layer])
    }

    /// Calls `copy(flat, packed)` for every run of a trunk's numbers that lies together in both arrays.
    fn runs(&self, plan: &Plan, packed: &LevelLayout, mut copy: impl FnMut(Range<usize>, Range<usize>)) {
        let ranges = self.level(plan);
        for (i, conv) in plan.convs().enumerate() {
            let to = packed.weights[i].start;
            let outputs = plan.tensor(conv.output).channels;
            let inputs = plan.tensor(conv.input).channels;
            let (from, all_inputs, all_outputs) = match conv.weights {
                Weights::Stem => (self.stem(plan.task).start, 3, self.layout.stem_width),
                Weights::Shared { layer } => {
                    (self.layout.shared[layer].start, self.layout.inputs[layer], self.layout.outputs[layer])
                }
            };
            let image = [(0..3, 0)];
            let spans: Vec<(Range<usize>, usize)> = match conv.weights {
                Weights::Stem => image.to_vec(),
                Weights::Shared { .. } => {
                    conv.inputs.iter().map(|s| (s.physical.clone(), s.packed.start)).collect()
                }
            };
            for tap in 0..9 {
                for (physical, packed) in &spans {
                    for (c, physical) in physical.clone().enumerate() {
                        let from = from + (tap * all_inputs + physical) * all_outputs;
                        let to = to + (tap * inputs + packed + c) * outputs;
                        for o in &conv.outputs {
                            copy(
                                from + o.physical.start..from + o.physical.end,
                                to + o.packed.start..to + o.packed.end,
                            );
                        }
                    }
                }
            }
            let (own, packed) = (&ranges.norms[i], &packed.norms[i]);
            copy(own.scale.clone(), packed.scale.clone());
            copy(own.shift.clone(), packed.shift.clone());
        }
    }

    /// Ranges of a trunk's numbers: its convolutions' weights, its batch norms.
    pub fn trunk(&self, plan: &Plan, layout: &LevelLayout) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        self.runs(plan, layout, |own, _| ranges.push(own));
        ranges
    }

    /// Makes `packed` a trunk's parameters.
    pub fn gather(&self, plan: &Plan, layout: &LevelLayout, packed: &mut Vec<f32>) {
        packed.resize(layout.total, 0.0);
        self.runs(plan, layout, |from, to| packed[to].copy_from_slice(&self.values[from]));
    }

    /// Adds a trunk's packed gradient to the flat one.
    pub fn scatter_add(&self, plan: &Plan, layout: &LevelLayout, packed: &[f32], flat: &mut [f32]) {
        self.runs(plan, layout, |to, from| {
            flat[to].iter_mut().zip(&packed[from]).for_each(|(f, p)| *f += p);
        });
    }

    /// Moves a level's running statistics towards a batch's; `share` is the batch's part.
    pub fn update_running(&mut self, plan: &Plan, statistics: &[BatchStatistics], share: f32) {
        let level = &self.layout.levels[plan.task][plan.level - 1];
        for (range, batch) in level.running.iter().zip(statistics) {
            let unbiased = batch.count as f64 / (batch.count.max(2) - 1) as f64;
            let mix = |running: &mut [f32], values: &[f64], factor: f64| {
                for (r, v) in running.iter_mut().zip(values) {
                    *r += share * ((v * factor) as f32 - *r);
                }
            };
            mix(&mut self.running[range.scale.clone()], &batch.mean, 1.0);
            mix(&mut self.running[range.shift.clone()], &batch.variance, unbiased);
        }
    }

    /// Makes a level's batch norms the folded ones given: gamma and beta are scale and shift, and the running statistics change
    /// nothing.
    pub fn set_folded(&mut self, plan: &Plan, folded: &[Norm]) {
        let level = self.layout.levels[plan.task][plan.level - 1].clone();
        for ((own, running), folded) in level.norms.iter().zip(&level.running).zip(folded) {
            self.running[running.scale.clone()].fill(0.0);
            self.running[running.shift.clone()].fill((1.0 - super::EPSILON) as f32);
            self.values[own.scale.clone()].copy_from_slice(&folded.scale);
            self.values[own.shift.clone()].copy_from_slice(&folded.shift);
        }
    }

    /// Makes folded batch norms of a level ordinary ones, which do the same with the statistics given, of each convolution's output:
    /// the reverse of [`Parameters::folded_norms`].
    pub fn unfold(&mut self, plan: &Plan, statistics: &[BatchStatistics]) {
        self.update_running(plan, statistics, 1.0);
        let level = self.layout.levels[plan.task][plan.level - 1].clone();
        for (own, running) in level.norms.iter().zip(&level.running) {
            for c in 0..own.scale.len() {
                let (gamma, beta) = (own.scale.start + c, own.shift.start + c);
                let mean = f64::from(self.running[running.scale.start + c]);
                let variance = f64::from(self.running[running.shift.start + c]);
                let (scale, shift) = (f64::from(self.values[gamma]), f64::from(self.values[beta]));
                self.values[gamma] = (scale * (variance + super::EPSILON).sqrt()) as f32;
                self.values[beta] = (shift + mean * scale) as f32;
            }
        }
    }

    /// A level's batch norms folded with the running statistics: scale and shift of each convolution.
    pub fn folded_norms(&self, plan: &Plan) -> Vec<Norm> {
        let level = self.level(plan);
        let fold = |(own, running): (&NormRange, &NormRange)| {
            let channels = own.scale.len();
            let mut norm = Norm::default();
            for c in 0..channels {
                let gamma = f64::from(self.values[own.scale.start + c]);
                let beta = f64::from(self.values[own.shift.start + c]);
                let mean = f64::from(self.running[running.scale.start + c]);
                let variance = f64::from(self.running[running.shift.start + c]);
                let scale = gamma / (variance + super::EPSILON).sqrt();
                norm.scale.push(scale as f32);
                norm.shift.push((beta - mean * scale) as f32);
            }
            norm
        };
        level.norms.iter().zip(&level.running).map(fold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvn::{Split, TaskSpec, order};

    fn network() -> Network {
        let orders = order::default_orders(3, 2).unwrap();
        let spec = |(classes, order)| TaskSpec { classes, input_size: 32, order };
        let tasks = [3, 5].into_iter().zip(orders).map(spec).collect();
        Network::new("wrn-8-2".parse().unwrap(), Split::parse("3").unwrap(), tasks).unwrap()
    }

    /// Every number is gathered from its own place: gathering consecutive integers gives each at most once, and scattering
    /// them back puts each where it came from.
    #[test]
    fn scatter_undoes_gather() {
        let n = network();
        let mut p = Parameters::new(&n, 1);
        p.values = (0..p.values.len()).map(|i| i as f32).collect();
        for task in 0..2 {
            for level in 1..=3 {
                let plan = n.plan(task, level).unwrap();
                let layout = LevelLayout::new(&plan);
                let mut packed = vec![0.5; 7];
                p.gather(&plan, &layout, &mut packed);
                let classifier = plan.classes() * (plan.features() + 1);
                assert_eq!(layout.total as u64, plan.costs().parameters - classifier as u64);
                let mut flat = vec![-1.0; p.values.len()];
                flat.iter_mut().for_each(|v| *v = 0.0);
                p.scatter_add(&plan, &layout, &packed, &mut flat);
                let touched = flat.iter().enumerate().filter(|(_, v)| **v != 0.0);
                assert!(touched.clone().all(|(i, v)| i as f32 == *v));
                // Number 0 is in the first unit's block and looks untouched.
                assert!(layout.total - touched.count() <= 1);
            }
        }
    }

    #[test]
    fn the_flat_array_holds_each_number_of_the_model_once() {
        let n = network();
        assert_eq!(Parameters::new(&n, 1).values.len() as u64, n.total_parameters());
    }

    #[test]
    fn initialisation_has_xaviers_variance() {
        let n = network();
        let p = Parameters::new(&n, 7);
        let (range, inputs, outputs) = p.shared(5);
        let values = &p.values[range];
        let variance = values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64;
        let expected = 2.0 / (9 * (inputs + outputs)) as f64;
        assert!((variance / expected - 1.0).abs() < 0.05, "{variance} against {expected}");
    }
}
