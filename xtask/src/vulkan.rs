//! Makes sure that the native GPU tests have an adapter.

use std::path::Path;

use anyhow::{Context, Result};

use crate::toolchain::apt_install;

/// Where drivers announce themselves to the Vulkan loader.
const DRIVERS: [&str; 4] = [
    "/usr/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
];

/// On Linux: finds a Vulkan driver, or installs Mesa's, which runs on the CPU where there is no GPU. Elsewhere the
/// system brings its own (Metal, DirectX 12).
pub fn driver() -> Result<()> {
    let listed =
        |folder: &&str| Path::new(folder).read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if !cfg!(target_os = "linux") || DRIVERS.iter().any(listed) {
        return Ok(());
    }
    println!("  installing a Vulkan driver (mesa-vulkan-drivers) ...");
    apt_install(&["mesa-vulkan-drivers"]).context(
        "the GPU engine's tests need a Vulkan driver, and none was found: install your GPU's, or Mesa's software one \
         (Debian: apt-get install mesa-vulkan-drivers)",
    )
}
