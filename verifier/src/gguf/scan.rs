//! The pass over the file: record by record through the header, then the padding between tensors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;

use super::reader::{Reader, Stop};
use super::rule::Rule;
use super::said;
use super::tensors::Tensors;
use super::value::{self, Value};
use super::{MAGIC, MAX_KEYS, MAX_TENSORS, tensor};
use crate::scan::rule::{Fault, Verdicts};
use crate::scan::{self, ClaimSpelling, Claims, Header, Scanned, first_not_zero};

/// Alignment of tensors where the file names none, in bytes.
const ALIGNMENT: u64 = 32;
/// Keys of arrays of which each token has an element, and the type of it.
const OF_TOKENS: [(&str, u32); 3] = [
    ("tokenizer.ggml.tokens", value::TEXT),
    ("tokenizer.ggml.scores", value::F32),
    ("tokenizer.ggml.token_type", value::I32),
];
/// Words that a template needs to reach beyond its text (CVE-2024-34359 and its like).
const REACHING: [&str; 4] = ["lipsum", "cycler", "import", "popen"];

/// Checks a GGUF file that is pushed in order, in slices of any size.
#[derive(Debug)]
pub struct Scan {
    byte_count: u64,
    position: u64,
    /// Bytes of the header that came and were not read, from `base` on.
    held: Vec<u8>,
    base: u64,
    /// Bytes that are held before the record is tried again: twice those at the last try.
    again_at: usize,
    stage: Stage,
    version: u32,
    keys_left: u64,
    names: BTreeSet<Box<[u8]>>,
    values: BTreeMap<String, Value>,
    alignment: u64,
    tensors: Tensors,
    /// Begin and end of padding in the file, once the header is read.
    padding: VecDeque<(u64, u64)>,
    verdicts: Verdicts<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Counts,
    Keys,
    Tensors,
    Data,
}

impl Scan {
    /// A scan of a file of `byte_count` bytes, as the caller says.
    pub fn new(byte_count: u64) -> Self {
        Self {
            byte_count,
            position: 0,
            held: Vec::new(),
            base: 0,
            again_at: 0,
            stage: Stage::Counts,
            version: 0,
            keys_left: 0,
            names: BTreeSet::new(),
            values: BTreeMap::new(),
            alignment: ALIGNMENT,
            tensors: Tensors::default(),
            padding: VecDeque::new(),
            verdicts: Verdicts::new(),
        }
    }

    /// Reads all records that have come.
    fn advance(&mut self) -> Result<(), Fault<Rule>> {
        let held = take(&mut self.held);
        let mut rest = held.as_slice();
        while self.stage != Stage::Data {
            let mut reader = Reader::new(rest, self.base, self.byte_count);
            let done = match self.stage {
                Stage::Counts => self.read_counts(&mut reader),
                Stage::Keys if self.keys_left == 0 => self.end_keys(),
                Stage::Keys => self.read_key(&mut reader),
                Stage::Tensors if self.tensors.left == 0 => self.end_tensors(),
                Stage::Tensors | Stage::Data => self.read_tensor(&mut reader),
            };
            match done {
                Ok(()) => {}
                Err(Stop::More) => break,
                Err(Stop::Broken(fault)) => return Err(fault),
            }
            let read = reader.len();
            self.base = self.base.saturating_add(read as u64);
            rest = rest.get(read..).unwrap_or_default();
        }
        if self.stage == Stage::Data {
            return self.check_padding(self.base, rest);
        }
        self.again_at = rest.len().saturating_mul(2);
        self.held = rest.to_vec();
        Ok(())
    }

    fn read_counts(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let magic = reader.take(MAGIC.len() as u64)?;
        if magic != MAGIC {
            return Err((Rule::Magic, magic.escape_ascii().to_string()).into());
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            let order = if version.swap_bytes() <= 3 { ", in big-endian order" } else { "" };
            return Err((Rule::Version, format!("{version}{order}")).into());
        }
        self.version = version;
        (self.tensors.left, self.keys_left) = (reader.u64()?, reader.u64()?);
        if self.tensors.left > MAX_TENSORS || self.keys_left > MAX_KEYS {
            return Err(
                (Rule::Counts, format!("{} keys and {} tensors", self.keys_left, self.tensors.left)).into()
            );
        }
        self.stage = Stage::Keys;
        Ok(())
    }

    fn read_key(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let at = reader.offset();
        let key = reader.text()?;
        if !(1..=65_535).contains(&key.len()) || !key.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            let found = format!("{} at offset {at}", crate::shown::printable(key, 64));
            return Err((Rule::KeyName, found).into());
        }
        let kind = reader.u32()?;
        let value = value::read(kind, reader, &mut self.verdicts)?;
        let name = String::from_utf8_lossy(key).into_owned();
        if name == "general.alignment" {
            let number = if let (value::U32, Value::Number(number)) = (kind, &value) { *number } else { 0 };
            if !number.is_power_of_two() || !(8..=65_536).contains(&number) {
                return Err((Rule::Alignment, format!("{value:?} of type {kind}")).into());
            }
            self.alignment = number;
        }
        if let (Value::Text(text), true) = (&value, name.starts_with("tokenizer.chat_template")) {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let found = words.find(|word| REACHING.contains(word)).or(text.contains("__").then_some("__"));
            if let Some(found) = found {
                self.verdicts.warn(Rule::Template, format!("`{found}` in {name}"));
            }
        }
        if !self.names.insert(key.into()) {
            return Err((Rule::KeyDuplicate, format!("{name:?} twice")).into());
        }
        if is_kept(&name) {
            self.values.insert(name, value);
        }
        self.keys_left -= 1;
        Ok(())
    }

    /// Checks what several keys say together.
    fn end_keys(&mut self) -> Result<(), Stop> {
        let mut first = None;
        for (key, wanted) in OF_TOKENS {
            let Some(value) = self.values.get(key) else { continue };
            let Value::Array(kind, count) = value else {
                return Err((Rule::Tokenizer, format!("{key} is not an array")).into());
            };
            if *kind != wanted || first.is_some_and(|first| first != *count) {
                return Err((Rule::Tokenizer, format!("{count} of type {kind} in {key}")).into());
            }
            first = Some(*count);
        }
        if let (Some(no), Some(count @ 1..)) = (self.number("split.no"), self.number("split.count"))
            && no >= count
        {
            return Err((Rule::Split, format!("{no} of {count}")).into());
        }
        self.names.clear();
        self.stage = Stage::Tensors;
        Ok(())
    }

    fn read_tensor(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let tensor = tensor::read(reader)?;
        self.tensors.check(&tensor, self.alignment, self.byte_count)?;
        let name = String::from_utf8_lossy(&tensor.name).into_owned();
        if tensor.name.len() > 63 {
            self.verdicts.warn(Rule::LongName, format!("{name:?}"));
        }
        if tensor.rank == 0 {
            self.verdicts.warn(Rule::Scalar, format!("{name:?}"));
        }
        if tensor.bytes.is_none() {
            self.verdicts.warn(Rule::TensorType, format!("{} in {name:?}", tensor.kind));
        }
        self.tensors.add(&tensor, self.alignment);
        if !self.names.insert(tensor.name) {
            return Err((Rule::TensorDuplicate, format!("{name:?} twice")).into());
        }
        Ok(())
    }

    /// Places the tensors in the file, behind the header.
    fn end_tensors(&mut self) -> Result<(), Stop> {
        self.padding = self.tensors.place(self.base, self.alignment, self.byte_count)?;
        self.names.clear();
        self.stage = Stage::Data;
        Ok(())
    }

    /// Checks the padding among bytes that begin at this place of the file.
    fn check_padding(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault<Rule>> {
        let end = at.saturating_add(bytes.len() as u64);
        while let Some(&(first, last)) = self.padding.front().filter(|range| range.0 < end) {
            let from = usize::try_from(first.saturating_sub(at)).unwrap_or(usize::MAX);
            let to = usize::try_from(last.min(end).saturating_sub(at)).unwrap_or(usize::MAX);
            if let Some((place, byte)) = first_not_zero(bytes.get(from..to).unwrap_or_default()) {
                let place = first.max(at).saturating_add(place as u64);
                return Err((Rule::Padding, format!("{byte:#04x} at offset {place}")));
            }
            if last > end {
                break;
            }
            self.padding.pop_front();
        }
        Ok(())
    }

    fn number(&self, key: &str) -> Option<u64> {
        if let Some(Value::Number(number)) = self.values.get(key) { Some(*number) } else { None }
    }

    fn text(&self, key: &str) -> Option<&str> {
        if let Some(Value::Text(text)) = self.values.get(key) { Some(text) } else { None }
    }

    fn context_length(&self) -> Option<u64> {
        self.number(&format!("{}.context_length", self.text("general.architecture")?))
    }

    fn claims(&self) -> Claims {
        let architecture = self.text("general.architecture").filter(|word| ClaimSpelling::Word.accepts(word));
        let types = self.tensors.types();
        let claims = [
            ("gguf.version", Some(self.version.to_string())),
            ("gguf.architecture", architecture.map(str::to_owned)),
            ("gguf.context_length", self.context_length().map(|length| length.to_string())),
            ("gguf.tensor_count", Some(self.tensors.count().to_string())),
            ("gguf.parameter_count", Some(self.tensors.elements.to_string())),
            ("gguf.tensor_types", Some(types).filter(|types| !types.is_empty())),
        ];
        claims.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    fn summary(&self) -> Vec<(&'static str, String)> {
        let mut summary =
            vec![("parameters", self.tensors.elements.to_string()), ("tensors", self.tensors.shown())];
        let texts = [
            ("name", "general.name"),
            ("architecture", "general.architecture"),
            ("license", "general.license"),
        ];
        summary.extend(texts.iter().filter_map(|(label, key)| Some((*label, self.text(key)?.to_owned()))));
        summary.extend(self.context_length().map(|length| ("context", length.to_string())));
        if let Some(Value::Array(_, count)) = self.values.get("tokenizer.ggml.tokens") {
            summary.push(("vocabulary", count.to_string()));
        }
        if let (Some(no), Some(count @ 2..)) = (self.number("split.no"), self.number("split.count")) {
            summary.push(("part", format!("{} of {count}", no + 1)));
        }
        summary
    }
}

/// True for a key whose value is kept, for a rule or for people.
fn is_kept(key: &str) -> bool {
    let is_named = matches!(key, "general.architecture" | "split.count" | "split.no");
    is_named
        || said::KEYS.contains(&key)
        || key.ends_with(".context_length")
        || OF_TOKENS.iter().any(|(of, _)| *of == key)
}

impl scan::Scan for Scan {
    fn push(&mut self, bytes: &[u8]) {
        let at = self.position;
        self.position = at.saturating_add(bytes.len() as u64);
        if self.verdicts.has_failed() {
            return;
        }
        let done = if self.stage == Stage::Data {
            self.check_padding(at, bytes)
        } else {
            self.held.extend_from_slice(bytes);
            let is_due = self.held.len() >= self.again_at || self.position >= self.byte_count;
            if is_due { self.advance() } else { Ok(()) }
        };
        if let Err(fault) = done {
            self.verdicts.fail(fault);
            self.held = Vec::new();
        }
    }

    fn header(&self) -> Option<Header> {
        let header =
            || Header { summary: self.summary(), claims: self.claims(), model: said::model(&self.values) };
        (self.stage == Stage::Data).then(header)
    }

    fn finish(mut self: Box<Self>) -> Scanned {
        if self.position != self.byte_count {
            self.verdicts.fail((Rule::FileLength, format!("{} bytes of {}", self.position, self.byte_count)));
        } else if self.stage != Stage::Data {
            self.verdicts.fail((Rule::HeaderLength, format!("a file of {} bytes", self.byte_count)));
        }
        let header = self.header().unwrap_or_default();
        Scanned { report: self.verdicts.report(), header }
    }
}
