//! What the device says of work that it was given.

use std::future::Future;
use std::pin::Pin;

/// What became of commands.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    OutOfMemory,
    Refused(String),
}

/// An outcome that the device has yet to tell.
pub(super) type Pending = Pin<Box<dyn Future<Output = Outcome>>>;

/// Runs `work` and tells what the device says of it, once it has.
pub(super) fn watch<T>(device: &wgpu::Device, work: impl FnOnce() -> T) -> (T, Pending) {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let value = work();
    let (validation, internal, memory) = (validation.pop(), internal.pop(), memory.pop());
    let outcome = Box::pin(async move {
        // A buffer that could not be had makes every command invalid that names it: memory is asked first.
        if memory.await.is_some() {
            return Outcome::OutOfMemory;
        }
        let refused = match validation.await {
            Some(e) => Some(e),
            None => internal.await,
        };
        refused.map_or(Outcome::Done, |e| Outcome::Refused(e.to_string()))
    });
    (value, outcome)
}
