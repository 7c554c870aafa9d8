//! A small model folder with random weights, and images for it.

use dvn::folder::ModelFolder;
use dvn::manifest::{Accuracy, Input, Level, Manifest, Task};
use dvn::{Network, Split, TaskSpec, order, pixels};
use native_train::network::Parameters;
use native_train::{data, export};
use std::path::Path;

/// Classes, image size and order of each task. 70 pixels: a stem of stride 2, and maps of 35, 18 and 9.
const TASKS: [(usize, usize, &str); 2] = [(10, 32, "2 3 1"), (7, 70, "3 2 1")];

/// SplitMix64 (Steele, Lea, Flood 2014): numbers in -1 to 1.
fn random(mut state: u64) -> impl FnMut() -> f32 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

/// Writes a model of two tasks and three units of different sizes to `path`. Every number of it is random: scales and
/// shifts too, which fresh parameters have at 1 and 0.
pub fn write(path: &Path) -> ModelFolder {
    let split = Split::parse("0.2,0.5,0.3").unwrap();
    let spec =
        |(classes, input_size, order)| TaskSpec { classes, input_size, order: order::parse(order).unwrap() };
    let network = Network::new("wrn-8-2".parse().unwrap(), split, TASKS.map(spec).to_vec()).unwrap();
    let mut parameters = Parameters::new(&network, 1);
    let mut random = random(2);
    parameters.values.iter_mut().for_each(|v| *v += 0.1 * random());
    parameters.running.iter_mut().for_each(|v| *v += 0.3 * random());
    let task = |t: usize, spec: &TaskSpec| Task {
        name: format!("task{}", t + 1),
        title: format!("Task {}", t + 1),
        // JSON and UTF-8 must come through.
        classes: (0..spec.classes).map(|c| format!("\"class\" {c}: \u{e9}")).collect(),
        input: Input { size: spec.input_size, mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] },
        order: spec.order.clone(),
        levels: levels(&network, t),
    };
    let tasks = network.tasks().iter().enumerate().map(|(t, spec)| task(t, spec)).collect();
    let manifest = Manifest::new("random".into(), &network, tasks, None);
    let shard = |id| Ok(export::shard(&network, &parameters, id)?);
    ModelFolder::write(path, manifest, &network, shard).unwrap()
}

/// A task's levels, one of them with an accuracy.
fn levels(network: &Network, task: usize) -> Vec<Level> {
    let mut levels = export::levels(network, task).unwrap();
    levels[1].accuracy = Some(Accuracy { percent: 61.5, images: 200, seeds: 1 });
    levels
}

/// The first `count` test images of the repository's CIFAR-10 sample at a task's size, N H W C bytes.
pub fn images(size: usize, count: usize) -> Vec<u8> {
    let set = data::load("sample-cifar10", data::Split::Test, Path::new("unused")).unwrap();
    assert!(set.len() >= count, "the sample has {} test images", set.len());
    let resized = |i| pixels::resize(set.images.get(i), set.size, set.size, 3, size).unwrap();
    (0..count).flat_map(resized).collect()
}
