//! Memory for large tensors.

use std::mem::MaybeUninit;

/// `len` zeros. Where they are many, Linux is asked for large pages: a tile's pixels, and its place in every plane of the
/// transformed domain, lie in as many small ones.
pub fn zeros(len: usize) -> Vec<f32> {
    // Fresh pages of the system's, which nobody has touched yet: now they can still become large ones.
    let mut values = vec![0.0; len];
    // SAFETY: an initialised value may be seen as one that may not be; only advice is given.
    large_pages(unsafe { &mut *(&raw mut *values as *mut [MaybeUninit<f32>]) });
    values
}

/// `n` times `value`, in large pages as [`zeros`].
pub(crate) fn filled<T: Copy>(n: usize, value: T) -> Vec<T> {
    let mut values = Vec::with_capacity(n);
    large_pages(values.spare_capacity_mut());
    values.resize(n, value);
    values
}

/// Asks for large pages for what lies in `memory`. Without them all works the same, a little slower.
#[cfg(all(target_os = "linux", feature = "training"))]
fn large_pages<T>(memory: &mut [MaybeUninit<T>]) {
    const LARGE: usize = 2 << 20;
    let bytes = memory.as_mut_ptr_range();
    let (start, end) = (bytes.start.addr().next_multiple_of(LARGE), bytes.end.addr() / LARGE * LARGE);
    if start < end {
        let at = bytes.start.cast::<libc::c_void>().with_addr(start);
        // SAFETY: the pages lie in `memory`, and the advice changes no content. It may be refused.
        unsafe { libc::madvise(at, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", feature = "training")))]
fn large_pages<T>(_memory: &mut [MaybeUninit<T>]) {}
