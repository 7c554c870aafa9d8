//! Starting from a trained model, held to the shipped one's own files and to what the CPU engine computes with them.

use candle_core::Device;
use dvn::folder::ModelFolder;
use dvn::{Network, Shard, ShardId, Split as Units, TaskSpec, Unit, order};
use native_train::config::Config;
use native_train::data::{self, Batch, Dataset, Loader, Scale, Split};
use native_train::evaluate::{answers, engines};
use native_train::export;
use native_train::train::{Joint, take_over};
use std::path::Path;
use std::sync::Arc;

const IMAGES: usize = 48;

/// wrn-14-2 in four units, CIFAR-10 and CIFAR-100.
fn shipped() -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models/cifar-quick");
    ModelFolder::open(&path).unwrap()
}

/// A network before its first step, its tasks' data sets and a batch of each.
struct Start {
    network: Network,
    sets: Vec<Arc<Dataset>>,
    batches: Vec<Batch>,
    joint: Joint,
}

impl Start {
    fn new(backbone: &str, names: &[&str], orders: Vec<Vec<Unit>>) -> Start {
        let load = |name: &&str| Arc::new(data::load(name, Split::Train, Path::new("unused")).unwrap());
        let sets: Vec<_> = names.iter().map(load).collect();
        let spec = |(set, order): (&Arc<Dataset>, _)| TaskSpec {
            classes: set.classes.len(),
            input_size: set.size,
            order,
        };
        let tasks = sets.iter().zip(orders).map(spec).collect();
        let network = Network::new(backbone.parse().unwrap(), Units::equal(4).unwrap(), tasks).unwrap();
        let batch = |(task, set): (usize, &Arc<Dataset>)| {
            Loader::new(set.clone(), IMAGES, 1, task).unwrap().batch_at(0, Scale::Full)
        };
        let batches = sets.iter().enumerate().map(batch).collect();
        let joint = Joint::new(&network, 3, Device::Cpu).unwrap();
        Start { network, sets, batches, joint }
    }

    fn take_over(&mut self) -> anyhow::Result<String> {
        take_over(&shipped(), &self.network, &self.sets, &mut self.joint, &self.batches)
    }

    fn shard(&self, id: ShardId) -> Shard {
        export::shard(&self.network, &self.joint.parameters, id).unwrap()
    }

    /// The shared weights are the shipped model's, bit for bit.
    fn assert_shared_weights(&self) {
        let model = shipped();
        for id in self.network.shards() {
            if let ShardId::Block { .. } = id {
                assert_eq!(self.shard(id), model.read(id).unwrap(), "{id}");
            }
        }
    }
}

/// Batch norms that fold to the same numbers, but for rounding.
fn assert_norms(own: &Shard, shipped: &Shard) {
    let (Shard::Level(own), Shard::Level(shipped)) = (own, shipped) else { panic!("no level's shards") };
    assert_eq!(own.norms.len(), shipped.norms.len());
    for (own, shipped) in own.norms.iter().zip(&shipped.norms) {
        for (own, shipped) in [(&own.scale, &shipped.scale), (&own.shift, &shipped.shift)] {
            for (a, b) in own.iter().zip(shipped) {
                assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} against {b}");
            }
        }
    }
}

fn order_of(numbers: [usize; 4]) -> Vec<Unit> {
    numbers.iter().map(|&n| Unit::from_number(n).unwrap()).collect()
}

#[test]
fn the_first_step_has_the_loss_that_the_models_own_answers_have() {
    let orders = order::default_orders(4, 2).unwrap();
    let mut start = Start::new("wrn-14-2", &["sample-cifar10", "sample-cifar100"], orders);
    let taken = start.take_over().unwrap();
    assert!(taken.contains("for sample-cifar100 the stem, batch norms, classifiers of cifar100"), "{taken}");
    start.assert_shared_weights();
    let model = shipped();
    let mut engine = engines::cpu(model.network(), |id| Ok(model.read(id)?)).unwrap();
    for task in 0..2 {
        let id = ShardId::Stem { task };
        assert_eq!(start.shard(id), model.read(id).unwrap());
        for level in 1..=4 {
            let id = ShardId::Level { task, level };
            assert_norms(&start.shard(id), &model.read(id).unwrap());
        }
    }
    let text = "name = 't'\nbackbone = 'wrn-14-2'\nunits = 4\n[[task]]\ndata = 'sample-cifar10'\n[training]\nepochs = 1\nrate = 1";
    let training = Config::parse(text).unwrap().training;
    let results = start.joint.step(&start.batches, 0.1, &training).unwrap();
    for (task, (levels, batch)) in results.iter().zip(&start.batches).enumerate() {
        let classes = start.sets[task].classes.len();
        for (level, result) in (1..).zip(levels.iter().flatten()) {
            let logits = engine.run(task, level, &batch.images, IMAGES).unwrap();
            let loss = cross_entropy(&logits, &batch.labels, classes);
            assert!(
                (result.loss - loss).abs() < 1e-3 * loss,
                "{task} {level}: {} against {loss}",
                result.loss
            );
            let right = answers(&logits, classes);
            let hits = right.iter().zip(&batch.labels).filter(|(a, l)| **a == usize::from(**l)).count();
            assert!(result.hits.abs_diff(hits) <= 1, "{task} {level}: {} and {hits} hits", result.hits);
        }
    }
}

fn cross_entropy(logits: &[f32], labels: &[u16], classes: usize) -> f64 {
    let rows = logits.chunks_exact(classes).zip(labels);
    let loss = |(row, &label): (&[f32], &u16)| {
        let exponents: f64 = row.iter().map(|&v| f64::from(v).exp()).sum();
        exponents.ln() - f64::from(row[usize::from(label)])
    };
    rows.map(loss).sum::<f64>() / labels.len() as f64
}

#[test]
fn other_classes_get_a_classifier_of_their_own() {
    let orders = vec![order_of([4, 3, 2, 1])];
    let mut start = Start::new("wrn-14-2", &["sample-cifar100-coarse"], orders);
    let id = ShardId::Level { task: 0, level: 2 };
    let fresh = start.shard(id);
    let taken = start.take_over().unwrap();
    assert!(taken.ends_with("for sample-cifar100-coarse the stem, batch norms of cifar100"), "{taken}");
    start.assert_shared_weights();
    let own = start.shard(id);
    assert_norms(&own, &shipped().read(ShardId::Level { task: 1, level: 2 }).unwrap());
    let (Shard::Level(own), Shard::Level(fresh)) = (own, fresh) else { panic!("no level's shards") };
    assert_eq!(own.classifier_weight, fresh.classifier_weight);
}

#[test]
fn an_order_that_the_model_has_not_gets_the_shared_weights_alone() {
    let mut start = Start::new("wrn-14-2", &["sample-cifar10"], vec![order_of([2, 3, 1, 4])]);
    let own = [ShardId::Stem { task: 0 }, ShardId::Level { task: 0, level: 1 }];
    let fresh = own.map(|id| start.shard(id));
    let taken = start.take_over().unwrap();
    assert!(taken.contains("nothing more for sample-cifar10"), "{taken}");
    start.assert_shared_weights();
    assert_eq!(own.map(|id| start.shard(id)), fresh);
}

#[test]
fn another_backbone_is_refused() {
    let mut start = Start::new("wrn-14-1", &["sample-cifar10"], order::default_orders(4, 1).unwrap());
    let error = start.take_over().unwrap_err().to_string();
    assert!(error.contains("wrn-14-2 with units of") && error.contains("asks for wrn-14-1"), "{error}");
}
