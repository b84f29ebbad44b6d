//! The work bound: the least work of a proven transfer, spread over the cores without a gap.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes hashed or written at once.
const PIECE: usize = 1 << 20;
/// Bytes of the file that are measured at most, and scaled up from there: more would not fit in memory beside the rest.
const SAMPLE: u64 = 1 << 30;

/// CPU seconds of the parts, for the whole file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Parts {
    /// A raw quinn transfer, both ends.
    pub(crate) quinn: f64,
    /// One pass of SHA-256 on one core; two are needed: chunks as they come, and the whole file from disk.
    pub(crate) sha256: f64,
    /// Writing the file into fresh pages of the folder.
    pub(crate) write: f64,
}

impl Parts {
    /// Seconds that `cores` cores need if none ever waits.
    pub(crate) fn bound(&self, cores: usize) -> f64 {
        (self.quinn + 2.0 * self.sha256 + self.write) / cores as f64
    }

    pub(crate) fn json(&self, cores: usize) -> Value {
        json!({"quinn_cpu_s": self.quinn, "sha256_cpu_s": self.sha256, "write_cpu_s": self.write,
               "cores": cores, "bound_s": self.bound(cores)})
    }
}

fn thread_cpu() -> Result<f64, String> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_err(|error| error.to_string())?;
    Ok(Duration::from(now).as_secs_f64())
}

/// CPU seconds of one SHA-256 pass over the file, in 1 MiB pieces that lie in memory and not in the caches, and of
/// writing it by 1 MiB `pwrite`s into a fresh file in `folder`.
pub(crate) fn hash_and_write(file: &Path, folder: &Path) -> Result<(f64, f64), String> {
    let told = |error: std::io::Error| format!("work bound: {error}");
    let source = File::open(file).map_err(told)?;
    let size = source.metadata().map_err(told)?.len();
    let sample = size.min(SAMPLE);
    // All of it is read before any of it is hashed: by then the first pieces have left the caches.
    let mut data = vec![0; usize::try_from(sample).map_err(|error| error.to_string())?];
    source.read_exact_at(&mut data, 0).map_err(told)?;
    let start = thread_cpu()?;
    for piece in data.chunks(PIECE) {
        std::hint::black_box(Sha256::digest(piece));
    }
    let hashed = thread_cpu()? - start;

    let path = folder.join("work-bound");
    let target = File::create_new(&path).map_err(told)?;
    let buffer = &data[..PIECE.min(data.len())];
    let start = thread_cpu()?;
    let mut offset = 0;
    while offset < sample {
        let piece = &buffer[..buffer.len().min(usize::try_from(sample - offset).unwrap_or(PIECE))];
        target.write_all_at(piece, offset).map_err(told)?;
        offset += piece.len() as u64;
    }
    let written = thread_cpu()? - start;
    fs::remove_file(&path).map_err(told)?;
    let scale = size as f64 / sample as f64;
    Ok((hashed * scale, written * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_counts_two_hash_passes_and_divides_by_the_cores() {
        let parts = Parts { quinn: 1.8, sha256: 0.5, write: 0.4 };
        assert!((parts.bound(2) - 1.6).abs() < 1e-12);
        assert!((parts.bound(1) - 3.2).abs() < 1e-12);
    }

    #[test]
    fn hashing_and_writing_take_time_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, vec![7; (3 << 20) + 5]).unwrap();
        let (hash, write) = hash_and_write(&file, folder.path()).unwrap();
        assert!(hash > 0.0 && write > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
