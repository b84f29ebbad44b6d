//! The command line as clap reads it: one struct a verb, plain values, nothing resolved and nothing opened.

mod companion;
mod consent;
mod consent_flag;
mod global;
mod library;
mod local;
#[cfg(test)]
mod pages;
mod publisher;
mod running;
mod transfer;
mod value;

pub(crate) use companion::{
    CompanionAction, CompanionArgs, CompanionInstallArgs, CompanionRunArgs, FoldersAction, FoldersArgs,
    HandingOptions, OpenArgs, RevokeSessionArgs, ServiceOptions, SessionsAction, SessionsArgs,
};
pub(crate) use consent::{
    AnnounceArgs, AnnounceOnArgs, AnnounceVerb, ConsentArgs, ConsentGrantArgs, ConsentVerb,
};
pub(crate) use consent_flag::{ConsentFlag, ConsentSource, join};
pub(crate) use global::{Cli, ColorChoice, Global, ProgressChoice, Verb};
pub(crate) use library::{
    LibraryAction, LibraryAddArgs, LibraryArgs, LibraryFitsArgs, LibraryPruneArgs, LibraryRemoveArgs,
    LibrarySignedArgs,
};
pub(crate) use local::{
    BlameAction, BlameArgs, BlameClearArgs, CompletionsArgs, FormatChoice, IdAction, IdArgs, InspectArgs,
    ManifestAction, ManifestArgs, ManifestCreateArgs, ManifestShowArgs, ManifestSignArgs, QuantizationChoice,
    SampleArgs, VerifyArtifactArgs, VerifyChunksArgs, VerifyManifestArgs, WriteImportReceiptArgs,
};
pub(crate) use publisher::{PublisherAction, PublisherArgs, PublisherOptions};
pub(crate) use running::{
    DoctorArgs, LimitsAction, LimitsArgs, LimitsLogArgs, LimitsSetArgs, RateSettings, ScheduleAction,
    ScheduleAddArgs, Setting, StatusArgs, TransferAction, TransferArgs, TransferIds,
};
pub(crate) use transfer::{
    CongestionChoice, DemoArgs, FetchArgs, ImportPeerRequestArgs, OrderChoice, RepairOptions, SeedArgs,
    ShareOptions, TransferOptions,
};
pub(crate) use value::{AcquisitionChoice, ChunkSizeArg, DhtNode, Label, OfferArg};
