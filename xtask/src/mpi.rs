//! Makes sure that training by several processes can be built and tested.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::toolchain::apt_install;

/// Open MPI with its compiler wrapper, and what the bindings are made with.
const PACKAGES: [&str; 3] = ["openmpi-bin", "libopenmpi-dev", "libclang-dev"];

/// Finds an MPI library, or installs Open MPI.
pub fn library() -> Result<()> {
    let runs = |program| {
        let mut command = Command::new(program);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    if runs("mpicc") && runs("mpirun") {
        return Ok(());
    }
    println!("  installing Open MPI ({}) ...", PACKAGES.join(", "));
    apt_install(&PACKAGES).context(
        "training by several processes needs an MPI library, and none was found: install one with its compiler wrapper mpicc, \
         and libclang (Debian: apt-get install openmpi-bin libopenmpi-dev libclang-dev)",
    )
}
