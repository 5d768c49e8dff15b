//! Work that nobody waits for: it yields the processor to what serves.

use std::thread::{Builder, JoinHandle};

/// Niceness of a background thread: beside a busy thread of the line it gets a tenth of the processor, alone all of it.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Starts a thread with a low priority; the threads it starts have it, too. Elsewhere than on Linux, where a priority is the
/// whole process's, it has the usual one.
///
/// # Errors
/// When there is no thread.
pub fn spawn<T: Send + 'static>(name: String, work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    Builder::new().name(name).spawn(|| {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "a background thread keeps its priority");
        }
        work()
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn only_the_thread_and_its_own_are_nice() {
        let before = getpriority_process(None).unwrap();
        let nested = super::spawn("background".into(), || std::thread::spawn(|| getpriority_process(None).unwrap()).join());
        assert_eq!(nested.unwrap().join().unwrap().unwrap(), super::NICE);
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
