//! GPU buffers that are counted, and freed at once when they are dropped.

use super::device::Gpu;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the live buffers of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Account(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    most: AtomicU64,
}

impl Account {
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// The most bytes at once since the last call.
    pub(super) fn peak(&self) -> u64 {
        self.0.most.swap(self.bytes(), Ordering::Relaxed).max(self.bytes())
    }

    fn add(&self, bytes: u64) {
        let now = self.0.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.0.most.fetch_max(now, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: u64) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A buffer in an account.
#[derive(Debug)]
pub(super) struct Memory {
    buffer: wgpu::Buffer,
    account: Account,
}

impl Memory {
    /// A zeroed buffer. If there is no memory, an error scope of the device gets to know.
    pub(super) fn new(gpu: &Gpu, account: &Account, bytes: u64, usage: wgpu::BufferUsages) -> Memory {
        let descriptor =
            wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
        let buffer = gpu.device.create_buffer(&descriptor);
        account.add(bytes);
        Memory { buffer, account: account.clone() }
    }

    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    pub(super) fn bytes(&self) -> u64 {
        self.buffer.size()
    }

    /// A whole binding.
    pub(super) fn binding(&self) -> wgpu::BindingResource<'_> {
        self.buffer.as_entire_binding()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.account.subtract(self.buffer.size());
        // A browser would free it only when its garbage collector comes by. Submitted work still finishes.
        self.buffer.destroy();
    }
}
