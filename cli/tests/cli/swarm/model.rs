//! A model to move, made by a publisher's commands, and the folder of a user that fetches it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::receipt::{PeerSupply, Receipt};

use super::record::Record;
use crate::home::{Home, Ran};
use crate::process::Running;

/// Far longer than any step takes; a test that waits this long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A model file with its signed manifest, in the publisher's home.
pub(super) struct Model {
    home: Home,
    pub(super) manifest: Arc<Manifest>,
}

impl Model {
    /// A model of about this size, as `sample --bytes` spells it.
    pub(super) fn of(size: &str) -> Self {
        Self::in_chunks(size, "auto")
    }

    /// A model with chunks of this size.
    pub(super) fn in_chunks(size: &str, chunk_size: &str) -> Self {
        let home = Home::new();
        home.run(["sample", "model.slm", "--bytes", size]).exits(0);
        let line = "manifest create model.slm --model-id moved --model-version 1.2 --publisher-id tests \
                    --license-route /license.txt --model-card-route /card.html --sign -o model.minimodel";
        home.run(line.split_whitespace().chain(["--chunk-size", chunk_size])).exits(0);
        let manifest = Manifest::parse(&home.read("model.minimodel")).unwrap();
        assert!(manifest.is_signed());
        Self { home, manifest: Arc::new(manifest) }
    }

    /// A model whose manifest is right about every byte, and whose file breaks a rule of the format: it goes on after
    /// its last tensor.
    pub(super) fn invalid() -> Self {
        let artifact =
            [slm_vec(&Shape::about(200_000, Quantization::Q8_0).unwrap(), 3), vec![0; 64]].concat();
        let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
        let home = Home::new();
        home.write("model.slm", &artifact);
        home.write("model.minimodel", &text);
        Self { home, manifest: Arc::new(Manifest::parse(text.as_bytes()).unwrap()) }
    }

    pub(super) fn artifact(&self) -> PathBuf {
        self.home.path("model.slm")
    }

    pub(super) fn manifest_path(&self) -> PathBuf {
        self.home.path("model.minimodel")
    }

    /// A `seed` process of this model, with the identity of `home`.
    #[track_caller]
    pub(super) fn seed(&self, home: &Home, more: &[&str]) -> Running {
        let paths = [self.manifest_path().into_os_string(), self.artifact().into_os_string()];
        Running::seed(home, paths.iter().map(OsStr::new).chain(more.iter().map(OsStr::new)))
    }
}

/// A fetching user: a home, and in it the folder `out`.
pub(super) struct Fetcher<'m> {
    home: Home,
    model: &'m Model,
}

impl<'m> Fetcher<'m> {
    pub(super) fn of(model: &'m Model) -> Self {
        Self { home: Home::new(), model }
    }

    /// `fetch MANIFEST -o out` on loopback with one `--peer` for each offer, and further arguments.
    pub(super) fn line(&self, offers: &[&str], more: &[&str]) -> Command {
        let mut command = self.home.command(["fetch"]);
        command.arg(self.model.manifest_path()).args(["-o", "out"]).env("MINIMODEL_LISTEN", "127.0.0.1:0");
        for offer in offers {
            command.args(["--peer", offer]);
        }
        command.args(more);
        command
    }

    /// Starts that command with consent to fetch and import.
    pub(super) fn start(&self, offers: &[&str], more: &[&str]) -> Running {
        Running::start(self.line(offers, more).args(["--consent", "fetch,import"]))
    }

    /// Runs that command to its end.
    #[track_caller]
    pub(super) fn run(&self, offers: &[&str], more: &[&str]) -> Ran {
        self.start(offers, more).end()
    }

    /// A path in the working folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path(name)
    }

    /// A path below this user's `MINIMODEL_HOME`.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.home.own(name)
    }

    /// Any other command of this user.
    pub(super) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.home.command(arguments)
    }

    fn out(&self, suffix: &str) -> PathBuf {
        self.home.path("out").join(format!("{}{suffix}", self.model.manifest.artifact_name().stem()))
    }

    pub(super) fn artifact(&self) -> PathBuf {
        self.out(".slm")
    }

    pub(super) fn part(&self) -> PathBuf {
        self.out(".slm.part")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.out(".slm.part.state")
    }

    pub(super) fn receipt_path(&self) -> PathBuf {
        self.out(".slm.receipt")
    }

    /// Expected stdout of a finished fetch: the path alone, on its line.
    pub(super) fn answer(&self) -> String {
        format!("out/{}\n", self.model.manifest.artifact_name().file())
    }

    /// The chunks in the record.
    pub(super) fn recorded(&self) -> BTreeSet<u32> {
        Record::read(&self.state()).chunks
    }

    /// The chunks in the record that a peer is blamed for.
    pub(super) fn blamed(&self) -> Vec<u32> {
        Record::read(&self.state()).blames
    }

    /// Whether this user's record of bans names the peer.
    pub(super) fn has_ban_of(&self, peer: &str) -> bool {
        fs::read_to_string(self.own("state/blame.jsonl")).is_ok_and(|text| text.contains(peer))
    }

    /// Waits until so many chunks are recorded.
    #[track_caller]
    pub(super) fn wait_for_chunks(&self, chunks: usize) {
        self.wait_until(&format!("{chunks} chunks"), || self.recorded().len() >= chunks);
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < until, "it never had {what}; it has {} chunks", self.recorded().len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Names in the folder, without the stem.
    pub(super) fn names(&self) -> Vec<String> {
        let artifact = self.model.manifest.artifact_name();
        let entries = fs::read_dir(self.home.path("out")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // Without what a crash may leave: a small file that had not got its name yet, and a partial file without
            // recorded chunks that the next run put aside.
            .filter(|name| !(name.starts_with('.') && name.ends_with(".new")))
            .map(|name| name.strip_prefix(artifact.stem()).unwrap_or(&name).to_owned())
            .filter(|name| !name.starts_with(".slm.part.found"))
            .collect();
        names.sort();
        names
    }

    /// The receipt; parsing it checks every line.
    #[track_caller]
    pub(super) fn receipt(&self) -> Receipt {
        Receipt::parse(&fs::read(self.receipt_path()).unwrap()).unwrap()
    }

    /// Asserts that the file is there, whole and right, with its receipt and manifest and nothing else, and that the
    /// receipt's peers supplied all of it.
    #[track_caller]
    pub(super) fn has_it_all(&self) {
        assert_eq!(self.has_it_but_found(), 0, "chunks that no peer supplied");
    }

    /// Asserts such a complete file, of which some chunks may have been found on disk: the receipt counts them, and
    /// adds up. Returns their number.
    #[track_caller]
    pub(super) fn has_it_but_found(&self) -> u64 {
        let receipt = self.has_it();
        let (manifest, import) = (&self.model.manifest, receipt.import());
        let supplied = |of: fn(&PeerSupply) -> u64| import.peers.iter().map(of).sum::<u64>();
        let bytes = manifest.byte_count().checked_sub(supplied(|peer| peer.bytes)).unwrap();
        let chunks = manifest.chunk_count().checked_sub(supplied(|peer| peer.chunks)).unwrap();
        let said = import.checks.iter().find(|check| check.name == "chunk.found_on_disk");
        let told = format!(
            "{bytes} bytes in {chunks} chunks were found on disk, without a record of their supplier"
        );
        assert_eq!(said.map(|check| &*check.detail), (bytes > 0).then_some(&*told), "{:?}", import.peers);
        assert_eq!((receipt.found_on_disk(), bytes > 0), (bytes, chunks > 0));
        chunks
    }

    /// Asserts that the file is there, whole and right, with its receipt and manifest and nothing else.
    #[track_caller]
    pub(super) fn has_it(&self) -> Receipt {
        assert_eq!(self.names(), [".minimodel", ".slm", ".slm.receipt"]);
        let bytes = fs::read(self.artifact()).unwrap();
        let manifest = &self.model.manifest;
        assert_eq!(tagged(&minimodel_verifier::sha256(&bytes)), tagged(manifest.artifact_sha256()));
        let receipt = self.receipt();
        assert_eq!(receipt.subject().swarm_id, *manifest.swarm_id());
        assert_eq!(fs::read(self.out(".minimodel")).unwrap(), manifest.text().into_bytes());
        receipt
    }
}
