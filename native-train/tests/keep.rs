//! Tasks that learn some of their levels, and sequential learning that keeps more of the old tasks than their answers.

mod common;

use candle_core::Device;
use common::{from_checkpoint, last_checkpoint, new_run};
use dvn::folder::ModelFolder;
use dvn::{Network, Shard, ShardId};
use native_train::config::{Config, Keep, Training};
use native_train::data::augment::Augment;
use native_train::data::{self, Batch, Loader, Scale, Split};
use native_train::evaluate::engines;
use native_train::export;
use native_train::network::Parameters;
use native_train::train::{Joint, OldTasks, Start, features, old_tasks};
use std::path::Path;
use std::sync::Arc;

const IMAGES: usize = 16;

/// Two units; `more` are further lines of the training part.
fn config(tasks: &[(&str, &str)], more: &str) -> String {
    let task = |(data, more): &(&str, &str)| format!("[[task]]\ndata = \"{data}\"\norder = [1, 2]\n{more}\n");
    let tasks: String = tasks.iter().map(task).collect();
    format!(
        "name = \"tiny\"\nbackbone = \"wrn-8-1\"\nunits = 2\n{tasks}[training]\nepochs = 0.096\nbatch = 8\nrate = 0.05\n\
         evaluations = 0\n{more}\n"
    )
}

fn train(text: &str, out: &Path, start: Start) -> ModelFolder {
    new_run(text, out, start).unwrap().train(|_| false).unwrap();
    ModelFolder::open(out).unwrap()
}

/// Files that are the same in both models, byte for byte, and those that are not, of all that the first one has.
fn compare(a: &ModelFolder, b: &ModelFolder) -> (Vec<String>, Vec<String>) {
    let read = |model: &ModelFolder, id: &ShardId| std::fs::read(model.path().join(id.to_string())).unwrap();
    let mut ids = a.network().shards();
    ids.sort_unstable();
    let (same, other) = ids.iter().partition::<Vec<ShardId>, _>(|id| read(a, id) == read(b, id));
    let names = |ids: Vec<ShardId>| {
        ids.iter().map(|id| id.to_string().trim_end_matches(".safetensors").to_owned()).collect()
    };
    (names(same), names(other))
}

/// PackNet by units: the first task has one unit, the second all of them, and trains only what the first has not.
#[test]
fn kept_weights_are_the_old_models_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, broken] = ["first", "second", "broken"].map(|name| folder.path().join(name));
    // Averaged weights, too.
    let text = config(&[("sample-cifar10", "levels = [1]")], "average = 0.9");
    let before = train(&text, &first, Start::Fresh);
    assert_eq!(before.manifest().tasks[0].trained(), [1]);
    // What its level does not need is what it was at first, in spite of weight decay.
    let fresh = Parameters::new(before.network(), 1);
    for id in before.network().shards() {
        let learned =
            ["stem-1", "unit-1-1", "level-1-1"].contains(&id.to_string().trim_end_matches(".safetensors"));
        let same = export::shard(before.network(), &fresh, id).unwrap() == before.read(id).unwrap();
        assert_eq!(same, !learned, "{id}");
    }

    let text = config(&[("sample-cifar100", "levels = [2]")], "keep = \"weights\"\naverage = 0.9");
    let after = train(&text, &second, Start::AddTo(&first));
    let (same, other) = compare(&before, &after);
    assert_eq!(same, ["stem-1", "unit-1-1", "level-1-1", "level-1-2"]);
    assert_eq!(other, ["unit-1-2", "unit-2-1", "unit-2-2"]);
    let trained: Vec<Vec<usize>> = after.manifest().tasks.iter().map(|t| t.trained()).collect();
    assert_eq!(trained, [[1], [2]]);
    let percent = |model: &ModelFolder| model.manifest().tasks[0].levels[0].accuracy.unwrap().percent;
    assert_eq!(percent(&after), percent(&before));

    new_run(&text, &broken, Start::AddTo(&first)).unwrap().train(|step| step == 20).unwrap();
    let gone_on = train(&text, &broken, from_checkpoint(last_checkpoint(&broken)));
    assert_eq!(compare(&after, &gone_on).1, [""; 0]);
}

/// Feature Extraction: nothing but the new classifiers is learned.
#[test]
fn kept_features_leave_only_classifiers_to_learn() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let before = train(&config(&[("sample-cifar10", "")], ""), &first, Start::Fresh);
    let text = config(&[("sample-cifar100", "")], "keep = \"features\"");
    let after = train(&text, &second, Start::AddTo(&first));
    assert_eq!(compare(&before, &after).1, [""; 0]);
    let read = |id| after.read(id).unwrap();
    assert_eq!(read(ShardId::Stem { task: 1 }), read(ShardId::Stem { task: 0 }));
    let fresh = Parameters::new(after.network(), 1);
    for level in 1..=2 {
        let [old, new] = [0, 1].map(|task| match read(ShardId::Level { task, level }) {
            Shard::Level(own) => own,
            _ => panic!("another kind"),
        });
        assert_eq!(old.norms, new.norms);
        let plan = after.network().plan(1, level).unwrap();
        assert_ne!(new.classifier_weight, fresh.values[fresh.classifier_weight(&plan)]);
    }

    let other = text.replace("order = [1, 2]", "order = [2, 1]");
    let error = new_run(&other, folder.path(), Start::AddTo(&first)).err().unwrap().to_string();
    assert!(error.contains("the new task's is [2, 1], that of sample-cifar10 [1, 2]"), "{error}");
    let half =
        train(&config(&[("sample-cifar10", "levels = [2]")], ""), &folder.path().join("half"), Start::Fresh);
    let error = new_run(&text, folder.path(), Start::AddTo(half.path())).err().unwrap().to_string();
    assert!(error.contains("knows the levels [2]: the new task is to learn [1, 2]"), "{error}");
}

/// Two tasks of the same images, and a batch for each.
fn two_tasks() -> (Network, Vec<Batch>, Training) {
    let config = Config::parse(&config(&[("sample-cifar10", ""), ("sample-cifar100", "")], "")).unwrap();
    let sets = ["sample-cifar10", "sample-cifar100"]
        .map(|name| Arc::new(data::load(name, Split::Train, Path::new("unused")).unwrap()));
    let network = config.network(Vec::new(), &sets.each_ref().map(|set| &**set)).unwrap();
    let batch = |(task, set): (usize, &Arc<_>)| {
        Loader::new(Arc::clone(set), IMAGES, 1, task)
            .unwrap()
            .with_augment(Augment::none())
            .batch_at(0, Scale::Full)
    };
    let training = Training { weight_decay: 0.0, ..config.training };
    (network, sets.iter().enumerate().map(batch).collect(), training)
}

/// `joint` about to learn a second task, the images of `batch`, beside that of `model`.
fn beside(mut joint: Joint, network: &Network, model: &ModelFolder, keep: Keep, batch: &Batch) -> Joint {
    let mut before = joint.parameters.clone();
    old_tasks::restore(model, network, &mut before).unwrap();
    let statistics = data::Statistics::from(model.manifest().tasks[0].input);
    joint.keep(OldTasks::new(before, &[statistics], &statistics).keeping(keep));
    joint.start_from_old(batch);
    features::give(network, &model.manifest().tasks, &mut joint, batch).unwrap();
    joint
}

/// Without momentum from before, the optimizer's velocity is the gradient: that of all levels is the sum of those of each (eq. 4).
#[test]
fn the_gradient_of_some_levels_is_their_part_of_the_sum() {
    let (network, batches, training) = two_tasks();
    let gradient = |levels: [&[usize]; 2]| {
        let mut joint = Joint::new(&network, 1, Device::Cpu).unwrap();
        joint.learn(levels.map(<[usize]>::to_vec).into());
        let results = joint.step(&batches, 0.05, &training).unwrap();
        for (own, learned) in results.iter().zip(levels) {
            let run: Vec<usize> =
                (1..).zip(own).filter(|(_, r)| r.is_some()).map(|(level, _)| level).collect();
            assert_eq!(run, learned);
        }
        joint.velocity
    };
    let all = gradient([&[1, 2], &[1, 2]]);
    let (one, other) = (gradient([&[1], &[2]]), gradient([&[2], &[1]]));
    let largest = all.iter().fold(0.0, |l: f32, v| l.max(v.abs()));
    for ((all, one), other) in all.iter().zip(&one).zip(&other) {
        assert!((all - one - other).abs() < 1e-5 * largest, "{all} is not {one} + {other}");
    }
    assert!(one.iter().zip(&other).filter(|(a, b)| (**a == 0.0) != (**b == 0.0)).count() > 1000);
}

/// With all weights kept, the new task starts with the stem and the batch norms of the old one that has its order.
#[test]
fn kept_weights_come_with_batch_norms_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    let model = train(&config(&[("sample-cifar10", "levels = [1]")], ""), folder.path(), Start::Fresh);
    let (network, batches, _) = two_tasks();
    let mut joint = Joint::new(&network, 1, Device::Cpu).unwrap();
    joint.learn(vec![vec![1], vec![1, 2]]);
    let joint = beside(joint, &network, &model, Keep::Weights, &batches[1]);
    let read = |id| export::shard(&network, &joint.parameters, id).unwrap();
    assert_eq!(read(ShardId::Stem { task: 1 }), model.read(ShardId::Stem { task: 0 }).unwrap());
    let norms = |shard| match shard {
        Shard::Level(own) => own.norms,
        _ => panic!("another kind"),
    };
    let old = norms(model.read(ShardId::Level { task: 0, level: 1 }).unwrap());
    let new = norms(read(ShardId::Level { task: 1, level: 1 }));
    for (old, new) in old.iter().zip(&new) {
        for (a, b) in old.scale.iter().chain(&old.shift).zip(new.scale.iter().chain(&new.shift)) {
            assert!((a - b).abs() < 1e-4 * (1.0 + a.abs()), "{b}, expected {a}");
        }
    }
    // The old task has not learned level 2: nothing of it is taken.
    let fresh = norms(read(ShardId::Level { task: 1, level: 2 }));
    assert!(fresh.iter().flat_map(|n| &n.scale).all(|s| (s - 1.0).abs() < 1e-4));
}

/// The gradient of a classifier's bias is the mean of softmax - label, whatever the features are; here by the inference engine's
/// logits. candle's built-in operations give the same.
#[test]
fn features_are_those_that_inference_computes() {
    let folder = tempfile::tempdir().unwrap();
    let model = train(&config(&[("sample-cifar10", "")], ""), folder.path(), Start::Fresh);
    let (network, batches, training) = two_tasks();
    for built_in in [false, true] {
        let mut joint = Joint::new(&network, 1, Device::Cpu).unwrap();
        if built_in {
            joint = joint.with_built_in_operations();
        }
        let mut joint = beside(joint, &network, &model, Keep::Features, &batches[1]);
        let at_first = joint.parameters.clone();
        let mut engine =
            engines::cpu(&network, |id| Ok(export::shard(&network, &at_first, id).unwrap())).unwrap();
        let results = joint.step(&batches[1..], 0.05, &training).unwrap();
        assert_eq!(results[0], [None, None]);
        for level in 1..=2 {
            let logits = engine.run(1, level, &batches[1].images, IMAGES).unwrap();
            let mut expected = vec![0.0; 100];
            for (row, label) in logits.chunks_exact(100).zip(&batches[1].labels) {
                let sum: f32 = row.iter().map(|v| v.exp()).sum();
                let of =
                    |(c, v): (usize, &f32)| v.exp() / sum - f32::from(u8::from(c == usize::from(*label)));
                expected
                    .iter_mut()
                    .zip(row.iter().enumerate().map(of))
                    .for_each(|(e, g)| *e += g / IMAGES as f32);
            }
            let plan = network.plan(1, level).unwrap();
            let found = &joint.velocity[joint.parameters.classifier_bias(&plan)];
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "level {level}: {found}, expected {expected}");
            }
        }
    }
}
