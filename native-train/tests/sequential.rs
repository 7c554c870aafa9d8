//! Sequential learning: what a network knew it keeps, without an image of it.

mod common;

use candle_core::Device;
use common::{from_checkpoint, last_checkpoint, new_run};
use dvn::folder::ModelFolder;
use dvn::{Network, ShardId};
use native_train::config::Config;
use native_train::data::augment::Augment;
use native_train::data::{self, Batch, Dataset, Images, Loader, Scale, Split, Statistics};
use native_train::evaluate::{self, answers, engines};
use native_train::export;
use native_train::plot;
use native_train::train::{Joint, OldTasks, Outcome, Start, old_tasks};
use std::path::Path;
use std::sync::Arc;

const IMAGES: usize = 48;

/// wrn-14-2 in four units, CIFAR-10 and CIFAR-100.
fn shipped() -> ModelFolder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/models/cifar-quick");
    ModelFolder::open(&path).unwrap()
}

fn load(name: &str, split: Split) -> Dataset {
    data::load(name, split, Path::new("unused")).unwrap()
}

fn statistics(model: &ModelFolder) -> Vec<Statistics> {
    model.manifest().tasks.iter().map(|t| Statistics::from(t.input)).collect()
}

const CONFIG: &str = r#"
name = "third"
backbone = "wrn-14-2"
units = 4
[[task]]
data = "sample-cifar100-coarse"
[training]
epochs = 1
batch = 48
rate = 0.1
"#;

/// The shipped model about to learn a third task.
struct Learner {
    network: Network,
    joint: Joint,
    set: Arc<Dataset>,
}

impl Learner {
    fn new() -> Learner {
        let (model, set) = (shipped(), Arc::new(load("sample-cifar100-coarse", Split::Train)));
        let known = old_tasks::specs(&model.manifest().tasks);
        let network = Config::parse(CONFIG).unwrap().network(known, &[&set]).unwrap();
        let mut joint = Joint::new(&network, 3, Device::Cpu).unwrap();
        let mut before = joint.parameters.clone();
        old_tasks::restore(&model, &network, &mut before).unwrap();
        joint.keep(OldTasks::new(before, &statistics(&model), &set.statistics()));
        let mut start = Learner { network, joint, set };
        let batch = start.loader().batch_at(0, Scale::Full);
        start.joint.start_from_old(&batch);
        start
    }

    fn loader(&self) -> Loader {
        Loader::new(self.set.clone(), IMAGES, 1, 0).unwrap().with_augment(Augment::none())
    }

    /// Percent right at each level of the two old tasks, on images of their own.
    fn old_accuracies(&self) -> Vec<f64> {
        let shard = |id| Ok(export::shard(&self.network, &self.joint.parameters, id)?);
        let mut engine = engines::cpu(&self.network, shard).unwrap();
        let sets = [load("sample-cifar10", Split::Test), load("sample-cifar100", Split::Test)];
        let inputs: Vec<_> = shipped().manifest().tasks.iter().map(|t| t.input).collect();
        let report =
            evaluate::evaluate(&mut engine, &self.network, &inputs, &sets, usize::MAX, |_| {}).unwrap();
        report.tasks[..2].iter().flat_map(|t| &t.levels).map(|l| l.accuracy.unwrap()).collect()
    }
}

#[test]
fn everything_of_the_model_is_there_bit_for_bit() {
    let (start, model) = (Learner::new(), shipped());
    let before = start.joint.old().unwrap().before();
    for id in model.network().shards() {
        assert_eq!(export::shard(&start.network, before, id).unwrap(), model.read(id).unwrap(), "{id}");
    }
    let stem = export::shard(&start.network, &start.joint.parameters, ShardId::Stem { task: 2 }).unwrap();
    assert_eq!(stem, model.read(ShardId::Stem { task: 0 }).unwrap());
}

/// Before anything is learned the distillation loss is the entropy of the model's own answers, softened by the temperature 2.
#[test]
fn the_first_step_asks_for_what_the_model_answers() {
    let (mut start, model) = (Learner::new(), shipped());
    let batch = start.loader().batch_at(0, Scale::Full);
    let training = Config::parse(CONFIG).unwrap().training;
    let results = start.joint.step(std::slice::from_ref(&batch), 0.1, &training).unwrap();
    assert_eq!(results.len(), 3);
    let mut engine = engines::cpu(model.network(), |id| Ok(model.read(id)?)).unwrap();
    for (task, statistics) in statistics(&model).iter().enumerate() {
        let seen = start.loader().with_statistics(statistics).batch_at(0, Scale::Full);
        for (level, result) in (1..).zip(results[task].iter().flatten()) {
            let logits = engine.run(task, level, &seen.images, IMAGES).unwrap();
            let entropy = softened_entropy(&logits, model.manifest().tasks[task].classes.len());
            let error = (result.loss - entropy).abs() / entropy;
            assert!(error < 1e-3, "task {task} level {level}: {} against {entropy}", result.loss);
            assert!(result.hits + 1 >= IMAGES, "task {task} level {level}: {} hits", result.hits);
        }
    }
}

/// Mean entropy of softmax(logits / 2).
fn softened_entropy(logits: &[f32], classes: usize) -> f64 {
    let entropy = |row: &[f32]| {
        let powers: Vec<f64> = row.iter().map(|&v| (f64::from(v) / 2.0).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|p| -p / sum * (p / sum).ln()).sum::<f64>()
    };
    logits.chunks_exact(classes).map(entropy).sum::<f64>() / (logits.len() / classes) as f64
}

/// The point of it: the same steps, few and large, with and without the old tasks' loss, and then the old tasks' own images.
#[test]
fn old_tasks_are_kept_and_without_their_loss_forgotten() {
    let mean = |v: Vec<f64>| v.iter().sum::<f64>() / v.len() as f64;
    let start = mean(Learner::new().old_accuracies());
    let [kept, forgotten] = [1.0, 0.0].map(|retention| {
        let mut start = Learner::new();
        let mut training = Config::parse(CONFIG).unwrap().training;
        training.retention = retention;
        let mut loader = Loader::new(start.set.clone(), 24, 1, 0).unwrap();
        for step in 0..20 {
            start.joint.step(&[loader.batch_at(step, Scale::Full)], 0.1, &training).unwrap();
        }
        mean(start.old_accuracies())
    });
    println!("mean accuracy {start:.1} %, kept {kept:.1} %, without the loss {forgotten:.1} %");
    assert!(kept > 0.4 * start, "{start} -> {kept}");
    assert!(forgotten < kept - 8.0, "{forgotten} without, {kept} with the loss");
}

/// A tiny configuration with these tasks.
fn tiny(tasks: &[&str]) -> String {
    let tasks: String = tasks.iter().map(|t| format!("[[task]]\ndata = \"{t}\"\n")).collect();
    let training = "[training]\nepochs = 0.128\nbatch = 8\nrate = 0.05\naverage = 0.9\nevaluations = 1";
    format!("name = \"tiny\"\nbackbone = \"wrn-8-1\"\nunits = 2\n{tasks}{training}\nevaluation_images = 50\n")
}

/// A model of CIFAR-10's sample.
fn first(out: &Path) {
    new_run(&tiny(&["sample-cifar10"]), out, Start::Fresh).unwrap().train(|_| false).unwrap();
}

/// The checkpoint alone goes on: it holds what the old tasks were, so the model that they come from is not needed.
#[test]
fn an_interrupted_run_ends_with_the_weights_of_an_unbroken_one() {
    let folder = tempfile::tempdir().unwrap();
    let [model, straight, broken] = ["model", "straight", "broken"].map(|name| folder.path().join(name));
    first(&model);
    let json = std::fs::read(model.join("model.json")).unwrap();
    let text = tiny(&["sample-cifar100"]);
    let mut run = new_run(&text, &straight, Start::AddTo(&model)).unwrap();
    assert!(run.describe().contains("sample-cifar10 (kept, without images)"), "{}", run.describe());
    let Outcome::Finished(report) = run.train(|_| false).unwrap() else {
        panic!("the straight run must finish")
    };
    let mut run = new_run(&text, &broken, Start::AddTo(&model)).unwrap();
    let stopped = run.train(|step| step == 20).unwrap();
    drop(run);
    assert!(matches!(stopped, Outcome::Interrupted { step: 20, steps: 40 }), "{stopped:?}");
    assert_eq!(std::fs::read(model.join("model.json")).unwrap(), json);
    std::fs::remove_dir_all(&model).unwrap();
    let checkpoint = last_checkpoint(&broken);
    let mut run = new_run(&text, &broken, from_checkpoint(checkpoint)).unwrap();
    run.train(|_| false).unwrap();
    let [a, b] = [&straight, &broken].map(|out| last_checkpoint(out));
    assert_eq!(a.values, b.values);
    assert_eq!((a.velocity, a.running, a.before), (b.velocity, b.running, b.before));

    let [a, b] = [&straight, &broken].map(|out| ModelFolder::open(out).unwrap());
    assert_eq!(a.manifest().tasks, b.manifest().tasks);
    let names: Vec<&str> = a.manifest().tasks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["sample-cifar10", "sample-cifar100"]);
    let orders: Vec<Vec<usize>> =
        a.manifest().tasks.iter().map(|t| t.order.iter().map(|u| u.number()).collect()).collect();
    assert_eq!(orders, [[1, 2], [2, 1]]);
    for (task, report) in a.manifest().tasks.iter().zip(&report.tasks) {
        for (level, report) in task.levels.iter().zip(&report.levels) {
            assert!(report.accuracy.is_some());
            assert_eq!(level.accuracy.map(|a| a.percent), report.accuracy);
        }
    }

    // Of a finished run, and of one that has no model yet.
    for finished in [true, false] {
        if !finished {
            std::fs::remove_file(broken.join("model.json")).unwrap();
        }
        plot::write(&broken).unwrap();
        let curves = std::fs::read_to_string(broken.join("training/curves.svg")).unwrap();
        for title in ["CIFAR-10, sample (kept): training loss", "CIFAR-100, sample: training loss"] {
            assert!(curves.contains(title), "finished: {finished}, no panel {title}");
        }
    }
}

/// The shipped model's own test images are not in the data folder.
#[test]
fn without_test_images_an_old_task_is_kept_unmeasured() {
    let out = tempfile::tempdir().unwrap();
    let text = CONFIG.replace("epochs = 1", "epochs = 0.04\nevaluations = 1");
    let path = shipped().path().to_owned();
    let mut run = new_run(&text, out.path(), Start::AddTo(&path)).unwrap();
    run.train(|_| false).unwrap();
    let model = ModelFolder::open(out.path()).unwrap();
    let measured =
        |t: usize| model.manifest().tasks[t].levels.iter().filter(|l| l.accuracy.is_some()).count();
    assert_eq!([measured(0), measured(1), measured(2)], [0, 0, 4]);
    // What does not change is worth what it was.
    let (unchanged, text) = (tempfile::tempdir().unwrap(), text + "keep = \"features\"\n");
    new_run(&text, unchanged.path(), Start::AddTo(&path)).unwrap().train(|_| false).unwrap();
    let unchanged = ModelFolder::open(unchanged.path()).unwrap();
    assert_eq!(unchanged.manifest().tasks[..2], shipped().manifest().tasks[..]);
    assert!(unchanged.manifest().tasks[2].levels.iter().all(|l| l.accuracy.is_some()));
    let picture = std::fs::read_to_string(out.path().join("training/accuracy.svg")).unwrap();
    assert!(!picture.contains("levels 1 to 0") && picture.contains("levels 1 to 4"));
    let tasks = shipped().manifest().tasks.clone();
    for (own, old) in model.manifest().tasks.iter().zip(tasks) {
        assert_eq!((&own.title, &own.classes, own.input), (&old.title, &old.classes, old.input));
    }
    let batch: Batch = Learner::new().loader().batch_at(0, Scale::Full);
    let mut engine = engines::Kind::Cpu.open(&model).unwrap();
    assert_eq!(answers(&engine.run(1, 1, &batch.images, IMAGES).unwrap(), 100).len(), IMAGES);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    first(&model);
    let refused = |text: &str| match new_run(text, &out, Start::AddTo(&model)) {
        Ok(_) => panic!("{text} must be refused"),
        Err(error) => format!("{error:#}"),
    };
    for (text, expected) in [
        (tiny(&["sample-cifar10"]), "the model knows sample-cifar10 already"),
        (
            tiny(&["sample-cifar100", "sample-cifar100-coarse"]),
            "one more task at a time, but the configuration has 2",
        ),
        (tiny(&["sample-cifar100"]).replace("wrn-8-1", "wrn-8-2"), "asks for wrn-8-2"),
        (tiny(&["sample-cifar100"]).replace("units = 2", "units = '3/4,1/4'"), "they must be the same"),
    ] {
        let error = refused(&text);
        assert!(error.contains(expected), "{error}");
    }
    let text = tiny(&["sample-cifar100"]);
    let Err(error) = new_run(&text, &model, Start::AddTo(&model)) else { panic!("MODEL is not to be OUT") };
    assert!(error.to_string().contains("is the model that the run starts from"), "{error}");
    let small = Dataset {
        name: "small".into(),
        classes: vec!["a".into()],
        size: 16,
        images: Images::new(16, Vec::new()),
        labels: Vec::new(),
    };
    let error = old_tasks::check(&shipped().manifest().tasks, &small).unwrap_err().to_string();
    assert!(
        error.contains("small has images of 16 x 16 pixels") && error.contains("takes 32 x 32"),
        "{error}"
    );
}
