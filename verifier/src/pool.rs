//! The pool of threads over which hashing is spread: rayon's, one for the process.

use std::sync::Once;

/// Starts the threads of the pool under names of its own (`hashing 0`), unless they run already. Called before the pool is used:
/// rayon starts unnamed threads, and on Linux these would show the name of the thread that happened to hash first.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let named = rayon::ThreadPoolBuilder::new().thread_name(|number| format!("hashing {number}"));
        // An error says that the program has a pool of its own, or cannot start threads: then rayon does as it always does.
        let _ = named.build_global();
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crate::chunk::{Layout, hash_chunks};

    #[test]
    fn threads_of_pool_do_not_carry_the_name_of_its_first_user() {
        let first = thread::Builder::new().name("transfer 1".to_owned()).spawn(|| {
            let layout = Layout::new(40_000, 16_384).unwrap();
            hash_chunks(&layout, [7; 40_000].as_slice()).unwrap();
            rayon::broadcast(|_| thread::current().name().map(str::to_owned))
        });
        for name in first.unwrap().join().unwrap() {
            assert!(name.as_ref().is_some_and(|name| name.starts_with("hashing ")), "{name:?}");
        }
    }
}
