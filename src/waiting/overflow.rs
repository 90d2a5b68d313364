//! What happens at a memory fault, such as a stack overflow: one line that names the route, and the end.
//!
//! `generator`, which `may` rests on, makes a yield of an overflow, out of its signal handler: the coroutine
//! never goes on, and what it holds stays locked. Here the process ends by SIGABRT, and is started again.
//!
//! The handler of a signal may not lock or allocate. So the caller of a route's handler leaves a mark on the
//! coroutine's own stack, which costs a few stores, and the signal handler looks for it above the place of
//! the fault: it finds the route of this coroutine, however many others ran since it was called.
//!
//! The `unsafe` of this is here: the installation of a signal handler, and the reading of a stack.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::limits;

/// No address, and nothing that is counted.
const MARK: usize = 0x9d3f_51c2_7b6e_a845;

/// A mark is good only with its sum: what looks like its first word by chance is none.
const WORDS: usize = 4;

/// Frames are touched page by page as they grow, so an overflow faults near the stack pointer.
const NEAR_BYTES: usize = 64 * 1024;

/// How long the line waits for a standard error that is full.
const PATIENCE_MS: c_int = 500;

static FAULTED: AtomicBool = AtomicBool::new(false);

/// Calls `work`, which works for `route`.
#[inline]
pub(crate) fn within<T>(route: &str, work: impl FnOnce() -> T) -> T {
    let mut mark = Mark([0; WORDS]);
    let (start, bytes) = (route.as_ptr() as usize, route.len());
    mark.0 = [MARK, start, bytes, sum(start, bytes)];
    // Nothing reads it but a signal handler: the compiler is told that somebody may.
    black_box(&mut mark);
    work()
}

struct Mark([usize; WORDS]);

impl Drop for Mark {
    /// What is left on a stack must not name a route that has ended.
    #[inline]
    fn drop(&mut self) {
        self.0[0] = 0;
        black_box(&mut self.0);
    }
}

const fn sum(start: usize, bytes: usize) -> usize {
    MARK ^ start.rotate_left(7) ^ bytes
}

/// Puts our handler in the place of the one that `generator` installs when the first coroutine begins.
///
/// Race window: the second caller goes on at once, a moment before the handler is there. It must not wait: it
/// may be a coroutine, and the first waits for the worker.
pub(super) fn install() {
    static ONCE: AtomicU8 = AtomicU8::new(0);
    if ONCE.swap(1, Ordering::AcqRel) != 0 {
        return;
    }
    // It begins, and so installs what is replaced here. `generator` does that once in a process.
    let first = may::go!(may::coroutine::Builder::new().name("pouco-first".into()), || ());
    if first.is_ok_and(|first| first.join().is_ok())
        && [libc::SIGSEGV, libc::SIGBUS].map(replace) == [true; 2]
    {
        return;
    }
    log::warn!("a stack that overflows will not end the process: no handler for that could be installed");
}

/// `true` if ours is in force.
fn replace(signal: c_int) -> bool {
    // SAFETY: both structs are plain data, for which all zeroes are a value; the handler has the form that
    // SA_SIGINFO asks for, lives as long as the process, and does only what a handler may. Every thread of
    // Rust's, and so each of `may`, has the alternate stack that SA_ONSTACK asks for.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = on_fault as *const () as libc::sighandler_t;
        // A second fault, of the handler itself, must come to it as well.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        let mut present: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(signal, &action, std::ptr::null_mut()) == 0
            && libc::sigaction(signal, std::ptr::null(), &mut present) == 0
            && present.sa_sigaction == action.sa_sigaction
    }
}

/// Runs on the alternate stack of the thread, which is small, in the middle of anything.
extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // The second is this handler's own, or another thread's: nothing more is looked at.
    let first = !FAULTED.swap(true, Ordering::SeqCst);
    // SAFETY: the kernel calls this with both, as SA_SIGINFO asks for.
    let (fault, sp) = unsafe { ((*info).si_addr() as usize, stack_pointer(context)) };
    let overflow = sp.is_some_and(|sp| sp.abs_diff(fault) <= NEAR_BYTES);
    let mut line = FixedText::default();
    line.add(b"pouco: ");
    match (overflow, first.then(|| overflow.then(|| route_above(fault))).flatten().flatten()) {
        (true, Some(route)) => {
            line.add(b"the stack overflowed in a handler of ");
            line.add(route);
        }
        (true, None) => line.add(b"a stack overflowed, in no handler of a route"),
        (false, _) => line.add(b"a fault of memory"),
    }
    line.add(if signal == libc::SIGBUS { b" (SIGBUS" } else { b" (SIGSEGV" });
    line.add(b", thread ");
    line.add_thread();
    line.add(b"); the process ends\n");
    line.write();
    // SAFETY: may be called from a signal handler (signal-safety(7)).
    unsafe { libc::abort() }
}

/// The route of the deepest mark above a fault at the end of a stack.
fn route_above(fault: usize) -> Option<&'static [u8]> {
    const PAGE: usize = 4_096;
    let start = (fault | (PAGE - 1)) + 1;
    // The stack of a request is the smallest that there is, less its guard.
    let words = (limits::COROUTINE_STACK_BYTES - 2 * PAGE) / size_of::<usize>();
    // SAFETY: what is read begins behind the page that faulted with the stack pointer next to it: the guard
    // of a stack, above which lies that stack. Should it be something else, a read faults, and the process
    // ends without the name. Nobody else writes to the stack of the thread that this interrupts, volatile
    // reads ask nothing of the values, and a mark with its sum has the place of a text that its frame
    // borrows.
    unsafe {
        let at = |index: usize| (start as *const usize).add(index).read_volatile();
        let found = (0..words.saturating_sub(WORDS))
            .find(|index| at(*index) == MARK && at(index + 3) == sum(at(index + 1), at(index + 2)))?;
        Some(std::slice::from_raw_parts(at(found + 1) as *const u8, at(found + 2)))
    }
}

/// # Safety
/// `context` must be what a signal handler was given.
unsafe fn stack_pointer(context: *mut c_void) -> Option<usize> {
    // SAFETY: as the caller says.
    let context = unsafe { context.cast::<libc::ucontext_t>().as_ref()? };
    #[cfg(target_arch = "x86_64")]
    let sp = usize::try_from(context.uc_mcontext.gregs[libc::REG_RSP as usize].cast_unsigned()).ok();
    #[cfg(target_arch = "aarch64")]
    let sp = usize::try_from(context.uc_mcontext.sp).ok();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let sp = {
        let _ = context;
        None
    };
    sp
}

/// Text without an allocation.
struct FixedText {
    bytes: [u8; 256],
    length: usize,
}

impl Default for FixedText {
    fn default() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }
}

impl FixedText {
    fn add(&mut self, text: &[u8]) {
        for byte in text {
            if let Some(place) = self.bytes.get_mut(self.length) {
                // A route's template is the program's own; nevertheless it makes no second line.
                *place = if byte.is_ascii_control() && *byte != b'\n' { b'?' } else { *byte };
                self.length += 1;
            }
        }
    }

    fn add_thread(&mut self) {
        let mut name = [0_u8; 16];
        // SAFETY: PR_GET_NAME writes at most 16 bytes, with a zero at their end (prctl(2)).
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        self.add(&name[..end]);
    }

    /// Not forever: standard error may be a pipe that nobody empties, and a write would wait for that.
    fn write(&self) {
        let mut error = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one descriptor is given, and as many bytes as there are. Both calls may be made in a signal
        // handler (signal-safety(7)).
        unsafe {
            if libc::poll(&mut error, 1, PATIENCE_MS) == 1 {
                libc::write(libc::STDERR_FILENO, self.bytes.as_ptr().cast(), self.length);
            }
        }
    }
}
