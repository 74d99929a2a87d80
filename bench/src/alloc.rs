//! A global allocator that counts, when asked to: exact live bytes and allocations.
//!
//! While it does not count it costs one relaxed load for each call, the same for every peer.
#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);
static ALLOCATIONS: AtomicI64 = AtomicI64::new(0);

fn note(grown: i64, allocations: i64) {
    if ON.load(Relaxed) {
        LIVE.fetch_add(grown, Relaxed);
        ALLOCATIONS.fetch_add(allocations, Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; the counters are beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(-(layout.size() as i64), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size as i64 - layout.size() as i64, 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// What `build` keeps: bytes that are still allocated when it returns, and how often it allocated.
pub(crate) fn counted<T>(build: impl FnOnce() -> T) -> (T, f64, f64) {
    let before = (LIVE.load(Relaxed), ALLOCATIONS.load(Relaxed));
    ON.store(true, Relaxed);
    let built = build();
    ON.store(false, Relaxed);
    let (live, allocations) = (LIVE.load(Relaxed) - before.0, ALLOCATIONS.load(Relaxed) - before.1);
    (built, live as f64, allocations as f64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_what_is_kept() {
        // Other tests allocate meanwhile, but not this much.
        let (kept, live, allocations) = super::counted(|| {
            drop(vec![0_u8; 1 << 28]);
            vec![0_u8; 1 << 28]
        });
        assert!(live > (kept.len() / 2) as f64 && live < (kept.len() * 3 / 2) as f64, "{live}");
        assert!(allocations >= 2.0);
    }
}
