//! The compute pipelines.

use std::sync::atomic::{AtomicBool, Ordering};

/// Threads of every workgroup, as the shaders have it.
pub(super) const THREADS: u64 = 64;
/// Threads that may share the inputs of an item of a convolution.
pub(super) const PARTS: u64 = 4;

/// Below so many threads a convolution's inputs are shared out. Integrated GPUs keep some 5,000 to 10,000 threads busy,
/// large ones 100,000; a barrier costs little beside idle cores.
const FEW_THREADS: u64 = 16_384;

/// How a convolution is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Whether [`PARTS`] threads share an item.
    pub(super) split: bool,
    /// Stride 1.
    pub(super) unit_stride: bool,
}

/// A pipeline and the layout of its bindings.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
}

/// Every pipeline there is.
#[derive(Debug)]
pub(super) struct Kernels {
    convolutions: Vec<(Variant, Kernel)>,
    pub(super) pool: Kernel,
    pub(super) classifier: Kernel,
    /// Whether the inputs may be split; not when the self-test finds it wrong.
    split: AtomicBool,
}

impl Kernels {
    /// A software adapter gets no kernels that split the inputs: it has few threads, pays dearly for barriers, and takes
    /// seconds to compile a kernel.
    pub(super) fn new(device: &wgpu::Device, software: bool) -> Kernels {
        let module = |label, source: &'static str| {
            let source = wgpu::ShaderSource::Wgsl(source.into());
            device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(label), source })
        };
        let conv = module("conv3x3", include_str!("shaders/conv3x3.wgsl"));
        let variants = [(false, true), (false, false), (true, true), (true, false)];
        let convolution = |(split, unit_stride)| {
            let parts = if split { PARTS as f64 } else { 1.0 };
            let constants = [("PARTS", parts), ("UNIT_STRIDE", f64::from(u8::from(unit_stride)))];
            (Variant { split, unit_stride }, kernel(device, &conv, 5, &constants))
        };
        Kernels {
            convolutions: variants
                .into_iter()
                .filter(|(split, _)| !(*split && software))
                .map(convolution)
                .collect(),
            pool: kernel(device, &module("pool", include_str!("shaders/pool.wgsl")), 2, &[]),
            classifier: kernel(
                device,
                &module("classifier", include_str!("shaders/classifier.wgsl")),
                4,
                &[],
            ),
            split: AtomicBool::new(!software),
        }
    }

    /// The variant for a convolution of so many items.
    pub(super) fn choose(&self, items: u64, unit_stride: bool) -> Variant {
        Variant { split: items < FEW_THREADS && self.splits(), unit_stride }
    }

    /// Whether there are kernels that split the inputs.
    pub(super) fn splits(&self) -> bool {
        self.split.load(Ordering::Relaxed)
    }

    pub(super) fn convolution(&self, variant: Variant) -> &Kernel {
        let found = self.convolutions.iter().find(|(v, _)| *v == variant);
        found.map(|(_, kernel)| kernel).expect("only variants that were made are chosen")
    }

    /// Puts the kernels for stride 1 in the places of the others, for trying the self-test.
    #[cfg(test)]
    pub(super) fn swap_strides(&mut self) {
        self.convolutions.iter_mut().for_each(|(variant, _)| variant.unit_stride = !variant.unit_stride);
    }

    /// Does without the variants that share inputs.
    pub(super) fn drop_split(&self) {
        self.split.store(false, Ordering::Relaxed);
    }
}

/// Bindings 0 to `reads - 1` are read, the next one is written.
fn kernel(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    reads: u32,
    constants: &[(&str, f64)],
) -> Kernel {
    let entry = |binding| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: binding < reads },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<_> = (0..=reads).map(entry).collect();
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // The shaders write what they read.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Kernel { pipeline, layout }
}
