//! Studies as a whole: what was done is not done again, and the report says what the models say.

use candle_core::Device;
use dvn::folder::ModelFolder;
use native_train::reproduce::{Settings, Study, Summary, reproduce};
use std::cell::Cell;
use std::path::Path;

const STUDY: &str = r#"
title = "A test"
note = "Nothing is learned."
[config]
backbone = "wrn-8-1"
units = 2
[config.training]
epochs = 0.064
batch = 8
rate = 0.05
evaluations = 0
[[method]]
name = "DVN"
source = "eq. 6"
paper = [[94.6, 75.0], [95.1, 77.3]]
[[method.run]]
name = "first"
config = { task = [{ data = "sample-cifar10" }] }
[[method.run]]
name = "second"
add_to = "first"
config = { task = [{ data = "sample-cifar100" }], training = { rate = 0.01 } }
[[method]]
name = "A network for each task"
source = "nothing is shared"
paper = [[76.4, 94.8]]
[[method.run]]
name = "second"
config = { units = 1, task = [{ data = "sample-cifar100" }] }
[[method.run]]
name = "first"
config = { units = 1, task = [{ data = "sample-cifar10" }] }
"#;

fn run(study: &str, out: &Path, seeds: u64, stop: impl Fn() -> bool) -> anyhow::Result<Option<Summary>> {
    let settings = Settings {
        command: "dvn-train reproduce test.toml".into(),
        data: Path::new("unused"),
        out,
        device: Device::Cpu,
        seeds,
    };
    reproduce(&Study::parse(study)?, &settings, stop)
}

/// Percent by level of a task of a run's model.
fn percent(out: &Path, run: &str, task: usize) -> Vec<f64> {
    let model = ModelFolder::open(&out.join(run)).unwrap();
    model.manifest().tasks[task].levels.iter().map(|l| l.accuracy.unwrap().percent).collect()
}

#[test]
fn an_interrupted_study_goes_on_and_reports_what_its_models_say() {
    let folder = tempfile::tempdir().unwrap();
    let [straight, broken] = ["straight", "broken"].map(|name| folder.path().join(name));
    let summary = run(STUDY, &straight, 2, || false).unwrap().unwrap();
    let steps = Cell::new(0);
    let third_run = || {
        steps.set(steps.get() + 1);
        steps.get() == 50
    };
    assert!(run(STUDY, &broken, 1, third_run).unwrap().is_none());
    assert_eq!(steps.get(), 50, "of 20 steps each");
    let one = run(STUDY, &broken, 1, || false).unwrap().unwrap();
    assert!(!one.markdown().contains("confidence"), "one seed tells no spread");
    let again = run(STUDY, &broken, 2, || false).unwrap().unwrap();
    run(STUDY, &broken, 2, || panic!("everything was done")).unwrap();

    let accuracies = |s: &Summary| s.rows.iter().map(|r| r.accuracies.clone()).collect::<Vec<_>>();
    assert_eq!(accuracies(&again), accuracies(&summary));
    let rows: Vec<(&str, Option<&str>, usize)> =
        summary.rows.iter().map(|r| (&r.method[..], r.after.as_deref(), r.level)).collect();
    let single = "A network for each task";
    assert_eq!(
        rows,
        [
            ("DVN", Some("first"), 1),
            ("DVN", Some("first"), 2),
            ("DVN", None, 1),
            ("DVN", None, 2),
            (single, None, 1)
        ]
    );
    for (row, run, tasks) in [
        (0, "dvn/seed-%/first", 1),
        (2, "dvn/seed-%/second", 2),
        (4, "a-network-for-each-task/seed-%/first", 1),
    ] {
        for task in 0..tasks {
            for seed in 1..=2 {
                let percent = percent(&straight, &run.replace('%', &seed.to_string()), task);
                for (level, percent) in percent.iter().enumerate() {
                    assert_eq!(summary.rows[row + level].accuracies[task][seed - 1], *percent);
                }
            }
        }
    }
    assert_eq!(summary.rows[0].accuracies[1], [0.0; 0], "not known yet");
    let (first, second) = (&summary.rows[3], &summary.rows[4]);
    let size = |run: &str| ModelFolder::open(&straight.join(run)).unwrap().network().total_parameters();
    assert_eq!(first.parameters_of_all, size("dvn/seed-1/second"));
    let singles = ["first", "second"].map(|run| size(&format!("a-network-for-each-task/seed-1/{run}")));
    assert_eq!(second.parameters_of_all, singles[0] + singles[1]);
    assert_eq!(second.parameters, singles);

    assert_eq!(first.paper, [Some(95.1), Some(77.3)]);
    assert_eq!(
        second.paper,
        [Some(94.8), Some(76.4)],
        "each by its task, in whatever order the method has them"
    );
    assert_eq!(summary.rows[0].paper, [None, None], "the paper's are those of the method's last models");
    let text = summary.markdown();
    assert!(text.contains("test images: 500 of CIFAR-10, sample; 500 of CIFAR-100, sample"), "{text}");
    assert!(text.contains("(95.1)") && text.contains("(77.3)"), "{text}");
}

#[test]
fn runs_of_another_study_are_refused() {
    let out = tempfile::tempdir().unwrap();
    run(STUDY, out.path(), 1, || false).unwrap();
    let other = STUDY.replace("rate = 0.05", "rate = 0.06");
    let error = run(&other, out.path(), 1, || false).unwrap_err();
    let (error, folder) = (format!("{error:#}"), out.path().join("dvn/seed-1/first"));
    assert!(error.contains("another configuration") && error.contains(folder.to_str().unwrap()), "{error}");
}

/// NestedNet has one level for each task, PackNet one after the other: rows of the levels that there are, and nothing counted that
/// no level needs.
#[test]
fn levels_that_no_task_learns_are_not_reported() {
    let head = &STUDY[..STUDY.find("[[method]]").unwrap()];
    let task =
        |data: &str, level| format!("{{ data = \"sample-{data}\", order = [1, 2], levels = [{level}] }}");
    let (first, second) = (task("cifar10", 1), task("cifar100", 2));
    let study = format!(
        "{head}[[method]]\nname = \"NestedNet\"\nsource = \"\"\npaper = [[94.7, nan], [nan, 76.7]]\n[[method.run]]\n\
         name = \"both\"\nconfig = {{ task = [{first}, {second}] }}\n[[method]]\nname = \"PackNet\"\nsource = \"\"\n\
         [[method.run]]\nname = \"first\"\nconfig = {{ task = [{first}] }}\n[[method.run]]\nname = \"second\"\n\
         add_to = \"first\"\nconfig = {{ task = [{second}], training = {{ keep = \"weights\" }} }}\n"
    );
    let out = tempfile::tempdir().unwrap();
    let summary = run(&study, out.path(), 1, || false).unwrap().unwrap();
    let rows: Vec<(&str, Option<&str>, usize)> =
        summary.rows.iter().map(|r| (&r.method[..], r.after.as_deref(), r.level)).collect();
    let (nested, packed) = ("NestedNet", "PackNet");
    assert_eq!(
        rows,
        [
            (nested, None, 1),
            (nested, None, 2),
            (packed, Some("first"), 1),
            (packed, None, 1),
            (packed, None, 2)
        ]
    );
    let known: Vec<Vec<usize>> =
        summary.rows.iter().map(|r| r.accuracies.iter().map(Vec::len).collect()).collect();
    assert_eq!(known, [[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]]);
    assert_eq!(summary.rows[0].paper, [Some(94.7), None]);
    assert_eq!(summary.rows[1].paper, [None, Some(76.7)]);
    assert_eq!(summary.rows[3].accuracies, summary.rows[2].accuracies, "PackNet forgets nothing");

    let model = ModelFolder::open(&out.path().join("packnet/seed-1/second")).unwrap();
    let size = |task: usize, level: usize| model.manifest().tasks[task].levels[level - 1].parameters;
    assert_eq!(summary.rows[2].parameters_of_all, size(0, 1), "of the second unit nothing is there yet");
    // The unit that both use counts once: 9 (8 * 8 + 8 * 8 + 8 * 16 + 16 * 16 + 16 * 32 + 32 * 32) numbers.
    assert_eq!(summary.rows[4].parameters_of_all, size(0, 1) + size(1, 2) - 9 * 2048);
    assert_eq!(summary.rows[0].parameters_of_all, summary.rows[4].parameters_of_all);
    assert!(summary.markdown().contains("| NestedNet | 2 of 2 |"), "{}", summary.markdown());
}
