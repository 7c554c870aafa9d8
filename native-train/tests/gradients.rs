//! The trunk held against candle's autograd over the same plan, and against finite differences in f64.

use candle_core::{DType, Device, Tensor, Var};
use dvn::{Network, Plan, Split, TaskSpec, order};
use native_train::network::oracle::{self, Statistics};
use native_train::network::{LevelLayout, Parameters, Trunk};

fn network(backbone: &str, units: &str, size: usize) -> Network {
    let split = Split::parse(units).unwrap();
    let orders = order::default_orders(split.units(), 2.min(split.units())).unwrap();
    let spec = |order| TaskSpec { classes: 5, input_size: size, order };
    Network::new(backbone.parse().unwrap(), split, orders.into_iter().map(spec).collect()).unwrap()
}

/// Numbers in -1 to 1 from a small generator of its own.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e3779b97f4a7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

struct Case {
    plan: Plan,
    images: Tensor,
    packed: Vec<f32>,
    /// The loss is the sum of the features times these.
    factors: Tensor,
}

fn case(network: &Network, task: usize, level: usize, images: usize, seed: u64) -> Case {
    let plan = network.plan(task, level).unwrap();
    let layout = LevelLayout::new(&plan);
    let mut packed = Vec::new();
    Parameters::new(network, seed).gather(&plan, &layout, &mut packed);
    // Batch norm away from 1 and 0, or its gradients are not tested.
    for (i, norm) in layout.norms.iter().enumerate() {
        for (range, by) in [(&norm.scale, 0.3), (&norm.shift, 0.5)] {
            let by_channel = noise(range.len(), seed + 100 + i as u64 + range.start as u64);
            packed[range.clone()].iter_mut().zip(by_channel).for_each(|(p, n)| *p += by * n);
        }
    }
    let size = plan.tensors[0].height;
    let pixels = noise(images * size * size * 3, seed + 1);
    let images_tensor = Tensor::from_vec(pixels, (images, size, size, 3), &Device::Cpu).unwrap();
    let factors = noise(images * plan.features(), seed + 2);
    let factors = Tensor::from_vec(factors, (images, plan.features()), &Device::Cpu).unwrap();
    Case { plan, images: images_tensor, packed, factors }
}

impl Case {
    fn fast(&self) -> (Vec<f32>, Vec<f32>, Vec<native_train::network::BatchStatistics>) {
        let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let images = numbers(&self.images);
        let mut trunk = Trunk::default();
        let (features, mut saved) = trunk.forward(&self.plan, &images, &self.packed);
        let statistics = std::mem::take(&mut saved.statistics);
        // Everything there is to be overwritten.
        let mut gradient = vec![f32::NAN; self.packed.len()];
        trunk.backward(&self.plan, &images, &self.packed, saved, &numbers(&self.factors), &mut gradient);
        (features, gradient, statistics)
    }

    fn oracle(&self, dtype: DType) -> (Vec<f64>, Vec<f64>, Vec<native_train::network::BatchStatistics>) {
        let packed = Tensor::from_slice(&self.packed, self.packed.len(), &Device::Cpu).unwrap();
        let packed = Var::from_tensor(&packed.to_dtype(dtype).unwrap()).unwrap();
        let mut statistics = Vec::new();
        let images = self.images.to_dtype(dtype).unwrap();
        let features =
            oracle::trunk(&self.plan, &images, &packed, Statistics::Batch(&mut statistics)).unwrap();
        let loss = features.mul(&self.factors.to_dtype(dtype).unwrap()).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let numbers = |t: &Tensor| t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap();
        (numbers(&features), numbers(gradients.get(&packed).unwrap()), statistics)
    }

    fn loss_in_f64(&self, packed: &[f64]) -> f64 {
        let packed = Tensor::from_slice(packed, packed.len(), &Device::Cpu).unwrap();
        let images = self.images.to_dtype(DType::F64).unwrap();
        let features =
            oracle::trunk(&self.plan, &images, &packed, Statistics::Batch(&mut Vec::new())).unwrap();
        let factors = self.factors.to_dtype(DType::F64).unwrap();
        features.mul(&factors).unwrap().sum_all().unwrap().to_scalar().unwrap()
    }
}

fn distance(a: &[f32], b: &[f64]) -> f64 {
    let difference: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

/// Where f32 and f64 disagree about a sum's sign, ReLU lets a whole gradient through or not; a handful of such places
/// among thousands move the gradient by up to a few thousandths.
const FLIPS: f64 = 4e-3;

#[test]
fn features_gradients_and_statistics_match_candles_autograd() {
    let cases = [
        ("wrn-8-2", "3", 16, 3),
        ("wrn-8-2", "1/2,1/4,1/4", 9, 2),
        ("wrn-14-1", "2", 12, 4),
        ("resnet-10", "4", 16, 2),
        ("wrn-8-1", "1", 5, 3),
    ];
    for (backbone, units, size, images) in cases {
        let network = network(backbone, units, size);
        for task in 0..network.tasks().len() {
            for level in 1..=network.levels() {
                let case = case(&network, task, level, images, 11 + level as u64);
                let (features, gradient, statistics) = case.fast();
                let (expected, expected_gradient, expected_statistics) = case.oracle(DType::F64);
                let name = format!("{backbone} {units} {size}x{size} task {task} level {level}");
                let error = distance(&features, &expected);
                assert!(error < 1e-5, "{name}: features differ by {error:.1e}");
                let error = distance(&gradient, &expected_gradient);
                assert!(error < FLIPS, "{name}: gradients differ by {error:.1e}");
                for (a, b) in statistics.iter().zip(&expected_statistics) {
                    let a: Vec<f32> = a.mean.iter().chain(&a.variance).map(|&v| v as f32).collect();
                    let b: Vec<f64> = b.mean.iter().chain(&b.variance).copied().collect();
                    assert!(distance(&a, &b) < 1e-4, "{name}: statistics differ");
                }
            }
        }
    }
}

/// Central differences of the f64 loss in 60 directions: single parameters of every kind. The step is small enough that
/// hardly any ReLU changes sides, and f64 leaves eight digits of the difference.
#[test]
fn gradients_match_finite_differences_in_f64() {
    let network = network("wrn-8-1", "2", 8);
    let case = case(&network, 1, 2, 2, 5);
    let (_, gradient, _) = case.fast();
    let norm = (gradient.iter().map(|g| f64::from(g * g)).sum::<f64>() / gradient.len() as f64).sqrt();
    let packed: Vec<f64> = case.packed.iter().map(|&v| v.into()).collect();
    let layout = LevelLayout::new(&case.plan);
    let places = layout.weights.iter().chain(layout.norms.iter().flat_map(|n| [&n.scale, &n.shift]));
    let (mut checked, mut off) = (0, 0);
    for range in places {
        for i in [range.start, range.start + range.len() / 2, range.end - 1] {
            let step = 1e-6;
            let at = |by: f64| {
                let mut moved = packed.clone();
                moved[i] += by;
                case.loss_in_f64(&moved)
            };
            let slope = (at(step) - at(-step)) / (2.0 * step);
            checked += 1;
            if (f64::from(gradient[i]) - slope).abs() > 1e-3 * slope.abs().max(norm) {
                off += 1;
            }
        }
    }
    assert!(checked >= 60);
    // A flipped ReLU may spoil single places, never many.
    assert!(off <= checked / 20, "{off} of {checked} differ");
}
