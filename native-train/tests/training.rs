//! The trainer as a whole: it learns, it resumes bit for bit, and what it exports is what it trained.

mod common;

use candle_core::Device;
use common::{from_checkpoint, last_checkpoint, new_run};
use dvn::folder::ModelFolder;
use dvn::{Network, Split as Units, TaskSpec, order};
use native_train::config::Config;
use native_train::data::{self, Batch, Loader, Scale, Split};
use native_train::evaluate::engines;
use native_train::train::{Joint, Outcome, Run, Start};
use std::path::Path;
use std::sync::Arc;

fn batch(name: &str, images: usize) -> (Batch, usize) {
    let set = data::load(name, Split::Train, Path::new("unused")).unwrap();
    let classes = set.classes.len();
    let loader = Loader::new(Arc::new(set), images, 1, 0).unwrap();
    (loader.with_augment(data::augment::Augment::none()).batch_at(0, Scale::Half), classes)
}

/// Sixty-four images of each task are learned by heart at every level: every gradient reaches its weights.
#[test]
fn overfits_64_images_at_every_level() {
    let (batches, classes): (Vec<_>, Vec<_>) =
        ["sample-cifar10", "sample-cifar100"].map(|name| batch(name, 64)).into_iter().unzip();
    let orders = order::default_orders(4, 2).unwrap();
    let spec = |(classes, order)| TaskSpec { classes, input_size: 32, order };
    let tasks = classes.into_iter().zip(orders).map(spec).collect();
    let network = Network::new("wrn-8-2".parse().unwrap(), Units::equal(4).unwrap(), tasks).unwrap();
    let mut joint = Joint::new(&network, 3, Device::Cpu).unwrap();
    let training = Config::parse(CONFIG).unwrap().training;
    let mut results = Vec::new();
    for step in 0..250 {
        results = joint.step(&batches, training.rate_at(step, 250), &training).unwrap();
    }
    for (task, levels) in results.iter().enumerate() {
        for (level, result) in levels.iter().enumerate() {
            let result = result.unwrap();
            assert!(result.hits >= 63, "task {task} level {}: {} of 64 right", level + 1, result.hits);
        }
    }
}

const CONFIG: &str = r#"
name = "test"
backbone = "wrn-8-1"
units = 2
seed = 5
[[task]]
data = "sample-cifar10"
[[task]]
data = "sample-cifar100"
[training]
epochs = 0.192
batch = 8
rate = 0.1
half_size = 0.25
distillation = 0.3
label_smoothing = 0.1
average = 0.9
evaluations = 1
evaluation_images = 50
"#;

fn run(out: &Path, start: Start) -> Run {
    new_run(CONFIG, out, start).unwrap()
}

#[test]
fn resuming_after_30_steps_gives_the_weights_of_60_straight() {
    let (straight, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Outcome::Finished(report) = run(straight.path(), Start::Fresh).train(|_| false).unwrap() else {
        panic!("the straight run must finish")
    };
    let stopped = run(broken.path(), Start::Fresh).train(|step| step == 30).unwrap();
    let Outcome::Interrupted { step: 30, steps: 60 } = stopped else { panic!("{stopped:?}") };
    let checkpoint = last_checkpoint(broken.path());
    assert_eq!(checkpoint.head.step, 30);
    let Outcome::Finished(resumed) =
        run(broken.path(), from_checkpoint(checkpoint)).train(|_| false).unwrap()
    else {
        panic!("the resumed run must finish")
    };

    let (a, b) = (last_checkpoint(straight.path()), last_checkpoint(broken.path()));
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&a.values), bits(&b.values));
    assert_eq!(bits(&a.velocity), bits(&b.velocity));
    assert_eq!(bits(&a.running), bits(&b.running));
    let (a, b) = (a.average.unwrap(), b.average.unwrap());
    assert_eq!(bits(&a.values), bits(&b.values));
    assert_eq!(bits(&a.running), bits(&b.running));
    for (a, b) in
        report.tasks.iter().flat_map(|t| &t.levels).zip(resumed.tasks.iter().flat_map(|t| &t.levels))
    {
        assert_eq!(a.accuracy, b.accuracy);
    }
    let metrics = std::fs::read_to_string(broken.path().join("training/metrics.jsonl")).unwrap();
    for line in metrics.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    exported_model_computes_what_was_trained(straight.path(), &report);
}

/// The folder, read back and run by candle's own operations, gives the accuracies that the trainer reported.
fn exported_model_computes_what_was_trained(out: &Path, report: &native_train::report::Report) {
    let model = ModelFolder::open(out).unwrap();
    let mut candle = engines::Kind::Candle.open(&model).unwrap();
    let mut cpu = engines::Kind::Cpu.open(&model).unwrap();
    for (t, (task, report)) in model.manifest().tasks.iter().zip(&report.tasks).enumerate() {
        let set = data::load(&task.name, Split::Test, Path::new("unused")).unwrap();
        let images = native_train::evaluate::normalised(&set, &task.input, 0..40);
        for (level, measured) in task.levels.iter().zip(&report.levels) {
            assert_eq!(level.accuracy.map(|a| a.percent), measured.accuracy);
            assert_eq!(level.accuracy.map(|a| a.images), Some(set.len() as u64));
            let a = candle.run(t, level.level, &images, 40).unwrap();
            let b = cpu.run(t, level.level, &images, 40).unwrap();
            let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
            let difference = norm(&mut a.iter().zip(&b).map(|(a, b)| f64::from(a - b)));
            let error = difference / norm(&mut a.iter().map(|&a| f64::from(a)));
            assert!(error < 1e-4, "task {t} level {}: {error:.1e}", level.level);
        }
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let out = tempfile::tempdir().unwrap();
    run(out.path(), Start::Fresh).train(|step| step == 1).unwrap();
    let mut checkpoint = last_checkpoint(out.path());
    checkpoint.values.pop();
    let again = new_run(CONFIG, out.path(), from_checkpoint(checkpoint));
    let Err(error) = again else { panic!("a checkpoint with a number missing must be refused") };
    assert!(error.to_string().contains("parameters"), "{error}");
}
