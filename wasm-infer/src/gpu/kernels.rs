//! The compute pipelines, and which of them carry out a convolution.

use super::sources;
use super::watch::{Outcome, watch};
use crate::error::EngineError;
use crate::map::Map;
use std::sync::{Mutex, PoisonError};

/// How a 3x3 convolution is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Variant {
    /// In registers alone: asks the least of a GPU. Stride 1 and 2.
    Registers,
    /// The same, four threads sharing the inputs of an item. Stride 2.
    RegistersSplit,
    /// Tiles whose inputs are shared out inside a workgroup. Stride 1.
    SplitInside,
    /// Tiles whose inputs are shared out across workgroups, and a second dispatch that adds up. Stride 1.
    SplitAcross,
    /// Tiles of eight pixels a thread. Stride 1.
    Tiles,
    /// Winograd's F(2x2, 3x3), fused. Stride 1.
    Winograd,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Variant; 6] = [
        Variant::Registers,
        Variant::RegistersSplit,
        Variant::SplitInside,
        Variant::SplitAcross,
        Variant::Tiles,
        Variant::Winograd,
    ];

    /// Its name, in reports and in what is kept between visits.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Registers => "registers",
            Variant::RegistersSplit => "registers, split",
            Variant::SplitInside => "split inside groups",
            Variant::SplitAcross => "split across groups",
            Variant::Tiles => "tiles",
            Variant::Winograd => "Winograd",
        }
    }

    /// The variant of a name.
    pub fn from_name(name: &str) -> Option<Variant> {
        Variant::ALL.into_iter().find(|v| v.name() == name)
    }

    /// Its dispatches, one after the other.
    pub(super) fn pipes(self, stride: u32) -> &'static [Pipe] {
        match (self, stride) {
            (Variant::Registers, 1) => &[Pipe::Registers],
            (Variant::Registers, _) => &[Pipe::RegistersStrided],
            (Variant::RegistersSplit, _) => &[Pipe::RegistersSplit],
            (Variant::SplitInside, _) => &[Pipe::SplitInside],
            (Variant::SplitAcross, _) => &[Pipe::SplitAcross, Pipe::Fold],
            (Variant::Tiles, _) => &[Pipe::Tiles],
            (Variant::Winograd, _) => &[Pipe::Winograd],
        }
    }

    /// Whether it can carry out a convolution of this stride.
    pub(super) fn strides(self, stride: u32) -> bool {
        match self {
            Variant::Registers => true,
            Variant::RegistersSplit => stride == 2,
            _ => stride == 1,
        }
    }
}

/// A compute pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pipe {
    Registers,
    RegistersStrided,
    RegistersSplit,
    SplitInside,
    SplitAcross,
    Fold,
    Tiles,
    Winograd,
    Pool,
    Classifier,
}

/// What a pipeline is made of.
struct Spec {
    name: &'static str,
    source: &'static [&'static str],
    constants: &'static [(&'static str, f64)],
    /// Threads of a workgroup, and bytes of its memory, as the shader has them.
    threads: u32,
    memory: u32,
}

impl Pipe {
    const ALL: [Pipe; 10] = [
        Pipe::Registers,
        Pipe::RegistersStrided,
        Pipe::RegistersSplit,
        Pipe::SplitInside,
        Pipe::SplitAcross,
        Pipe::Fold,
        Pipe::Tiles,
        Pipe::Winograd,
        Pipe::Pool,
        Pipe::Classifier,
    ];

    fn spec(self) -> Spec {
        let spec = |name, source, threads, vectors: u32| Spec {
            name,
            source,
            constants: &[],
            threads,
            memory: 16 * vectors,
        };
        match self {
            Pipe::Registers => spec("registers", sources::REGISTERS, 64, 0),
            Pipe::RegistersStrided => Spec {
                constants: &[("UNIT_STRIDE", 0.0)],
                ..spec("registers at stride 2", sources::REGISTERS, 64, 0)
            },
            Pipe::RegistersSplit => Spec {
                constants: &[("UNIT_STRIDE", 0.0)],
                ..spec("registers, split", sources::REGISTERS_SPLIT, 64, 256)
            },
            Pipe::SplitInside => spec("split inside groups", sources::SPLIT_INSIDE, 256, 1016),
            Pipe::SplitAcross => spec("split across groups", sources::SPLIT_ACROSS, 128, 796),
            Pipe::Fold => spec("sum of the parts", sources::FOLD, 64, 0),
            Pipe::Tiles => spec("tiles", sources::TILES, 64, 796),
            Pipe::Winograd => spec("Winograd", sources::WINOGRAD, 128, 768),
            Pipe::Pool => spec("pool", sources::POOL, 64, 64),
            Pipe::Classifier => spec("classifier", sources::CLASSIFIER, 64, 0),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.spec().name
    }

    /// Threads of a workgroup.
    pub(super) fn threads(self) -> u64 {
        self.spec().threads.into()
    }

    /// Whether it is of a convolution.
    fn convolves(self) -> bool {
        !matches!(self, Pipe::Pool | Pipe::Classifier)
    }

    /// What no GPU can do without; a software adapter gets nothing else: it has few threads, pays dearly for barriers,
    /// and takes seconds to compile a kernel.
    fn basic(self) -> bool {
        matches!(self, Pipe::Registers | Pipe::RegistersStrided | Pipe::Pool | Pipe::Classifier)
    }

    /// Buffers that it reads: bindings 0 to one less; the next one is written. The one after that, where there is one, is
    /// a uniform: the table's first words.
    fn reads(self) -> u32 {
        match self {
            Pipe::Pool => 2,
            Pipe::Classifier => 4,
            _ => 5,
        }
    }
}

/// Changes with any shader and with how they are combined: FNV-1a of their sources and constants.
pub(super) fn sources_hash() -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for spec in Pipe::ALL.map(Pipe::spec) {
        spec.source.iter().for_each(|part| add(part.as_bytes()));
        for (name, value) in spec.constants {
            add(name.as_bytes());
            add(&value.to_le_bytes());
        }
    }
    hash
}

/// Words at the start of a convolution's table that are sizes, which its kernels read as a uniform.
pub(super) const SIZES: usize = 16;

/// A pipeline and the layout of its bindings.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// The binding of the table's first words.
    pub(super) sizes: Option<u32>,
}

/// The pipelines of a GPU.
#[derive(Debug)]
pub(super) struct Kernels {
    made: Map<Pipe, Kernel>,
    /// Those that must not be used, and why.
    dropped: Mutex<Map<Pipe, String>>,
}

impl Kernels {
    /// Asks for every pipeline within the device's limits, or just the basic ones; a browser can then compile them all
    /// at once. One that cannot be had is dropped.
    pub(super) async fn new(device: &wgpu::Device, limits: &wgpu::Limits, only_basic: bool) -> Kernels {
        let fits = |spec: &Spec| {
            spec.threads <= limits.max_compute_invocations_per_workgroup
                && spec.threads <= limits.max_compute_workgroup_size_x
                && spec.memory <= limits.max_compute_workgroup_storage_size
        };
        let mut made = Map::new();
        let mut outcomes = Vec::new();
        let mut dropped = Map::new();
        for pipe in Pipe::ALL.into_iter().filter(|p| !only_basic || p.basic()) {
            let spec = pipe.spec();
            if !fits(&spec) {
                dropped.insert(pipe, "it asks more of a workgroup than this GPU allows".to_owned());
                continue;
            }
            let (kernel, outcome) = watch(device, || kernel(device, &spec, pipe));
            made.insert(pipe, kernel);
            outcomes.push((pipe, outcome));
        }
        for (pipe, outcome) in outcomes {
            let reason = match outcome.await {
                Outcome::Done => continue,
                Outcome::OutOfMemory => "the GPU has no memory for it".to_owned(),
                Outcome::Refused(reason) => format!("the GPU does not compile it: {reason}"),
            };
            dropped.insert(pipe, reason);
        }
        Kernels { made, dropped: Mutex::new(dropped) }
    }

    /// A pipeline.
    ///
    /// # Errors
    /// If it was dropped or never made.
    pub(super) fn get(&self, pipe: Pipe) -> Result<&Kernel, EngineError> {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        match self.made.get(&pipe) {
            Some(kernel) if !dropped.contains_key(&pipe) => Ok(kernel),
            _ => Err(EngineError::Gpu { reason: format!("it has no kernel \"{}\"", pipe.name()) }),
        }
    }

    /// Whether a convolution of this stride can be carried out so.
    pub(super) fn has(&self, variant: Variant, stride: u32) -> bool {
        variant.strides(stride) && variant.pipes(stride).iter().all(|&p| self.get(p).is_ok())
    }

    /// Does without a pipeline from now on.
    pub(super) fn drop(&self, pipe: Pipe, reason: String) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        // The first reason is the one that was found out.
        if !dropped.contains_key(&pipe) {
            dropped.insert(pipe, reason);
        }
    }

    /// The pipelines that this GPU must do without: name and reason.
    pub(super) fn dropped(&self) -> Vec<(&'static str, String)> {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.iter().map(|(pipe, reason)| (pipe.name(), reason.clone())).collect()
    }

    /// Puts one pipeline in another's place, for trying the self-test.
    #[cfg(all(test, feature = "native"))]
    pub(super) fn confuse(&mut self, place: Pipe, with: Pipe) {
        let Kernel { pipeline, layout, sizes } = &self.made[&with];
        let kernel = Kernel { pipeline: pipeline.clone(), layout: layout.clone(), sizes: *sizes };
        self.made.insert(place, kernel);
    }
}

fn kernel(device: &wgpu::Device, spec: &Spec, pipe: Pipe) -> Kernel {
    let reads = pipe.reads();
    let sizes = pipe.convolves().then_some(reads + 1);
    let source = wgpu::ShaderSource::Wgsl(spec.source.concat().into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(spec.name), source });
    let entry = |binding| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match binding {
                _ if Some(binding) == sizes => wgpu::BufferBindingType::Uniform,
                _ => wgpu::BufferBindingType::Storage { read_only: binding < reads },
            },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<_> = (0..=sizes.unwrap_or(reads)).map(entry).collect();
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(spec.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: spec.constants,
            // The shaders write what they read.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Kernel { pipeline, layout, sizes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    /// WebGPU's default limits.
    const WORKGROUP_MEMORY: u32 = 16 << 10;
    const THREADS: u32 = 256;
    const STORAGE_BUFFERS: usize = 8;

    /// Every shader is valid WGSL, needs no optional feature, keeps within what any WebGPU has, and is what its
    /// [`Spec`] says.
    #[test]
    fn every_shader_is_valid_and_within_the_default_limits() {
        for spec in Pipe::ALL.map(Pipe::spec) {
            let (name, source) = (spec.name, &spec.source.concat());
            let module = naga::front::wgsl::parse_str(source)
                .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
            Validator::new(ValidationFlags::all(), Capabilities::empty())
                .validate(&module)
                .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
            let mut workgroup = 0;
            let mut storage = 0;
            for (_, variable) in module.global_variables.iter() {
                match variable.space {
                    naga::AddressSpace::WorkGroup => {
                        workgroup += module.types[variable.ty].inner.size(module.to_ctx());
                    }
                    naga::AddressSpace::Storage { .. } => storage += 1,
                    _ => {}
                }
            }
            assert!(workgroup <= WORKGROUP_MEMORY, "{name}: {workgroup} bytes");
            assert_eq!(workgroup, spec.memory, "{name}");
            assert!(storage <= STORAGE_BUFFERS, "{name}: {storage} storage buffers");
            let [entry] = &module.entry_points[..] else { panic!("{name}: one entry point") };
            let threads: u32 = entry.workgroup_size.iter().product();
            assert!((1..=THREADS).contains(&threads), "{name}: {threads} threads");
            assert_eq!(threads, spec.threads, "{name}");
        }
    }
}
