//! Real images for the shipped models' tests.

use anyhow::{Context, Result, ensure};
use dvn::manifest::Task;
use native_train::data::{self, Split};
use std::path::Path;

/// Test images of a task.
#[derive(Clone, Debug)]
pub struct TestImages {
    /// Normalised as the task's input asks, N H W C.
    pub pixels: Vec<f32>,
    /// The class of each.
    pub labels: Vec<usize>,
}

/// `count` test images of a task from the sample in the repository, evenly spaced, so that all classes take part.
///
/// # Errors
/// If the sample has no images for the task, not as many, or of another size.
pub fn test_images(task: &Task, count: usize) -> Result<TestImages> {
    let name = match task.name.starts_with("sample-") {
        true => task.name.clone(),
        false => format!("sample-{}", task.name),
    };
    let set = data::load(&name, Split::Test, Path::new(""))
        .with_context(|| format!("test images for task {}", task.name))?;
    ensure!(set.len() >= count, "{name} has {} test images, {count} are needed", set.len());
    let (found, needed) = (set.size, task.input.size);
    ensure!(found == needed, "{name} has images of {found} pixels, {needed} are needed");
    let mut images = TestImages { pixels: Vec::new(), labels: Vec::new() };
    for i in (0..count).map(|i| i * set.len() / count) {
        let rgb = set.images.get(i);
        let start = images.pixels.len();
        images.pixels.resize(start + rgb.len(), 0.0);
        dvn::pixels::normalise(rgb, &task.input.mean, &task.input.std, &mut images.pixels[start..]);
        images.labels.push(set.labels[i].into());
    }
    Ok(images)
}
