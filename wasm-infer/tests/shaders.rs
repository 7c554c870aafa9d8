//! Every shader is valid WGSL, needs no optional feature, and keeps within what any WebGPU has.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::fs;
use std::path::Path;

/// WebGPU's default limits.
const WORKGROUP_MEMORY: u32 = 16 << 10;
const THREADS: u32 = 256;
const STORAGE_BUFFERS: usize = 8;

#[test]
fn every_shader_is_valid_and_within_the_default_limits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gpu/shaders");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("the shaders are beside the source") {
        let path = entry.expect("a readable folder").path();
        let source = fs::read_to_string(&path).expect("a readable file");
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|e| panic!("{}: {}", path.display(), e.emit_to_string(&source)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{}: {}", path.display(), e.emit_to_string(&source)));
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
        assert!(workgroup <= WORKGROUP_MEMORY, "{}: {workgroup} bytes", path.display());
        assert!(storage <= STORAGE_BUFFERS, "{}: {storage} storage buffers", path.display());
        assert_eq!(module.entry_points.len(), 1, "{}", path.display());
        let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!((1..=THREADS).contains(&threads), "{}: {threads} threads", path.display());
        // The analysis is there for each entry point: nothing was skipped.
        let _ = info.get_entry_point(0);
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} shaders were found");
}
