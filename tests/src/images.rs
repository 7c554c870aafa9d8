//! Real images for the shipped models' tests.

use anyhow::{Context, Result, ensure};
use dvn::manifest::Task;
use native_train::data::{self, Split};
use std::path::Path;

/// The first `count` test images of a task from the sample in the repository, normalised as the task's input asks.
///
/// # Errors
/// If the sample has no images for the task, not as many, or of another size.
pub fn test_images(task: &Task, count: usize) -> Result<Vec<f32>> {
    let name = format!("sample-{}", task.name);
    let set = data::load(&name, Split::Test, Path::new(""))
        .with_context(|| format!("test images for task {}", task.name))?;
    ensure!(set.len() >= count, "{name} has {} test images, {count} are needed", set.len());
    ensure!(
        set.size == task.input.size,
        "{name} has images of {} pixels, {} are needed",
        set.size,
        task.input.size
    );
    let pixels = set.images.range(0..count);
    let mut out = vec![0.0; pixels.len()];
    dvn::pixels::normalise(pixels, &task.input.mean, &task.input.std, &mut out);
    Ok(out)
}
