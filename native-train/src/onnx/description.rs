//! What an exported model says about itself.

use super::{INPUT, OUTPUT};
use dvn::manifest::{Level, Manifest, Task};
use rten_onnx::onnx::StringStringEntryProto;

/// For people.
pub(super) fn doc(manifest: &Manifest, task: &Task, level: &Level) -> String {
    let size = task.input.size;
    format!(
        "{}: level {} of {} of a Deep Virtual Network ({}), {} parameters.\n\
         Input \"{INPUT}\": [N, 3, {size}, {size}], RGB, 0 to 1 (bytes divided by 255); normalisation is part of the \
         model.\n\
         Output \"{OUTPUT}\": [N, {}], before softmax, in the order of the metadata's class_names.",
        task.title,
        level.level,
        task.levels.len(),
        manifest.backbone,
        level.parameters,
        task.classes.len(),
    )
}

/// For programs.
pub(super) fn properties(manifest: &Manifest, task: &Task, level: &Level) -> Vec<StringStringEntryProto> {
    let units: Vec<String> = level.units.iter().map(|u| u.to_string()).collect();
    let mut properties = vec![
        ("model", manifest.name.clone()),
        ("backbone", manifest.backbone.clone()),
        ("task", task.name.clone()),
        ("level", level.level.to_string()),
        ("levels", task.levels.len().to_string()),
        ("units", units.join(" ")),
        ("parameters", level.parameters.to_string()),
        ("macs", level.macs.to_string()),
        ("class_names", serde_json::Value::from(task.classes.clone()).to_string()),
        ("input_range", "0 to 1".into()),
        ("input_channels", "RGB".into()),
    ];
    if let Some(accuracy) = level.accuracy {
        properties.push(("test_accuracy_percent", accuracy.percent.to_string()));
        properties.push(("test_images", accuracy.images.to_string()));
        properties.push(("training_seeds", accuracy.seeds.to_string()));
    }
    let entry =
        |(key, value): (&str, String)| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
    properties.into_iter().map(entry).collect()
}
