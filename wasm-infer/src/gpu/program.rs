//! Dispatches with their pipelines and bindings, ready to be sent to the GPU.

use super::device::Gpu;
use super::kernels::{Kernel, SIZES};
use super::memory::{Account, Memory};
use crate::error::EngineError;
use wgpu::BufferUsages;

/// Dispatches that are sent together.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Sizes and offsets that the kernels read.
    _table: Memory,
}

#[derive(Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 2],
}

/// What a step is made of.
pub(super) struct Draft<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) table: Vec<u32>,
    /// In the order of the kernel's bindings, after the table.
    pub(super) bindings: Vec<wgpu::BindingResource<'a>>,
    pub(super) workgroups: u64,
}

impl Program {
    /// Makes bindings and tables; to be called under an error scope.
    ///
    /// # Errors
    /// If a dispatch needs more workgroups than the GPU allows.
    pub(super) fn new(gpu: &Gpu, account: &Account, drafts: Vec<Draft>) -> Result<Program, EngineError> {
        let limits = &gpu.limits;
        let alignment = limits
            .min_storage_buffer_offset_alignment
            .max(limits.min_uniform_buffer_offset_alignment) as usize
            / 4;
        let mut words: Vec<u32> = Vec::new();
        let mut offsets = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            words.resize(words.len().next_multiple_of(alignment), 0);
            offsets.push(4 * words.len() as u64);
            words.extend_from_slice(&draft.table);
        }
        let usage = BufferUsages::STORAGE | BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let table = Memory::new(gpu, account, 4 * words.len() as u64, usage);
        gpu.queue.write_buffer(table.buffer(), 0, bytemuck::cast_slice(&words));
        let mut steps = Vec::with_capacity(drafts.len());
        for (draft, offset) in drafts.into_iter().zip(offsets) {
            steps.push(step(gpu, draft, &table, offset)?);
        }
        Ok(Program { steps, _table: table })
    }

    /// Records everything, `times` times, in one pass.
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder, times: u32) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for step in (0..times).flat_map(|_| &self.steps) {
            pass.set_pipeline(&step.pipeline);
            pass.set_bind_group(0, &step.bindings, &[]);
            pass.dispatch_workgroups(step.groups[0], step.groups[1], 1);
        }
    }
}

fn step(gpu: &Gpu, draft: Draft, table: &Memory, offset: u64) -> Result<Step, EngineError> {
    let words = |count: usize| {
        let size = std::num::NonZeroU64::new(4 * count as u64);
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: table.buffer(), offset, size })
    };
    let buffers = std::iter::once(words(draft.table.len())).chain(draft.bindings);
    let sizes = draft.kernel.sizes.map(|binding| (words(SIZES), binding));
    let entry = |(resource, binding)| wgpu::BindGroupEntry { binding, resource };
    let entries: Vec<_> = buffers.zip(0..).chain(sizes).map(entry).collect();
    let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &draft.kernel.layout,
        entries: &entries,
    });
    let most = u64::from(gpu.limits.max_compute_workgroups_per_dimension);
    let rows = draft.workgroups.div_ceil(most).max(1);
    if rows > most {
        return Err(EngineError::Limits {
            adapter: gpu.name().to_owned(),
            what: "workgroups of a dispatch",
            found: most * most,
            needed: draft.workgroups,
        });
    }
    let groups = [draft.workgroups.div_ceil(rows) as u32, rows as u32];
    Ok(Step { pipeline: draft.kernel.pipeline.clone(), bindings, groups })
}
