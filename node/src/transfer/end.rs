//! The end of a transfer that did not fail.

use std::path::Path;

use super::import::Imported;
use super::lower::Served;

/// How a transfer ended that did not fail: with its result, or before it because it was cancelled.
///
/// ```
/// # use minimodel::{Action, Home, Manifest, RunConsent, publishers::Publishers};
/// # use minimodel::transfer::{Consents, Control, FetchOptions, FetchPlan, Run, Target};
/// # let folder = tempfile::tempdir()?;
/// # let (home, models) = (Home::at(folder.path()), folder.path().join("models"));
/// # std::fs::create_dir(&models)?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let plan = FetchPlan {
/// #     activity: "fetch",
/// #     target: Target::new(&models, &manifest, None)?,
/// #     publisher: Publishers::verdict_in(&home, &manifest)?,
/// #     consents: Consents::to_fetch(RunConsent::given(Action::ALL, "dialog").for_receipt())?,
/// #     manifest: manifest.into(),
/// #     sources: Vec::new(),
/// #     begun_unix: minimodel::clock::now_unix(),
/// #     options: FetchOptions::default(),
/// # };
/// # let run = Run { home, watcher: std::sync::Arc::new(()), control: Control::default(), shared: None };
/// use minimodel::transfer::{self, End};
///
/// let told = match transfer::fetch(&run, &plan)? {
///     End::Done(fetched) => format!("`{}` is here", fetched.path().display()),
///     End::Cancelled => "the same fetch goes on another time".to_owned(),
/// };
/// assert!(told.ends_with("models/sample-model-1.0.0.slm` is here"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<T> {
    /// It did what it was to do.
    Done(T),
    /// It was cancelled; everything proven so far is kept.
    Cancelled,
}

impl<T> End<T> {
    /// The result; `None` if it was cancelled.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(result) => Some(result),
            Self::Cancelled => None,
        }
    }

    /// The same end, with what `change` makes of the result.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> End<U> {
        match self {
            Self::Done(result) => End::Done(change(result)),
            Self::Cancelled => End::Cancelled,
        }
    }
}

/// The result of a fetch: the file is in its place, with its receipt.
///
/// ```no_run
/// # fn example(run: minimodel::transfer::Run, plan: minimodel::transfer::FetchPlan) -> Result<(), minimodel::Error> {
/// use minimodel::transfer::{self, End, FetchedFile};
///
/// if let End::Done(FetchedFile { imported, served: Some(served), .. }) = transfer::fetch(&run, &plan)? {
///     println!("`{}` is here, and {} bytes were sent after that", imported.path.display(), served.sent_bytes);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchedFile {
    /// The file, its receipt and what came from whom.
    pub imported: Box<Imported>,
    /// What was served after that, if the fetch went on to seed.
    pub served: Option<Served>,
}

impl FetchedFile {
    pub(super) fn new(imported: Imported) -> Self {
        Self { imported: Box::new(imported), served: None }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.imported.path
    }
}

/// The result of a repair: the file is right now, and has its name and a receipt.
///
/// ```no_run
/// # fn example(run: minimodel::transfer::Run, plan: minimodel::transfer::FetchPlan) -> Result<(), minimodel::Error> {
/// use minimodel::transfer::{self, End, RepairIf, RepairedFile};
///
/// match transfer::repair(&run, &plan, RepairIf::MostIsGood)? {
///     End::Done(RepairedFile { chunks, bytes, .. }) => println!("{} chunks, {bytes} bytes fetched", chunks.len()),
///     End::Cancelled => println!("the file has its own name, and is as good as it was"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepairedFile {
    /// The file, its receipt and what came from whom.
    pub imported: Box<Imported>,
    /// The chunks that were wrong and were fetched again; empty if only the length of the file was wrong.
    pub chunks: Vec<u32>,
    /// Bytes of these chunks.
    pub bytes: u64,
}
